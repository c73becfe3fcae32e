"""One combination trained on a whole dataset, as a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.engine import Engine, Problem, class_weights
from trainer.grid.folds import Split, by_first_appearance
from trainer.grid.handover import suited
from trainer.grid.planner import problem_of
from trainer.grid.project import Combination
from trainer.layout import Layout
from trainer.models.bundle import Model
from trainer.models.probability import Calibration, fit_sigmoids
from trainer.models.svm import PairwiseSvm
from trainer.preprocessing.chain import fit_inner, fit_recipe
from trainer.preprocessing.steps import FittedStep

Indices = NDArray[np.intp]
Float64 = NDArray[np.float64]


NOT_FINITE = (
    "the support vector machine cannot be trained: its coefficients or intercepts are not finite, "
    "as of values that are too large"
)


@dataclass(frozen=True)
class Outcome:
    """How a machine was trained.

    Attributes
    ----------
    engine : str
        Name of what trained it.
    converged : bool
        Whether no pair of classes met the iteration cap.
    instead : str or None
        Why that is not the engine that was asked for; None if it is.
    """

    engine: str
    converged: bool
    instead: str | None = None


@dataclass(frozen=True, eq=False)
class Fitted:
    """A machine and the way to it from the columns of a dataset.

    Removing and selecting descriptors changes no value, so what is left of both chains is the
    columns that reach the machine and the steps that change their values.

    Attributes
    ----------
    problem : Problem
    columns : ndarray of intp, shape (n_columns,)
        Columns of the dataset that reach the machine.
    layout : Layout
        Their descriptors.
    steps : tuple of FittedStep
    inputs : ndarray of float64, shape (n_recordings, n_columns)
        What the machine was trained on.
    codes, label_of_code : ndarray of intp
        Classes by first appearance, see `by_first_appearance`.
    weights : ndarray of float64, shape (k,)
    svm : PairwiseSvm
    outcome : Outcome
    """

    problem: Problem
    columns: Indices
    layout: Layout
    steps: tuple[FittedStep, ...]
    inputs: Float64
    codes: Indices
    label_of_code: Indices
    weights: Float64
    svm: PairwiseSvm
    outcome: Outcome

    def predict(self, dataset: Dataset, rows: Indices) -> Indices:
        """Predict rows of a dataset by vote, as positions in its classes."""
        values = dataset.values[np.ix_(rows, self.columns)]
        for step in self.steps:
            values = step.apply(values)
        return self.label_of_code[self.svm.predict(values.astype(np.float64))]


def fit(dataset: Dataset, chosen: Combination, engine: Engine) -> Fitted:
    """Train a combination on all recordings of a dataset.

    Raises
    ------
    DatasetError
        The preprocessing leaves no descriptor, or the machine cannot be trained on these values.
    """
    chain, matrix = fit_recipe(
        dataset.values, dataset.layout, chosen.preprocessing, dataset.template
    )
    inner = fit_inner(matrix, chain.layout)
    if not len(inner.columns):
        raise DatasetError(f"preprocessing {chosen.preprocessing!r} leaves no descriptor")
    inputs = inner.apply(matrix).astype(np.float64)
    codes, label_of_code = by_first_appearance(dataset.labels)
    weights = class_weights(codes, balance=chosen.balance_classes)
    svm, outcome = _train(engine, inputs, codes, problem=problem_of(chosen), weights=weights)
    kept = {chain.layout.names[place] for place in chain.layout.descriptor_of[inner.columns]}
    return Fitted(
        problem=problem_of(chosen),
        columns=chain.columns[inner.columns],
        layout=chain.layout.keep(kept)[0],
        steps=(*(step.take(inner.columns) for step in chain.steps), inner.step),
        inputs=inputs,
        codes=codes,
        label_of_code=label_of_code,
        weights=weights,
        svm=svm,
        outcome=outcome,
    )


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A model, and what it thinks of the recordings that it was trained on.

    Attributes
    ----------
    model : Model
    probabilities : ndarray of float64, shape (n_recordings, n_classes)
        Of each recording's classes, in the order of the dataset's classes, by machines that were
        trained without the recording, and where folds are grouped without its group: those of the
        inner cross-validation that the sigmoids are fitted on, and for pairs of other classes the
        model's own.
    """

    model: Model
    probabilities: Float64


def _train(
    engine: Engine, X: Float64, codes: Indices, *, problem: Problem, weights: Float64
) -> tuple[PairwiseSvm, Outcome]:
    nothing = np.empty(0, dtype=np.intp)
    alone = Split(X, X[:0], codes, class_of_code=nothing, testing_rows=nothing)
    taken = suited(engine, [alone])
    trained = taken.engine.train(X, codes, problem=problem, weights=weights)
    if not trained.finite:
        raise DatasetError(NOT_FINITE)
    return trained.machine, Outcome(taken.engine.name, trained.converged, taken.instead)


def with_probabilities(
    fitted: Fitted, dataset: Dataset, *, seed: int, engine: Engine, fold_of: Indices | None = None
) -> Calibrated:
    """Fit the sigmoids of a machine, and make it a model that stands by itself.

    `fold_of` are folds that keep groups together, see `fit_sigmoids`; without it they are Gaia's.
    """
    calibration = fit_sigmoids(
        fitted.inputs,
        fitted.codes,
        weights=fitted.weights,
        fit=lambda X, codes, weights: engine.fit(X, codes, problem=fitted.problem, weights=weights),
        seed=seed,
        fold_of=fold_of,
    )
    model = Model(
        name=dataset.name,
        layout=fitted.layout,
        steps=fitted.steps,
        svm=fitted.svm,
        sigmoids=calibration.sigmoids,
        labels=tuple(dataset.classes[label] for label in fitted.label_of_code),
    )
    return Calibrated(model, _held_out_probabilities(fitted, calibration))


def _held_out_probabilities(fitted: Fitted, calibration: Calibration) -> Float64:
    decisions = calibration.held_out
    if len(fitted.weights) > 2:  # noqa: PLR2004 - pairs that a recording is of neither class of
        strange = np.isnan(decisions)
        decisions = np.where(strange, fitted.svm.decisions(fitted.inputs), decisions)
    by_code = calibration.sigmoids.probabilities(decisions, len(fitted.weights))
    return by_code[:, np.argsort(fitted.label_of_code)]
