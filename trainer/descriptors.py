"""A low-level document as named, typed descriptors.

Conventions
-----------
A descriptor is one named quantity, its full name the path through the document with a leading
dot: ``.lowlevel.mfcc.mean``. It has one or more dimensions. Numbers are *real* and kept as
float32, as Gaia keeps them; text, ``true`` and ``null`` are *strings*. A list takes the type of
its first element; a list of lists becomes ``[rows, columns, values...]``; an empty list is real
and has no dimensions.

What is left out
----------------
``segments`` and ``configuration`` (Gaia drops them) and all of ``metadata``: no preprocessing
uses a descriptor from it, and it differs between builds of the extractor that describe music
alike. Gaia reads it and removes it one step later, so the result is the same, except that here a
recording is not lost over a missing bit rate.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DocumentError
from trainer.tags import album_name, artist_name, tag
from trainer.wording import counted, shown

LEFT_OUT = frozenset({"metadata", "segments", "configuration"})
SECTIONS = ("lowlevel", "rhythm", "tonal")
MAX_VALUES = 1_000_000  # a real document has about 3,000
MAX_DEPTH = 32  # a real document has 4 levels
MAX_NAME = 500  # characters; without a limit, one long key in front of many short ones fills memory

Float32 = NDArray[np.float32]

_NUMBERS = frozenset({float, int})
_LEAVES = _NUMBERS | {list, str, bool, type(None)}


@dataclass(frozen=True)
class LowLevel:
    """One recording's low-level document, flattened.

    Attributes
    ----------
    reals : mapping of str to ndarray of float32, shape (n_dimensions,)
    strings : mapping of str to tuple of str
        Full descriptor name to its values.
    artist : str or None
        First ``metadata.tags.musicbrainz_artistid``, for the artist filter.
    release_group : str or None
        First ``musicbrainz_releasegroupid``, or ``musicbrainz_albumid`` where there is none:
        what recordings of one album have in common.
    artist_name, album_name : str or None
        The same in words, for documents without ids; see `trainer.tags`.
    extractor_version : str or None
        ``metadata.version.essentia``: decides which template family the document belongs to.
    """

    reals: Mapping[str, Float32]
    strings: Mapping[str, tuple[str, ...]]
    artist: str | None = None
    release_group: str | None = None
    artist_name: str | None = None
    album_name: str | None = None
    extractor_version: str | None = None

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<LowLevel: {counted(len(self.reals) + len(self.strings), 'descriptor')} of "
            f"Essentia {shown(self.extractor_version)}>"
        )


def flatten(document: Any) -> LowLevel:
    """Flatten a parsed low-level document.

    Parameters
    ----------
    document : mapping
        What `trainer.documents.parse_json` or `parse_yaml` returned.

    Raises
    ------
    DocumentError
        The document is not a mapping, has a section that is none, holds no descriptor, or
        holds something that is not one: a mapping inside a list, a list of mixed types, a
        ragged or deeper than two-level list, a name that comes twice, text that no file can
        hold.
    """
    if not isinstance(document, Mapping):
        raise DocumentError(f"the document is {_kind(document)}, not an object of descriptors")
    _check_sections(document)
    spans: dict[str, slice] = {}
    numbers: list[Any] = []
    strings: dict[str, tuple[str, ...]] = {}
    budget = MAX_VALUES
    for name, value in _leaves(document):
        if name in spans or name in strings:  # {"a.b": …} beside {"a": {"b": …}}
            raise DocumentError(f"{_shown(name)} is in the document twice")
        values = _as_list(name, value)
        budget -= len(values)
        if budget < 0:
            raise DocumentError(f"the document holds more than {MAX_VALUES:,} values")
        if values and isinstance(values[0], str):
            _check_storable(name, values)
            strings[name] = tuple(values)
        else:
            spans[name] = slice(len(numbers), len(numbers) + len(values))
            numbers += values
    if not spans:
        raise DocumentError("the document holds no numeric descriptor")
    # One conversion for all: one for each descriptor takes twice as long as all the rest.
    everything = _float32(numbers)
    reals = {name: everything[span] for name, span in spans.items()}
    return LowLevel(
        reals,
        strings,
        artist=tag(document, "musicbrainz_artistid"),
        release_group=tag(document, "musicbrainz_releasegroupid")
        or tag(document, "musicbrainz_albumid"),
        artist_name=artist_name(document),
        album_name=album_name(document),
        extractor_version=_extractor_version(document),
    )


def _check_sections(document: Mapping[str, Any]) -> None:
    """Refuse what no extractor has written; a section that is not there is a matter of layout."""
    for section in SECTIONS:
        value = document.get(section, {})
        if not isinstance(value, Mapping):
            raise DocumentError(f"the section {section!r} is {_kind(value)}, not an object")


def _leaves(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield full name and value of everything that is not a mapping."""
    pending = [("", document, 0)]
    while pending:
        prefix, mapping, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise DocumentError(f"{_shown(prefix)} is nested more than {MAX_DEPTH} levels deep")
        for key, value in mapping.items():
            if not depth and key in LEFT_OUT:
                continue
            # Interned: thousands of documents share their few hundred names.
            name = sys.intern(f"{prefix}.{key}")
            if len(name) > MAX_NAME:
                raise DocumentError(
                    f"the name '{_shown(name)}…' has more than {MAX_NAME} characters"
                )
            if not name.isascii() or "\0" in name:
                _check_storable(name, [name])
            # To ask an abstract class takes longer than all the rest.
            if type(value) not in _LEAVES and isinstance(value, Mapping):
                pending.append((name, value, depth + 1))
            else:
                yield name, value


