"""Figures of predicted classes beside actual ones, as reports hold them: percentages, rounded."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Indices = NDArray[np.intp]
Matrix = dict[str, dict[str, int]]

DECIMALS = 2  # of percentages, as AcousticBrainz stores them


def percent(part: int, whole: int) -> float | None:
    """Return a percentage, or None where there is nothing to take it of."""
    return round(100.0 * part / whole, DECIMALS) if whole else None


def wilson(right: int, count: int) -> list[float]:
    """Return Wilson's interval of 95 % around an accuracy, taking recordings for random."""
    interval = binomtest(right, count).proportion_ci(method="wilson")
    return [round(100 * float(limit), DECIMALS) for limit in interval]


def matrix_of(counts: Indices, classes: tuple[str, ...]) -> Matrix:
    """Return a confusion matrix by names: actual class to predicted class to recordings."""
    return {
        actual: dict(zip(classes, row, strict=True))
        for actual, row in zip(classes, counts.tolist(), strict=True)
    }


def per_class(matrix: Matrix, sizes: Mapping[str, int]) -> dict[str, dict[str, float | int | None]]:
    """Return precision, recall and F1 of each class of a matrix, and its recordings."""
    table: dict[str, dict[str, float | int | None]] = {}
    for name in matrix:
        right = matrix[name][name]
        predicted = sum(row[name] for row in matrix.values())
        table[name] = {
            "precision": percent(right, predicted),
            "recall": percent(right, sizes[name]),
            "f1": percent(2 * right, predicted + sizes[name]),
            "support": sizes[name],
        }
    return table
