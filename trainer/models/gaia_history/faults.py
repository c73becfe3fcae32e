"""Why a file is refused: it is damaged, or it holds what cannot be replayed here."""

from __future__ import annotations


class DamagedError(ValueError):
    """What is in the file is not what Gaia writes; the message says how, beginning with "it"."""


class MisreadError(DamagedError):
    """Lengths, counts and types in the file do not fit each other: it cannot be read to its end."""


class CutShortError(MisreadError):
    """The file ends, or seems to end, before what it says it holds."""


class AlteredError(DamagedError):
    """Bytes of the file are others than they were; none is missing, and none too many."""


class UnsupportedError(ValueError):
    """The file is intact, but holds a step or a machine that this program does not replay.

    Attributes
    ----------
    remedy : str
        What to do instead.
    """

    remedy = "train a model on the same classes instead"


class NoClassifierError(UnsupportedError):
    """The file is a history of something else than a training."""

    remedy = "give the history that a training of Gaia's wrote"


def require(holds: object, otherwise: str) -> None:
    """Raise `DamagedError` with a message, unless something holds."""
    if not holds:
        raise DamagedError(otherwise)
