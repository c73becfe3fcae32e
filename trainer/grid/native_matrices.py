"""The inner products that the compiled solver works on: one matrix for all C and gamma."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.grid.folds import Split
from trainer.grid.native._native import Products
from trainer.grid.native._native import multiply as inner_products
from trainer.grid.planner import FLOAT32_MARGIN, FLOAT32_RANGE
from trainer.models.svm import DEGREE

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

FLOAT64_BYTES = 8
FLOAT32_BYTES = 4

# exp(-104) is less than half of the smallest number that float32 knows.
IDENTITY = 104.0


@dataclass(frozen=True, eq=False)
class Rows:
    """What is multiplied: a training set, and the rows that it is tested on.

    Attributes
    ----------
    training : ndarray of float64, shape (n_training, n_columns)
    codes : ndarray of intp, shape (n_training,)
    testing : ndarray of float64, shape (n_testing, n_columns)
    recordings : ndarray of intp, shape (n_training + n_testing,), optional
        What the rows describe, training rows first: of sets that have the same recordings, columns
        that have the same values are multiplied once.
    """

    training: Float64
    codes: Indices
    testing: Float64
    recordings: Indices | None = None

    @classmethod
    def of(cls, split: Split) -> Rows:
        """Take those of a split."""
        recordings = None
        if split.training_rows is not None:
            recordings = np.concatenate([split.training_rows, split.testing_rows])
        return cls(split.training, split.training_codes, split.testing, recordings)


@dataclass(frozen=True, eq=False)
class Matrices:
    """Inner products of the rows of a training set, and of the rows that it is tested on.

    Attributes
    ----------
    order : ndarray of intp, shape (n_training,)
        Rows class by class, ascending within each: libsvm's order, and that of the matrices.
    starts : ndarray of intp, shape (k + 1,)
        Where each class begins in it.
    products : Products
        As the solver takes them; of the training rows one half, for they are symmetric.
    refusal : str or None
        Why scikit-learn would not take these rows, in its own words.
    """

    order: Indices
    starts: Indices
    products: Products
    refusal: str | None = None

    @property
    def n_classes(self) -> int:
        """Number of classes, k."""
        return len(self.starts) - 1

    def scales_freely(self, gammas: Sequence[float]) -> bool:
        """Whether the polynomial collapse is exact, see `trainer.grid.planner`."""
        if self.refusal:
            return False
        apart, least, largest = self.products.cubic_range(FLOAT32_MARGIN)
        low, high = FLOAT32_RANGE
        return apart and all(
            low < least * gamma**DEGREE and largest * gamma**DEGREE < high for gamma in gammas
        )

    def identity_gammas(self) -> Float64:
        """Return for each pair, shape (k, k), the gamma above which its kernel is an identity.

        The radial basis function of any two different rows is then 0 in float32.
        """
        within = self.products.smallest_distances()
        own = within.diagonal()
        smallest = np.minimum(within, np.minimum.outer(own, own))
        return np.divide(IDENTITY, smallest, out=np.full_like(smallest, np.inf), where=smallest > 0)


def multiply(sets: Sequence[Rows], *, instruction_set: str = "", threads: int) -> list[Matrices]:
    """Multiply the rows of each set.

    Parameters
    ----------
    sets : sequence of Rows
    instruction_set : str
        See `trainer.grid.native_engine.NativeEngine`.
    threads : int
        Their number changes no bit. Which sets are multiplied together does: sums add up in
        another order.
    """
    together: dict[Hashable, list[int]] = {}
    for place, rows in enumerate(sets):
        together.setdefault(_what_it_shares(rows, place), []).append(place)
    orders = [np.argsort(rows.codes, kind="stable") for rows in sets]
    found: dict[int, Matrices] = {}
    for places in together.values():
        given = [_as_given(sets[place], orders[place]) for place in places]
        products = inner_products(given, instruction_set, threads)
        for place, multiplied in zip(places, products, strict=True):
            found[place] = _matrices(sets[place], orders[place], *multiplied)
    return [found[place] for place in range(len(sets))]


def _what_it_shares(rows: Rows, place: int) -> Hashable:
    """Return what sets that may have columns in common have in common; else what no other has."""
    if rows.recordings is None or len(np.unique(rows.recordings)) < len(rows.recordings):
        return place
    return np.sort(rows.recordings).tobytes()


def _as_given(rows: Rows, order: Indices) -> tuple[Float64, list[int], Float64, list[int]]:
    recordings = rows.recordings
    if recordings is None:
        recordings = np.arange(len(rows.training) + len(rows.testing))
    return (
        np.ascontiguousarray(rows.training),
        order.tolist(),
        np.ascontiguousarray(rows.testing),
        np.argsort(np.argsort(recordings)).tolist(),
    )


def _matrices(
    rows: Rows, order: Indices, training: Float64, testing: Float64, squares: Float64
) -> Matrices:
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows.codes))])
    return Matrices(
        order=order,
        starts=starts,
        products=Products(
            training,
            testing,
            squares,
            starts.tolist(),
            (rows.training, order.tolist(), rows.testing),
        ),
        refusal=_refusal(rows, np.concatenate([training[_diagonal(len(rows.training))], squares])),
    )


def _diagonal(count: int) -> Indices:
    """Return where the diagonal is in a matrix whose rows end with it."""
    return np.cumsum(np.arange(1, count + 1)) - 1


def _refusal(rows: Rows, squares: Float64) -> str | None:
    # A value that is not finite makes its row's square so: as a rule this is all to look at.
    if rows.training.shape[1] and np.isfinite(squares).all():
        return None
    from sklearn.utils import check_array  # noqa: PLC0415 - only for its words, and takes seconds

    try:
        for values in (rows.training, rows.testing):
            if values is rows.training or len(values):  # `fit` has no rows to test on
                check_array(values, dtype=np.float64, estimator="SVC", input_name="X")
    except ValueError as error:
        return str(error)
    return None  # squares too large for float64 of values that are not


def bytes_of(rows: Rows) -> int:
    """Return the memory that it takes to multiply a set.

    ``4 n (n + 1) + 8 n n_testing + 8 (n + n_testing) d + 16 k n_testing`` bytes: of a symmetric
    matrix one half is held; of each class and testing row, how near to each other they are.
    """
    training, columns = rows.training.shape
    testing = len(rows.testing)
    halved = training * (training + 1) // 2
    near = 2 * int(rows.codes.max() + 1) * testing
    return FLOAT64_BYTES * (halved + training * testing + (training + testing) * columns + near)


def bytes_of_thread(rows: Rows) -> int:
    """Return the memory that one thread takes to solve, ``4 n**2 + 8 n n_testing + 8 m**2`` bytes.

    The kernel of all training rows and that of the testing rows; that of the largest pair's m rows,
    and the same in the order that shrinking makes.
    """
    training, testing = len(rows.training), len(rows.testing)
    largest = int(np.sort(np.bincount(rows.codes))[-2:].sum())
    kernels = FLOAT32_BYTES * training**2 + FLOAT64_BYTES * training * testing
    return kernels + 2 * FLOAT32_BYTES * largest**2
