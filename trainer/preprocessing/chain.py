"""The two chains between a dataset and a support vector machine.

`Preprocessing` is a recipe (basic … gaussianized), fitted once on all labelled recordings.
`InnerChain` is what Gaia's SVM trainer adds without saying so: a second cleaning and a scaling of
each dimension to [0, 1], fitted on the recordings that are trained on, fold by fold. Hence even
``basic`` reaches the SVM scaled, and ``basic`` and ``normalized`` are one experiment.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import Float32
from trainer.layout import Layout
from trainer.preprocessing.fitting import clean, fit_ranges, fit_ranks
from trainer.preprocessing.patterns import matching, unmatched
from trainer.preprocessing.recipes import Step, Template, recipe
from trainer.preprocessing.steps import Affine, FittedStep


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """One of Gaia's recipes, fitted: which descriptors it selects, and what it does to them.

    Attributes
    ----------
    layout : Layout
        The descriptors of the output columns.
    columns : ndarray of intp, shape (layout.width,)
        The input column of each output column.
    steps : tuple of FittedStep
        What is then done to the columns, in order.
    unmatched : tuple of str
        Patterns of the recipe that no descriptor matches: an error in Gaia, ignored here.
    not_enumerated : tuple of str
        Text descriptors that the recipe does not name. Gaia's job dies on them; here they go.
    """

    layout: Layout
    columns: NDArray[np.intp]
    steps: tuple[FittedStep, ...] = ()
    unmatched: tuple[str, ...] = ()
    not_enumerated: tuple[str, ...] = ()

    def apply(self, matrix: Float32) -> Float32:
        """Return what the recipe makes of a matrix, shape (n, layout.width)."""
        matrix = matrix[:, self.columns]
        for step in self.steps:
            matrix = step.apply(matrix)
        return matrix


def fit_recipe(
    matrix: Float32,
    layout: Layout,
    name: str = "basic",
    template: Template = "2.1-beta2",
) -> tuple[Preprocessing, Float32]:
    """Fit a recipe, each step on the output of the one before it, and say what it makes of these.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_recordings, layout.width)
        Finite.
    layout : Layout
        The descriptors of the columns; recipes go by their names.
    name : str, default="basic"
        basic, lowlevel, nobands, normalized, gaussianized or mfcc.
    template : {"2.1-beta2", "2.1-beta5"}, default="2.1-beta2"
        The family of recipes, see `trainer.preprocessing.recipes`.

    Returns
    -------
    fitted : Preprocessing
    matrix : ndarray of float32, shape (n_recordings, fitted.layout.width)
        ``fitted.apply(matrix)``, which fitting makes on its way. Of some documents a recipe leaves
        no column.
    """
    fitted = Preprocessing(layout, np.arange(layout.width))
    for step in recipe(name, template):
        if fitted.layout.width:
            fitted, matrix = _fit_step(step, fitted, matrix)
    return fitted, matrix


def _fit_step(step: Step, fitted: Preprocessing, matrix: Float32) -> tuple[Preprocessing, Float32]:
    layout, names = fitted.layout, frozenset(fitted.layout.names)
    matched = matching(step.patterns, layout.names)
    fitted = replace(fitted, unmatched=fitted.unmatched + unmatched(step.patterns, layout.names))
    match step.transformation:
        case "remove":
            fitted, columns = _keep(fitted, names - matched)
        case "select":
            fitted, columns = _keep(fitted, matched)
        case "enumerate":
            # Text is coded when the dataset is made: both see all recordings, in the same order.
            # What is left to do is to drop the text that no recipe can use.
            texts = [d.name for d in layout.descriptors if not d.is_real]
            fitted = replace(fitted, not_enumerated=tuple(n for n in texts if n not in matched))
            fitted, columns = _keep(fitted, names - set(fitted.not_enumerated))
        case "normalize":
            return _then(fitted, fit_ranges(matrix, layout), matrix)
        case "gaussianize":
            _, columns = layout.keep(matched)
            ranks = fit_ranks(matrix, columns[layout.real_columns[columns]])
            return _then(fitted, ranks, matrix)
    return fitted, matrix[:, columns]


def _keep(fitted: Preprocessing, names: frozenset[str]) -> tuple[Preprocessing, NDArray[np.intp]]:
    layout, columns = fitted.layout.keep(names)
    steps = tuple(step.take(columns) for step in fitted.steps)
    kept = replace(fitted, layout=layout, columns=fitted.columns[columns], steps=steps)
    return kept, columns


def _then(
    fitted: Preprocessing, step: FittedStep, matrix: Float32
) -> tuple[Preprocessing, Float32]:
    return replace(fitted, steps=(*fitted.steps, step)), step.apply(matrix)


@dataclass(frozen=True, eq=False)
class InnerChain:
    """Cleaning and scaling of what one support vector machine is trained on.

    Attributes
    ----------
    columns : ndarray of intp
        The columns that stay.
    step : Affine
        Scaling of each of them to [0, 1].
    """

    columns: NDArray[np.intp]
    step: Affine

    def apply(self, matrix: Float32) -> Float32:
        """Return the columns that stay, scaled."""
        return self.step.apply(matrix[:, self.columns])


def fit_inner(matrix: Float32, layout: Layout) -> InnerChain:
    """Find the descriptors that vary, and the range of each of their dimensions.

    Parameters
    ----------
    matrix : ndarray of float32, shape (n_recordings, layout.width)
    layout : Layout

    Examples
    --------
    >>> matrix = np.array([[1.0, 5.0], [3.0, 5.0]], dtype=np.float32)
    >>> fit_inner(matrix, Layout.of_columns(2)).apply(matrix).tolist()
    [[0.0], [1.0]]
    """
    columns = clean(matrix, layout).columns
    kept, _ = layout.keep({layout.names[place] for place in layout.descriptor_of[columns]})
    return InnerChain(columns, fit_ranges(matrix[:, columns], kept, independent=True))
