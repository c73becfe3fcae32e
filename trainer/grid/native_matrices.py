"""The inner products that the compiled solver works on: one matrix for all C and gamma."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

from trainer.grid.folds import Split
from trainer.grid.native._native import Products
from trainer.grid.planner import FLOAT32_MARGIN, FLOAT32_RANGE
from trainer.grid.processors import one_blas_thread
from trainer.models.svm import DEGREE

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

FLOAT64_BYTES = 8
FLOAT32_BYTES = 4
ROWS_AT_ONCE = 256  # of a product; whatever the number of threads, so that they change no bit

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
    """

    training: Float64
    codes: Indices
    testing: Float64

    @classmethod
    def of(cls, split: Split) -> Rows:
        """Take those of a split."""
        return cls(split.training, split.training_codes, split.testing)


@dataclass(frozen=True, eq=False)
class Matrices:
    """Inner products of the rows of a training set, and of the rows that it is tested on.

    Attributes
    ----------
    order : ndarray of intp, shape (n_training,)
        Rows class by class, ascending within each: libsvm's order, and that of the matrices.
    starts : ndarray of intp, shape (k + 1,)
        Where each class begins in it.
    training : ndarray of float64, shape (n_training, n_training)
    products : Products
        The same and those of the testing rows, as the solver takes them.
    refusal : str or None
        Why scikit-learn would not take these rows, in its own words.
    """

    order: Indices
    starts: Indices
    training: Float64
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


def multiply(sets: Sequence[Rows], *, threads: int) -> list[Matrices]:
    """Multiply the rows of each set; by far most of the work is the BLAS's.

    Parameters
    ----------
    sets : sequence of Rows
    threads : int
        Each takes blocks of rows, and the BLAS as many threads as one.

    Notes
    -----
    Blocks have `ROWS_AT_ONCE` rows: equal numbers of threads or not, equal sums.
    """
    with one_blas_thread(), ThreadPoolExecutor(threads) as pool:
        products = list(pool.map(_Multiplication.of, sets))
        blocks = [block for product in products for block in product.blocks()]
        for _ in pool.map(lambda block: block(), blocks):
            pass
        return list(pool.map(_Multiplication.finished, products))


@dataclass(frozen=True, eq=False)
class _Multiplication:
    """Matrices that are being filled, block by block."""

    order: Indices
    starts: Indices
    rows: Float64  # in `order`
    testing_rows: Float64
    training: Float64
    testing: Float64

    @classmethod
    def of(cls, rows: Rows) -> _Multiplication:
        order = np.argsort(rows.codes, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows.codes))])
        n, n_testing = len(rows.training), len(rows.testing)
        return cls(
            order=order,
            starts=starts,
            rows=rows.training[order],
            testing_rows=rows.testing,
            training=np.empty((n, n)),
            testing=np.empty((n_testing, n)),
        )

    def blocks(self) -> Iterator[Callable[[], None]]:
        """Yield what is to be done, the larger part of it first."""
        for start in reversed(range(0, len(self.rows), ROWS_AT_ONCE)):
            yield partial(self._fill_training, start)
        for start in range(0, len(self.testing_rows), ROWS_AT_ONCE):
            yield partial(self._fill_testing, start)

    def _fill_training(self, start: int) -> None:
        block = slice(start, start + ROWS_AT_ONCE)
        rows = self.rows[block]
        with np.errstate(all="ignore"):  # `refusal` looks for what is not finite
            np.matmul(rows, rows.T, out=self.training[block, block])
            np.matmul(rows, self.rows[:start].T, out=self.training[block, :start])
        self.training[:start, block] = self.training[block, :start].T

    def _fill_testing(self, start: int) -> None:
        block = slice(start, start + ROWS_AT_ONCE)
        with np.errstate(all="ignore"):
            np.matmul(self.testing_rows[block], self.rows.T, out=self.testing[block])

    def finished(self) -> Matrices:
        with np.errstate(all="ignore"):
            squares = np.einsum("nd,nd->n", self.testing_rows, self.testing_rows)
        return Matrices(
            order=self.order,
            starts=self.starts,
            training=self.training,
            products=Products(self.training, self.testing, squares, self.starts.tolist()),
            refusal=self._refusal(squares),
        )

    def _refusal(self, testing_squares: Float64) -> str | None:
        # A value that is not finite makes its row's square so: as a rule this is all to look at.
        squares = np.concatenate([self.training.diagonal(), testing_squares])
        if self.rows.shape[1] and np.isfinite(squares).all():
            return None
        try:
            for values in (self.rows, self.testing_rows):
                if values is self.rows or len(values):  # `fit` has no rows to test on
                    check_array(values, dtype=np.float64, estimator="SVC", input_name="X")
        except ValueError as error:
            return str(error)
        return None  # squares too large for float64 of values that are not


def bytes_of(rows: Rows) -> int:
    """Return the memory that it takes to multiply a set, ``8 n (n + n_testing + d)`` bytes."""
    training, columns = rows.training.shape
    return FLOAT64_BYTES * training * (training + len(rows.testing) + columns)


def bytes_of_thread(rows: Rows) -> int:
    """Return the memory that one thread takes to solve, ``4 n**2 + 8 n n_testing + 8 m**2`` bytes.

    The kernel of all training rows and that of the testing rows; that of the largest pair's m rows,
    and the same in the order that shrinking makes.
    """
    training, testing = len(rows.training), len(rows.testing)
    largest = int(np.sort(np.bincount(rows.codes))[-2:].sum())
    kernels = FLOAT32_BYTES * training**2 + FLOAT64_BYTES * training * testing
    return kernels + 2 * FLOAT32_BYTES * largest**2
