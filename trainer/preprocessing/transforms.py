"""Gaia's transforms as scikit-learn estimators.

Conventions
-----------
A descriptor matrix has shape (n_recordings, n_columns): one row for each recording, one column
for each dimension of each descriptor. Values are float32 on the way in and out. A `Layout` says
which columns belong together; without one every column is a real descriptor of its own. Columns
of enumerated descriptors hold codes and are passed on untouched.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from trainer.descriptors import Float32
from trainer.layout import Layout
from trainer.preprocessing.steps import Affine, RankGaussian

CONSTANT = np.float32(1e-7)  # an absolute range, whatever the unit of the descriptor
DISTRIBUTION_SIZE = 10_000


class _DescriptorTransformer(TransformerMixin, BaseEstimator):
    """What the transformers share: float32 in, a layout that has to fit, at least two rows."""

    layout: Layout | None

    def _validate(self, X: ArrayLike, *, fitting: bool, finite: bool = True) -> Float32:
        # To see whether all are finite, their sum is looked at first, and that may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            matrix: Float32 = validate_data(
                self,
                X,
                reset=fitting,
                dtype=np.float32,
                ensure_min_samples=2 if fitting else 1,
                ensure_all_finite=finite,
            )
        return matrix

    def _layout_of(self, X: Float32) -> Layout:
        layout = self.layout or Layout.of_columns(X.shape[1])
        if layout.width != X.shape[1]:
            raise ValueError(
                f"the layout has {layout.width} columns, but the matrix has {X.shape[1]}"
            )
        return layout

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []  # always float32, Gaia's type
        return tags


class Cleaner(_DescriptorTransformer):
    """Drop real descriptors that are constant, or not finite somewhere.

    A descriptor is constant if the range of each of its dimensions is below 1e-7. The threshold
    is absolute: a descriptor measured in small units, such as ``lowlevel.spectral_decrease``,
    goes although it varies. One varying dimension keeps the whole vector (specification 7.3).

    Parameters
    ----------
    layout : Layout, optional
        Which columns form a descriptor.

    Attributes
    ----------
    columns_ : ndarray of intp
        The columns that stay.
    constant_, not_finite_ : tuple of str
        Names of the descriptors that go, by reason.

    Examples
    --------
    >>> Cleaner().fit_transform([[1.0, 5.0], [2.0, 5.0]]).tolist()
    [[1.0], [2.0]]
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Find the descriptors that vary and are finite in all recordings."""
        matrix = self._validate(X, fitting=True, finite=False)
        layout = self._layout_of(matrix)
        finite = _per_descriptor(np.isfinite(matrix), layout, np.logical_and)
        with np.errstate(invalid="ignore", over="ignore"):
            varying = ~(np.ptp(matrix, axis=0, keepdims=True) < CONSTANT)
        varies = _per_descriptor(varying, layout, np.logical_or)
        reals = np.array([descriptor.is_real for descriptor in layout.descriptors], dtype=bool)
        kept = ~reals | (finite & varies)
        names = np.array(layout.names, dtype=object)
        self.not_finite_ = tuple(names[reals & ~finite])
        self.constant_ = tuple(names[reals & finite & ~varies])
        self.columns_ = np.flatnonzero(kept[layout.descriptor_of])
        return self

    def transform(self, X: ArrayLike) -> Float32:
        """Drop the columns of the descriptors found by `fit`."""
        check_is_fitted(self)
        return self._validate(X, fitting=False, finite=False)[:, self.columns_]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class RangeScaler(OneToOneFeatureMixin, _DescriptorTransformer):
    """Scale real descriptors to [0, 1] over the training set.

    Values outside the training range are extrapolated, never clipped. A range of zero would
    divide by zero, which ends the job in Gaia; here such a dimension becomes 0.

    Parameters
    ----------
    layout : Layout, optional
        Which columns form a descriptor.
    independent : bool, default=False
        Scale each dimension by its own range. Otherwise all dimensions of a descriptor share
        one range, which keeps their proportions.

    Attributes
    ----------
    step_ : Affine
        The fitted slopes and offsets.

    Examples
    --------
    >>> RangeScaler().fit_transform([[1.0, 5.0], [3.0, 5.0]]).tolist()
    [[0.0, 0.0], [1.0, 0.0]]
    """

    def __init__(self, layout: Layout | None = None, *, independent: bool = False) -> None:
        self.layout = layout
        self.independent = independent

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Learn the range of each descriptor, or of each dimension."""
        matrix = self._validate(X, fitting=True)
        layout = self._layout_of(matrix)
        low, high = matrix.min(axis=0), matrix.max(axis=0)
        if not self.independent:
            low = _per_descriptor(matrix, layout, np.minimum)[layout.descriptor_of]
            high = _per_descriptor(matrix, layout, np.maximum)[layout.descriptor_of]
        self.step_ = self._affine(low, high, layout)
        return self

    def _affine(self, low: Float32, high: Float32, layout: Layout) -> Affine:
        # Both forms of the offset are needed: they round differently, and Gaia uses each.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            slope = np.float32(1) / (high - low)
            offset = -low * slope if self.independent else -low / (high - low)
        unusable = ~(np.isfinite(slope) & np.isfinite(offset))
        slope[unusable], offset[unusable] = 0, 0
        slope[~layout.real_columns], offset[~layout.real_columns] = 1, 0
        return Affine(slope, offset)

    def transform(self, X: ArrayLike) -> Float32:
        """Scale by the ranges found by `fit`."""
        check_is_fitted(self)
        return self.step_.apply(self._validate(X, fitting=False))


class RankGaussianizer(OneToOneFeatureMixin, _DescriptorTransformer):
    """Map each dimension to a normal distribution by the rank of its values.

    See `RankGaussian` for the rule. More than 10,000 recordings are thinned out to every k-th.

    Parameters
    ----------
    layout : Layout, optional
        Which columns hold real descriptors.
    columns : array-like of int, optional
        The columns to map; all real ones by default.

    Attributes
    ----------
    step_ : RankGaussian
        The columns and their sorted training values.

    Examples
    --------
    >>> mapped = RankGaussianizer().fit_transform([[0.1], [0.9], [0.4], [0.5]])
    >>> [round(value, 2) for value in mapped.ravel().tolist()]
    [-0.48, 0.48, 0.0, 0.48]
    """

    def __init__(self, layout: Layout | None = None, *, columns: Any = None) -> None:
        self.layout = layout
        self.columns = columns

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Keep the sorted training values of each column."""
        matrix = self._validate(X, fitting=True)
        layout = self._layout_of(matrix)
        if self.columns is None:
            columns = np.flatnonzero(layout.real_columns)
        else:
            columns = np.asarray(self.columns, dtype=np.intp)
        stride = -(-len(matrix) // DISTRIBUTION_SIZE)  # rounded up
        self.step_ = RankGaussian(columns, np.sort(matrix[::stride, columns], axis=0))
        return self

    def transform(self, X: ArrayLike) -> Float32:
        """Replace each value by the quantile of its rank."""
        check_is_fitted(self)
        return self.step_.apply(self._validate(X, fitting=False))


def _per_descriptor(matrix: NDArray[Any], layout: Layout, reduce: np.ufunc) -> NDArray[Any]:
    """Reduce a matrix to one value per descriptor, shape (n_descriptors,)."""
    columns = reduce.reduce(matrix, axis=0)
    return reduce.reduceat(columns, layout.starts) if layout.descriptors else columns
