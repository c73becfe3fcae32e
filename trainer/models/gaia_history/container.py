"""The file as a list of transformations, each with the layout of the points before it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NoReturn

from trainer.models.gaia_history.faults import (
    AlteredError,
    CutShortError,
    DamagedError,
    MisreadError,
    UnsupportedError,
    require,
)
from trainer.models.gaia_history.points import Points, read_points
from trainer.models.gaia_history.stream import Stream
from trainer.wording import shown

MAGIC = bytes.fromhex("6AEA723D")
VERSION = 102

_STEP_BYTES = 36
_IS_NAME = re.compile("[a-z]+")

# The applier that Gaia pairs with each analyzer; no others can be replayed.
_APPLIERS = {
    "remove": "removedesc",
    "cleaner": "removedesc",
    "removevl": "removedesc",
    "select": "selectdesc",
    "fixlength": "fixlengthapplier",
    "addfield": "addfieldapplier",
    "enumerate": "enumerateapplier",
    "normalize": "dotproduct",
    "gaussianize": "distribute",
    "svmtrain": "svmpredict",
}


@dataclass(frozen=True)
class Transformation:
    """One step of a history.

    Attributes
    ----------
    place : int
        Number of the step, from 1.
    analyzer : str
        What was fitted: a key of `_APPLIERS`.
    asked : mapping
        What the analyzer was told: the patterns, the kernel and so on.
    parameters : mapping
        What it found, and what prediction replays.
    info : mapping
        Statistics of the training points.
    before : Points
        The layout that it gets.
    """

    place: int
    analyzer: str
    asked: Mapping[str, Any]
    parameters: Mapping[str, Any]
    info: Mapping[str, Any]
    before: Points

    @property
    def title(self) -> str:
        """How messages call the step."""
        return f"step {self.place} ({self.analyzer})"


def read_transformations(content: bytes) -> tuple[Transformation, ...]:
    """Read a whole file.

    Raises
    ------
    DamagedError
        It is no history that Gaia can have written; a `MisreadError` where it cannot be read.
    UnsupportedError
        It is one with a step that is not known here.
    """
    stream = Stream(content)
    require(stream.take(len(MAGIC)) == MAGIC, "it does not begin as a Gaia history does")
    version = stream.integer()
    require(
        version == VERSION,
        f"it has version {version} of the format, and Gaia's files have {VERSION}",
    )
    try:
        found = _transformations(stream)
    except (AlteredError, MisreadError):
        raise
    except DamagedError as error:
        raise MisreadError(str(error)) from error
    # What could be read up to here has all its bytes: these were appended.
    stream.end("the last step")
    return found


def _transformations(stream: Stream) -> tuple[Transformation, ...]:
    count = stream.count(_STEP_BYTES)
    return tuple(_transformation(stream, place + 1) for place in range(count))


def _transformation(stream: Stream, place: int) -> Transformation:
    stream.text()  # a name that somebody may have given the step
    analyzer, applier = stream.name(), stream.name()
    if analyzer not in _APPLIERS:
        _refuse(analyzer, place)
    title = f"step {place} ({analyzer})"
    fits = applier == _APPLIERS[analyzer]
    require(fits, f"{title} is applied by {shown(applier)} instead of {_APPLIERS[analyzer]}")
    asked, parameters, info = (_mapping(stream.value(), title) for _ in range(3))
    return Transformation(place, analyzer, asked, parameters, info, _points(stream, title))


def _refuse(analyzer: str, place: int) -> NoReturn:
    """Tell a step that is not known from the damaged name of one that is."""
    near = get_close_matches(analyzer, _APPLIERS, 1)
    told = f"its step {place} is {shown(analyzer)}"
    if near:
        raise AlteredError(f"{told}, which is probably {near[0]}, damaged")
    require(_IS_NAME.fullmatch(analyzer), f"{told}, which is no name of Gaia's")
    raise UnsupportedError(f"{told}, which cannot be replayed here")


def _mapping(value: Any, title: str) -> Mapping[str, Any]:
    require(value is None or isinstance(value, dict), f"{title} has no map of parameters")
    return value or {}


def _points(stream: Stream, title: str) -> Points:
    content = stream.value()
    if not isinstance(content, bytes):
        raise DamagedError(f"{title} has no layout")
    try:
        return read_points(content)
    except DamagedError as error:
        kind = CutShortError if isinstance(error, CutShortError) else MisreadError
        raise kind(f"the layout before {title} is damaged: {error}") from error
