import json
from typing import Any

import pytest

from schema.documents import json_text, storable


def test_text_that_postgres_takes_is_left_alone() -> None:
    assert storable("naïve 🎵\n\t", most=100) == "naïve 🎵\n\t"


@pytest.mark.parametrize("refused", ["\x00", "\ud800"])
def test_text_that_postgres_refuses_is_replaced(refused: str) -> None:
    assert storable(f"a{refused}b", most=100) == "a�b"


@pytest.mark.parametrize("keep_end", [False, True])
def test_long_text_is_cut_to_its_limit(*, keep_end: bool) -> None:
    cut = storable("ab" * 50, most=10, keep_end=keep_end)

    assert len(cut) == 10
    assert "…" in cut


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "é🎵"]},
        {"path": "C:\\u0000 is no NUL but a backslash"},
        {"big": 2**80, "negative": -(2**80)},
        {1: "integer keys become text"},
        (1, 2),
    ],
)
def test_json_says_what_the_value_says(value: Any) -> None:
    assert json.loads(json_text(value)) == json.loads(json.dumps(value))


@pytest.mark.parametrize("canonical", [False, True])
def test_json_replaces_what_jsonb_refuses_at_any_depth(*, canonical: bool) -> None:
    value = {"a\x00": [{"b": "\ud800", "c": [float("nan"), float("inf")]}]}

    assert json.loads(json_text(value, canonical=canonical)) == {
        "a�": [{"b": "�", "c": [None, None]}]
    }


def test_canonical_json_is_the_form_that_acousticbrainz_hashes() -> None:
    assert json_text({"b": 1, "a": "é"}, canonical=True) == '{"a":"\\u00e9","b":1}'
