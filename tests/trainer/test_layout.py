"""Which column is which dimension of which descriptor."""

from typing import Any

import numpy as np
import pytest

from trainer.descriptors import flatten
from trainer.errors import DocumentError
from trainer.layout import AnotherLayoutError, Descriptor, Layout, strings_of

LAYOUT = Layout(
    (
        Descriptor(".a", 2),
        Descriptor(".b", 1, ("major", "minor")),
        Descriptor(".c", 3),
    )
)


def test_columns_follow_the_descriptors() -> None:
    assert LAYOUT.width == 6
    assert LAYOUT.starts.tolist() == [0, 2, 3]
    assert LAYOUT.descriptor_of.tolist() == [0, 0, 1, 2, 2, 2]
    assert LAYOUT.real_columns.tolist() == [True, True, False, True, True, True]


def test_a_selection_keeps_the_order_and_tells_the_columns() -> None:
    layout, columns = LAYOUT.keep([".c", ".a", ".unknown"])

    assert layout.names == (".a", ".c")
    assert columns.tolist() == [0, 1, 3, 4, 5]


def test_nothing_kept_is_a_layout_without_columns() -> None:
    layout, columns = LAYOUT.keep([])

    assert (layout.width, columns.tolist(), layout.starts.tolist()) == (0, [], [])


def test_a_layout_of_bare_columns_keeps_their_order_by_name() -> None:
    names = Layout.of_columns(12).names

    assert list(names) == sorted(names)
    assert len(set(names)) == 12


def test_documents_become_rows_and_text_becomes_codes() -> None:
    documents = [
        flatten({"a": [1, 2], "b": "minor", "c": [3, 4, 5], "further": 9}),
        flatten({"a": [6, 7], "b": "major", "c": [8, 9, 0]}),
    ]

    matrix = LAYOUT.matrix(documents)

    assert matrix.dtype == np.float32
    assert matrix.tolist() == [[1, 2, 1, 3, 4, 5], [6, 7, 0, 8, 9, 0]]


def test_each_unknown_text_gets_the_number_of_known_ones_whatever_came_before() -> None:
    rows = LAYOUT.matrix(
        [flatten({"a": [1, 2], "b": b, "c": [3, 4, 5]}) for b in ("dorian", "lydian", "dorian")]
    )

    assert rows[:, 2].tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"a": [1, 2], "b": "major"}, "lacks c"),
        ({"a": [1], "b": "major", "c": [1, 2, 3]}, "has a with 1 value in place of 2"),
        ({"a": [1, 2], "b": ["x", "y"], "c": [1, 2, 3]}, "has b with 2 values in place of 1"),
        (
            {"a": ["x", "y"], "b": "major", "c": [1, 2, 3]},
            "has a as text or true or null for 2 numbers",
        ),
        ({"a": [1, 2], "b": "major", "c": []}, "has c with 0 values in place of 3"),
    ],
)
def test_a_document_that_does_not_fit_is_refused_by_what_does_not(
    document: Any, problem: str
) -> None:
    with pytest.raises(DocumentError, match=f"^the document {problem}$"):
        LAYOUT.matrix([flatten(document)])


def test_the_message_says_which_extractor_wrote_the_document() -> None:
    document = {"x": 1, "metadata": {"version": {"essentia": "2.1-beta5\n"}}}

    with pytest.raises(DocumentError, match=r"written by Essentia '2\.1-beta5\\n'"):
        LAYOUT.matrix([flatten(document)])


def test_the_message_names_a_few_of_many() -> None:
    layout = Layout(tuple(Descriptor(f".d{number}") for number in range(9)))

    with pytest.raises(DocumentError, match="d0, d1, d2, d3, d4 and 4 more"):
        layout.matrix([flatten({"x": 1})])


def test_numbers_where_text_is_expected_are_text_again() -> None:
    layout = Layout((Descriptor(".year", 2, ("1999", "0.5")),))

    assert layout.matrix([flatten({"year": [1999, 0.5]})]).tolist() == [[0, 1]]


def test_a_descriptor_that_a_document_lacks_has_no_text() -> None:
    assert strings_of(flatten({"x": 1}), ".year") is None


def test_a_descriptor_in_another_shape_is_told_from_one_that_is_not_there() -> None:
    layout = Layout((Descriptor(".a", 3), Descriptor(".b"), Descriptor(".c")))
    short, text = {"a": [1.0, 2.0], "b": 1, "c": 1}, {"a": [1.0, 2.0, 3.0], "b": "1", "c": 1}

    with pytest.raises(DocumentError, match=r"has a with 2 values in place of 3$") as misshapen:
        layout.matrix([flatten(short)])
    with pytest.raises(DocumentError, match=r"has b as text or true or null for 1 number$"):
        layout.matrix([flatten(text)])
    with pytest.raises(
        AnotherLayoutError, match=r"lacks c, and has a with 2 values in place of 3$"
    ):
        layout.matrix([flatten({"a": [1.0, 2.0], "b": 1})])
    assert not isinstance(misshapen.value, AnotherLayoutError)
