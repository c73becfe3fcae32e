"""Nested cross-validation: how well the whole search does on recordings it has not seen.

The accuracy of the best of 720 combinations, measured on the folds that it was chosen by, is
optimistic. Here each outer fold is predicted by the winner of a search over the others only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.checkpoints import Resumption
from trainer.grid.engine import Engine
from trainer.grid.fold_plan import FoldPlan
from trainer.grid.project import Combination, Project
from trainer.grid.search import best_of, search
from trainer.models.fitting import fit
from trainer.wording import counted, shown

Indices = NDArray[np.intp]

MIN_RECORDINGS = 2  # per class, to search with while a fold is predicted


@dataclass(frozen=True, eq=False)
class Nested:
    """An estimate by nested cross-validation.

    Attributes
    ----------
    predicted : ndarray of intp, shape (n_recordings,)
        Position in the dataset's classes.
    fold_of : ndarray of intp, shape (n_recordings,)
        Outer fold of each recording.
    chosen : tuple of Combination
        The winner of each outer fold's search.
    """

    predicted: Indices
    fold_of: Indices
    chosen: tuple[Combination, ...]


def check_nestable(dataset: Dataset, fold_of: Indices, plan: FoldPlan) -> None:
    """Refuse a dataset too small to be searched without one of its folds.

    Raises
    ------
    DatasetError
        A class has fewer than two recordings outside of a fold: fewer than three in all, or
        three in two folds. Or there are no inner folds of one that `plan` allows.
    """
    n_classes = len(dataset.classes)
    left = [
        np.bincount(dataset.labels[fold_of != fold], minlength=n_classes)
        for fold in np.unique(fold_of)
    ]
    fewest = np.min(left, axis=0)
    if fewest.min() < MIN_RECORDINGS:
        name = dataset.classes[fewest.argmin()]
        raise DatasetError(
            f"a nested estimate searches without one fold at a time, which leaves "
            f"{counted(int(fewest.min()), 'recording')} of class {shown(name)} where "
            f"{MIN_RECORDINGS} are needed: leave out the option 'nested', add recordings, "
            f"or use more folds"
        )
    for fold in np.unique(fold_of).tolist():
        plan.inside(dataset, fold_of, fold)


def nest(
    dataset: Dataset,
    project: Project,
    fold_of: Indices,
    engine: Engine,
    *,
    plan: FoldPlan,
    collapse: bool = True,
    resumption: Resumption | None = None,
    solved: Callable[[int], None] = lambda _: None,
) -> Nested:
    """Search on the rest of each fold, and predict the fold with what won.

    `solved` is told how many combinations are done, of all outer folds together; for `resumption`
    see `search`. `plan` gives the inner folds.
    """
    predicted = np.full(len(fold_of), -1, dtype=np.intp)
    chosen: list[Combination] = []
    for fold in np.unique(fold_of).tolist():
        before = len(chosen) * len(project.combinations())
        training, inner = plan.inside(dataset, fold_of, fold)
        results = search(
            training,
            project,
            inner,
            engine,
            collapse=collapse,
            resumption=resumption,
            name=f"nested {fold}",
            solved=lambda done, before=before: solved(before + done),  # type: ignore[misc]
        )
        winner = best_of(results).combination
        rows = np.flatnonzero(fold_of == fold)
        predicted[rows] = fit(training, winner, engine).predict(dataset, rows)
        chosen.append(winner)
    return Nested(predicted=predicted, fold_of=fold_of, chosen=tuple(chosen))
