"""Ids of labels that no document has, beside those that the documents do have.

Labels and documents come from different programs: one writes the folder before the name, another
leaves the suffix where it is, a third changes the case of letters.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from itertools import islice

from trainer.wording import shown

# A collection may have millions of documents beside those that are labelled.
_KEPT = 100_000
_NAMED = 3

_FOLDER = re.compile(r".*[/\\]", re.DOTALL)
_SUFFIX = re.compile(r"(\.[A-Za-z][A-Za-z0-9]{1,4})?(\.gz)?$", re.IGNORECASE)


class Wanted:
    """Ids that are wanted, and of the others that were asked about the first 100,000.

    Parameters
    ----------
    ids : collection of str

    Attributes
    ----------
    others : dict of str to None
        Those that were asked about and are not wanted, in their order.
    """

    def __init__(self, ids: Collection[str]) -> None:
        self.ids = ids
        self.others: dict[str, None] = {}

    def __contains__(self, recording: object) -> bool:
        if recording in self.ids:
            return True
        if isinstance(recording, str) and len(self.others) < _KEPT:
            self.others[recording] = None
        return False


def beside(missing: Collection[str], others: Collection[str]) -> str:
    """Say which ids the other documents have, and whether those that are missing are among them.

    >>> beside(["low/a.json", "low/b.json"], ["a", "b", "c"])
    "the documents have ids such as 'a', 'b', 'c', and all match but for folder and suffix"
    >>> beside(["a"], [])
    'no other document is there'
    """
    if not others:
        return "no other document is there"
    called = f"the documents have ids such as {', '.join(map(shown, islice(others, _NAMED)))}"
    for difference, form in _forms():
        known = set(map(form, others))
        matching = sum(form(recording) in known for recording in missing)
        if matching:
            which = "all" if matching == len(missing) else f"{matching:,} of {len(missing):,}"
            return f"{called}, and {which} match but for {difference}"
    return called


def _forms() -> Iterator[tuple[str, Callable[[str], str]]]:
    """Yield ways in which ids may differ, the simplest first, each with what undoes it."""
    yield "the case of letters", str.casefold
    yield "the suffix", _without_suffix
    yield "the folder", _without_folder
    yield "folder and suffix", _bare
    yield "folder, suffix and the case of letters", lambda text: _bare(text).casefold()


def _without_folder(text: str) -> str:
    return _FOLDER.sub("", text)


def _without_suffix(text: str) -> str:
    return _SUFFIX.sub("", text, count=1)


def _bare(text: str) -> str:
    return _without_suffix(_without_folder(text))
