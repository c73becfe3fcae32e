"""The chosen combination over other folds: how much of its accuracy is the folds' doing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.checkpoints import Resumption
from trainer.grid.engine import Engine
from trainer.grid.fold_plan import FoldPlan
from trainer.grid.project import Project
from trainer.grid.scores import Scores, balanced_accuracy, score
from trainer.grid.search import CombinationResult, search

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Repeated:
    """One cross-validation of the chosen combination.

    Attributes
    ----------
    seed : int
        Of its folds.
    scores : Scores
    balanced_accuracy : float
        In percent.
    """

    seed: int
    scores: Scores
    balanced_accuracy: float


@dataclass(frozen=True)
class Repeats:
    """The same combination over several assignments of folds, the search's own among them."""

    each: tuple[Repeated, ...]

    @property
    def accuracy(self) -> tuple[float, float]:
        """Mean and deviation in percent, the deviation as of a sample of all assignments."""
        return _mean_and_deviation([one.scores.accuracy for one in self.each])

    @property
    def balanced_accuracy(self) -> tuple[float, float]:
        """The same, each class counting alike."""
        return _mean_and_deviation([one.balanced_accuracy for one in self.each])


@dataclass(frozen=True, eq=False)
class Folds:
    """An assignment, and the seed that gave it."""

    seed: int
    fold_of: Indices


def further_folds(dataset: Dataset, plan: FoldPlan, times: int) -> tuple[Folds, ...]:
    """Return all assignments but the first: those of the seeds that follow.

    Raises
    ------
    DatasetError
        One of the seeds gives folds that cannot be used.
    """
    plans = [plan.again(time) for time in range(1, times)]
    return tuple(Folds(other.seed, other.assign(dataset).fold_of) for other in plans)


def repeat(
    dataset: Dataset,
    project: Project,
    best: CombinationResult,
    assignments: Sequence[Folds],
    engine: Engine,
    *,
    resumption: Resumption,
    done: Callable[[int], None] = lambda _: None,
) -> Repeats:
    """Cross-validate the chosen combination over further assignments of folds.

    Parameters
    ----------
    dataset, project, engine, resumption
        See `trainer.grid.search.search`.
    best : CombinationResult
        The chosen one, cross-validated over the first of the assignments.
    assignments : sequence of Folds
    done : callable
        Told how many of the others are done.

    Raises
    ------
    DatasetError
        It cannot be trained over other folds.
    """
    first, *others = assignments
    found = [_of(dataset, best, first)]
    for number, folds in enumerate(others, start=1):
        (result,) = search(
            dataset,
            project.only(best.combination),
            folds.fold_of,
            engine,
            resumption=resumption,
            name=f"repeat {number}",
        )
        if result.error:
            raise DatasetError(
                f"over the folds of seed {folds.seed} the chosen combination cannot be trained: "
                f"{result.error}; leave out the option repeats"
            )
        found.append(_of(dataset, result, folds))
        done(number)
    return Repeats(tuple(found))


def _of(dataset: Dataset, result: CombinationResult, folds: Folds) -> Repeated:
    return Repeated(
        folds.seed,
        score(dataset.labels, result.predicted, folds.fold_of),
        balanced_accuracy(dataset.labels, result.predicted),
    )


def _mean_and_deviation(values: list[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1))
