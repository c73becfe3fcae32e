"""Gaia's transforms: what each learns from a matrix of descriptors.

Conventions
-----------
A descriptor matrix has shape (n_recordings, n_columns): one row for each recording, one column
for each dimension of each descriptor. Values are float32 on the way in and out. A `Layout` says
which columns belong together. Columns of enumerated descriptors hold codes and are passed on
untouched. What was learned is a frozen value; scikit-learn's contract, which is another way to
hold the same, is kept by `trainer.preprocessing.estimator` alone, so that a process which needs no
estimator need not wait two seconds for scikit-learn.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import Float32
from trainer.layout import Layout
from trainer.preprocessing.steps import Affine, RankGaussian

CONSTANT = np.float32(1e-7)  # an absolute range, whatever the unit of the descriptor
DISTRIBUTION_SIZE = 10_000


@dataclass(frozen=True, eq=False)
class Cleaning:
    """Which descriptors are of use, and which are not.

    Attributes
    ----------
    columns : ndarray of intp
        The columns that stay.
    constant, not_finite : tuple of str
        Names of the descriptors that go, by reason.
    """

    columns: NDArray[np.intp]
    constant: tuple[str, ...]
    not_finite: tuple[str, ...]


def clean(matrix: Float32, layout: Layout) -> Cleaning:
    """Find real descriptors that are constant, or not finite somewhere.

    A descriptor is constant if the range of each of its dimensions is below 1e-7. The threshold
    is absolute: a descriptor measured in small units, such as ``lowlevel.spectral_decrease``,
    goes although it varies. One varying dimension keeps the whole vector (specification 7.3).

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_recordings, layout.width)
    layout : Layout

    Examples
    --------
    >>> matrix = np.array([[1.0, 5.0], [2.0, 5.0]], dtype=np.float32)
    >>> clean(matrix, Layout.of_columns(2)).constant
    ('.x1',)
    """
    finite = _per_descriptor(np.isfinite(matrix), layout, np.logical_and)
    with np.errstate(invalid="ignore", over="ignore"):
        varying = ~(np.ptp(matrix, axis=0, keepdims=True) < CONSTANT)
    varies = _per_descriptor(varying, layout, np.logical_or)
    reals = np.array([descriptor.is_real for descriptor in layout.descriptors], dtype=bool)
    kept = ~reals | (finite & varies)
    names = np.array(layout.names, dtype=object)
    return Cleaning(
        columns=np.flatnonzero(kept[layout.descriptor_of]),
        constant=tuple(names[reals & finite & ~varies]),
        not_finite=tuple(names[reals & ~finite]),
    )


def fit_ranges(matrix: Float32, layout: Layout, *, independent: bool = False) -> Affine:
    """Scale real descriptors to [0, 1] over the training set.

    Values outside the training range are extrapolated, never clipped. A range of zero would
    divide by zero, which ends the job in Gaia; here such a dimension becomes 0.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_recordings, layout.width)
        Finite, and at least one row.
    layout : Layout
    independent : bool, default=False
        Scale each dimension by its own range. Otherwise all dimensions of a descriptor share
        one range, which keeps their proportions.

    Examples
    --------
    >>> matrix = np.array([[1.0, 5.0], [3.0, 5.0]], dtype=np.float32)
    >>> fit_ranges(matrix, Layout.of_columns(2)).apply(matrix).tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """
    low, high = matrix.min(axis=0), matrix.max(axis=0)
    if not independent:
        low = _per_descriptor(matrix, layout, np.minimum)[layout.descriptor_of]
        high = _per_descriptor(matrix, layout, np.maximum)[layout.descriptor_of]
    # Both forms of the offset are needed: they round differently, and Gaia uses each.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        slope = np.float32(1) / (high - low)
        offset = -low * slope if independent else -low / (high - low)
    unusable = ~(np.isfinite(slope) & np.isfinite(offset))
    slope[unusable], offset[unusable] = 0, 0
    slope[~layout.real_columns], offset[~layout.real_columns] = 1, 0
    return Affine(slope, offset)


def fit_ranks(matrix: Float32, columns: NDArray[np.intp]) -> RankGaussian:
    """Map columns to a normal distribution by the rank of their values.

    See `RankGaussian` for the rule. More than 10,000 recordings are thinned out to every k-th.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_recordings, n_columns)
        Finite.
    columns : ndarray of intp
        The columns to map, none of them of codes.

    Examples
    --------
    >>> matrix = np.array([[0.1], [0.9], [0.4], [0.5]], dtype=np.float32)
    >>> mapped = fit_ranks(matrix, np.array([0])).apply(matrix)
    >>> [round(value, 2) for value in mapped.ravel().tolist()]
    [-0.48, 0.48, 0.0, 0.48]
    """
    stride = -(-len(matrix) // DISTRIBUTION_SIZE)  # rounded up
    return RankGaussian(columns, np.sort(matrix[::stride, columns], axis=0))


def _per_descriptor(matrix: NDArray[Any], layout: Layout, reduce: np.ufunc) -> NDArray[Any]:
    """Reduce a matrix to one value per descriptor, shape (n_descriptors,)."""
    columns = reduce.reduce(matrix, axis=0)
    return reduce.reduceat(columns, layout.starts) if layout.descriptors else columns
