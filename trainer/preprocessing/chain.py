"""The two chains between a dataset and a support vector machine, each as one estimator, and both.

`Preprocessing` is a recipe (basic … gaussianized), fitted once on all labelled recordings.
`InnerChain` is what Gaia's SVM trainer adds without saying so: a second cleaning and a scaling of
each dimension to [0, 1], fitted on the recordings that are trained on, fold by fold. Hence even
``basic`` reaches the SVM scaled, and ``basic`` and ``normalized`` are one experiment.
`FeatureChain` is one after the other, for pipelines of scikit-learn.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import Tags
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from trainer.descriptors import Float32
from trainer.layout import Layout
from trainer.preprocessing.patterns import matching, unmatched
from trainer.preprocessing.recipes import Step, Template, recipe
from trainer.preprocessing.steps import FittedStep
from trainer.preprocessing.transforms import (
    Cleaner,
    RangeScaler,
    RankGaussianizer,
    _DescriptorTransformer,
)


class Preprocessing(_DescriptorTransformer):
    """Select and transform descriptors by one of Gaia's recipes.

    Parameters
    ----------
    layout : Layout, optional
        The descriptors of the columns. Recipes go by descriptor names, so without a layout
        most of them find nothing to select.
    name : str, default="basic"
        basic, lowlevel, nobands, normalized, gaussianized or mfcc.
    template : {"2.1-beta2", "2.1-beta5"}, default="2.1-beta2"
        The family of recipes, see `trainer.preprocessing.recipes`.

    Attributes
    ----------
    layout_ : Layout
        The descriptors of the output columns.
    columns_ : ndarray of intp, shape (layout_.width,)
        The input column of each output column.
    steps_ : tuple of FittedStep
        What is then done to the columns, in order.
    unmatched_ : tuple of str
        Patterns of the recipe that no descriptor matches: an error in Gaia, ignored here.
    not_enumerated_ : tuple of str
        Text descriptors that the recipe does not name. Gaia's job dies on them; here they go.
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
        """Fit the recipe, each step on the output of the one before it."""
        self.fit_transform(X, y)
        return self

    def fit_transform(self, X: ArrayLike, y: object = None) -> Float32:  # noqa: ARG002
        """Fit the recipe and return what it makes of `X`, shape (n, layout_.width)."""
        matrix = self._validate(X, fitting=True)
        self.layout_ = self._layout_of(matrix)
        self.columns_: NDArray[np.intp] = np.arange(self.layout_.width)
        self.steps_: tuple[FittedStep, ...] = ()
        self.unmatched_: tuple[str, ...] = ()
        self.not_enumerated_: tuple[str, ...] = ()
        for step in recipe(self.name, self.template):
            if self.layout_.width:  # of some documents a recipe leaves nothing
                matrix = self._fit_step(step, matrix)
        return matrix

    def transform(self, X: ArrayLike) -> Float32:
        """Apply the fitted recipe, shape (n, layout_.width)."""
        check_is_fitted(self)
        matrix = self._validate(X, fitting=False)[:, self.columns_]
        for step in self.steps_:
            matrix = step.apply(matrix)
        return matrix

    def _fit_step(self, step: Step, matrix: Float32) -> Float32:
        names = self.layout_.names
        matched = matching(step.patterns, names)
        if self.layout is not None:
            self.unmatched_ += unmatched(step.patterns, names)
        match step.transformation:
            case "remove":
                return self._keep(matrix, frozenset(names) - matched)
            case "select":
                return self._keep(matrix, matched)
            case "enumerate":
                return self._enumerate(matrix, matched)
            case "normalize":
                scaler = RangeScaler(self.layout_).fit(matrix)
                return self._apply(matrix, scaler.step_)
            case "gaussianize":
                _, columns = self.layout_.keep(matched)
                columns = columns[self.layout_.real_columns[columns]]
                gaussianizer = RankGaussianizer(self.layout_, columns=columns).fit(matrix)
                return self._apply(matrix, gaussianizer.step_)

    def _keep(self, matrix: Float32, names: frozenset[str]) -> Float32:
        self.layout_, columns = self.layout_.keep(names)
        self.columns_ = self.columns_[columns]
        self.steps_ = tuple(step.take(columns) for step in self.steps_)
        return matrix[:, columns]

    def _enumerate(self, matrix: Float32, matched: frozenset[str]) -> Float32:
        # Text is coded when the dataset is made: both see all recordings, in the same order.
        # What is left to do is to drop the text that no recipe can use.
        texts = [d.name for d in self.layout_.descriptors if not d.is_real]
        self.not_enumerated_ = tuple(name for name in texts if name not in matched)
        return self._keep(matrix, frozenset(self.layout_.names) - set(self.not_enumerated_))

    def _apply(self, matrix: Float32, step: FittedStep) -> Float32:
        self.steps_ += (step,)
        return step.apply(matrix)


class InnerChain(_DescriptorTransformer):
    """Clean and scale what one support vector machine is trained on.

    Parameters
    ----------
    layout : Layout, optional
        The descriptors of the columns.

    Attributes
    ----------
    columns_ : ndarray of intp
        The columns that stay.
    step_ : Affine
        Scaling of each of them to [0, 1].

    Examples
    --------
    >>> InnerChain().fit_transform([[1.0, 5.0], [3.0, 5.0]]).tolist()
    [[0.0], [1.0]]
    """

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout

    def fit(self, X: ArrayLike, y: object = None) -> Self:  # noqa: ARG002
        """Find the descriptors that vary, and the range of each of their dimensions."""
        matrix = self._validate(X, fitting=True, finite=False)
        layout = self._layout_of(matrix)
        self.columns_ = Cleaner(layout).fit(matrix).columns_
        kept = {layout.names[place] for place in layout.descriptor_of[self.columns_]}
        layout, _ = layout.keep(kept)
        if layout.width:
            scaler = RangeScaler(layout, independent=True).fit(matrix[:, self.columns_])
            self.step_ = scaler.step_
        return self

    def transform(self, X: ArrayLike) -> Float32:
        """Return the columns that stay, scaled."""
        check_is_fitted(self)
        matrix = self._validate(X, fitting=False, finite=False)[:, self.columns_]
        return self.step_.apply(matrix) if len(self.columns_) else matrix

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


class FeatureChain(_DescriptorTransformer):
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
        self.preprocessing_ = Preprocessing(self.layout, name=self.name, template=self.template)
        matrix = self.preprocessing_.fit_transform(matrix)
        layout = self.preprocessing_.layout_
        if not layout.width:
            raise ValueError(f"the recipe {self.name!r} selects none of the descriptors")
        self.inner_ = InnerChain(layout).fit(matrix)
        self.columns_ = self.preprocessing_.columns_[self.inner_.columns_]
        return self.inner_.transform(matrix)

    def transform(self, X: ArrayLike) -> Float32:
        """Apply both fitted chains."""
        check_is_fitted(self)
        return self.inner_.transform(
            self.preprocessing_.transform(self._validate(X, fitting=False))
        )

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the output columns, by descriptor and dimension where there is a layout."""
        check_is_fitted(self)
        if self.layout is None:
            return _check_feature_names_in(self, input_features)[self.columns_]
        return np.array(self.layout.column_names, dtype=object)[self.columns_]
