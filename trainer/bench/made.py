"""Data to measure with: like descriptors of music, with as many rows and columns as one likes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.grid.folds import Split, assign_folds, by_first_appearance

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

FACTORS = 40  # what descriptors have in common; they are strongly correlated
APART = 1.1  # between classes, in units of a factor: 60 to 90 % can be told apart
NOISE = 2.0
FOLDS = 5


def made_rows(n: int, d: int, classes: int, *, seed: int) -> tuple[Float64, Indices]:
    """Make correlated columns of which classes differ in a few factors.

    Parameters
    ----------
    n, d, classes : int
        Rows, columns, and classes of equal size.
    seed : int

    Returns
    -------
    rows : ndarray of float64, shape (n, d)
        Not yet scaled.
    labels : ndarray of intp, shape (n,)
    """
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    factors = random.normal(size=(n, FACTORS))
    factors += APART * random.normal(size=(classes, FACTORS))[labels] / np.sqrt(FACTORS / 4)
    rows = factors @ random.normal(size=(FACTORS, d))
    return rows + NOISE * np.sqrt(FACTORS / 4) * random.normal(size=(n, d)), labels


def made_splits(n: int, d: int, classes: int, *, seed: int) -> tuple[list[Split], Indices]:
    """Make rows and put them into five folds, each scaled by its training part as Gaia does."""
    rows, labels = made_rows(n, d, classes, seed=seed)
    names = [f"{row:08}" for row in range(n)]
    fold_of = assign_folds(names, labels, FOLDS, seed)
    return [_split(rows, labels, fold_of == fold) for fold in np.unique(fold_of)], labels


def _split(rows: Float64, labels: Indices, held_out: NDArray[np.bool_]) -> Split:
    training, testing = rows[~held_out], rows[held_out]
    low, high = training.min(axis=0), training.max(axis=0)
    codes, class_of_code = by_first_appearance(labels[~held_out])
    return Split(
        training=_single((training - low) / (high - low)),
        testing=_single((testing - low) / (high - low)),
        training_codes=codes,
        class_of_code=class_of_code,
        testing_rows=np.flatnonzero(held_out),
    )


def _single(values: Float64) -> Float64:
    """Round to float32, which is what the machine gets of real descriptors."""
    return values.astype(np.float32).astype(np.float64)
