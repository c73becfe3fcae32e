"""Who made a recording, and for which album, as the tags of its document say.

MusicBrainz's ids say it best. Files of one's own mostly have names alone, and a name is enough to
find out that a class is one album: "ABBA", "Abba" and " abba " are one artist, and an album goes by
its name together with its artist's, for there are many of "Greatest Hits".
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

KNOWN = 0.5  # of the recordings; where fewer say so, nothing is concluded from what tags say

# What rippers and taggers write where they know nothing.
_NOBODY = frozenset({"unknown artist", "unknown", "[unknown]", "various artists", "various"})
_NOTHING = frozenset({"unknown album", "unknown", "[unknown]"})


def tag(document: Mapping[str, Any], name: str) -> str | None:
    """Return the first value of a tag of a parsed document, if it is text."""
    value: Any = document
    for key in ("metadata", "tags", name):
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    if isinstance(value, list):
        value = value[0] if value else None
    return value if isinstance(value, str) and value.strip() else None


def artist_name(document: Mapping[str, Any]) -> str | None:
    """Return the tag ``artist``, or ``albumartist``; None where it names nobody."""
    names = (tag(document, "artist"), tag(document, "albumartist"))
    return next((name for name in names if name and _key(name) not in _NOBODY), None)


def album_name(document: Mapping[str, Any]) -> str | None:
    """Return the tag ``album`` and whose it is; None where one of both is unknown.

    The artist of the whole album comes first: on one of many artists, each track has its own.
    """
    album = tag(document, "album")
    artist = tag(document, "albumartist") or tag(document, "artist")
    if not album or not artist or _key(album) in _NOTHING:
        return None
    return f"{album} by {artist}"


def identified(ids: Sequence[str | None], names: Sequence[str | None]) -> tuple[str | None, ...]:
    """Say of each recording which artist, or album, it has.

    Parameters
    ----------
    ids, names : sequence of str or None
        Of each recording; whichever is known.

    Returns
    -------
    tuple of str or None
        The id where there is one. Otherwise the id of those that are called alike, if it is one
        and the same; else the name, as it was written first.

    Examples
    --------
    >>> identified([None, None, None], ["ABBA", " abba", None])
    ('ABBA', 'ABBA', None)
    >>> identified(["d87e52c5", None, None], ["ABBA", "Abba", "Blur"])
    ('d87e52c5', 'd87e52c5', 'Blur')
    """
    written: dict[str, str] = {}
    ids_of: dict[str, set[str]] = defaultdict(set)
    for known, name in zip(ids, names, strict=True):
        if name:
            written.setdefault(_key(name), name)
            if known:
                ids_of[_key(name)].add(known)

    def of(name: str) -> str:
        alike = ids_of[_key(name)]
        return next(iter(alike)) if len(alike) == 1 else written[_key(name)]

    return tuple(
        known or (of(name) if name else None) for known, name in zip(ids, names, strict=True)
    )


def _key(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
