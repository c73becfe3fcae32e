"""Descriptor-name patterns, as Gaia matches them."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import DatasetError
from trainer.preprocessing.patterns import matching, unmatched
from trainer.preprocessing.recipes import NAMES, recipe, template_for

# "Music 1.0" names that the patterns of the recipes tell apart.
DESCRIPTORS = (
    ".lowlevel.average_loudness",
    ".lowlevel.barkbands.dmean",
    ".lowlevel.barkbands.dmean2",
    ".lowlevel.barkbands.max",
    ".lowlevel.barkbands.mean",
    ".lowlevel.barkbands.min",
    ".lowlevel.barkbands_crest.mean",
    ".lowlevel.erbbands.mean",
    ".lowlevel.melbands.dvar",
    ".lowlevel.melbands.mean",
    ".lowlevel.melbands128.mean",
    ".lowlevel.mfcc.cov",
    ".lowlevel.mfcc.icov",
    ".lowlevel.mfcc.mean",
    ".lowlevel.silence_rate_20dB.mean",
    ".lowlevel.spectral_energyband_high.mean",
    ".lowlevel.spectral_energyband_low.mean",
    ".metadata.version.essentia",
    ".rhythm.bpm",
    ".rhythm.minimum",
    ".rhythm.min_mean",
    ".tonal.key_key",
    ".tonal.thpcp",
)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", set(DESCRIPTORS)),
        ("*.min", {".lowlevel.barkbands.min"}),
        ("*.max", {".lowlevel.barkbands.max"}),
        ("*cov", {".lowlevel.mfcc.cov", ".lowlevel.mfcc.icov"}),
        ("*dmean*", {".lowlevel.barkbands.dmean", ".lowlevel.barkbands.dmean2"}),
        ("*dvar*", {".lowlevel.melbands.dvar"}),
        (
            "*energyband*",
            {
                ".lowlevel.spectral_energyband_high.mean",
                ".lowlevel.spectral_energyband_low.mean",
            },
        ),
        ("lowlevel.spectral_energyband_high.*", {".lowlevel.spectral_energyband_high.mean"}),
        ("lowlevel.silence_rate*", {".lowlevel.silence_rate_20dB.mean"}),
        ("metadata.*", {".metadata.version.essentia"}),
        ("lowlevel*", {name for name in DESCRIPTORS if name.startswith(".lowlevel")}),
        ("lowlevel.*", {name for name in DESCRIPTORS if name.startswith(".lowlevel.")}),
        (
            "barkbands*",
            {name for name in DESCRIPTORS if name.startswith(".lowlevel.barkbands")},
        ),
        (
            "melbands*",
            {name for name in DESCRIPTORS if name.startswith(".lowlevel.melbands")},
        ),
        ("lowlevel.mfcc*", {name for name in DESCRIPTORS if name.startswith(".lowlevel.mfcc")}),
        ("tonal.thpcp", {".tonal.thpcp"}),
        ("thpcp", {".tonal.thpcp"}),
        ("tonal.thpc", set()),
        ("hpcp", set()),
        (".tonal", set()),
        (".tonal.*", {".tonal.key_key", ".tonal.thpcp"}),
        ("tonal.key_???", {".tonal.key_key"}),
        ("tonal.key_??", set()),
        ("TONAL.*", set()),
        ("[a-z]*", set()),
        ("bpm|.*", set()),
    ],
)
def test_a_pattern_matches_what_gaia_documents(pattern: str, expected: Any) -> None:
    assert matching([pattern], DESCRIPTORS) == expected


@pytest.mark.parametrize("pattern", ["mean", "*.min"])
def test_a_part_of_a_name_is_not_the_name(pattern: str) -> None:
    names = [".rhythm.min_mean", ".rhythm.minimum", ".rhythm.mean_", ".min.x"]

    assert matching([pattern], names) == set()


def test_brackets_and_dots_of_a_name_stand_for_themselves() -> None:
    assert matching(["a[1].b"], [".a[1].b", ".a1.b", ".a[1]xb"]) == {".a[1].b"}


def test_a_wildcard_runs_over_dots_and_line_breaks() -> None:
    assert matching(["*x"], [".a.b.x", ".a\nx"]) == {".a.b.x", ".a\nx"}


def test_a_pattern_that_matches_below_two_places_is_ambiguous() -> None:
    with pytest.raises(DatasetError, match=r"'bpm\*' is ambiguous.*'\.one' and '\.two'"):
        matching(["bpm*"], [".one.bpm", ".two.bpm_histogram"])


def test_a_pattern_matches_from_the_leftmost_dot_that_fits() -> None:
    assert matching(["bpm*"], [".one.bpm.x", ".one.bpm.bpm"]) == {".one.bpm.x", ".one.bpm.bpm"}


def test_patterns_unite_and_those_that_match_nothing_are_named() -> None:
    assert matching(["*.min", "nothing", "tonal.thpcp"], DESCRIPTORS) == {
        ".lowlevel.barkbands.min",
        ".tonal.thpcp",
    }
    assert unmatched(["*.min", "nothing"], DESCRIPTORS) == ("nothing",)


@given(st.text("ab.*?[\\]^$|(", max_size=8), st.text("ab.\n", max_size=8))
def test_a_whole_name_pattern_is_the_textbook_wildcard(tail: Any, name: str) -> None:
    pattern, name = f"*{tail}", f".{name}"

    assert bool(matching([pattern], [name])) == wildcard(pattern, name)


def wildcard(pattern: str, name: str) -> Any:
    """Match by the definition, one character at a time."""
    if not pattern:
        return not name
    if pattern[0] == "*":
        return wildcard(pattern[1:], name) or (bool(name) and wildcard(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and wildcard(pattern[1:], name[1:])


@pytest.mark.parametrize("template", ["2.1-beta2", "2.1-beta5"])
def test_each_recipe_removes_the_unused_and_enumerates_before_all_else(template: Any) -> None:
    for name in NAMES:
        first, second, *_ = recipe(name, template)

        assert (first.transformation, second.transformation) == ("remove", "enumerate")


def test_the_templates_differ_in_what_they_remove_and_in_their_keys() -> None:
    old, new = recipe("basic", "2.1-beta2"), recipe("basic", "2.1-beta5")

    assert set(new[0].patterns) - set(old[0].patterns) == {
        "rhythm.bpm_histogram",
        "lowlevel.melbands128.*",
    }
    assert "tonal.key_key" in old[1].patterns
    assert "tonal.key_edma.scale" in new[1].patterns
    assert not any(re.search("key_(key|scale)$", pattern) for pattern in new[1].patterns)


def test_a_recipe_of_another_name_is_unknown() -> None:
    with pytest.raises(KeyError):
        recipe("raw")


@pytest.mark.parametrize(
    ("versions", "template"),
    [
        (["2.1-beta5"], "2.1-beta5"),
        (["2.1-beta5", "2.1-beta6"], "2.1-beta5"),
        (["2.1-beta2"], "2.1-beta2"),
        (["2.1-beta5", "2.1-beta2"], "2.1-beta2"),
        (["2.1-beta5", None], "2.1-beta2"),
        ([None], "2.1-beta2"),
        ([], "2.1-beta2"),
    ],
)
def test_the_template_follows_the_extractors_of_all_documents(versions: Any, template: Any) -> None:
    assert template_for(versions) == template
