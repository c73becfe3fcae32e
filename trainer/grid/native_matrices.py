"""The inner products that the compiled solver works on: one matrix for all C and gamma."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.grid.folds import Split
from trainer.grid.native._native import Products, cubic_range
from trainer.grid.planner import FLOAT32_MARGIN, FLOAT32_RANGE
from trainer.models.svm import DEGREE

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

FLOAT64_BYTES = 8
FLOAT32_BYTES = 4

# exp(-104) is less than half of the smallest number that float32 knows.
IDENTITY = 104.0


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
    """

    order: Indices
    starts: Indices
    training: Float64
    products: Products

    @classmethod
    def of(cls, X: Float64, codes: Indices, testing: Float64) -> Matrices:
        """Multiply the rows; by far most of the work is the BLAS's."""
        order = np.argsort(codes, kind="stable")
        rows = X[order]
        starts = np.concatenate([[0], np.cumsum(np.bincount(codes))])
        training = rows @ rows.T
        squares = np.einsum("nd,nd->n", testing, testing)
        products = Products(training, testing @ rows.T, squares, starts.tolist())
        return cls(order, starts, training, products)

    @classmethod
    def of_split(cls, split: Split) -> Matrices:
        """Multiply the rows of a split."""
        return cls.of(split.training, split.training_codes, split.testing)

    @property
    def n_classes(self) -> int:
        """Number of classes, k."""
        return len(self.starts) - 1

    def scales_freely(self, gammas: Sequence[float]) -> bool:
        """Whether the polynomial collapse is exact, see `trainer.grid.planner`."""
        apart, least, largest = cubic_range(self.training, FLOAT32_MARGIN)
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


def bytes_of(split: Split) -> int:
    """Return the memory that the matrices of a split take, ``8 n (n + n_testing)`` bytes."""
    training = len(split.training)
    return FLOAT64_BYTES * training * (training + len(split.testing))


def bytes_of_solving(split: Split) -> int:
    """Return the memory that one thread takes, ``2 * 4 m**2`` bytes for the largest pair's m rows.

    The kernel, and the kernel in the order that shrinking makes.
    """
    largest = np.sort(np.bincount(split.training_codes))[-2:].sum()
    return 2 * FLOAT32_BYTES * int(largest) ** 2
