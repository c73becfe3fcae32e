"""``acoustic bench``: both sides measured on the same made data."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from trainer.bench.grid import sampled
from trainer.bench.made import made_rows, made_splits
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


def test_made_folds_are_scaled_by_their_training_part() -> None:
    splits, labels = made_splits(100, 10, 2, seed=1)

    assert sorted(row for split in splits for row in split.testing_rows) == list(range(100))
    for split in splits:
        assert split.training.min() == 0
        assert split.training.max() == 1
        codes = split.class_of_code[split.training_codes]
        assert np.bincount(codes).sum() + len(split.testing_rows) == len(labels)
