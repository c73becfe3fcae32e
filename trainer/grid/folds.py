"""Folds of the cross-validation, and the matrices that each fold's SVM sees."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import Float32
from trainer.layout import Layout
from trainer.preprocessing.chain import fit_inner

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]


def assign_folds(recordings: Sequence[str], labels: Indices, folds: int, seed: int) -> Indices:
    """Put each recording into a fold, class by class, as Gaia does (specification, section 9).

    Each class is shuffled with a generator seeded anew and cut into slices of
    ``ceil(n / folds)`` recordings. The folds are thus stratified, and the last ones may be short
    or empty: 6 recordings in 5 folds are 2, 2, 2, 0, 0. Seed 1 gives Gaia's folds of seed 1.

    Returns
    -------
    ndarray of intp, shape (n_recordings,)
        Fold of each recording, from 0. Empty folds are possible; there are always two that
        are not, if each class has two recordings.
    """
    fold_of = np.empty(len(recordings), dtype=np.intp)
    for label in np.unique(labels):
        rows = sorted(np.flatnonzero(labels == label).tolist(), key=lambda row: recordings[row])
        random.Random(seed).shuffle(rows)  # noqa: S311 - folds are no secret
        size = -(-len(rows) // folds)  # rounded up
        for place, row in enumerate(rows):
            fold_of[row] = place // size
    return fold_of


@dataclass(frozen=True, eq=False)
class Split:
    """One fold of one preprocessing, as the SVM gets it.

    Attributes
    ----------
    training : ndarray of float64, shape (n_training, n_columns)
    testing : ndarray of float64, shape (n_testing, n_columns)
        float32 values in double, as Gaia hands them to libsvm. Both row by row in memory, as
        engines take them: they would copy them anew for each fit or set otherwise.
    training_codes : ndarray of intp, shape (n_training,)
        Class of each training row, numbered by first appearance: the order in which libsvm
        2.89 numbers them, which decides ties of the vote.
    class_of_code : ndarray of intp
        Position in the dataset's classes of each code.
    testing_rows : ndarray of intp, shape (n_testing,)
        Rows of the dataset that this fold predicts.
    training_rows : ndarray of intp, shape (n_training,), optional
        Rows of the dataset that are trained on. Folds that say so share work where they share
        values.
    """

    training: Float64
    testing: Float64
    training_codes: Indices
    class_of_code: Indices
    testing_rows: Indices
    training_rows: Indices | None = None


def widest(splits: Sequence[Split]) -> int:
    """Return the most columns of any split; folds leave out those that are constant in them."""
    return max((split.training.shape[1] for split in splits), default=0)


def split(
    matrix: Float32,
    layout: Layout,
    labels: Indices,
    fold_of: Indices,
    training: Mapping[int, NDArray[np.bool_]] | None = None,
) -> list[Split]:
    """Fit the inner chain on each training part; one `Split` for each fold that has rows.

    `training` says by fold which rows are trained on, none of them in the fold; by default all
    that are not.
    """
    return [
        _split_one(
            matrix,
            layout,
            labels,
            fold_of == fold,
            fold_of != fold if training is None else training[fold],
        )
        for fold in np.unique(fold_of).tolist()
    ]


def _split_one(
    matrix: Float32,
    layout: Layout,
    labels: Indices,
    held_out: NDArray[np.bool_],
    trained_on: NDArray[np.bool_],
) -> Split:
    chain = fit_inner(matrix[trained_on], layout)
    codes, class_of_code = by_first_appearance(labels[trained_on])
    return Split(
        training=chain.apply(matrix[trained_on]).astype(np.float64, order="C"),
        testing=chain.apply(matrix[held_out]).astype(np.float64, order="C"),
        training_codes=codes,
        class_of_code=class_of_code,
        testing_rows=np.flatnonzero(held_out),
        training_rows=np.flatnonzero(trained_on),
    )


def by_first_appearance(labels: Indices) -> tuple[Indices, Indices]:
    """Renumber labels in the order in which they first appear.

    Returns
    -------
    codes : ndarray of intp, shape of `labels`
    label_of_code : ndarray of intp
        The label that each code stands for.
    """
    values, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[inverse], values[order]
