"""The inner products that the compiled solver works on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.bench.grid import Order, made_splits
from trainer.grid.engines import why_no_native

MISSING = why_no_native()

if not MISSING:
    from trainer.grid import native_matrices
    from trainer.grid.native._native import common_columns, instruction_sets, multiply

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

# Around the sizes of tiles, panels, blocks and depths, and what is between them.
counts = st.sampled_from([0, 1, 2, 7, 8, 9, 23, 24, 25, 63, 64, 65, 129])
widths = st.sampled_from([0, 1, 3, 127, 128, 129, 300])


def made(count: int, tested: int, width: int) -> Any:
    random = np.random.default_rng(count * 1000 + tested * 10 + width)
    order = random.permutation(count).tolist()
    training, testing = random.normal(size=(count, width)), random.normal(size=(tested, width))
    return training, order, testing, random.permutation(count + tested).tolist()


def multiplied(given: Any, name: str = "", threads: int = 2) -> Any:
    """Multiply one set alone."""
    ((products, of_testing, squares),) = multiply([given], name, threads)
    return symmetric(products), of_testing, squares


def symmetric(products: Any) -> Any:
    """Put a matrix together of rows that end with the diagonal."""
    count = int(np.sqrt(2 * len(products)))
    matrix = np.zeros((count, count))
    matrix[np.tril_indices(count)] = products
    return matrix + np.tril(matrix, -1).T


@given(counts, counts, widths)
def test_products_are_numpys_up_to_rounding(count: int, tested: int, width: int) -> None:
    training, order, testing, numbers = made(count, tested, width)
    rows = training[order]

    for name in instruction_sets():
        products, of_testing, squares = multiplied((training, order, testing, numbers), name)

        np.testing.assert_allclose(products, rows @ rows.T, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(of_testing, rows @ testing.T, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(squares, np.square(testing).sum(axis=1), rtol=1e-12)


# Around the sizes of blocks, which are larger from 1,000 rows on.
@pytest.mark.parametrize("count", [191, 192, 193, 385, 959, 960, 999, 1000, 1001])
def test_products_of_many_rows_are_numpys_up_to_rounding(count: int) -> None:
    training, order, testing, numbers = made(count - 3, 3, 70)
    rows = training[order]

    for name in instruction_sets():
        products, of_testing, squares = multiplied((training, order, testing, numbers), name)

        np.testing.assert_allclose(products, rows @ rows.T, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(of_testing, rows @ testing.T, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(squares, np.square(testing).sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("threads", [-1, 0, 1, 2**31 - 1])
def test_any_number_of_threads_is_taken_for_what_can_be_had(threads: int) -> None:
    training = np.arange(6.0).reshape(3, 2)

    products, *_ = multiplied((training, [0, 1, 2], training[:0], [0, 1, 2]), threads=threads)

    np.testing.assert_array_equal(products, training @ training.T)


@pytest.mark.parametrize("shape", [(130, 40, 300), (1030, 40, 100)])
@pytest.mark.parametrize("threads", [2, 3, 16])
def test_the_number_of_threads_changes_no_bit(threads: int, shape: tuple[int, int, int]) -> None:
    given = made(*shape)

    alone = multiplied(given, threads=1)

    for one, other in zip(alone, multiplied(given, threads=threads), strict=True):
        np.testing.assert_array_equal(one, other)


def test_instruction_sets_that_fuse_multiplication_and_addition_agree_to_the_bit() -> None:
    fused = [name for name in instruction_sets() if name.startswith("avx")]
    if len(fused) < 2:
        pytest.skip(f"this processor has {', '.join(instruction_sets())} only")
    given = made(130, 40, 300)

    first, *others = (multiplied(given, name) for name in fused)

    for other in others:
        for one, another in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, another)


def test_a_row_that_is_tested_on_and_trained_on_has_one_square() -> None:
    training, order, _, _ = made(50, 0, 300)

    products, of_testing, squares = multiplied((training, order, training, list(range(100))))

    np.testing.assert_array_equal(squares[order], products.diagonal())
    np.testing.assert_array_equal(of_testing[:, order], products)


# Sets of the same rows, each with columns of its own and columns that others have, too.


@st.composite
def sets_in_common(draw: st.DrawFn) -> Any:
    count = draw(st.sampled_from([2, 9, 30, 70]))
    sets = draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    columns = rng.normal(size=(count, draw(st.integers(1, 60))))
    columns[:, rng.random(columns.shape[1]) < draw(st.sampled_from([0.0, 0.5]))] = 0.0
    for each in range(1, columns.shape[1], draw(st.sampled_from([3, 1000]))):
        columns[:, each] = columns[:, each - 1]
    given = []
    for _ in range(sets):
        chosen = rng.permutation(columns.shape[1])[: draw(st.integers(0, columns.shape[1]))]
        values = columns[:, chosen if draw(st.booleans()) else np.sort(chosen)].copy()
        own = rng.random(values.shape[1]) < draw(st.sampled_from([0.0, 0.3, 1.0]))
        values[:, own] *= 1.25
        if draw(st.booleans()):  # differs where nobody looks first
            values[rng.integers(count), rng.random(values.shape[1]) < 0.5] += 1.0
        tested = rng.permutation(count) < draw(st.integers(0, count - 1))
        numbers = np.r_[np.flatnonzero(~tested), np.flatnonzero(tested)]
        order = rng.permutation((~tested).sum()).tolist()
        given.append((values[~tested], order, values[tested], numbers.tolist()))
    return given


@given(sets_in_common())
def test_sets_that_are_multiplied_together_have_the_products_that_each_has_alone(sets: Any) -> None:
    for name in instruction_sets():
        together = multiply(sets, name, 2)

        for one, (products, *of_testing) in zip(sets, together, strict=True):
            expected, *others = multiplied(one, name)
            np.testing.assert_allclose(symmetric(products), expected, 1e-12, 1e-12)
            for ours, alone in zip(of_testing, others, strict=True):
                np.testing.assert_allclose(ours, alone, 1e-12, 1e-12)


def test_equal_rows_keep_equal_products_where_columns_are_shared() -> None:
    rng = np.random.default_rng(4)
    values = rng.random((60, 90))
    values[31], values[47] = values[2], values[2]
    other = values.copy()
    other[:, ::3] *= 0.7
    training = np.arange(60) % 4 > 0
    numbers = np.r_[np.flatnonzero(training), np.flatnonzero(~training)].tolist()
    order = list(range(int(training.sum())))
    sets = [(each[training], order, each[~training], numbers) for each in (values, other)]

    for products, _, _ in multiply(sets, "", 2):
        # Rows 2, 31 and 47 are trained on, as 1, 23 and 35.
        assert len(np.unique(symmetric(products)[np.ix_([1, 23, 35], [1, 23, 35])])) == 1


def sets_of(*matrices: Any) -> Any:
    """Rows that are all trained on."""
    order = list(range(len(matrices[0])))
    return [(each, order, each[:0], order) for each in matrices]


@pytest.mark.parametrize("row", [0, 3, 4, 63, 64, 151, 297, 298, 299])
def test_a_value_that_differs_in_its_last_bit_is_not_taken_for_another_sets(row: int) -> None:
    values = np.round(np.random.default_rng(4).random((300, 20)), 3)
    other = values.copy()
    other[row] = np.nextafter(other[row], 2)  # of 300 rows few are looked at first

    assert sorted(common_columns(sets_of(values, other), 2)) == [
        ([0], list(range(20))),
        ([1], list(range(20))),
    ]


def distinct_columns(matrices: Any) -> int:
    return len({column.tobytes() for values in matrices for column in values.T})


@pytest.mark.parametrize("density", [1.0, 0.1, 0.01])
@pytest.mark.parametrize("differing", range(5))
def test_columns_that_sets_have_in_common_are_found_however_sparse_and_wherever_they_lie(
    differing: int, density: float
) -> None:
    rng = np.random.default_rng(5)
    values = rng.random((1000, 100)) * (rng.random((1000, 100)) < density)
    values[::15] = 0.0  # what is looked at first
    matrices = [values[:, number:] for number in range(5)]
    matrices[differing] = matrices[differing] * 0.5

    found = common_columns(sets_of(*matrices), 2)

    assert sum(len(columns) for _, columns in found) <= distinct_columns(matrices) + 7 * 4
    assert ([each for each in range(5) if each != differing]) in [sets for sets, _ in found]


def test_copies_within_a_set_are_as_many_columns() -> None:
    values = np.random.default_rng(6).random((30, 16)).repeat(2, axis=1)
    other = values[:, ::-1].copy()

    assert common_columns(sets_of(values, other), 1) == [([0, 1], list(range(32)))]
    for products, *_ in multiply(sets_of(values, other), "", 1):
        np.testing.assert_allclose(symmetric(products), values @ values.T, 1e-12)


def test_folds_that_scale_by_their_own_rows_are_multiplied_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    splits, _ = made_splits(Order(n=60, d=300, classes=3))
    rows = [native_matrices.Rows.of(split) for split in splits["basic"]]
    calls: list[Any] = []
    monkeypatch.setattr(
        native_matrices,
        "inner_products",
        lambda sets, *rest: calls.append(sets) or multiply(sets, *rest),
    )

    native_matrices.multiply(rows, threads=1)

    (sets,) = calls
    matrices = []
    for training, _, testing, numbers in sets:
        matrices.append(np.empty((len(numbers), training.shape[1])))
        matrices[-1][numbers] = np.concatenate([training, testing])
    in_all = sum(values.shape[1] for values in matrices)
    multiplied_once = sum(len(columns) for _, columns in common_columns(sets, 1))
    assert distinct_columns(matrices) <= multiplied_once < 0.75 * in_all


def test_nan_and_infinity_stay_in_their_rows_where_columns_are_shared() -> None:
    values = np.random.default_rng(4).random((40, 30))
    values[7, 3], values[9, 5] = np.nan, np.inf
    other = values * np.r_[np.ones(20), 2 * np.ones(10)]
    order = list(range(40))
    sets = [(each, order, each[:0], order) for each in (values, other)]

    for products, _, _ in multiply(sets, "", 2):
        finite = np.isfinite(symmetric(products))
        assert not finite[[7, 9]].any()
        assert np.delete(np.delete(finite, [7, 9], 0), [7, 9], 1).all()


def test_matrices_of_other_widths_and_orders_of_other_rows_are_refused() -> None:
    training, order, testing, numbers = made(10, 5, 4)

    with pytest.raises(ValueError, match="do not fit"):
        multiply([(training, order, testing[:, :3].copy(), numbers)], "", 1)
    with pytest.raises(ValueError, match="order"):
        multiply([(training, order[:-1], testing, numbers)], "", 1)
    with pytest.raises(ValueError, match="rows that there are not"):
        multiply([(training, [*order[:-1], 10], testing, numbers)], "", 1)


def test_numbers_that_are_not_those_of_the_rows_are_refused() -> None:
    training, order, testing, numbers = made(10, 5, 4)

    for wrong in (
        numbers[:-1],
        [*numbers[:-1], 15],
        [*numbers[:-1], -1],
        [*numbers[:-1], numbers[0]],
    ):
        with pytest.raises(ValueError, match="numbers of rows that are not each of them once"):
            multiply([(training, order, testing, wrong)], "", 1)
    with pytest.raises(ValueError, match="numbers of rows that are not each of them once"):
        multiply([(training, [0] * 10, testing, numbers)], "", 1)
    with pytest.raises(ValueError, match="sets of different rows"):
        multiply([(training, order, testing, numbers), made(10, 4, 4)], "", 1)


@pytest.mark.parametrize("place", [-1, 3, 2**40])
def test_an_order_of_rows_that_there_are_not_is_refused(place: int) -> None:
    training, _, testing, numbers = made(3, 2, 4)

    with pytest.raises(ValueError, match="an order of rows that there are not"):
        multiply([(training, [0, 1, place], testing, numbers)], "", 1)
