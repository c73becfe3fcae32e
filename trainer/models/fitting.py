"""One combination trained on a whole dataset, as a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.engine import Engine, Problem, class_weights
from trainer.grid.folds import by_first_appearance
from trainer.grid.planner import problem_of
from trainer.grid.project import Combination
from trainer.layout import Layout
from trainer.models.bundle import Model
from trainer.models.probability import fit_sigmoids
from trainer.models.svm import PairwiseSvm
from trainer.preprocessing.chain import InnerChain, Preprocessing
from trainer.preprocessing.steps import FittedStep

Indices = NDArray[np.intp]
Float64 = NDArray[np.float64]


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
        The preprocessing leaves no descriptor.
    """
    chain = Preprocessing(dataset.layout, name=chosen.preprocessing, template=dataset.template)
    matrix = chain.fit_transform(dataset.values)
    inner = InnerChain(chain.layout_).fit(matrix)
    if not len(inner.columns_):
        raise DatasetError(f"preprocessing {chosen.preprocessing!r} leaves no descriptor")
    inputs = inner.transform(matrix).astype(np.float64)
    codes, label_of_code = by_first_appearance(dataset.labels)
    weights = class_weights(codes, balance=chosen.balance_classes)
    kept = {chain.layout_.names[place] for place in chain.layout_.descriptor_of[inner.columns_]}
    return Fitted(
        problem=problem_of(chosen),
        columns=chain.columns_[inner.columns_],
        layout=chain.layout_.keep(kept)[0],
        steps=(*(step.take(inner.columns_) for step in chain.steps_), inner.step_),
        inputs=inputs,
        codes=codes,
        label_of_code=label_of_code,
        weights=weights,
        svm=engine.fit(inputs, codes, problem=problem_of(chosen), weights=weights),
    )


def with_probabilities(fitted: Fitted, dataset: Dataset, *, seed: int, engine: Engine) -> Model:
    """Fit the sigmoids of a machine, and make it a model that stands by itself."""
    sigmoids = fit_sigmoids(
        fitted.inputs,
        fitted.codes,
        weights=fitted.weights,
        fit=lambda X, codes, weights: engine.fit(X, codes, problem=fitted.problem, weights=weights),
        seed=seed,
    )
    return Model(
        name=dataset.name,
        layout=fitted.layout,
        steps=fitted.steps,
        svm=fitted.svm,
        sigmoids=sigmoids,
        labels=tuple(dataset.classes[label] for label in fitted.label_of_code),
    )
