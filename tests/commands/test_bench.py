"""``acoustic bench``: both sides measured on the same made data."""

import json
import shlex
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from tests.leftover_processes import all_gone, processes_of
from trainer.bench.grid import Answer, Order, extrapolated, made_splits, sampled
from trainer.bench.made import made_rows
from trainer.bench.made_models import made_models
from trainer.grid.engines import why_no_native
from trainer.grid.project import Project
from trainer.highlevel import ACOUSTICBRAINZ_MODELS
from worker.commands.bench import bench

Acoustic = Callable[..., Result]

MISSING = why_no_native()
native = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

ROOT = Path(__file__).parents[2]
SMALL = ("--n", "60", "--d", "20", "--classes", "2", "--rounds", "1", "--jobs", "1")
COMBINATIONS = Project(preprocessings=("basic",)).combinations()


def measured(acoustic: Acoustic, *more: str) -> Any:
    result = acoustic("bench", "grid", *SMALL, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


# Each process of a pool loads scikit-learn, which takes longer than all else: what can be seen in
# one measurement is seen in one.
SAMPLED = ("--sample", "18", "--seed", "3", "--max-iterations", "5000")


@pytest.fixture(scope="module")
def sampled_order() -> tuple[str, ...]:
    variants = () if MISSING else ("--also", "sse2,one-thread", "--jobs", "2")
    rounds = ("--rounds", "3", "--against-rounds", "1")
    return ("bench", "grid", *SMALL, *SAMPLED, *variants, *rounds)


@pytest.fixture(scope="module")
def sampled_json(acoustic: Acoustic, sampled_order: tuple[str, ...]) -> Any:
    """A sample, and variants of the engine, in three rounds; the alternative in one."""
    result = acoustic(*sampled_order, "--json", "--against", "pool")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def sampled_text(acoustic: Acoustic, sampled_order: tuple[str, ...]) -> Result:
    """The same, measured for people."""
    result = acoustic(*sampled_order, "--against", "sklearn")
    assert result.exit_code == 0, result.output
    return result


@pytest.mark.parametrize(("engine", "against"), [("auto", "pool,sklearn"), ("sklearn", "pool")])
def test_predictions_of_both_sides_are_compared_and_times_are_positive(
    acoustic: Acoustic, engine: str, against: str
) -> None:
    found = measured(acoustic, "--engine", engine, "--against", against)

    assert found["combinations"] == 144
    assert found["mismatches"] == 0
    assert found["seconds"] > 0
    assert found["ratio"].keys() == set(against.split(","))
    for one in found["figures"]["alternatives"].values():
        assert one["compared"] == 144 * 60
        assert not one["extrapolated"]


def test_a_sampled_alternative_is_called_extrapolated(
    sampled_json: Any, sampled_text: Result
) -> None:
    alternative = sampled_json["figures"]["alternatives"]["pool"]

    assert alternative["extrapolated"]
    assert alternative["solved"] == 18
    assert "extrapolated from 18" in sampled_text.stdout


def test_a_sample_that_visits_not_every_kernel_and_c_is_refused(acoustic: Acoustic) -> None:
    for more, least in (
        (("--sample", "17"), 18),
        (("--sample", "89", "--preprocessing", "all"), 90),
    ):
        result = acoustic("bench", "grid", *SMALL, *more)

        assert result.exit_code == 2
        assert f"order {least} or more" in result.output


def test_a_group_of_which_more_were_drawn_weighs_no_more_in_what_is_extrapolated() -> None:
    drawn = sampled(COMBINATIONS, 20, seed=1)
    assert max(Counter((one.kernel, one.c_exponent) for one in drawn).values()) == 2
    nothing = np.empty(0, dtype=np.intp)

    def seconds(c_exponent: int) -> float:
        return 10.0 if c_exponent == drawn[0].c_exponent else 1.0

    answers = {
        one: Answer(nothing, converged=True, seconds=seconds(one.c_exponent)) for one in drawn
    }

    spent = sum(one.seconds for one in answers.values())
    whole = sum(seconds(one.c_exponent) for one in COMBINATIONS)
    assert extrapolated(answers, COMBINATIONS) * spent == pytest.approx(whole)


def test_figures_of_a_grid_tell_what_was_ordered_and_with_what(acoustic: Acoustic) -> None:
    found = measured(acoustic, *SAMPLED, "--engine", "sklearn", "--against", "none")

    assert (found["sample"], found["seed"], found["max_iterations"]) == (18, 3, 5000)
    assert (found["engine"], found["instruction_set"]) == ("sklearn", None)
    assert {"acoustic-workers", "numpy", "scikit-learn"} <= found["machine"]["versions"].keys()


@native
def test_a_grid_that_another_engine_had_to_solve_says_so(acoustic: Acoustic) -> None:
    order = ("--n", "300", "--memory", "1", "--max-iterations", "100", "--against", "none")
    found = measured(acoustic, *order)

    assert "by sklearn instead of native" in found["instead"]
    assert "may have 1 MiB" in found["instead"]
    result = acoustic("bench", "grid", *SMALL, *order)
    assert f"solved {found['instead']}"[:40] in result.stdout


def test_one_thread_is_a_variant_of_the_native_engine_only(acoustic: Acoustic) -> None:
    order = ("--engine", "sklearn", "--against", "none", "--also", "one-thread")

    result = acoustic("bench", "grid", *SMALL, *order)

    assert result.exit_code == 2
    assert "one-thread is a variant of the native engine" in result.output


def test_a_preprocessing_that_is_named_twice_is_solved_once_and_counts_once(
    acoustic: Acoustic,
) -> None:
    found = measured(acoustic, "--preprocessing", "basic,basic", "--against", "none")

    assert found["combinations"] == found["figures"]["converged"] == 144
    assert found["ratio"] == {}


@native
def test_a_grid_tells_the_instruction_set_that_was_forced(acoustic: Acoustic) -> None:
    found = measured(acoustic, "--instruction-set", "sse2", "--against", "none")

    assert (found["engine"], found["instruction_set"]) == ("native (sse2)", "sse2")


@native
def test_variants_of_the_engine_run_beside_the_same_alternative(
    sampled_json: Any, sampled_text: Result
) -> None:
    variants = sampled_json["figures"]["variants"]
    assert variants.keys() == {"sse2", "one-thread"}
    alternative = sampled_json["figures"]["alternatives"]["pool"]["seconds"]
    for one in variants.values():
        assert one["mismatches"] == 0
        assert one["ratio"]["pool"] == pytest.approx(alternative / one["seconds"])
    assert "one-thread" in sampled_text.stdout


def test_alternatives_may_be_run_in_fewer_rounds(sampled_json: Any) -> None:
    assert len(sampled_json["figures"]["ours"]) == 3
    assert sampled_json["against_rounds"] == 1
    assert sampled_json["ratio"]["pool"] > 0


def test_every_command_of_the_benchmarks_can_be_carried_out() -> None:
    lines = (ROOT / "benchmarks" / "run.sh").read_text().splitlines()
    orders = [shlex.split(line)[1:] for line in lines if line.strip().startswith("show ")]

    assert {tuple(order[:2]) for order in orders} >= {
        ("bench", "grid"),
        ("bench", "predict"),
        ("bench", "highlevel"),
    }
    for group, name, *arguments in orders:
        if group == "bench":
            given = bench.commands[name].make_context(name, list(arguments)).params
            strata = 18 * (5 if given.get("preprocessings") == ["all"] else 1)
            assert name != "grid" or (given["sample"] or strata) >= strata


@pytest.mark.parametrize(
    ("command", "given", "said"),
    [
        pytest.param(
            "grid", ("--instruction-set", "mmx"), "'mmx' is not available on this", marks=native
        ),
        ("grid", ("--instruction-set", "avx2", "--engine", "sklearn"), "'sklearn' is what runs"),
        ("grid", ("--also", "avx2", "--engine", "sklearn"), "'sklearn' is what runs"),
        pytest.param("grid", ("--also", "mmx"), "sse2, one-thread", marks=native),
        ("grid", ("--against-rounds", "0"), "'--against-rounds': 0"),
        ("grid", ("--against-rounds", "4"), "--against-rounds 4 is more than --rounds 3"),
        ("grid", ("--against", "pool,none"), "none is beside other names"),
        ("grid", ("--label-noise", "nan"), "nan is not a finite number"),
        ("claim", ("--poll-seconds", "inf"), "inf is not a finite number"),
        ("predict", ("--against", "none,sklearn"), "none is beside other names"),
        ("grid", ("--engine", "gpu"), "engine 'gpu' is not available"),
        ("grid", ("--n", "60", "--classes", "31"), "order fewer classes or 62 recordings"),
        ("grid", ("--n", "1000000", "--d", "100000"), "GiB at least"),
        ("grid", ("--n", "100000", "--d", "2000", "--jobs", "64"), "in 65 processes take"),
        ("grid", ("--n", "9"), "'--n': 9"),
        ("grid", ("--n", "9999999999999"), "'--n': 9999999999999"),
        ("grid", ("--d", "0"), "'--d': 0"),
        ("grid", ("--classes", "1"), "'--classes': 1"),
        ("grid", ("--max-iterations", "0"), "'--max-iterations': 0"),
        ("grid", ("--max-iterations", "2147483648"), "'--max-iterations': 2147483648"),
        ("grid", ("--sample", "0"), "'--sample': 0"),
        ("grid", ("--rounds", "0"), "'--rounds': 0"),
        ("grid", ("--jobs", "2000"), "'--jobs': 2000"),
        ("grid", ("--seed", "-1"), "'--seed': -1"),
        ("grid", ("--seed", "4294967296"), "'--seed': 4294967296"),
        ("predict", ("--models", "0"), "'--models': 0"),
        ("predict", ("--vectors", "0"), "'--vectors': 0"),
        ("predict", ("--d", "0"), "'--d': 0"),
        ("predict", ("--batch", "0"), "'0' is not a comma-separated list of whole numbers between"),
        ("predict", ("--batch", "8,-1"), "'8,-1' is not"),
        ("predict", ("--batch", "100000", "--d", "100000"), "GiB at least"),
        ("predict", ("--vectors", "1000000", "--d", "100000"), "GiB at least"),
        ("predict", ("--rounds", "0"), "'--rounds': 0"),
        ("predict", ("--seed", "-1"), "'--seed': -1"),
        ("highlevel", ("--recordings", "1"), "'--recordings': 1"),
        ("highlevel", ("--recordings", "8", "--sample", "8"), "less than --recordings 8"),
        ("highlevel", ("--vectors", "1000000", "--d", "100000"), "GiB at least"),
        ("highlevel", ("--models", "0"), "'--models': 0"),
        ("highlevel", ("--vectors", "0"), "'--vectors': 0"),
        ("highlevel", ("--d", "0"), "'--d': 0"),
        ("highlevel", ("--processes", "65"), "'--processes': 65"),
        ("highlevel", ("--batch", "10001"), "'--batch': 10001"),
        ("highlevel", ("--seed", "-1"), "'--seed': -1"),
    ],
)
def test_an_order_that_cannot_be_carried_out_is_refused_in_a_sentence(
    acoustic: Acoustic, command: str, given: tuple[str, ...], said: str
) -> None:
    result = acoustic("bench", command, *given)

    assert result.exit_code == 2
    assert said in result.output
    assert "Traceback" not in result.output


def test_an_alternative_that_there_is_not_is_refused(acoustic: Acoustic) -> None:
    result = acoustic("bench", "grid", *SMALL, "--against", "gpu")

    assert result.exit_code == 2
    assert "no alternative 'gpu'" in result.output


@pytest.mark.parametrize("count", [18, 36, 50])
def test_samples_hold_each_kernel_and_c_alike(count: int) -> None:
    drawn = sampled(COMBINATIONS, count, seed=1)

    strata = Counter((one.kernel, one.c_exponent) for one in drawn)
    assert len(drawn) == len(set(drawn)) == count
    assert len(strata) == 18
    assert max(strata.values()) - min(strata.values()) <= 1
    assert drawn == sampled(COMBINATIONS, count, seed=1) != sampled(COMBINATIONS, count, seed=2)


def test_made_rows_are_the_same_for_the_same_seed_and_their_columns_correlate() -> None:
    rows, labels = made_rows(200, 30, 4, seed=1)

    again, _ = made_rows(200, 30, 4, seed=1)
    np.testing.assert_array_equal(rows, again)
    assert np.bincount(labels).tolist() == [50] * 4
    correlation = np.abs(np.corrcoef(rows.T))[np.triu_indices(30, 1)]
    assert correlation.max() > 0.3


def test_preprocessings_leave_of_made_rows_what_they_leave_of_a_document() -> None:
    splits, _ = made_splits(Order(60, 674, 2, preprocessings=("basic", "lowlevel", "nobands")))

    widths = {name: {part.training.shape[1] for part in parts} for name, parts in splits.items()}
    assert widths == {"basic": {674}, "lowlevel": {484}, "nobands": {299}}


def test_all_preprocessings_are_720_combinations_and_normalized_is_solved_as_basic(
    acoustic: Acoustic,
) -> None:
    found = measured(acoustic, "--preprocessing", "all", "--sample", "90")

    assert found["combinations"] == 720
    assert found["mismatches"] == 0
    assert found["figures"]["solved"] <= 4 * (30 + 72)


def test_hard_rows_meet_a_cap_on_both_sides_and_what_converged_is_equal(
    acoustic: Acoustic,
) -> None:
    found = measured(acoustic, "--low-rank", "--label-noise", "1", "--max-iterations", "1000")

    assert found["figures"]["converged"] < 144
    assert 0 < found["figures"]["alternatives"]["pool"]["compared"] < 144 * 60
    assert found["mismatches"] == 0


def test_a_preprocessing_that_there_is_not_is_refused(acoustic: Acoustic) -> None:
    result = acoustic("bench", "grid", *SMALL, "--preprocessing", "cepstrum")

    assert result.exit_code == 2
    assert "no preprocessing 'cepstrum'" in result.output


FEW = ("--models", "4", "--vectors", "60", "--d", "24", "--batch", "1,5", "--rounds", "1")


def predicted(acoustic: Acoustic, *more: str) -> Any:
    result = acoustic("bench", "predict", *FEW, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.bench.predict.SECONDS", 0.001)


@pytest.mark.usefixtures("_short")
def test_probabilities_of_both_sides_are_compared_and_rates_are_positive(
    acoustic: Acoustic,
) -> None:
    found = predicted(acoustic, "--against", "sklearn,sklearn-batch")

    assert found["mismatches"] == 0
    assert found["figures"]["compared"] == 4 * 5
    assert found["figures"]["largest_difference"] < 1e-9
    assert found["ratio"].keys() == {
        f"{stretch}-{batch}-{name}"
        for stretch in ("matrix", "documents")
        for batch in (1, 5)
        for name in ("sklearn", "sklearn-batch")
    }
    rates = [
        rate for one in found["figures"]["rates"] for rate in [one["ours"], *one["theirs"].values()]
    ]
    assert len(rates) == 2 * 2 * 3 + 2
    assert all(rate["wall"] > 0 and rate["core"] > 0 for rate in rates)


@pytest.mark.usefixtures("_short")
def test_rates_are_told_for_each_stretch_and_batch(acoustic: Acoustic) -> None:
    said = acoustic("bench", "predict", *FEW).stdout

    for start in ("matrix, 1 at a time", "documents, 5 at a time", "json, 5 at a time"):
        assert start in said
    assert "differing" in said
    assert "versions" in said


@pytest.mark.usefixtures("_short")
def test_without_an_alternative_only_our_own_rates_are_measured(acoustic: Acoustic) -> None:
    found = predicted(acoustic, "--against", "none")

    assert (found["against"], found["ratio"], found["mismatches"]) == ([], {}, 0)
    assert all(one["theirs"] == {} for one in found["figures"]["rates"])
    assert "differing" not in acoustic("bench", "predict", *FEW, "--against", "none").stdout


def test_an_alternative_to_predicting_that_there_is_not_is_refused(acoustic: Acoustic) -> None:
    result = acoustic("bench", "predict", *FEW, "--against", "gpu")

    assert result.exit_code == 2
    assert "no alternative 'gpu'" in result.output


def test_made_models_have_the_sizes_of_acousticbrainz_s() -> None:
    made = made_models(18, 400, 30, seed=1)

    assert [one.model.name for one in made] == list(ACOUSTICBRAINZ_MODELS)
    classes = [len(one.model.labels) for one in made]
    assert classes == [2, 2, 9, 5, 8, 10, 10, 2, 2, 2, 2, 2, 2, 2, 5, 2, 2, 2]
    vectors = [len(one.model.svm.support_vectors) for one in made]
    assert 350 < sum(vectors) < 450
    assert {one.model.layout.width for one in made} == {30}
    assert len({one.model.name for one in made_models(40, 200, 12, seed=1)}) == 40


def test_made_models_are_the_same_for_the_same_seed() -> None:
    first, again, other = (made_models(2, 40, 12, seed=seed)[1].model for seed in (1, 1, 2))

    assert first.to_bytes() == again.to_bytes() != other.to_bytes()


@pytest.mark.parametrize("arguments", [("claim", "--jobs", 100_000), ("highlevel",)])
def test_a_bench_that_is_told_to_end_leaves_no_server_and_no_files(
    started: Callable[..., Any], tmp_path: Path, arguments: tuple[object, ...]
) -> None:
    process = started("bench", *arguments, TMPDIR=str(tmp_path))
    deadline = time.monotonic() + 60
    while not any(tmp_path.glob("acoustic-bench-*/data/**/postmaster.pid")):
        assert time.monotonic() < deadline, "its server was never started"
        time.sleep(0.01)

    process.terminate()

    assert process.wait(60) == 143
    assert all_gone(tmp_path)
    assert list(tmp_path.iterdir()) == []


def has_libsvm(process: int) -> bool:
    try:
        return "_libsvm." in Path(f"/proc/{process}/maps").read_text()
    except OSError:
        return False


def test_a_bench_with_a_pool_that_is_told_to_end_leaves_no_process_and_says_nothing(
    started: Callable[..., Any], tmp_path: Path
) -> None:
    order = ("--n", 600, "--d", 300, "--classes", 4, "--rounds", 50, "--against", "pool")
    process = started("bench", "grid", *order, TMPDIR=str(tmp_path))
    deadline = time.monotonic() + 60
    while sum(map(has_libsvm, processes_of(tmp_path))) < 3:  # itself and two of the pool
        assert time.monotonic() < deadline, "its pool was never started"
        time.sleep(0.01)

    process.terminate()
    _, said = process.communicate(timeout=60)

    assert (process.returncode, said) == (143, "")
    assert all_gone(tmp_path)


def test_a_terminal_is_told_how_far_a_measurement_is(on_terminal: Callable[..., str]) -> None:
    written = on_terminal("bench", "grid", *SMALL, "--sample", "18", "--engine", "sklearn")

    assert "round 1, sklearn: 0 of 144" in written
    assert "round 1, pool: 0 of 18" in written
    assert "round 1, pool: 18 of 18" in written


def test_without_a_terminal_a_measurement_is_silent_until_it_is_done(sampled_text: Result) -> None:
    assert sampled_text.stderr == ""
