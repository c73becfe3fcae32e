"""How the folds of two evaluations differ, and which of the two looks better for it.

Accuracies over other folds are answers to other questions: with an artist's recordings in several
folds, a machine is asked about voices that it has heard.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, StrictInt, ValidationError

# What folds keep together, by the option group_by; the stricter the later.
_NOUNS = {None: "", "release_group": "album", "artist": "artist"}


class _Folds(BaseModel):
    """The part of a report that tells how recordings came into folds."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    folds: StrictInt
    group_by: Literal["artist", "release_group"] | None = None
    given: StrictBool = False

    @property
    def kind(self) -> str:
        if self.given:
            return "folds that were given"
        if self.group_by is None:
            return "plain folds"
        return f"folds that keep the recordings of an {self.noun} together"

    @property
    def noun(self) -> str:
        return _NOUNS[self.group_by]


def unlike_folds(
    first: Mapping[str, Any], second: Mapping[str, Any], shared: Sequence[str]
) -> Iterator[str]:
    """Say how the folds of two reports differ; of finished models, which have none, nothing.

    Parameters
    ----------
    first, second : mapping
        Reports of A and of B.
    shared : sequence of str
        Recordings that both have.

    Yields
    ------
    str
        A sentence for each difference.
    """
    a, b = _folds_of(first), _folds_of(second)
    if a is None or b is None:
        return
    if a.kind != b.kind:
        yield f"A has {a.kind} and B {b.kind}: {_heard(a, b)}"
    if a.folds != b.folds:
        more, less = ("A", "B") if a.folds > b.folds else ("B", "A")
        yield (
            f"{more} has {max(a.folds, b.folds)} folds and {less} {min(a.folds, b.folds)}: the "
            f"machines of {more} learned from more of the recordings"
        )
    elif a.kind == b.kind and not _are_alike(first, second, shared):
        yield (
            f"A and B put the recordings into other folds{_seeds(first, second)}: some of the "
            f"difference may be the folds' doing"
        )


def _heard(a: _Folds, b: _Folds) -> str:
    """Say who was tested on what the other one was spared."""
    if a.given or b.given:
        return "what the machines had heard of an artist or album may differ"
    # Nearly always an album is of one artist, so that folds by artist keep albums, too.
    strictness = list(_NOUNS)
    a_is_looser = strictness.index(a.group_by) < strictness.index(b.group_by)
    looser, noun = ("A", b.noun) if a_is_looser else ("B", a.noun)
    return f"{looser} was tested on {noun}s that it may have heard, which flatters {looser}"


def _are_alike(first: Mapping[str, Any], second: Mapping[str, Any], shared: Sequence[str]) -> bool:
    """Tell whether the same recordings are together, whatever the folds are numbered."""
    of_first, of_second = _fold_of(first), _fold_of(second)
    if not of_first or not of_second:
        return True  # as far as they say
    pairs = {(of_first.get(one), of_second.get(one)) for one in shared}
    return len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


def _fold_of(report: Mapping[str, Any]) -> dict[str, Any]:
    recordings, folds = report.get("recordings"), report.get("folds")
    if not isinstance(recordings, list) or not isinstance(folds, list):
        return {}
    return {r: fold for r, fold in zip(recordings, folds, strict=False) if isinstance(fold, int)}


def _seeds(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    a, b = first.get("seed"), second.get("seed")
    if not isinstance(a, int) or not isinstance(b, int) or a == b:
        return ""
    return f" (seeds {a} and {b})"


def _folds_of(report: Mapping[str, Any]) -> _Folds | None:
    try:
        return _Folds.model_validate(report.get("cross_validation"))
    except ValidationError:
        return None
