"""Figures of predicted classes beside actual ones, as reports hold them: percentages, rounded."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.intp]
Matrix = dict[str, dict[str, int]]

Z = NormalDist().inv_cdf(0.975)  # 95 % of a normal distribution lie within so many deviations
DECIMALS = 2  # of percentages, as AcousticBrainz stores them


def percent(part: int, whole: int) -> float | None:
    """Return a percentage, or None where there is nothing to take it of."""
    return round(100.0 * part / whole, DECIMALS) if whole else None


def wilson(right: int, count: int) -> list[float]:
    """Return Wilson's interval of 95 % around an accuracy, taking recordings for random.

    scipy has it as well, and takes a second to import.

    >>> wilson(81, 100)
    [72.22, 87.49]
    """
    share, square = right / count, Z * Z
    middle = share + square / (2 * count)
    half = Z * sqrt(share * (1 - share) / count + square / (4 * count * count))
    limits = (max(0.0, middle - half), middle + half)
    return [round(100 * limit / (1 + square / count), DECIMALS) for limit in limits]


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
