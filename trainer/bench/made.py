"""Data to measure with: like descriptors of music, with as many rows and columns as one likes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import Dataset
from trainer.layout import Descriptor, Layout

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

FACTORS = 40  # what descriptors have in common; they are strongly correlated
LOW_RANK = 3  # factors of rows that have nothing else
APART = 1.1  # between classes, in units of a factor: 60 to 90 % can be told apart
NOISE = 2.0

# Columns of each kind among the 674 that AcousticBrainz's documents leave to the machine.
KINDS = (".lowlevel.melbands.mean", 375), (".lowlevel.mfcc.mean", 109), (".tonal.hpcp.mean", 190)


def made_rows(
    n: int, d: int, classes: int, *, seed: int, low_rank: bool = False, label_noise: float = 0.0
) -> tuple[Float64, Indices]:
    """Make correlated columns of which classes differ in a few factors.

    Parameters
    ----------
    n, d, classes : int
        Rows, columns, and classes of equal size.
    seed : int
    low_rank : bool
        Three factors and nothing else, so the rows are of rank 3. With noisy labels these are what
        libsvm takes longest for.
    label_noise : float
        The share of rows whose labels are dealt out anew among them; at 1 labels are mere chance.

    Returns
    -------
    rows : ndarray of float64, shape (n, d)
        Not yet scaled.
    labels : ndarray of intp, shape (n,)
    """
    random = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    count = LOW_RANK if low_rank else FACTORS
    factors = random.normal(size=(n, count))
    factors += APART * random.normal(size=(classes, count))[labels] / np.sqrt(count / 4)
    rows = factors @ random.normal(size=(count, d))
    if not low_rank:
        rows = rows + NOISE * np.sqrt(count / 4) * random.normal(size=(n, d))
    noisy = random.permutation(n)[: round(label_noise * n)]
    labels[noisy] = labels[random.permutation(noisy)]
    return rows, labels


def made_dataset(rows: Float64, labels: Indices) -> Dataset:
    """Make a dataset of rows; columns are of the kinds that AcousticBrainz's documents have.

    Preprocessings thus leave as large a part of the columns as they leave of a real document's:
    basic all, lowlevel 72 %, nobands 44 %.
    """
    n, d = rows.shape
    return Dataset(
        name="made",
        recordings=tuple(f"{row:08}" for row in range(n)),
        values=rows.astype(np.float32),
        layout=made_layout(d),
        classes=tuple(f"class {label:02}" for label in range(int(labels.max()) + 1)),
        labels=labels.astype(np.intp),
    )


def made_layout(d: int) -> Layout:
    """Make the layout of `d` columns; a kind that would have none is left out."""
    total = sum(count for _, count in KINDS)
    ends = np.cumsum([0, *(count for _, count in KINDS)]) * d // total
    widths = np.diff(ends).tolist()
    return Layout(
        tuple(
            Descriptor(name, width) for (name, _), width in zip(KINDS, widths, strict=True) if width
        )
    )
