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
from trainer.grid.project import Project

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
