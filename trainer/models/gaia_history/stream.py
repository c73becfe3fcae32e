"""Qt's data stream, as far as Gaia writes it: big endian, every length checked before it is used.

A length or a count that could not fit into the rest of the file is refused where it stands, so what
is built is never more than in proportion to the size of the file; nesting is bounded.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from trainer.models.gaia_history.faults import CutShortError, DamagedError, require
from trainer.wording import counted, shown

NULL = 0xFFFFFFFF  # the length of a text or of bytes that are null
MAX_NESTING = 8  # of values in values; Gaia's go five deep
MAX_ITEMS = 1_000_000  # in lists and maps of one stream; a large history has ten thousand

# Smallest number of bytes that one item takes, to refuse counts before anything is built.
_TEXT_BYTES = 4
_VALUE_BYTES = 6
_ENTRY_BYTES = _TEXT_BYTES + _VALUE_BYTES


@dataclass
class Stream:
    """A place in a file.

    Attributes
    ----------
    content : bytes
    position : int
        Where the next thing is read.
    items : int
        How many have been announced.
    """

    content: bytes
    position: int = 0
    items: int = 0

    @property
    def rest(self) -> int:
        """Number of bytes that are left."""
        return len(self.content) - self.position

    def take(self, count: int) -> bytes:
        """Read so many bytes.

        Raises
        ------
        CutShortError
            There are not as many.
        """
        if count > self.rest:
            raise CutShortError(
                f"it ends early: {count:,} bytes should follow at byte {self.position:,}, "
                f"and there are {self.rest:,}"
            )
        taken = self.content[self.position : self.position + count]
        self.position += count
        return taken

    def unsigned(self) -> int:
        """Read a quint32."""
        return int.from_bytes(self.take(4), "big")

    def integer(self) -> int:
        """Read a qint32."""
        return int.from_bytes(self.take(4), "big", signed=True)

    def integers(self, count: int) -> tuple[int, ...]:
        """Read several qint32."""
        return struct.unpack(f">{count}i", self.take(4 * count))

    def count(self, smallest: int) -> int:
        """Read how many items follow, each of at least so many bytes."""
        at, number = self.position, self.unsigned()
        if number * smallest > self.rest:
            raise CutShortError(
                f"it says at byte {at:,} that {number:,} items follow, more than can be in the "
                f"{self.rest:,} bytes after it"
            )
        self.items += number
        require(self.items <= MAX_ITEMS, f"it has more than {MAX_ITEMS:,} values")
        return number

    def raw(self) -> bytes | None:
        """Read a QByteArray."""
        length = self.unsigned()
        return None if length == NULL else self.take(length)

    def text(self) -> str | None:
        """Read a QString."""
        at, length = self.position, self.unsigned()
        if length == NULL:
            return None
        if length <= self.rest and length % 2:
            raise DamagedError(f"it has text of {length:,} bytes at byte {at:,}, an odd number")
        try:
            return self.take(length).decode("utf-16-be")
        except UnicodeDecodeError as error:
            raise DamagedError(f"it has text at byte {at:,} that is no UTF-16") from error

    def name(self) -> str:
        """Read a QString that has to be there."""
        at, text = self.position, self.text()
        if text is None:
            raise DamagedError(f"it has no text at byte {at:,}, where a name should be")
        return text

    def value(self, nesting: int = 0) -> Any:
        """Read a QVariant: None, bool, int, float, str, bytes, list or dict."""
        at, kind, is_null = self.position, self.unsigned(), self.take(1)[0]
        require(is_null <= 1, f"it has a value at byte {at:,} that is neither null nor not")
        if kind == 0:
            require(not self.text(), f"it has an empty value at byte {at:,} that is not empty")
            return None
        if kind not in _VALUES:
            raise DamagedError(f"it has a value of the unknown type {kind} at byte {at:,}")
        require(nesting < MAX_NESTING, f"it has values nested too deep at byte {at:,}")
        found = _VALUES[kind](self, nesting + 1)
        require(not (is_null and found), f"it has a value at byte {at:,} that is null and is not")
        return found

    def end(self, what: str) -> None:
        """Make sure that nothing follows."""
        follow = f"{counted(self.rest, 'byte')} {'follows' if self.rest == 1 else 'follow'}"
        require(not self.rest, f"{follow} after the end of {what}")


def _boolean(stream: Stream, nesting: int) -> bool:
    del nesting
    at, byte = stream.position, stream.take(1)[0]
    require(byte <= 1, f"it has a truth value at byte {at:,} that is neither true nor false")
    return bool(byte)


def _real(form: str) -> Callable[[Stream, int], float]:
    size = struct.calcsize(form)

    def read(stream: Stream, nesting: int) -> float:
        del nesting
        at = stream.position
        number: float = struct.unpack(form, stream.take(size))[0]
        require(math.isfinite(number), f"it has a number at byte {at:,} that is not finite")
        return number

    return read


def _map(stream: Stream, nesting: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(stream.count(_ENTRY_BYTES)):
        name = stream.name()
        require(name not in found, f"it has {shown(name)} twice in one map")
        found[name] = stream.value(nesting)
    return found


def _list(stream: Stream, nesting: int) -> list[Any]:
    return [stream.value(nesting) for _ in range(stream.count(_VALUE_BYTES))]


def _texts(stream: Stream, nesting: int) -> list[str]:
    del nesting
    return [stream.name() for _ in range(stream.count(_TEXT_BYTES))]


_VALUES: dict[int, Callable[[Stream, int], Any]] = {
    1: _boolean,
    2: lambda stream, _: stream.integer(),
    3: lambda stream, _: stream.unsigned(),
    6: _real(">d"),
    8: _map,
    9: _list,
    10: lambda stream, _: stream.text(),
    11: _texts,
    12: lambda stream, _: stream.raw(),
    135: _real(">f"),
}
