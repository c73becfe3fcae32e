"""``acoustic train``: files in, a model and a report out."""

import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

import examples
from tests.busy_processes import spent_until_the_end, wait_until_busy, wait_until_in_libsvm
from tests.preloaded.building import built
from trainer.grid.engines import why_no_native
from trainer.models.bundle import Model
from worker.commands.file_training import Order
from worker.commands.invocation import Invocation, console
from worker.commands.training import train

Acoustic = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]

GROUND_TRUTH = examples.ground_truth("danceability")
DOCUMENTS = examples.documents()


def order(*arguments: str) -> Order:
    """What `train` makes of its arguments."""
    files = [str(GROUND_TRUTH), str(DOCUMENTS), "--model", "a.model"]
    return Order.of(train.make_context("train", [*files, *arguments]).params)


def test_without_options_a_job_gets_none() -> None:
    assert order().options == {}


def test_options_become_those_of_a_job() -> None:
    given = order(
        *("--preprocessing", "basic,normalized", "--kernel", "poly,rbf", "--c", "-5,1"),
        *("--gamma", "-3", "--folds", "3", "--seed", "7", "--normalize-mode", "smallest"),
        *("--balance-classes", "--artist-filter", "--nested", "--learning-curve"),
        *("--group-by", "artist", "--repeats", "3", "--missing", "leave out"),
        "--no-shortcuts",
    )

    assert given.options == {
        "preprocessing_values": ["basic", "normalized"],
        "kernel_values": ["poly", "rbf"],
        "c_values": [-5, 1],
        "gamma_values": [-3],
        "folds": 3,
        "seed": 7,
        "normalize": True,
        "normalize_mode": "smallest",
        "balance_classes": True,
        "filter_type": "artist",
        "nested": True,
        "shortcuts": False,
        "group_by": "artist",
        "repeats": 3,
        "learning_curve": True,
        "missing": "leave out",
    }


@pytest.mark.parametrize(
    ("setting", "option", "given", "attribute", "expected"),
    [
        ("ACOUSTIC_ENGINE", "--engine", "SKLEARN", "engine", "sklearn"),
        ("ACOUSTIC_JOBS", "--jobs", " 3 ", "jobs", 3),
        ("ACOUSTIC_MEMORY_MIB", "--memory", "77", "memory", 77),
    ],
)
def test_a_setting_is_what_an_option_is_by_default(
    setting: str, option: str, given: str, attribute: str, expected: Any
) -> None:
    def value(*arguments: str, **environment: str) -> Any:
        invocation = Invocation(console(sys.stdout), console(sys.stderr), environment)
        files = [str(GROUND_TRUTH), str(DOCUMENTS), "--model", "a.model"]
        context = train.make_context("train", [*files, *arguments], obj=invocation)
        return getattr(Order.of(context.params), attribute)

    by_default = {"engine": "auto", "jobs": None, "memory": 2048}[attribute]
    other = {"engine": "native", "jobs": 5, "memory": 5}[attribute]
    assert value(**{setting: given}) == expected
    assert value(**{setting: " "}) == by_default
    assert value(option, str(other), **{setting: "wrong"}) == other


