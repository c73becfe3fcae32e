"""What the best of many combinations is worth, without training anything again.

The accuracy of the chosen combination is optimistic: it was chosen for it. Nested
cross-validation finds out what the choice is worth, at the price of as many searches as there are
folds. Here the same question is put to the predictions that the search has made already, by the
bootstrap bias corrected cross-validation (BBC-CV) of Tsamardinos, Greasidou and Borboudakis,
"Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation",
Machine Learning 107, 2018: draw recordings with replacement, choose the combination that is best on
those drawn, score it on those that were not. The mean over many draws is the estimate, and their
percentiles are its interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Float64 = NDArray[np.float64]

DRAWS = 500
CONFIDENCE = 0.95
CHUNK = 4096  # recordings at a time, so that memory is bounded


@dataclass(frozen=True)
class Estimate:
    """A figure in percent with its interval of 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Corrected:
    """Accuracy and balanced accuracy of "whatever the search would have chosen"."""

    accuracy: Estimate
    balanced_accuracy: Estimate
    draws: int


def correct(
    labels: Indices,
    predictions: Sequence[Indices],
    seed: int,
    groups: Indices | None = None,
) -> Corrected | None:
    """Estimate what the search's choice is worth.

    Parameters
    ----------
    labels : ndarray of intp, shape (n_recordings,)
    predictions : sequence of ndarray of intp, shape (n_recordings,)
        Cross-validated predictions of each combination, in grid order; -1 stands for none and is
        wrong.
    seed : int
        Of the draws.
    groups : ndarray of intp, shape (n_recordings,), optional
        What is drawn or left together: recordings that are alike say less than as many that are
        not. Each recording is one of its own by default.

    Returns
    -------
    Corrected or None
        None where hardly any draw leaves something of each class to score on.
    """
    right = np.array([predicted == labels for predicted in predictions])
    if groups is None:
        times = _draw(len(labels), seed)
    else:
        _, group_of = np.unique(groups, return_inverse=True)
        times = _draw(int(group_of.max()) + 1, seed)[:, group_of]
    chosen = _right_when_drawn(right, times).argmax(axis=1)  # the first of equals, as the search
    classes = np.unique(labels)
    accuracies, balanced = [], []
    for drawn, winner in zip(times, chosen, strict=True):
        left = drawn == 0
        recalls = [right[winner, left & (labels == label)] for label in classes]
        if all(map(len, recalls)):
            accuracies.append(float(right[winner, left].mean()))
            balanced.append(float(np.mean([recall.mean() for recall in recalls])))
    if len(accuracies) < len(times) / 2:
        return None
    return Corrected(_estimate(accuracies), _estimate(balanced), len(accuracies))


def _draw(count: int, seed: int) -> NDArray[np.uint8]:
    """Return how often each recording is drawn, shape (DRAWS, count)."""
    generator = np.random.default_rng(seed)
    times = np.empty((DRAWS, count), dtype=np.uint8)
    for row in times:
        drawn = np.bincount(generator.integers(count, size=count), minlength=count)
        row[:] = drawn.clip(max=255)
    return times


def _right_when_drawn(right: NDArray[np.bool_], times: NDArray[np.uint8]) -> Float64:
    """Count right predictions among those drawn, shape (DRAWS, n_combinations).

    Sums of integers below 2**53: the same in whichever order, so ties are ties.
    """
    total = np.zeros((len(times), len(right)))
    for begin in range(0, right.shape[1], CHUNK):
        part = slice(begin, begin + CHUNK)
        total += times[:, part].astype(np.float64) @ right[:, part].T.astype(np.float64)
    return total


def _estimate(values: Sequence[float]) -> Estimate:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(values, [tail, 100 - tail])
    return Estimate(100 * float(np.mean(values)), 100 * float(low), 100 * float(high))
