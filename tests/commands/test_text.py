"""Strangers' text on a terminal."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.commands.text import plain, visible, visible_lines


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", r"\x1b[31mred"),
        ("bell\x07", r"bell\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("two\nlines", r"two\nlines"),
        ("back\rover", r"back\rover"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\u2028", r"\u2028"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_acts_on_a_terminal_is_shown_escaped(hostile: str, shown: str) -> None:
    assert visible(hostile) == shown


@pytest.mark.parametrize("honest", ["Ænima", "東京", "क\u094d\u200dष", "a … “c”", "👩\u200d👧"])
def test_names_in_any_script_stay_as_they_are(honest: str) -> None:
    assert visible(honest) == honest


def test_very_long_text_is_cut_and_its_length_told() -> None:
    assert visible("x" * 5000).endswith("xx… (5000 characters)")


def test_markup_is_not_interpreted() -> None:
    assert plain("[bold]a[/bold] :smile:").plain == "[bold]a[/bold] :smile:"


def test_lines_are_kept_where_they_are_wanted() -> None:
    assert visible_lines("a\x1b\nb") == "a\\x1b\nb"


@given(st.text())
def test_nothing_that_is_shown_acts(text: str) -> None:
    acting = {"Cc", "Cf", "Cs", "Zl", "Zp"}

    left = {c for c in visible(text) if unicodedata.category(c) in acting}

    assert left <= {"\u200c", "\u200d"}
