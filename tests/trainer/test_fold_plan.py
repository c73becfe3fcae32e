"""Folds that are grouped, given, or Gaia's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.fold_plan import Assignment, FoldPlan
from trainer.grid.folds import assign_folds
from trainer.grid.nested import check_nestable
from trainer.grid.project import Project
from trainer.layout import Layout


def dataset(labels: Any, **attributes: Any) -> Dataset:
    labels = np.array(labels, dtype=np.intp)
    names = sorted({int(label) for label in labels})
    recordings = tuple(f"r{number:03}" for number in range(len(labels)))
    return Dataset(
        **{
            "name": "made",
            "recordings": recordings,
            "values": np.arange(len(labels), dtype=np.float32)[:, None],
            "layout": Layout.of_columns(1),
            "classes": tuple(f"c{label}" for label in names),
            "labels": labels,
        }
        | attributes
    )


def grouped(data: Dataset, folds: int = 5, seed: int = 1, by: Any = "artist") -> Assignment:
    return FoldPlan(folds, seed, group_by=by).assign(data)


def refusal(data: Dataset, plan: FoldPlan) -> str:
    with pytest.raises(DatasetError) as raised:
        plan.assign(data)
    return str(raised.value)


def test_without_wishes_folds_are_gaias() -> None:
    data = dataset([0, 1] * 20, artists=("one",) * 40)

    for seed in (1, 2):
        assignment = FoldPlan(5, seed).assign(data)
        expected = assign_folds(data.recordings, data.labels, 5, seed)
        assert assignment.fold_of.tolist() == expected.tolist()
        assert (assignment.groups, assignment.notes) == (None, ())


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.none() | st.integers(0, 12)), min_size=8, max_size=60),
    st.integers(2, 8),
    st.integers(0, 2**32 - 1),
)
def test_no_group_is_in_two_folds_and_each_class_is_trained_on_in_each(
    members: Any, folds: int, seed: int
) -> None:
    present = sorted({label for label, _ in members})
    labels = np.array([present.index(label) for label, _ in members])
    artists = tuple(None if artist is None else str(artist) for _, artist in members)
    try:
        fold_of = grouped(dataset(labels, artists=artists), folds, seed).fold_of
    except DatasetError:  # a class of one artist, or classes too entangled
        reject()
    for artist in set(artists) - {None}:
        rows = [row for row, name in enumerate(artists) if name == artist]
        assert len(set(fold_of[rows])) == 1
    assert set(fold_of) == set(range(fold_of.max() + 1))
    assert fold_of.max() < folds
    for fold in set(fold_of):
        assert set(labels[fold_of != fold]) == set(labels)


def test_groups_that_can_be_stratified_are() -> None:
    artists = tuple(f"a{number // 4}" for number in range(200))
    data = dataset([number // 100 for number in range(200)], artists=artists)

    fold_of = grouped(data).fold_of

    for label in (0, 1):
        assert np.bincount(fold_of[data.labels == label]).tolist() == [20] * 5


def test_the_seed_decides_which_groups_are_together() -> None:
    artists = tuple(f"a{number // 2}" for number in range(80))
    data = dataset([0, 1] * 40, artists=artists)

    first, again, other = (grouped(data, seed=seed).fold_of.tolist() for seed in (1, 1, 2))

    assert first == again != other


@pytest.mark.parametrize("artists", [(), (None,) * 20, ("one", "two") * 5 + (None,) * 10])
def test_folds_that_would_be_grouped_in_name_only_are_refused(artists: Any) -> None:
    data = dataset([0, 1] * 10, artists=artists)

    said = refusal(data, FoldPlan(5, 1, group_by="artist"))

    assert said.startswith("folds cannot be grouped by artist: it is unknown for ")
    assert "write the tags artist, or MusicBrainz's ids, into the documents" in said


def test_what_is_inside_of_a_fold_need_not_be_known_as_well_as_the_whole() -> None:
    # Of 24 artists 13 are known, but outside of the last fold only 8 of 19.
    artists = (*(f"a{row}" for row in range(8)), *(None,) * 11, *(f"b{row}" for row in range(5)))
    data = dataset([0, 1] * 12, artists=artists)
    fold_of = np.array([0] * 19 + [1] * 5)

    training, inner = FoldPlan(2, 1, group_by="artist").inside(data, fold_of, 1)

    assert len(training.recordings) == len(inner) == 19


def test_albums_are_grouped_by_release_group() -> None:
    albums = tuple(f"a{number // 4}" for number in range(40))
    data = dataset([0, 1] * 20, artists=("one",) * 40, release_groups=albums)

    fold_of = grouped(data, by="release_group").fold_of

    assert all(len(set(fold_of[place : place + 4])) == 1 for place in range(0, 40, 4))


def test_recordings_of_unknown_groups_are_counted_and_no_group() -> None:
    artists = ("one", "one", None, None, *(f"a{number}" for number in range(16)))
    data = dataset([0, 1] * 10, artists=artists)

    assignment = grouped(data)

    assert assignment.ungrouped == 2
    assert len(set(assignment.groups.tolist())) == 19
    (note,) = assignment.notes
    assert note.startswith("folds are grouped by artist: 17 artists, none in two folds")
    assert "of 2 recordings the artist is unknown, and each is taken for one of its own" in note


def test_a_class_of_one_group_is_refused_with_a_remedy() -> None:
    artists = ("one",) * 10 + tuple(f"a{number}" for number in range(10))
    data = dataset([0] * 10 + [1] * 10, artists=artists)

    said = refusal(data, FoldPlan(5, 1, group_by="artist"))

    assert "all recordings of class 'c0' are of one artist, 'one'" in said
    assert "add recordings of another artist, leave out the class" in said


def test_classes_that_no_grouped_folds_can_hold_apart_are_refused() -> None:
    # Two artists, and both classes by both: each fold is one of them. A third class is by the one.
    artists = ("one",) * 4 + ("two",) * 4
    data = dataset([0, 0, 1, 1, 0, 0, 1, 1], artists=artists)

    assert set(grouped(data).fold_of) == {0, 1}
    assert "class 'c2' are of one artist" in refusal(
        dataset([0, 0, 1, 2, 0, 0, 1, 1], artists=artists), FoldPlan(5, 1, group_by="artist")
    )


def given_folds(*folds: str) -> FoldPlan:
    return FoldPlan(len(folds), 1, given=tuple(tuple(fold.split()) for fold in folds))


def test_folds_that_are_given_are_taken() -> None:
    assignment = given_folds("r003 r000", "r001 r002").assign(dataset([0, 1, 0, 1]))

    assert assignment.fold_of.tolist() == [0, 1, 1, 0]


def test_what_given_folds_name_beyond_the_dataset_is_told() -> None:
    assignment = given_folds("r000 r003 x", "r001 r002 r900").assign(
        dataset([0, 1, 0, 1], left_out={"r900": "lacks y"})
    )

    assert "the folds name 1 recording that the dataset does not have: 'x'" in assignment.notes


def test_recordings_without_a_given_fold_are_named() -> None:
    said = refusal(dataset([0, 1, 0, 1]), given_folds("r000 r003", "r001"))

    assert said.startswith("1 recording of the dataset without a fold")
    assert "'r002'" in said


def test_a_given_fold_with_all_of_a_class_is_refused() -> None:
    said = refusal(dataset([0, 1, 0, 1]), given_folds("r000 r002", "r001 r003"))

    assert "all recordings of class 'c0' are in fold 0" in said
    assert "none to train on" in said


A, B = "0c6d27b4-f520-585d-9bee-2d48fb01835d", "0c6d27b4-0000-585d-9bee-2d48fb01835d"
C, D = "1c6d27b4-f520-585d-9bee-2d48fb01835d", "2c6d27b4-f520-585d-9bee-2d48fb01835d"


def test_the_beginning_of_an_mbid_that_only_one_has_will_do() -> None:
    data = dataset([0, 1, 0, 1], recordings=(B, A, C, D))

    plan = given_folds(f"{B} 0C6D27B4-F52", "1c6d27b4 2c6d27b4")

    assert plan.assign(data).fold_of.tolist() == [0, 0, 1, 1]


def test_a_beginning_that_several_have_is_refused() -> None:
    data = dataset([0, 1, 0, 1], recordings=(B, A, C, D))

    said = refusal(data, given_folds("0c6d27b4", f"{A} {C} {D}"))

    assert "'0c6d27b4' among the folds that are given is the beginning of several" in said


def test_a_recording_that_two_beginnings_put_into_two_folds_is_refused() -> None:
    data = dataset([0, 1, 0, 1], recordings=(B, A, C, D))

    said = refusal(data, given_folds(f"{A} {B} {C}", "1c6d27b4 2c6d27b4"))

    assert f"recording '{C}' is in two of the folds" in said


def test_inner_folds_are_grouped_too() -> None:
    artists = tuple(f"a{number // 4}" for number in range(80))
    data = dataset([number // 2 % 2 for number in range(80)], artists=artists)
    plan = FoldPlan(4, 1, group_by="artist")
    outer = plan.assign(data).fold_of

    for fold in range(4):
        training, inner = plan.inside(data, outer, fold)
        assert len(training.recordings) == (outer != fold).sum()
        by_artist = dict.fromkeys(training.artists)
        for artist in by_artist:
            rows = [row for row, name in enumerate(training.artists) if name == artist]
            assert len(set(inner[rows])) == 1


def test_where_folds_are_given_the_others_are_the_inner_ones() -> None:
    plan = given_folds("r000 r001", "r002 r003", "r004 r005")
    data = dataset([0, 1] * 3)
    outer = plan.assign(data).fold_of

    _, inner = plan.inside(data, outer, 1)

    assert inner.tolist() == [0, 0, 2, 2]


def test_a_dataset_whose_classes_have_too_few_groups_for_nesting_is_refused() -> None:
    artists = ("one", "one", "two", "two", *(f"a{number}" for number in range(8)))
    data = dataset([0] * 4 + [1] * 8, artists=artists)
    plan = FoldPlan(3, 1, group_by="artist")
    fold_of = plan.assign(data).fold_of

    with pytest.raises(DatasetError) as raised:
        check_nestable(data, fold_of, plan)

    assert "a nested estimate needs folds of all recordings but those of fold" in str(raised.value)
    assert "class 'c0' are of one artist" in str(raised.value)
    assert "leave out the option nested" in str(raised.value)


def test_a_project_says_which_plan() -> None:
    project = Project(folds=3, group_by="artist")

    assert FoldPlan.of(project, 7) == FoldPlan(3, 7, "artist")
    assert FoldPlan.of(project, 2**32 - 1).again(1) == FoldPlan(3, 0, "artist")
