"""How values that somebody sent appear in messages.

Messages end up in a job's status, in terminals and in web pages, and what they name comes from
files and from people: it may be long, or hold line breaks and control characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

NAMED = 10  # of many things, so many are named
CLASSES_NAMED, CLASS_LENGTH = 4, 20  # in a value's own line


def shown(value: Any, limit: int = 80) -> str:
    r"""Return a value as one short line without anything invisible.

    >>> print(shown("two\nlines"), shown(None), shown([1, 2]))
    'two\nlines' null a list
    """
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int) and value.bit_length() > limit:
        return "a huge integer"  # Python refuses to write those of more than 4,300 digits
    if isinstance(value, str) and len(value) > limit:
        return repr(value[:limit])[:limit] + "…'"
    return repr(value)[: 10 * limit]


def listed(things: Iterable[str], named: int = NAMED, *, separator: str = ", ") -> str:
    """Name the first few of many things, and say how many more there are.

    >>> listed(["a", "b", "c", "d"], named=2)
    'a, b and 2 more'
    """
    things = list(things)
    text = separator.join(things[:named])
    return f"{text} and {len(things) - named} more" if len(things) > named else text


def enumerated(classes: Iterable[str]) -> str:
    """Say how many classes there are, and what the first few are called.

    >>> enumerated(["happy", "sad"])
    "2 classes ('happy', 'sad')"
    """
    names = [shown(name, CLASS_LENGTH) for name in classes]
    return f"{counted(len(names), 'class')} ({listed(names, CLASSES_NAMED)})"


def counted(number: int, noun: str) -> str:
    """Return a number with its noun in the right form.

    >>> counted(1, "recording"), counted(1200, "recording")
    ('1 recording', '1,200 recordings')
    """
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"
