"""Figures of a cross-validation, as Gaia computes them (specification, section 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Scores:
    """Accuracies of one cross-validation, in percent.

    Attributes
    ----------
    accuracy : float
        Recordings predicted right, pooled over all folds: what Gaia chooses by.
    fold_accuracies : tuple of float
        The same fold by fold, empty folds left out.
    std : float
        Their population standard deviation.
    normalized_accuracy : float
        Mean over folds of the mean recall of the classes in the fold.
    normalized_std : float
        Population standard deviation of these.
    """

    accuracy: float
    fold_accuracies: tuple[float, ...]
    std: float
    normalized_accuracy: float
    normalized_std: float


def score(labels: Indices, predicted: Indices, fold_of: Indices) -> Scores:
    """Score predictions; -1 stands for none and is wrong."""
    right = labels == predicted
    folds = [fold_of == fold for fold in np.unique(fold_of)]
    accuracies = [100.0 * right[fold].mean() for fold in folds]
    normalized = [100.0 * _mean_recall(labels[fold], right[fold]) for fold in folds]
    return Scores(
        accuracy=100.0 * int(right.sum()) / len(labels),
        fold_accuracies=tuple(float(value) for value in accuracies),
        std=float(np.std(accuracies)),
        normalized_accuracy=float(np.mean(normalized)),
        normalized_std=float(np.std(normalized)),
    )


def _mean_recall(labels: Indices, right: NDArray[np.bool_]) -> float:
    return float(np.mean([right[labels == label].mean() for label in np.unique(labels)]))


def balanced_accuracy(labels: Indices, predicted: Indices) -> float:
    """Return the mean recall of the classes over all recordings, in percent."""
    return 100.0 * _mean_recall(labels, labels == predicted)


def confusion(actual: Indices, predicted: Indices, n_classes: int) -> Indices:
    """Count recordings by actual class (row) and predicted class (column).

    Recordings without a prediction are in no cell.
    """
    counts = np.zeros((n_classes, n_classes), dtype=np.intp)
    known = predicted >= 0
    np.add.at(counts, (actual[known], predicted[known]), 1)
    return counts
