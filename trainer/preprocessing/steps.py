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

# Up to so many rows all columns are searched together, beyond it one by one.
FEW_ROWS = 8


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
        ranks = self._few_ranks(columns) if len(X) <= FEW_ROWS else self._ranks(columns)
        quantiles = self._quantiles.take(ranks)
        ranked = X.copy()
        ranked[:, self.columns] = quantiles.T
        return ranked

    def take(self, columns: NDArray[np.intp]) -> RankGaussian:
        """Return the step for a selection of the columns."""
        position = {column: place for place, column in enumerate(self.columns)}
        pairs = [(new, position[old]) for new, old in enumerate(columns) if old in position]
        new_columns = np.array([new for new, _ in pairs], dtype=np.intp)
        kept = np.array([place for _, place in pairs], dtype=np.intp)
        return RankGaussian(new_columns, np.ascontiguousarray(self.distribution[:, kept]))

    def _ranks(self, columns: Float32) -> NDArray[np.intp]:
        """Count the training values that are not above each value, column by column."""
        # In ascending order values are found twice as fast: each search begins near the last one.
        order = columns.argsort(axis=1)
        order += (np.arange(len(columns)) * columns.shape[1])[:, None]  # places in all together
        ascending = columns.ravel().take(order)
        found = np.empty(columns.shape, dtype=np.intp)
        for place, values in enumerate(self._distributions):
            found[place] = values.searchsorted(ascending[place], side="right")
        ranks = np.empty(columns.size, dtype=np.intp)
        ranks[order] = found
        return ranks.reshape(columns.shape)

    def _few_ranks(self, columns: Float32) -> NDArray[np.intp]:
        """Count the same, searching all columns together: a call for each takes a millisecond."""
        count = len(self.distribution)
        starts = (np.arange(len(columns)) * count)[:, None]
        flat = self._distributions.ravel()
        ranks = np.zeros(columns.shape, dtype=np.intp)
        step = 1 << count.bit_length() >> 1
        while step:
            # Of the values up to `further` the last one decides; beyond the end there is none. NaN
            # is above all, as for numpy.
            further = ranks + step
            last = flat.take(starts + np.minimum(further, count) - 1)
            ranks = np.where((further <= count) & ~(last > columns), further, ranks)
            step >>= 1
        return ranks

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
