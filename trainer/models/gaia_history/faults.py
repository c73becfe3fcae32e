"""Why a file is refused: it is damaged, or it holds what cannot be replayed here."""

from __future__ import annotations


class DamagedError(ValueError):
    """What is in the file is not what Gaia writes; the message says how, beginning with "it"."""


class MisreadError(DamagedError):
    """Lengths, counts and types in the file do not fit each other: it cannot be read to its end."""


class CutShortError(MisreadError):
    """The file ends, or seems to end, before what it says it holds."""


class UnsupportedError(ValueError):
    """The file is intact, but holds a step or a machine that this program does not replay."""


def require(holds: object, otherwise: str) -> None:
    """Raise `DamagedError` with a message, unless something holds."""
    if not holds:
        raise DamagedError(otherwise)
