"""Text and JSON on their way into a column.

Postgres refuses what Python carries about without a word: NUL characters, in text and in JSONB,
and halves of surrogate pairs (a file name that is not UTF-8 has them); JSON has no NaN. With one of
those in a traceback or a report, the write that ends a job would fail for ever, so all text passes
through here.
"""

import json
import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

__all__ = ["json_text", "storable"]

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_REFUSED = re.compile("[\x00\ud800-\udfff]")

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
        return _slowly(value, sort_keys=True, ensure_ascii=True)
    try:
        # orjson writes NaN as null, refuses lone surrogates and integers beyond 64 bits, and passes
        # NUL. It takes a large report in milliseconds; the walk below would take a second.
        written = orjson.dumps(value, option=_ORJSON_OPTIONS).decode()
    except TypeError:
        return _slowly(value)
    return _slowly(value) if "\\u0000" in written else written


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
