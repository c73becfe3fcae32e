"""From a parsed document to named descriptors, whatever the document."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer import descriptors
from trainer.descriptors import flatten
from trainer.errors import DocumentError

BEYOND_DOUBLE = 10**400


def reals(document: Any) -> Any:
    return {name: values.tolist() for name, values in flatten(document).reals.items()}


def with_a_number(**more: Any) -> Any:
    """A document is refused without any number, so each has one beside what is tested."""
    return {"x": 0.5, **more}


def test_a_number_becomes_a_descriptor_of_one_float32_named_by_its_path() -> None:
    flat = flatten({"lowlevel": {"mfcc": {"mean": 0.1}}})

    assert flat.reals[".lowlevel.mfcc.mean"].dtype == np.float32
    assert flat.reals[".lowlevel.mfcc.mean"].tolist() == [np.float32(0.1)]


def test_a_list_of_numbers_becomes_a_descriptor_of_as_many_dimensions() -> None:
    assert reals({"a": [1, 2.5, -3]}) == {".a": [1, 2.5, -3]}


@pytest.mark.parametrize(
    ("value", "text"),
    [("A", "A"), ("3.5", "3.5"), (True, "true"), (False, "false"), (None, "null")],
)
def test_text_booleans_and_null_are_strings(value: Any, text: str) -> None:
    flat = flatten(with_a_number(a=value))

    assert flat.strings == {".a": (text,)}
    assert ".a" not in flat.reals


def test_a_list_of_text_and_booleans_is_a_string_descriptor() -> None:
    assert flatten(with_a_number(a=["x", None, True])).strings == {".a": ("x", "null", "true")}


def test_a_matrix_has_its_shape_in_front() -> None:
    assert reals({"a": [[1, 2, 3], [4, 5, 6]]}) == {".a": [2, 3, 1, 2, 3, 4, 5, 6]}


def test_a_matrix_without_columns_is_its_shape() -> None:
    assert reals({"a": [[], []]}) == {".a": [2, 0]}


def test_an_empty_list_is_a_real_descriptor_without_dimensions() -> None:
    assert reals({"a": []}) == {".a": []}


@pytest.mark.parametrize(
    "value",
    [
        [1, "x"],
        ["x", 1],
        [1, True],
        [None, 1],
        [[1, "x"]],
        [[1], ["x"]],
        [[1, 2], [3]],
        [[1], 2],
        [1, [2]],
        [["x"]],
        [[[1]]],
        [{"b": 1}],
        [1, {"b": 1}],
        [[{"b": 1}]],
    ],
)
def test_a_list_that_is_no_descriptor_is_refused_by_name(value: Any) -> None:
    with pytest.raises(DocumentError, match=r"'lowlevel\.odd'"):
        flatten(with_a_number(lowlevel={"odd": value}))


@pytest.mark.parametrize("document", [None, [], [1], "text", 1, 1.5, True])
def test_what_is_not_an_object_is_refused(document: Any) -> None:
    with pytest.raises(DocumentError, match="not an object"):
        flatten(document)


@pytest.mark.parametrize("document", [{}, {"a": {}}, {"a": "text"}, {"metadata": {"x": 1}}])
def test_a_document_without_a_number_is_refused(document: Any) -> None:
    with pytest.raises(DocumentError, match="no numeric descriptor"):
        flatten(document)


def test_segments_configuration_and_metadata_are_left_out_at_the_top_only() -> None:
    document = {
        "segments": {"a": [{"odd": 1}]},
        "configuration": 1,
        "metadata": {"a": 1},
        "lowlevel": {"segments": 1, "configuration": 2, "metadata": 3},
    }

    assert set(reals(document)) == {
        ".lowlevel.segments",
        ".lowlevel.configuration",
        ".lowlevel.metadata",
    }


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1e300, math.inf),
        (-1e39, -math.inf),
        (BEYOND_DOUBLE, math.inf),
        (-BEYOND_DOUBLE, -math.inf),
        (2**53 + 1, 2.0**53),
    ],
    ids=["beyond float32", "below float32", "beyond double", "below double", "beyond 53 bits"],
)
def test_a_number_beyond_float32_becomes_what_float32_makes_of_it(
    number: int, expected: Any
) -> None:
    assert reals({"a": number, "b": [number, 1]}) == {".a": [expected], ".b": [expected, 1]}


def test_nan_is_kept_for_the_cleaner_to_find() -> None:
    assert math.isnan(reals({"a": math.nan})[".a"][0])


def nested(depth: int) -> Any:
    document = 1
    for _ in range(depth):
        document = {"a": document}
    return document


def test_deep_nesting_is_refused_before_it_costs_anything() -> None:
    assert flatten(nested(descriptors.MAX_DEPTH))

    with pytest.raises(DocumentError, match="levels deep"):
        flatten(nested(100_000))


def test_more_values_than_any_document_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "MAX_VALUES", 10)

    assert flatten({"a": [1] * 5, "b": [1] * 5})
    with pytest.raises(DocumentError, match="more than 10 values"):
        flatten({"a": [1] * 5, "b": [1] * 6})


def test_a_name_longer_than_any_descriptor_has_is_refused_and_cut_in_the_message() -> None:
    # Each descriptor repeats the name of what it lies in: 2 MB of JSON could fill 100 GB.
    with pytest.raises(DocumentError, match="500 characters") as refused:
        flatten({"a" * 1_000_000: {"b": 1}})

    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("inner", [1, "text", [1, 2]])
def test_a_name_that_comes_twice_is_refused(inner: Any) -> None:
    with pytest.raises(DocumentError, match=r"'a\.b' is in the document twice"):
        flatten({"a.b": 1, "a": {"b": inner}})


@pytest.mark.parametrize("character", ["\ud800", "\0"])
def test_text_that_cannot_be_stored_is_refused_where_it_would_reach_the_model(
    character: Any,
) -> None:
    with pytest.raises(DocumentError, match="cannot be stored"):
        flatten(with_a_number(tonal={"key_key": character}))
    with pytest.raises(DocumentError, match="cannot be stored"):
        flatten({f"a{character}": 1})
    assert flatten(with_a_number(metadata={"tags": {"title": character}}))


def test_control_characters_of_a_name_do_not_reach_the_message() -> None:
    with pytest.raises(DocumentError) as refused:
        flatten({"a\n\x1b[31m": [1, "x"]})

    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("tag", "artist"),
    [
        (["one", "two"], "one"),
        ("one", "one"),
        ([], None),
        ("", None),
        ([""], None),
        (None, None),
        ([7], None),
        ({"a": 1}, None),
    ],
)
def test_the_artist_is_the_first_of_its_tag(tag: Any, artist: Any) -> None:
    document = with_a_number(metadata={"tags": {"musicbrainz_artistid": tag}})

    assert flatten(document).artist == artist


def test_artist_and_album_are_known_by_name_where_ids_are_missing() -> None:
    tags = {"artist": "Björk feat. X", "albumartist": ["Björk"], "album": "Post"}

    flat = flatten(with_a_number(metadata={"tags": tags}))

    assert (flat.artist, flat.release_group) == (None, None)
    assert (flat.artist_name, flat.album_name) == ("Björk feat. X", "Post by Björk")


@pytest.mark.parametrize("metadata", [None, [], "text", {"tags": None, "version": 3}])
def test_odd_metadata_are_as_good_as_none(metadata: Any) -> None:
    flat = flatten(with_a_number(metadata=metadata))

    assert (flat.artist, flat.extractor_version) == (None, None)


def test_the_version_of_the_extractor_is_kept() -> None:
    document = with_a_number(metadata={"version": {"essentia": "2.1-beta5"}})

    assert flatten(document).extractor_version == "2.1-beta5"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=20,
)


@given(anything)
def test_arbitrary_json_is_flattened_or_refused_with_a_printable_sentence(document: Any) -> None:
    try:
        flat = flatten(document)
    except DocumentError as error:
        sentence = str(error)
    else:
        sentence = ""
        assert all(values.dtype == np.float32 for values in flat.reals.values())
        assert all(values.ndim == 1 for values in flat.reals.values())
        assert not flat.reals.keys() & flat.strings.keys()
    assert sentence.isprintable()


@pytest.mark.parametrize("section", ["lowlevel", "rhythm", "tonal"])
@pytest.mark.parametrize(("value", "shown"), [(None, "null"), ("x", "text"), ([1], "a list")])
def test_a_section_that_is_no_object_is_refused_by_name(
    section: str, value: Any, shown: str
) -> None:
    with pytest.raises(DocumentError, match=f"section '{section}' is {shown}, not an object"):
        flatten({"lowlevel": {"x": 1.0}, section: value})
