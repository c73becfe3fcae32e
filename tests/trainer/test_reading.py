"""Descriptors read where they lie: the same values as by flattening the whole document."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.descriptors import flatten
from trainer.errors import DocumentError
from trainer.layout import Descriptor, Layout
from trainer.reading import Reader

KEYS = Descriptor(".tonal.key", 1, ("A", "B"))
KEYS_OF_ANOTHER = Descriptor(".tonal.key", 1, ("C", "B", "A"))
CHORDS = Descriptor(".tonal.chords", 2, ("A", "B"))
LAYOUTS = (
    Layout((Descriptor(".lowlevel.mfcc.mean", 3), Descriptor(".rhythm.bpm"), KEYS)),
    Layout((Descriptor(".lowlevel.loudness"), Descriptor(".rhythm.bpm"), KEYS_OF_ANOTHER, CHORDS)),
)
READER = Reader.of(LAYOUTS)
DOCUMENT = {
    "lowlevel": {"mfcc": {"mean": [1.5, -2, 0.25], "cov": [[1, 2], [3, 4]]}, "loudness": 0.5},
    "rhythm": {"bpm": 120.1},
    "tonal": {"key": "A", "chords": ["B", "D#"]},
    "metadata": {"version": {"essentia": "2.1-beta1"}},
}


def changed(path: str, value: Any) -> Any:
    """Return the document with another value; without any for `...`."""
    document = deepcopy(DOCUMENT)
    *branch, leaf = path.split(".")
    place: Any = document
    for key in branch:
        place = place[key]
    if value is ...:
        del place[leaf]
    else:
        place[leaf] = value
    return document


def by_flattening(document: Any) -> Any:
    """Return the matrices of the layouts, or None where a document cannot be used."""
    try:
        flat = flatten(document)
        return [layout.matrix([flat]) for layout in LAYOUTS]
    except DocumentError:
        return None


def by_reader(document: Any) -> Any:
    matrix, refused = READER.matrix([document])
    assert (matrix[list(refused)] == 0).all()
    return None if refused else [matrix[:, READER.columns(layout)] for layout in LAYOUTS]


def test_each_descriptor_is_read_once_however_many_models_need_it() -> None:
    names = [descriptor.name for descriptor in READER.layout.descriptors]

    assert names == [
        ".lowlevel.loudness",
        ".lowlevel.mfcc.mean",
        ".rhythm.bpm",
        ".tonal.chords",
        ".tonal.key",
        ".tonal.key",
    ]


def test_each_layout_has_its_own_codes_of_the_same_text() -> None:
    first, second = by_reader(DOCUMENT)

    assert first.tolist() == [[1.5, -2, 0.25, np.float32(120.1), 0]]
    assert second.tolist() == [[0.5, np.float32(120.1), 2, 1, 2]]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rhythm.bpm", 120),
        ("rhythm.bpm", [120.5]),
        ("rhythm.bpm", 1e300),
        ("rhythm.bpm", 10**400),
        ("rhythm.bpm", float("nan")),
        ("tonal.key", ["A"]),
        ("tonal.key", "Ä"),
        ("tonal.key", 4.5),  # a number turns back into text, which no model knows
        ("tonal.key", True),
        ("tonal.key", None),
        ("lowlevel.mfcc.mean", [[7]]),  # its shape and then its values are three numbers
        ("metadata", None),
    ],
)
def test_what_essentia_might_write_is_read_as_by_flattening(path: str, value: Any) -> None:
    document = changed(path, value)

    expected = by_flattening(document)

    assert expected is not None
    for found, matrix in zip(by_reader(document), expected, strict=True):
        np.testing.assert_array_equal(found, matrix)


def test_a_name_with_a_dot_is_found_where_flattening_finds_it() -> None:
    document = changed("lowlevel.mfcc", ...)
    document["lowlevel"]["mfcc.mean"] = [1, 2, 3]

    assert by_reader(document)[0].tolist() == [[1, 2, 3, np.float32(120.1), 0]]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("rhythm.bpm", ...),
        ("rhythm", ...),
        ("rhythm", [1]),
        ("rhythm", "bpm"),
        ("rhythm", None),
        ("rhythm.bpm", True),
        ("rhythm.bpm", "120"),
        ("rhythm.bpm", None),
        ("rhythm.bpm", {"mean": 1}),
        ("rhythm.bpm", [1, 2]),
        ("rhythm.bpm", []),
        ("lowlevel.mfcc.mean", [1, 2, True]),
        ("lowlevel.mfcc.mean", "abc"),
        ("lowlevel.mfcc.mean", {"a": 1, "b": 2, "c": 3}),
        ("lowlevel.mfcc.mean", [1, 2]),
        ("lowlevel.mfcc.mean", 1),
        ("tonal.key", "A\0"),
        ("tonal.key", ["A", "B"]),
        ("tonal.key", []),
        ("tonal.key", {}),
        ("tonal.chords", "B"),
    ],
)
def test_what_is_there_in_another_way_is_refused_on_both_ways(path: str, value: Any) -> None:
    document = changed(path, value)

    assert by_flattening(document) is None
    assert by_reader(document) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["A", "B", "é", "1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["mean", "key", "bpm"]), inner, max_size=2)
    ),
    max_leaves=6,
)
PATHS = ["rhythm.bpm", "rhythm", "tonal.key", "tonal.chords", "lowlevel.mfcc.mean", "lowlevel.mfcc"]


@given(st.sampled_from(PATHS), json_values)
def test_anything_in_place_of_a_descriptor_is_read_alike_or_refused(path: str, value: Any) -> None:
    document = changed(path, value)

    expected, found = by_flattening(document), by_reader(document)

    assert (found is None) == (expected is None)
    for ours, theirs in zip(found or [], expected or [], strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("document", [None, [], 3, "text", {}, {"lowlevel": 3}])
def test_what_is_no_document_is_refused_and_the_others_are_read(document: Any) -> None:
    matrix, refused = READER.matrix([DOCUMENT, document, DOCUMENT])

    assert list(refused) == [1]
    np.testing.assert_array_equal(matrix[0], matrix[2])


def test_what_no_model_needs_may_be_anything() -> None:
    assert by_reader(changed("lowlevel.mfcc.cov", [[1], [2, 3]])) is not None
