"""Fitted steps against the same rules worked out slowly, value by value."""

from bisect import bisect_right
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import erfinv

from trainer.layout import Layout
from trainer.preprocessing.fitting import fit_ranges, fit_ranks
from trainer.preprocessing.steps import FEW_ROWS, Affine, RankGaussian

FINITE = st.floats(-1e6, 1e6, width=32)
COLUMN = st.lists(FINITE, min_size=2, max_size=30)
ALONE = np.array([0])  # of a matrix of one column


def gaussianized(training: Any, value: Any) -> Any:
    """One value by the specification, section 7.6."""
    kept, n = sorted(training), len(training)
    if value < kept[0]:
        rank = 0
    elif value > kept[-1]:
        rank = n
    else:
        rank = min(max(bisect_right(kept, value), 1), n - 1)
    rank = min(max(rank, 1), n - 1)
    quotient = np.float32(rank) / np.float32(n)
    return np.float32(erfinv(2.0 * float(quotient) - 1.0))


def column(values: Any) -> Any:
    return np.array(values, dtype=np.float32)[:, None]


@given(COLUMN, COLUMN)
def test_ranks_equal_the_specification_worked_out_value_by_value(
    training: Any, others: Any
) -> None:
    step = fit_ranks(column(training), ALONE)

    values = [*training, *others, -2e6, 2e6]

    expected = [gaussianized([np.float32(t) for t in training], np.float32(v)) for v in values]
    assert step.apply(column(values)).ravel().tolist() == expected


@given(COLUMN)
def test_ranks_never_turn_the_order_round(training: Any) -> None:
    step = fit_ranks(column(training), ALONE)

    mapped = step.apply(column(sorted([*training, -2e6, 0.5, 2e6]))).ravel()

    assert (np.diff(mapped) >= 0).all()


@given(
    training=arrays(np.float32, st.tuples(st.integers(1, 20), st.just(3)), elements=FINITE),
    values=arrays(np.float32, st.tuples(st.integers(1, 3 * FEW_ROWS), st.just(3)), elements=FINITE),
)
def test_few_rows_get_the_ranks_that_they_get_among_many(training: Any, values: Any) -> None:
    values[0] = training[0]
    step = RankGaussian(np.arange(3), np.sort(training, axis=0))
    many = np.concatenate([values] + [values[:1]] * FEW_ROWS)

    alone = np.concatenate([step.apply(values[row : row + 1]) for row in range(len(values))])

    np.testing.assert_array_equal(alone, step.apply(many)[: len(values)])


def test_ties_take_the_upper_rank() -> None:
    values = column([0, 0, 0, 2])

    mapped = fit_ranks(values, ALONE).apply(values).ravel()

    assert len(set(mapped.tolist())) == 1
    assert mapped[0] == np.float32(erfinv(0.5))


def test_what_lies_outside_maps_to_what_the_ends_map_to() -> None:
    step = fit_ranks(column([1, 2, 3, 4, 5]), ALONE)

    low, first, last, high = step.apply(column([-99, 1, 5, 99])).ravel()

    assert low == first == np.float32(erfinv(2 * float(np.float32(0.2)) - 1))
    assert high == last == pytest.approx(-low)


def test_of_two_recordings_both_ranks_are_the_middle() -> None:
    values = column([3, 9])

    assert fit_ranks(values, ALONE).apply(values).tolist() == [[0], [0]]


def test_the_normal_distribution_lacks_the_square_root_of_two() -> None:
    values = column(np.random.default_rng(0).exponential(size=2000))

    mapped = fit_ranks(values, ALONE).apply(values)

    assert mapped.std() == pytest.approx(np.sqrt(0.5), abs=0.01)


@pytest.mark.parametrize(
    ("count", "kept"), [(9_999, 9_999), (10_000, 10_000), (10_001, 5_001), (20_001, 6_667)]
)
def test_more_than_10_000_recordings_are_thinned_to_every_kth(count: int, kept: Any) -> None:
    values = np.random.default_rng(0).permutation(count).astype(np.float32)

    step = fit_ranks(values[:, None], ALONE)

    stride = -(-count // 10_000)
    assert step.distribution.shape == (kept, 1)
    assert step.distribution.ravel().tolist() == sorted(values[::stride].tolist())


def test_columns_that_are_not_ranked_pass_through_and_the_input_stays_as_it_was() -> None:
    X = np.array([[1, 2], [3, 4], [5, 6]], dtype=np.float32)
    before = X.copy()

    mapped = fit_ranks(X, np.array([1])).apply(X)

    assert mapped[:, 0].tolist() == [1, 3, 5]
    assert mapped[:, 1].tolist() != [2, 4, 6]
    assert X.tolist() == before.tolist()


@given(COLUMN, FINITE)
def test_scaling_rounds_to_float32_after_each_operation(training: Any, value: Any) -> None:
    step = fit_ranges(column(training), Layout.of_columns(1), independent=True)
    low, high = np.float32(min(training)), np.float32(max(training))
    f32 = np.float32

    with np.errstate(all="ignore"):
        slope = f32(1) / f32(high - low)
        offset = f32(-low * slope)
        expected = f32(f32(f32(value) * slope) + offset)

    if np.isfinite(slope) and np.isfinite(offset):
        assert step.apply(column([value])).ravel().tolist() == pytest.approx(
            [expected], nan_ok=True, rel=0, abs=0
        )
    else:
        assert step.apply(column([value])).tolist() == [[0]]


def test_nothing_is_clipped() -> None:
    step = fit_ranges(column([0, 10]), Layout.of_columns(1))

    assert step.apply(column([-10, 20])).ravel().tolist() == [-1, 2]


@given(arrays(np.float32, (4, 5), elements=st.floats(-1e3, 1e3, width=32)), st.data())
def test_a_selection_of_columns_commutes_with_the_steps(X: Any, data: Any) -> None:
    columns = np.array(sorted(data.draw(st.sets(st.integers(0, 4), min_size=1))), dtype=np.intp)
    steps = (
        Affine(np.arange(5, dtype=np.float32), np.ones(5, dtype=np.float32)),
        RankGaussian(np.array([1, 3, 4]), np.sort(X[:, [1, 3, 4]], axis=0)),
    )

    for step in steps:
        assert (
            step.take(columns).apply(X[:, columns]).tolist() == step.apply(X)[:, columns].tolist()
        )
