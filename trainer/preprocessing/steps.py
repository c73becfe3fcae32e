"""What a fitted transform does to a matrix, as plain arrays.

The same two steps serve the estimators that fit them, the bundle that stores them and the
prediction that replays them, so training and serving cannot differ. Each is a pure function of
float32 columns; the order of rounding is Gaia's and is what makes results equal to the bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfinv

from trainer.descriptors import Float32


@dataclass(frozen=True, eq=False)
class Affine:
    """``y = float32(float32(x * slope) + offset)``, column by column.

    Attributes
    ----------
    slope, offset : ndarray of float32, shape (n_columns,)
    """

    slope: Float32
    offset: Float32

    def apply(self, X: Float32) -> Float32:
        """Map a float32 matrix of shape (n, n_columns). Nothing is clipped, as in Gaia."""
        with np.errstate(over="ignore", invalid="ignore"):
            return X * self.slope + self.offset

    def take(self, columns: NDArray[np.intp]) -> Affine:
        """Return the step for a selection of the columns."""
        return Affine(self.slope[columns], self.offset[columns])


@dataclass(frozen=True, eq=False)
class RankGaussian:
    """Replace values by the normal quantile of their rank among the training values.

    With rank r among n kept training values, ``y = erfinv(2 r / n - 1)``: a normal distribution
    of variance 1/2, since Gaia leaves out the square root of two. Ties take the upper rank; ranks
    0 and n, which would be infinite, become 1 and n - 1 (specification, section 7.6).

    Attributes
    ----------
    columns : ndarray of intp, shape (n_ranked,)
        The columns that are ranked; the others pass through.
    distribution : ndarray of float32, shape (n_kept, n_ranked)
        Sorted training values of each ranked column.
    """

    columns: NDArray[np.intp]
    distribution: Float32

    def apply(self, X: Float32) -> Float32:
        """Map a float32 matrix of shape (n, n_columns)."""
        columns = X.T[self.columns]
        # In ascending order values are found twice as fast: each search begins near the last one.
        order = columns.argsort(axis=1)
        order += (np.arange(len(columns)) * len(X))[:, None]  # places in all columns together
        ascending = columns.ravel().take(order)
        ranks = np.empty(columns.shape, dtype=np.intp)
        for place, values in enumerate(self._distributions):
            ranks[place] = values.searchsorted(ascending[place], side="right")
        quantiles = np.empty(columns.size, dtype=np.float32)
        quantiles[order] = self._quantiles.take(ranks)
        ranked = X.copy()
        ranked[:, self.columns] = quantiles.reshape(columns.shape).T
        return ranked

    def take(self, columns: NDArray[np.intp]) -> RankGaussian:
        """Return the step for a selection of the columns."""
        position = {column: place for place, column in enumerate(self.columns)}
        pairs = [(new, position[old]) for new, old in enumerate(columns) if old in position]
        new_columns = np.array([new for new, _ in pairs], dtype=np.intp)
        kept = np.array([place for _, place in pairs], dtype=np.intp)
        return RankGaussian(new_columns, np.ascontiguousarray(self.distribution[:, kept]))

    @cached_property
    def _distributions(self) -> Float32:
        """The distribution, one column after the other: they are searched one by one."""
        return np.ascontiguousarray(self.distribution.T)

    @cached_property
    def _quantiles(self) -> Float32:
        """Return the output for each rank from 0 to n."""
        count = len(self.distribution)
        ranks = np.arange(count + 1).clip(1, max(count - 1, 1))
        # The quotient is rounded to float32, everything after it is double: doing either
        # otherwise changes thousands of values by up to 6e-7.
        quotient = (ranks.astype(np.float32) / np.float32(count)).astype(np.float64)
        return erfinv(2.0 * quotient - 1.0).astype(np.float32)


FittedStep = Affine | RankGaussian
