"""Text and JSON on their way into a column and out of it.

Postgres refuses what Python carries about without a word: NUL characters, in text and in JSONB,
and halves of surrogate pairs (a file name that is not UTF-8 has them); JSON has no NaN. With one of
those in a traceback or a report, the write that ends a job would fail for ever, so all text passes
through here.

And it takes what Python cannot read, or cannot walk through afterwards: JSON that nests thousands
of levels deep, numbers of ten thousand digits. The read of a column must not fail for that: it
would be the claim of a job, and the job that nobody can claim would stand before all others.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

__all__ = ["MAX_DEPTH", "MAX_TEXT", "json_text", "json_value", "storable"]

MAX_DEPTH = 100  # of what is read; what this program writes has less than ten levels

# Characters of a document that are fetched. No reader takes one this long: it is cut on the server
# so that it fills no memory on its way to being refused.
MAX_TEXT = 16 * 2**20 + 1

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_REFUSED = re.compile("[\x00\ud800-\udfff]")

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False).encode
_ORJSON_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY


def storable(text: str, *, most: int, keep_end: bool = False) -> str:
    r"""
    Give `text` as Postgres takes it, at most `most` characters of it.

    `keep_end` keeps the end rather than the beginning: the last lines of a traceback say the most.

    Examples
    --------
    >>> storable("a\x00b", most=10) == "a\N{REPLACEMENT CHARACTER}b"
    True
    >>> storable("0123456789", most=4, keep_end=True)
    '…789'
    """
    clean = _REFUSED.sub(REPLACEMENT, text)
    if len(clean) <= most:
        return clean
    return "…" + clean[1 - most :] if keep_end else clean[: most - 1] + "…"


def json_text(value: Any, *, canonical: bool = False) -> str:
    r"""
    Write `value` as JSON that JSONB takes: what it refuses is replaced, NaN and infinities by null.

    `canonical` is AcousticBrainz's form for hashing: keys sorted, no spaces, ASCII only.

    Examples
    --------
    >>> json_text({"accuracy": float("nan"), "name": "caf\u00e9"})
    '{"accuracy":null,"name":"café"}'
    """
    if canonical:
        return _canonical(value)
    try:
        # orjson writes NaN as null, refuses lone surrogates and integers beyond 64 bits, and passes
        # NUL. It takes a large report in milliseconds; the walk below would take a second.
        written = orjson.dumps(value, option=_ORJSON_OPTIONS).decode()
    except TypeError:
        return _slowly(value)
    return _slowly(value) if "\\u0000" in written else written


def json_value(text: str) -> Any:
    """
    Read JSON of a column; what cannot be read, or nests deeper than `MAX_DEPTH`, stays text.

    Whoever expects an object or a list then says that it is none.

    Examples
    --------
    >>> json_value('{"seed": 1}'), json_value("[" * 1000 + "]" * 1000)[:3]
    ({'seed': 1}, '[[[')
    """
    try:
        value = json.loads(text)
    except (RecursionError, ValueError):  # too deep; a number of more than 4,300 digits
        return text
    return text if _is_deep(value) else value


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _containers(parent)]
        if not level:
            return False
    return True


def _containers(value: Any) -> list[Any]:
    children = value.values() if type(value) is dict else value if type(value) is list else ()
    return [child for child in children if type(child) is list or type(child) is dict]


def _canonical(value: Any) -> str:
    """Write first and look afterwards: the walk would take longer than all of the writing."""
    try:
        written = _encode(value)
    except (TypeError, ValueError):  # NaN, a key that is no text
        return _slowly(value, sort_keys=True, ensure_ascii=True)
    # NUL; a surrogate, of which half may be missing.
    if "\\u0000" in written or "\\ud" in written:
        return _slowly(value, sort_keys=True, ensure_ascii=True)
    return written


def _slowly(value: Any, *, sort_keys: bool = False, ensure_ascii: bool = False) -> str:
    return json.dumps(
        _clean(value),
        sort_keys=sort_keys,
        ensure_ascii=ensure_ascii,
        separators=(",", ":"),
        allow_nan=False,
    )


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _REFUSED.sub(REPLACEMENT, value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