def _as_list(name: str, value: Any) -> list[Any]:
    """Return the values of a descriptor: all numbers, or all text."""
    if type(value) in _NUMBERS:
        return [value]
    if not isinstance(value, list):
        return [_scalar(name, value)]
    if value and isinstance(value[0], list):
        return _matrix(name, value)
    if _all_numbers(value):
        return value
    values = [_scalar(name, item) for item in value]
    _check_types(name, values)
    return values


def _matrix(name: str, rows: list[Any]) -> list[Any]:
    """Flatten a list of lists the way Gaia does: its shape, then its values."""
    if any(not isinstance(row, list) or len(row) != len(rows[0]) for row in rows):
        raise DocumentError(f"{_shown(name)} is a list of lists of different lengths")
    values = [item for row in rows for item in row]
    if not _all_numbers(values):
        values = [_scalar(name, item) for item in values]
        _check_types(name, values)
    if values and isinstance(values[0], str):
        raise DocumentError(f"{_shown(name)} is a list of lists of text")
    return [len(rows), len(rows[0]), *values]


def _all_numbers(values: list[Any]) -> bool:
    # The common case by far. bool is an int to isinstance, hence the exact types.
    return set(map(type, values)) <= _NUMBERS


def _scalar(name: str, value: Any) -> float | str:
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return value
    raise DocumentError(f"{_shown(name)} holds {_kind(value)} inside a list")


def _check_types(name: str, values: list[Any]) -> None:
    if len({isinstance(item, str) for item in values}) > 1:
        raise DocumentError(f"{_shown(name)} mixes numbers and text")


def _check_storable(name: str, texts: list[str]) -> None:
    """Refuse now what would make a model that cannot be read back."""
    for text in texts:
        if "\0" in text or not (text.isascii() or _is_encodable(text)):
            raise DocumentError(f"{_shown(name)} holds a character that cannot be stored")


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True


def _float32(values: list[Any]) -> Float32:
    # Through double, as Gaia parses. A number beyond float32 becomes infinite, and its
    # descriptor goes with the cleaner.
    with np.errstate(over="ignore"):
        try:
            return np.array(values, dtype=np.float64).astype(np.float32)
        except OverflowError:  # an integer beyond double
            return np.array([_to_double(item) for item in values]).astype(np.float32)


def _to_double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # copysign converts, and overflows too


def _extractor_version(document: Mapping[str, Any]) -> str | None:
    value = _get(document, "metadata", "version", "essentia")
    return value if isinstance(value, str) else None


def _get(document: Any, *path: str) -> Any:
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a boolean", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "a number" if isinstance(value, int | float) else "unreadable")


def _shown(name: str) -> str:
    return shown(name.removeprefix("."), 200)
