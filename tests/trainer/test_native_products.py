"""The inner products that the compiled solver works on."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.grid.engines import why_no_native

MISSING = why_no_native()

if not MISSING:
    from trainer.grid.native._native import instruction_sets, multiply

pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

# Around the sizes of tiles, panels, blocks and depths, and what is between them.
counts = st.sampled_from([0, 1, 2, 7, 8, 9, 23, 24, 25, 63, 64, 65, 129])
widths = st.sampled_from([0, 1, 3, 127, 128, 129, 300])


def made(count: int, tested: int, width: int) -> Any:
    random = np.random.default_rng(count * 1000 + tested * 10 + width)
    order = random.permutation(count).tolist()
    return random.normal(size=(count, width)), order, random.normal(size=(tested, width))


@given(counts, counts, widths)
def test_products_are_numpys_up_to_rounding_and_symmetric(
    count: int, tested: int, width: int
) -> None:
    training, order, testing = made(count, tested, width)
    rows = training[order]

    for name in instruction_sets():
        products, of_testing, squares = multiply(training, order, testing, name, 2)

        np.testing.assert_allclose(products, rows @ rows.T, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(of_testing, rows @ testing.T, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(squares, np.square(testing).sum(axis=1), rtol=1e-12)
        np.testing.assert_array_equal(products, products.T)


@pytest.mark.parametrize("threads", [2, 3, 16])
def test_the_number_of_threads_changes_no_bit(threads: int) -> None:
    given = made(130, 40, 300)

    alone = multiply(*given, "", 1)

    for one, other in zip(alone, multiply(*given, "", threads), strict=True):
        np.testing.assert_array_equal(one, other)


def test_instruction_sets_that_fuse_multiplication_and_addition_agree_to_the_bit() -> None:
    fused = [name for name in instruction_sets() if name.startswith("avx")]
    if len(fused) < 2:
        pytest.skip(f"this processor has {', '.join(instruction_sets())} only")
    given = made(130, 40, 300)

    first, *others = (multiply(*given, name, 1) for name in fused)

    for other in others:
        for one, another in zip(first, other, strict=True):
            np.testing.assert_array_equal(one, another)


def test_a_row_that_is_tested_on_and_trained_on_has_one_square() -> None:
    training, order, _ = made(50, 0, 300)

    products, of_testing, squares = multiply(training, order, training, "", 2)

    np.testing.assert_array_equal(squares[order], products.diagonal())
    np.testing.assert_array_equal(of_testing[:, order], products)


def test_matrices_of_other_widths_and_orders_of_other_rows_are_refused() -> None:
    training, order, testing = made(10, 5, 4)

    with pytest.raises(ValueError, match="do not fit"):
        multiply(training, order, testing[:, :3].copy(), "", 1)
    with pytest.raises(ValueError, match="order"):
        multiply(training, order[:-1], testing, "", 1)
    with pytest.raises(ValueError, match="rows that there are not"):
        multiply(training, [*order[:-1], 10], testing, "", 1)


@pytest.mark.parametrize("place", [-1, 3, 2**40])
def test_an_order_of_rows_that_there_are_not_is_refused(place: int) -> None:
    training, _, testing = made(3, 2, 4)

    with pytest.raises(ValueError, match="an order of rows that there are not"):
        multiply(training, [0, 1, place], testing, "", 1)