@pytest.mark.parametrize("setting", ["ACOUSTIC_ENGINE", "ACOUSTIC_JOBS", "ACOUSTIC_MEMORY_MIB"])
@pytest.mark.parametrize("command", ["train", "bench"])
def test_a_setting_that_is_wrong_is_named_before_anything_is_done(
    command: str, setting: str, acoustic: Acoustic, tmp_path: Path
) -> None:
    arguments = {
        "train": ("train", GROUND_TRUTH, DOCUMENTS, "--model", tmp_path / "a.model"),
        "bench": ("bench", "grid", "--n", 10, "--d", 1, "--against", "none"),
    }

    result = acoustic(*arguments[command], **{setting: "bogus"})

    assert result.exit_code == 2
    assert f"{setting} is 'bogus' and has to be " in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_memory_that_is_short_by_the_setting_has_the_other_engine_take_over(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    if why_no_native():
        pytest.skip(f"no native engine: {why_no_native()}")
    grid = ("--preprocessing", "normalized", "--kernel", "rbf", "--c", "5", "--gamma", "-5")
    report = tmp_path / "a.json"
    files = ("--model", tmp_path / "a.model", "--report", report)
    result = acoustic("train", GROUND_TRUTH, DOCUMENTS, *files, *grid, ACOUSTIC_MEMORY_MIB="1")

    assert result.exit_code == 0
    assert "may have 1 MiB (--memory, ACOUSTIC_MEMORY_MIB)" in report.read_text()


def test_shortcuts_can_be_turned_off_and_the_report_says_so(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    grids = {}
    # C gamma^3 of the first and of the last is the same.
    grid = ("--preprocessing", "basic", "--kernel", "poly", "--c", "-3,3", "--gamma", "-3,-5")
    for flag in ("--shortcuts", "--no-shortcuts"):
        report = tmp_path / f"{flag}.json"
        files = ("--model", tmp_path / "a.model", "--report", report, "--predictions")
        result = acoustic("train", GROUND_TRUTH, DOCUMENTS, *files, *grid, flag)
        assert result.exit_code == 0, result.stderr
        said = json.loads(report.read_text())
        assert said["shortcuts"] is (flag == "--shortcuts")
        assert ("each solved" in result.stdout) is (flag == "--no-shortcuts")
        grids[flag] = said["grid"]

    on, off = grids.values()
    assert any(entry["same_as"] for entry in on)
    assert not any(entry["same_as"] for entry in off)
    assert [entry["predicted"] for entry in on] == [entry["predicted"] for entry in off]


def test_the_time_that_is_told_is_that_of_all_parts_reading_and_writing_too(
    acoustic: Acoustic, small_grid: tuple[str, ...], tmp_path: Path
) -> None:
    files = ("--model", tmp_path / "a.model", "--report", tmp_path / "a.json")
    acoustic("train", GROUND_TRUTH, DOCUMENTS, *files, *small_grid)

    timings = json.loads((tmp_path / "a.json").read_text())["timings"]
    assert {"reading", "preparing", "solver", "writing", "other"} <= timings["parts"].keys()
    assert timings["total_seconds"] == pytest.approx(sum(timings["parts"].values()), abs=0.01)


def test_a_model_and_a_report_are_written_and_shown(
    acoustic: Acoustic, small_grid: tuple[str, ...], tmp_path: Path
) -> None:
    model, report = tmp_path / "a.model", tmp_path / "a.json"

    result = acoustic(
        *("train", GROUND_TRUTH, DOCUMENTS, "--model", model, "--report", report, "--predictions"),
        *small_grid,
    )

    assert result.exit_code == 0, result.stderr
    said = json.loads(report.read_text())
    loaded = Model.load(model)
    assert loaded.manifest["training"]["accuracy"] == said["accuracy"]
    assert f"{said['accuracy']:.2f} %" in result.stdout
    assert "normalized, RBF, C 2^5, gamma 2^-5" in result.stdout
    assert "actual \\ predicted" in result.stdout
    assert str(model) in result.stdout
    assert len(said["grid"]) == 1
    assert len(said["grid"][0]["predicted"]) == len(said["recordings"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.model"]
    assert "grid: 1 of 1" in result.stderr
    assert "\x1b" not in result.output


def test_equal_files_give_an_equal_model_wherever_they_lie(
    acoustic: Acoustic, small_grid: tuple[str, ...], tmp_path: Path, model: Path
) -> None:
    moved = tmp_path / "elsewhere" / DOCUMENTS.name
    moved.parent.mkdir()
    moved.write_bytes(DOCUMENTS.read_bytes())

    acoustic("train", GROUND_TRUTH, moved, "--model", tmp_path / "b.model", *small_grid)

    assert (tmp_path / "b.model").read_bytes() == model.read_bytes()


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (("--c", "99"), "99"),
        (("--c", "a"), "'a' is not a comma-separated list of whole numbers"),
        (("--folds", "1"), "folds"),
        (("--kernel", "linear"), "linear"),
        (("--preprocessing", "basicc"), "basic"),
        (("--engine", "fast"), "fast"),
    ],
)
def test_a_wrong_option_is_a_sentence_and_exit_code_2(
    acoustic: Acoustic, tmp_path: Path, option: tuple[str, str], said: str
) -> None:
    result = acoustic("train", GROUND_TRUTH, DOCUMENTS, "--model", tmp_path / "a.model", *option)

    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def written(path: Path, documents: dict[str, Any]) -> Path:
    """Documents as a .jsonl file."""
    lines = (json.dumps({"id": name, "document": value}) for name, value in documents.items())
    with gzip.open(path, "wt") as stream:
        stream.write("\n".join(lines))
    return path


def test_a_document_that_cannot_be_used_is_named(
    acoustic: Acoustic, corpus: dict[str, Any], tmp_path: Path
) -> None:
    recording = json.loads(GROUND_TRUTH.read_text())["classes"]["danceable"][0]
    documents = written(tmp_path / "documents.jsonl.gz", {**corpus, recording: None})

    result = acoustic("train", GROUND_TRUTH, documents, "--model", tmp_path / "a.model")

    assert result.exit_code == 2
    assert f"recording {recording}" in result.stderr
    assert "Traceback" not in result.stderr


def test_what_was_left_out_and_what_was_lost_is_named(
    acoustic: Acoustic, corpus: dict[str, Any], small_grid: tuple[str, ...], tmp_path: Path
) -> None:
    first, second = json.loads(GROUND_TRUTH.read_text())["classes"]["danceable"][:2]
    poor = {name: value for name, value in corpus[first].items() if name != "rhythm"}
    odd = corpus[second] | {"rhythm": corpus[second]["rhythm"] | {"bpm": 1e39}}
    changed = {**corpus, first: poor, second: odd}
    documents = written(tmp_path / "documents.jsonl.gz", changed)

    result = acoustic(
        "train", GROUND_TRUTH, documents, "--model", tmp_path / "a.model", *small_grid
    )

    assert result.exit_code == 0, result.stderr
    assert "left out: 1" in result.stdout
    assert any(line.startswith(first) for line in result.stdout.splitlines())
    lost = [line for line in result.stdout.splitlines() if line.startswith("not finite")]
    assert len(lost) == 1, result.stdout
    assert "rhythm.bpm" in lost[0]


def test_recordings_without_a_document_are_named(
    acoustic: Acoustic, corpus: dict[str, Any], tmp_path: Path
) -> None:
    recording = json.loads(GROUND_TRUTH.read_text())["classes"]["danceable"][0]
    rest = {name: value for name, value in corpus.items() if name != recording}
    documents = written(tmp_path / "documents.jsonl.gz", rest)

    result = acoustic("train", GROUND_TRUTH, documents, "--model", tmp_path / "a.model")

    assert result.exit_code == 2
    assert recording in result.stderr


def test_a_place_for_the_model_that_cannot_be_written_is_told_before_anything_is_read(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.json"
    broken.write_text("{")

    result = acoustic("train", broken, broken, "--model", tmp_path / "missing" / "a.model")

    assert result.exit_code == 2
    assert "a.model cannot be written" in result.stderr


def test_a_place_for_the_report_that_cannot_be_written_is_told_as_early(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    result = acoustic(
        *("train", GROUND_TRUTH, DOCUMENTS, "--model", tmp_path / "a.model", "--report", tmp_path)
    )

    assert result.exit_code == 2
    assert "is a folder" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--model", "--report"])
@pytest.mark.parametrize("name", ["truth.json", "document.json", "hard.json", "soft.json"])
def test_a_file_that_is_read_is_never_written_over(
    acoustic: Acoustic, tmp_path: Path, option: str, name: str
) -> None:
    truth, document = tmp_path / "truth.json", tmp_path / "document.json"
    truth.write_text("{")
    document.write_text("{")
    (tmp_path / "hard.json").hardlink_to(document)
    (tmp_path / "soft.json").symlink_to(truth)
    model = ("--model", tmp_path / "a.model") if option == "--report" else ()

    result = acoustic("train", truth, document, *model, option, tmp_path / name)

    assert result.exit_code == 2
    assert "are the same file" in result.stderr
    assert truth.read_text() == document.read_text() == "{"
    assert not (tmp_path / "a.model").exists()


def test_the_model_and_its_report_must_be_two_files(acoustic: Acoustic, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a.model")

    result = acoustic(
        *("train", GROUND_TRUTH, DOCUMENTS, "--model", tmp_path / "a.model"),
        *("--report", tmp_path / "link"),
    )

    assert result.exit_code == 2
    assert f"--report {tmp_path / 'link'} and --model {tmp_path / 'a.model'} are the same file" in (
        result.stderr
    )


def test_a_standard_stream_takes_no_model(acoustic: Acoustic) -> None:
    result = acoustic("train", GROUND_TRUTH, DOCUMENTS, "--model", "-")

    assert result.exit_code == 2
    assert "name a file" in result.stderr


def test_a_link_is_written_where_it_leads_and_stays_a_link(
    acoustic: Acoustic, small_grid: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "latest").symlink_to("a.model")

    result = acoustic("train", GROUND_TRUTH, DOCUMENTS, "--model", tmp_path / "latest", *small_grid)

    assert result.exit_code == 0, result.stderr
    assert (tmp_path / "latest").is_symlink()
    assert Model.load(tmp_path / "a.model")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)]
)
def test_an_interruption_leaves_neither_files_nor_processes(
    started: Start, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = started("train", GROUND_TRUTH, DOCUMENTS, "--model", tmp_path / "a.model")
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("grid"):
            break

    began = time.monotonic()
    os.killpg(process.pid, number)
    assert process.wait(60) == code

    assert time.monotonic() - began < 30
    assert list(tmp_path.iterdir()) == []
    assert _gone(process.pid, within=30)


@pytest.mark.parametrize(
    ("engine", "number", "code"),
    [("native", signal.SIGTERM, 128 + signal.SIGTERM), ("sklearn", signal.SIGINT, 130)],
)
def test_a_signal_ends_a_search_in_the_middle_of_a_combination(
    started: Start, tmp_path: Path, engine: str, number: signal.Signals, code: int
) -> None:
    missing = why_no_native()
    if engine == "native" and missing:
        pytest.skip(f"no native engine: {missing}")
    ground_truth, documents = noise(tmp_path)
    process = started(
        *("train", ground_truth, documents, "--model", tmp_path / "a.model", "--engine", engine),
        *("--preprocessing", "basic", "--kernel", "poly", "--c", "11", "--gamma", "3"),
    )
    assert process.stderr is not None
    while "documents: 600 of 600" not in process.stderr.readline():
        assert process.poll() is None
    # Within the only combination, which takes far longer.
    (wait_until_busy if engine == "native" else wait_until_in_libsvm)(process.pid)

    process.send_signal(number)

    assert spent_until_the_end(process) < 1
    assert process.returncode == code


@pytest.mark.parametrize("times", [1, 2])
def test_an_interruption_within_libsvm_ends_without_a_crash(
    started: Start, tmp_path: Path, times: int
) -> None:
    ground_truth, documents = noise(tmp_path)
    process = started(
        *("train", ground_truth, documents, "--model", tmp_path / "a.model"),
        *("--engine", "sklearn", "--jobs", "2"),
        *("--preprocessing", "basic", "--kernel", "poly", "--c", "11,13", "--gamma", "3"),
        LD_PRELOAD=str(built("slow_end", tmp_path)),
    )
    wait_until_in_libsvm(process.pid)

    for _ in range(times):
        process.send_signal(signal.SIGINT)

    assert process.wait(60) == 130


def noise(folder: Path) -> tuple[Path, Path]:
    """600 documents of three numbers in disguise, and classes that have nothing to do with them."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 20))
    corpus = {
        f"r{row:03}": {"lowlevel": {"noise": each.tolist()}} for row, each in enumerate(values)
    }
    classes = {"even": list(corpus)[::2], "odd": list(corpus)[1::2]}
    ground_truth = folder / "ground_truth.json"
    ground_truth.write_text(json.dumps({"classes": classes}))
    return ground_truth, written(folder / "documents.jsonl.gz", corpus)


def _gone(group: int, *, within: float) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_a_terminal_gets_a_progress_bar(
    on_terminal: Callable[..., str], small_grid: tuple[str, ...], tmp_path: Path
) -> None:
    written = on_terminal(
        *("train", GROUND_TRUTH, DOCUMENTS, "--model", tmp_path / "a.model"), *small_grid
    )

    assert "━" in written
    assert "\x1b[" in written


def test_what_was_done_beyond_the_search_is_shown_and_reported(
    acoustic: Acoustic, small_grid: tuple[str, ...], tmp_path: Path
) -> None:
    files = ("--model", tmp_path / "a.model", "--report", tmp_path / "a.json")
    more = ("--group-by", "artist", "--repeats", "3", "--learning-curve")

    result = acoustic("train", GROUND_TRUTH, DOCUMENTS, *files, *small_grid, *more)

    assert result.exit_code == 0, result.stderr
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["cross_validation"]["group_by"] == "artist"
    assert len(said["repeats"]["accuracies"]) == 3
    assert f"{said['repeats']['mean']:.2f} %" in result.stdout
    assert "over 3 assignments of folds" in result.stdout
    assert f"170: {said['accuracy']:.2f} %" in result.stdout
    assert "folds are grouped by artist" in result.stdout


@pytest.fixture
def members() -> dict[str, list[str]]:
    classes: dict[str, list[str]] = json.loads(GROUND_TRUTH.read_text())["classes"]
    return classes


def test_folds_of_a_file_are_those_of_the_report(
    acoustic: Acoustic,
    small_grid: tuple[str, ...],
    tmp_path: Path,
    members: dict[str, list[str]],
) -> None:
    folds = {r: place % 3 for ids in members.values() for place, r in enumerate(ids)}
    (tmp_path / "f.csv").write_text("".join(f"{r},{fold}\n" for r, fold in folds.items()))
    files = ("--model", tmp_path / "a.model", "--report", tmp_path / "a.json")

    result = acoustic(
        *("train", GROUND_TRUTH, DOCUMENTS, *files, *small_grid),
        *("--folds-file", tmp_path / "f.csv"),
    )

    assert result.exit_code == 0, result.stderr
    said = json.loads((tmp_path / "a.json").read_text())
    assert dict(zip(said["recordings"], said["folds"], strict=True)) == folds
    assert said["parameters"]["evaluation"]["nfold"] == 3
    assert "the 3 folds are given ones" in result.stdout


def test_a_file_of_folds_that_does_not_go_with_an_option_is_told(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    (tmp_path / "f.csv").write_text("a,1\nb,2\n")
    files = ("--model", tmp_path / "a.model", "--folds-file", tmp_path / "f.csv")

    result = acoustic("train", GROUND_TRUTH, DOCUMENTS, *files, "--repeats", "2")

    assert result.exit_code == 2
    assert "repeats needs others: leave it out" in result.stderr


def test_recordings_without_document_are_left_out_and_named(
    acoustic: Acoustic,
    small_grid: tuple[str, ...],
    tmp_path: Path,
    members: dict[str, list[str]],
) -> None:
    truth = tmp_path / "truth.json"
    first = next(iter(members))
    truth.write_text(json.dumps({"classes": {**members, first: [*members[first], "gone"]}}))
    files = ("--model", tmp_path / "a.model", "--report", tmp_path / "a.json")

    refused = acoustic("train", truth, DOCUMENTS, *files, *small_grid)
    result = acoustic("train", truth, DOCUMENTS, *files, *small_grid, "--missing", "leave-out")

    assert refused.exit_code == 2
    assert "gone (the documents have ids such as '" in refused.stderr
    assert "mend the ids, give the documents too" in refused.stderr
    assert result.exit_code == 0, result.stderr
    said = json.loads((tmp_path / "a.json").read_text())
    assert said["left_out"] == {"gone": "has no low-level document"}
    assert "missing" in [finding["kind"] for finding in said["findings"]]
    assert "gone" in result.stdout


def test_an_engine_that_is_none_is_told_before_anything_is_read(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    (tmp_path / "labels.csv").write_text("no labels at all")

    result = acoustic(
        *("train", tmp_path / "labels.csv", DOCUMENTS, "--model", tmp_path / "a.model"),
        *("--engine", "nonsense"),
    )

    assert result.exit_code == 2
    assert "engine 'nonsense' is not available here" in result.stderr
