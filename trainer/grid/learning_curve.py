"""Accuracy by the number of recordings that were trained on, to see whether more would help."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.checkpoints import Resumption
from trainer.grid.engine import Engine
from trainer.grid.folds import Split
from trainer.grid.scores import Scores, balanced_accuracy, score
from trainer.grid.search import CombinationResult, cross_validate, splits_of

Indices = NDArray[np.intp]

PARTS = (0.125, 0.25, 0.5, 0.75, 1.0)  # of each fold's training part


@dataclass(frozen=True)
class CurvePoint:
    """A cross-validation that trained on a part.

    Attributes
    ----------
    recordings : int
        Trained on, the mean over the folds.
    scores : Scores
    balanced_accuracy : float
        In percent.
    """

    recordings: int
    scores: Scores
    balanced_accuracy: float


def learn(
    dataset: Dataset,
    best: CombinationResult,
    fold_of: Indices,
    engine: Engine,
    *,
    seed: int,
    resumption: Resumption,
    done: Callable[[int], None] = lambda _: None,
) -> tuple[CurvePoint, ...]:
    """Train the chosen combination on growing parts of each fold's training part.

    Each fold is predicted as a whole. The parts are drawn class by class, each class in the same
    proportion and with one recording at least, and each part holds those before it. The last is
    everything: the cross-validation itself, which is not made again.

    Parameters
    ----------
    dataset, fold_of, engine, resumption
        See `trainer.grid.search.search`.
    best : CombinationResult
        The chosen one.
    seed : int
        Of the draw.
    done : callable
        Told how many parts are done.

    Returns
    -------
    tuple of CurvePoint
        By ascending number of recordings. Parts that are too small for the machine are not there.
    """
    ranks = {fold: _ranks(dataset.labels, fold_of, fold, seed) for fold in np.unique(fold_of)}
    points: dict[int, CurvePoint] = {}
    for number, part in enumerate(PARTS, start=1):
        training = {fold: shares < part for fold, shares in ranks.items()}
        size = round(float(np.mean([rows.sum() for rows in training.values()])))
        predicted = (
            best.predicted
            if number == len(PARTS)
            else _predicted(
                dataset,
                best,
                _splits(dataset, best, fold_of, training),
                fold_of,
                engine,
                resumption=resumption,
                name=f"curve {number}",
            )
        )
        if predicted is not None:
            points[size] = CurvePoint(
                size,
                score(dataset.labels, predicted, fold_of),
                balanced_accuracy(dataset.labels, predicted),
            )
        done(number)
    return tuple(points[size] for size in sorted(points))


def _ranks(labels: Indices, fold_of: Indices, fold: int, seed: int) -> NDArray[np.float64]:
    """Place the rows outside of a fold in a drawn order, from 0 to below 1 in each class.

    Rows of the fold have infinity, and the first of each class 0, below any part.
    """
    generator = np.random.default_rng([seed, int(fold)])
    places = np.full(len(labels), np.inf)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & (fold_of != fold))
        places[generator.permutation(rows)] = np.arange(len(rows)) / max(1, len(rows))
    return places


def _splits(
    dataset: Dataset,
    best: CombinationResult,
    fold_of: Indices,
    training: dict[int, NDArray[np.bool_]],
) -> list[Split]:
    try:
        return splits_of(dataset, best.combination.preprocessing, fold_of, training)
    except DatasetError:  # of so few recordings no descriptor differs
        return []


def _predicted(
    dataset: Dataset,
    best: CombinationResult,
    splits: list[Split],
    fold_of: Indices,
    engine: Engine,
    *,
    resumption: Resumption,
    name: str,
) -> Indices | None:
    if not splits:
        return None
    result = cross_validate(
        dataset, best.combination, splits, fold_of, engine, resumption=resumption, name=name
    )
    return None if result.error else result.predicted
