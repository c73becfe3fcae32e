"""Folds, and what the machine of each fold sees."""

import random
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.grid.folds import assign_folds, by_first_appearance, split
from trainer.layout import Descriptor, Layout


def names(count: int) -> Any:
    return [f"r{number:03}" for number in range(count)]


@pytest.mark.parametrize("n", range(2, 24))
def test_a_class_is_cut_into_slices_rounded_up(n: int) -> None:
    folds = assign_folds(names(n), np.zeros(n, dtype=np.intp), 5, seed=1)

    sizes = np.bincount(folds, minlength=5).tolist()
    size = ceil(n / 5)
    assert sizes == [max(0, min(size, n - size * fold)) for fold in range(5)]


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(6, [2, 2, 2]), (7, [2, 2, 2, 1]), (8, [2] * 4), (48, [10] * 4 + [8]), (72, [15] * 4 + [12])],
)
def test_the_last_folds_may_be_short_or_empty_as_gaia_documents(n: int, sizes: Any) -> None:
    folds = assign_folds(names(n), np.zeros(n, dtype=np.intp), 5, seed=1)

    assert np.bincount(folds).tolist() == sizes


@given(st.lists(st.integers(2, 12), min_size=2, max_size=4), st.integers(2, 50), st.integers(0, 99))
def test_each_class_is_trained_on_in_every_fold(sizes: Any, folds: int, seed: int) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)

    fold_of = assign_folds(names(len(labels)), labels, folds, seed)

    assert len(np.unique(fold_of)) >= 2
    for fold in np.unique(fold_of):
        assert set(labels[fold_of != fold]) == set(labels)


def test_each_class_is_shuffled_by_a_generator_seeded_anew() -> None:
    recordings = names(20)
    labels = np.array([0, 1] * 10)

    fold_of = assign_folds(recordings, labels, 5, seed=7)

    for label in (0, 1):
        ids = [name for name, of in zip(recordings, labels, strict=True) if of == label]
        random.Random(7).shuffle(ids)
        assert [fold_of[recordings.index(name)] for name in ids] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_another_seed_gives_other_folds_and_the_same_seed_the_same() -> None:
    labels = np.zeros(40, dtype=np.intp)

    first, again, other = (assign_folds(names(40), labels, 5, seed).tolist() for seed in (1, 1, 2))

    assert first == again != other


@given(st.randoms())
def test_folds_belong_to_recordings_whatever_their_order(randomly: Any) -> None:
    recordings, labels = names(15), np.arange(15) % 3
    expected = dict(zip(recordings, assign_folds(recordings, labels, 5, 1), strict=True))
    order = list(range(15))
    randomly.shuffle(order)

    shuffled = assign_folds([recordings[row] for row in order], labels[order], 5, 1)

    assert {recordings[row]: fold for row, fold in zip(order, shuffled, strict=True)} == expected


def test_classes_are_numbered_by_first_appearance() -> None:
    codes, label_of_code = by_first_appearance(np.array([2, 0, 2, 1, 0]))

    assert codes.tolist() == [0, 1, 0, 2, 1]
    assert label_of_code.tolist() == [2, 0, 1]


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20))
def test_codes_lead_back_to_their_labels(labels: Any) -> None:
    codes, label_of_code = by_first_appearance(np.array(labels))

    assert label_of_code[codes].tolist() == labels
    assert list(dict.fromkeys(codes.tolist())) == list(range(len(set(labels))))


def made_splits(values: Any, labels: Any, fold_of: Any) -> Any:
    matrix = np.array(values, dtype=np.float32)
    layout = Layout.of_columns(matrix.shape[1])
    return split(matrix, layout, np.array(labels), np.array(fold_of))


def test_a_fold_is_scaled_by_its_training_part_and_not_clipped() -> None:
    first, second = made_splits([[0], [10], [40], [20]], [0, 1, 0, 1], [0, 0, 1, 1])

    assert first.training.ravel().tolist() == [1, 0]
    assert first.testing.ravel().tolist() == [-1, -0.5]
    assert second.testing.ravel().tolist() == [4, 2]
    assert first.training.dtype == np.float64


def test_a_fold_loses_what_is_constant_in_its_training_part_only() -> None:
    first, second = made_splits([[0, 5], [1, 6], [2, 5], [3, 5]], [0, 1, 0, 1], [0, 0, 1, 1])

    assert first.training.shape[1] == 1
    assert second.training.shape[1] == 2


def test_a_fold_knows_its_rows_and_the_classes_behind_its_codes() -> None:
    _, second = made_splits([[0], [1], [2], [3]], [1, 0, 0, 1], [0, 0, 3, 3])

    assert second.testing_rows.tolist() == [2, 3]
    assert second.training_codes.tolist() == [0, 1]
    assert second.class_of_code.tolist() == [1, 0]


def test_a_fold_without_descriptors_has_matrices_without_columns() -> None:
    layout = Layout((Descriptor(".a"),))
    matrix = np.array([[0], [1], [1], [1]], dtype=np.float32)

    first, _ = split(matrix, layout, np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]))

    assert (first.training.shape, first.testing.shape) == ((2, 0), (2, 0))
