"""Both chains as one estimator of scikit-learn, for its pipelines."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data

from trainer.descriptors import Float32
from trainer.layout import Layout
from trainer.preprocessing.chain import fit_inner, fit_recipe
from trainer.preprocessing.recipes import Template


class FeatureChain(TransformerMixin, BaseEstimator):
    """From a dataset's descriptors to what a support vector machine sees, as a pipeline's step.

    In a pipeline both chains are fitted on the recordings that are trained on, also the recipe,
    which Gaia and `trainer.train` fit on all labelled recordings. That matters to recipes that
    learn from values, which are ``normalized`` and ``gaussianized``.

    Parameters
    ----------
    layout : Layout, optional
        The descriptors of the columns: `Dataset.layout`. Recipes go by descriptor names, so
        without a layout most of them find nothing to select.
    name : str, default="basic"
        basic, lowlevel, nobands, normalized, gaussianized or mfcc.
    template : {"2.1-beta2", "2.1-beta5"}, default="2.1-beta2"
        The family of recipes: `Dataset.template`.

    Attributes
    ----------
    preprocessing_ : Preprocessing
    inner_ : InnerChain
    columns_ : ndarray of intp
        The input column of each output column.

    Examples
    --------
    >>> import examples
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.svm import SVC
    >>> from trainer import Dataset
    >>> data = Dataset.prepare(examples.ground_truth("timbre"), examples.documents())
    >>> chain = FeatureChain(data.layout, name="lowlevel", template=data.template)
    >>> pipeline = make_pipeline(chain, SVC(C=2)).fit(data.values, data.labels)
    >>> pipeline.score(data.values, data.labels) > 0.9
    True
    """

    def __init__(
        self,
        layout: Layout | None = None,
        *,
        name: str = "basic",
        template: Template = "2.1-beta2",
    ) -> None:
        self.layout = layout
        self.name = name
        self.template = template

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Fit the recipe, and on its output the cleaning and scaling."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: ArrayLike, y: object = None) -> Float32:  # noqa: ARG002
        """Fit both chains and return what they make of `X`."""
        matrix = self._validate(X, fitting=True)
        layout = self._layout_of(matrix)
        self.preprocessing_, matrix = fit_recipe(matrix, layout, self.name, self.template)
        if not self.preprocessing_.layout.width:
            raise ValueError(f"the recipe {self.name!r} selects none of the descriptors")
        self.inner_ = fit_inner(matrix, self.preprocessing_.layout)
        self.columns_ = self.preprocessing_.columns[self.inner_.columns]
        return self.inner_.apply(matrix)

    def transform(self, X: ArrayLike) -> Float32:
        """Apply both fitted chains."""
        check_is_fitted(self)
        return self.inner_.apply(self.preprocessing_.apply(self._validate(X, fitting=False)))

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the output columns, by descriptor and dimension where there is a layout."""
        check_is_fitted(self)
        if self.layout is None:
            return _check_feature_names_in(self, input_features)[self.columns_]
        return np.array(self.layout.column_names, dtype=object)[self.columns_]

    def _validate(self, X: ArrayLike, *, fitting: bool) -> Float32:
        # To see whether all are finite, their sum is looked at first, and that may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            matrix: Float32 = validate_data(
                self, X, reset=fitting, dtype=np.float32, ensure_min_samples=2 if fitting else 1
            )
        return matrix

    def _layout_of(self, X: Float32) -> Layout:
        if not isinstance(self.layout, Layout | None):
            raise TypeError(
                f"layout is {self.layout!r}, and has to be a Layout such as Dataset.layout; which "
                f"recipe it is, name says: FeatureChain(layout, name='lowlevel')"
            )
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
