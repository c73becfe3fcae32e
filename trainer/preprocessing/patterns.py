"""Descriptor-name patterns, as Gaia matches them (specification, section 4).

``*`` is any run of characters, dots included, and ``?`` is any one character; everything else
stands for itself. Full names start with a dot.

1. A pattern that starts with ``.`` or ``*`` must match the whole full name:
   ``*.min`` is every name that ends in ``.min``.
2. Any other pattern must match from a dot to the end of the name: ``barkbands*`` matches
   ``.lowlevel.barkbands.mean`` and ``.lowlevel.barkbands_crest.mean``. What precedes the match
   has to be the same for all names, or the pattern is ambiguous.

A pattern that matches nothing is no error here, though it is in Gaia: a descriptor that the
cleaner has taken away may well have been a pattern's only match.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from trainer.errors import DatasetError


def matching(patterns: Iterable[str], names: Sequence[str]) -> frozenset[str]:
    """Return the names that at least one of the patterns matches.

    Raises
    ------
    DatasetError
        A pattern is ambiguous (rule 2).
    """
    return frozenset().union(*(_match_one(pattern, names) for pattern in patterns))


def unmatched(patterns: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """Return the patterns that match none of the names."""
    return tuple(pattern for pattern in patterns if not _match_one(pattern, names))


def _match_one(pattern: str, names: Sequence[str]) -> frozenset[str]:
    if pattern.startswith((".", "*")):
        whole = _compiled(pattern)
        return frozenset(name for name in names if whole.fullmatch(name))
    tail = _compiled(f".{pattern}", anchored_at_end=True)
    found = {name: match.start() for name in names if (match := tail.search(name))}
    prefixes = {name[:start] for name, start in found.items()}
    if len(prefixes) > 1:
        places = " and ".join(f"'{prefix}'" for prefix in sorted(prefixes)[:3])
        raise DatasetError(
            f"the descriptor pattern '{pattern}' is ambiguous in these documents: "
            f"it matches below {places}",
        )
    return frozenset(found)


@lru_cache
def _compiled(pattern: str, *, anchored_at_end: bool = False) -> re.Pattern[str]:
    wildcards = {"*": ".*", "?": "."}
    expression = "".join(wildcards.get(char) or re.escape(char) for char in pattern)
    return re.compile(expression + (r"\Z" if anchored_at_end else ""), re.DOTALL)
