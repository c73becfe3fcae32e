"""``acoustic bench``: both sides measured on the same made data."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from trainer.bench.grid import Order, made_splits, sampled
from trainer.bench.made import made_rows
from trainer.bench.made_models import made_models
from trainer.grid.project import Project
from trainer.highlevel import ACOUSTICBRAINZ_MODELS

Acoustic = Callable[..., Result]

SMALL = ("--n", "60", "--d", "20", "--classes", "2", "--rounds", "1", "--jobs", "1")
COMBINATIONS = Project(preprocessings=("basic",)).combinations()


def measured(acoustic: Acoustic, *more: str) -> Any:
    result = acoustic("bench", "grid", *SMALL, "--json", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("engine", ["auto", "sklearn"])
def test_predictions_of_both_sides_are_compared_and_times_are_positive(
    acoustic: Acoustic, engine: str
) -> None:
    found = measured(acoustic, "--engine", engine, "--against", "pool,sklearn")

    assert found["combinations"] == 144
    assert found["mismatches"] == 0
    assert found["seconds"] > 0
    assert found["ratio"].keys() == {"pool", "sklearn"}
    for one in found["figures"]["alternatives"].values():
        assert one["compared"] == 144 * 60
        assert not one["extrapolated"]


def test_a_sampled_alternative_is_called_extrapolated(acoustic: Acoustic) -> None:
    found = measured(acoustic, "--sample", "18")

    assert found["figures"]["alternatives"]["pool"]["extrapolated"]
    assert found["figures"]["alternatives"]["pool"]["solved"] == 18
    said = acoustic("bench", "grid", *SMALL, "--sample", "18").stdout
    assert "extrapolated from 18" in said


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
    found = measured(acoustic, "--preprocessing", "all", "--sample", "10")

    assert found["combinations"] == 720
    assert found["mismatches"] == 0
    assert found["figures"]["solved"] <= 4 * (30 + 72)


def test_hard_rows_meet_a_cap_on_both_sides_and_what_converged_is_equal(
    acoustic: Acoustic,
) -> None:
    found = measured(acoustic, "--low-rank", "--max-iterations", "1000")

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
