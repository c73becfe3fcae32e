"""The layout of a point: which descriptors it has, of which type and size, and codes for text.

In the file it is a tree with a node for each part of a name, then two maps between the values of
enumerated descriptors and their codes, which say the same thing twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from trainer.descriptors import MAX_NAME
from trainer.layout import utf16
from trainer.models.gaia_history.faults import require
from trainer.models.gaia_history.stream import Stream
from trainer.wording import shown

INNER, REAL, TEXT, CODE = range(4)
FIXED, VARIABLE = range(2)

MAX_DEPTH = 32  # parts of a name
_NODE_BYTES = 24
_MAP_BYTES = 8

# What Gaia writes as the begin and the end of a node that holds others.
_NO_PLACE = {(-1, -1), (0, 1)}


@dataclass(frozen=True)
class Leaf:
    """One descriptor.

    Attributes
    ----------
    name : str
        Full name, with a leading dot.
    kind : int
        `REAL`, `TEXT`, or `CODE` of enumerated text.
    fixed : bool
        Whether all points have it in the same size.
    width : int
        Number of dimensions; 1 as long as it is not fixed.
    """

    name: str
    kind: int
    fixed: bool
    width: int


@dataclass(frozen=True)
class Points:
    """A layout.

    Attributes
    ----------
    leaves : tuple of Leaf
        In the order of the tree, each level ascending by name.
    values : mapping of str to tuple of str
        Known values of enumerated descriptors, the code of each being its position.
    """

    leaves: tuple[Leaf, ...]
    values: Mapping[str, tuple[str, ...]]

    @cached_property
    def by_name(self) -> Mapping[str, Leaf]:
        """The descriptors by full name."""
        return {leaf.name: leaf for leaf in self.leaves}


def read_points(content: bytes) -> Points:
    """Read a layout.

    Raises
    ------
    DamagedError
        It is none; the message says how.
    """
    stream = Stream(content)
    placed = list(_tree(stream))
    leaves = tuple(leaf for leaf, _ in placed)
    require(len({leaf.name for leaf in leaves}) == len(leaves), "it has a descriptor twice")
    _check_places(placed)
    values = _values(stream)
    stream.end("the layout")
    return Points(leaves, values)


def _tree(stream: Stream) -> Iterator[tuple[Leaf, int]]:
    """Yield each descriptor and where it begins."""
    name, place = stream.text(), stream.integers(4)
    require(not name, f"its root has the name {shown(name)}")
    require(place == (INNER, VARIABLE, -1, -1), "its root has a type or a place of its own")
    yield from _children(stream, "", 1)


def _children(stream: Stream, path: str, depth: int) -> Iterator[tuple[Leaf, int]]:
    require(depth <= MAX_DEPTH, f"its names have more than {MAX_DEPTH} parts")
    count = stream.count(_NODE_BYTES)
    require(count, f"{shown(path)} has no descriptor below it")
    before = b""
    for _ in range(count):
        part = stream.name()
        name = f"{path}.{part}"
        # Else one long part above many short ones would fill memory.
        require(len(name) <= MAX_NAME, f"{shown(name)} has more than {MAX_NAME} characters")
        require(before < utf16(part), f"{shown(name)} is not in the order of names")
        before = utf16(part)
        kind, length, begin, end = stream.integers(4)
        if kind == INNER:
            require(length == VARIABLE, f"{shown(name)} has the unknown length type {length}")
            require((begin, end) in _NO_PLACE, f"{shown(name)} has a place, and is no descriptor")
            yield from _children(stream, name, depth + 1)
        else:
            require(kind in (REAL, TEXT, CODE), f"{shown(name)} has the unknown type {kind}")
            require(
                length in (FIXED, VARIABLE), f"{shown(name)} has the unknown length type {length}"
            )
            require(not stream.unsigned(), f"{shown(name)} is a descriptor with others below it")
            yield Leaf(name, kind, length == FIXED, end - begin), begin


def _check_places(placed: Sequence[tuple[Leaf, int]]) -> None:
    """Make sure that descriptors of one type and length type follow each other without a gap."""
    ends: dict[tuple[int, bool], int] = {}
    for leaf, begin in placed:
        series = (leaf.kind, leaf.fixed)
        require(
            begin == ends.get(series, 0), f"{shown(leaf.name)} is not where the one before ends"
        )
        fits = leaf.width >= 1 if leaf.fixed else leaf.width == 1
        require(fits, f"{shown(leaf.name)} has {leaf.width} dimensions")
        ends[series] = begin + leaf.width


def _values(stream: Stream) -> dict[str, tuple[str, ...]]:
    texts = _texts(stream)
    codes = _codes(stream)
    require(texts.keys() == codes.keys(), "its two maps of text are of different descriptors")
    for name, of in texts.items():
        inverse = {text: code for code, text in of.items()}
        require(len(inverse) == len(of), f"it gives a text of {shown(name)} two codes")
        require(inverse == codes[name], f"its two maps of the text of {shown(name)} differ")
        require(sorted(of) == list(range(len(of))), f"the codes of {shown(name)} have gaps")
        require(of, f"{shown(name)} has no codes")
    return {name: tuple(of[code] for code in range(len(of))) for name, of in texts.items()}


def _texts(stream: Stream) -> dict[str, dict[int, str]]:
    maps: dict[str, dict[int, str]] = {}
    for _ in range(stream.count(_MAP_BYTES)):
        of = maps.setdefault(_new(stream.name(), maps), {})
        for _ in range(stream.count(_MAP_BYTES)):
            code = stream.integer()
            require(code not in of, f"it has the code {code} twice in one map")
            of[code] = stream.name()
    return maps


def _codes(stream: Stream) -> dict[str, dict[str, int]]:
    maps: dict[str, dict[str, int]] = {}
    for _ in range(stream.count(_MAP_BYTES)):
        of = maps.setdefault(_new(stream.name(), maps), {})
        for _ in range(stream.count(_MAP_BYTES)):
            text = _new(stream.name(), of)
            of[text] = stream.integer()
    return maps


def _new(name: str, known: Mapping[str, object]) -> str:
    require(name not in known, f"it has {shown(name)} twice in one map")
    return name
