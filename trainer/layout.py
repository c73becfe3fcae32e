"""Which column of a matrix is which dimension of which descriptor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import Float32, LowLevel
from trainer.errors import DocumentError
from trainer.wording import counted, listed, shown

NAMED = 5  # descriptors listed in a message before "and n more"


class AnotherLayoutError(DocumentError):
    """A document lacks descriptors: another extractor may have written it."""


@dataclass(frozen=True)
class Descriptor:
    """A named quantity with a fixed number of dimensions.

    Attributes
    ----------
    name : str
        Full name, with a leading dot.
    dimensions : int
        Number of columns, at least 1.
    values : tuple of str or None
        None for a real descriptor. For an enumerated one its known values: the code of a value
        is its position, and every unknown value gets the code ``len(values)``.
    """

    name: str
    dimensions: int = 1
    values: tuple[str, ...] | None = None

    @property
    def is_real(self) -> bool:
        """Whether the columns hold measurements rather than codes."""
        return self.values is None

    @cached_property
    def codes(self) -> Mapping[str, int]:
        """Code of each known value."""
        return {value: code for code, value in enumerate(self.values or ())}


@dataclass(frozen=True)
class Layout:
    """Descriptors in the order of their columns.

    Attributes
    ----------
    descriptors : tuple of Descriptor
        Ascending by name, level by level of the path, as Gaia orders them.
    """

    descriptors: tuple[Descriptor, ...]

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<Layout: {counted(len(self.descriptors), 'descriptor')}, "
            f"{counted(self.width, 'column')}>"
        )

    @classmethod
    def of_columns(cls, count: int) -> Layout:
        """Make a layout of `count` real descriptors of one column each."""
        width = len(str(count))
        return cls(tuple(Descriptor(f".x{number:0{width}}") for number in range(count)))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Full descriptor names, in order."""
        return tuple(descriptor.name for descriptor in self.descriptors)

    @cached_property
    def column_names(self) -> tuple[str, ...]:
        """Name of each column: ``lowlevel.mfcc.mean[3]``, or the descriptor's, if it is alone.

        >>> Layout((Descriptor(".rhythm.bpm"), Descriptor(".lowlevel.mfcc", 2))).column_names
        ('rhythm.bpm', 'lowlevel.mfcc[0]', 'lowlevel.mfcc[1]')
        """
        return tuple(
            f"{name}[{dimension}]" if descriptor.dimensions > 1 else name
            for descriptor in self.descriptors
            for name in (descriptor.name.removeprefix("."),)
            for dimension in range(descriptor.dimensions)
        )

    @cached_property
    def width(self) -> int:
        """Number of columns."""
        return sum(descriptor.dimensions for descriptor in self.descriptors)

    @cached_property
    def starts(self) -> NDArray[np.intp]:
        """First column of each descriptor, shape (n_descriptors,)."""
        widths = [descriptor.dimensions for descriptor in self.descriptors]
        return np.array([0, *accumulate(widths)][: len(widths)], dtype=np.intp)

    @cached_property
    def descriptor_of(self) -> NDArray[np.intp]:
        """Position of the descriptor that each column belongs to, shape (width,)."""
        widths = [descriptor.dimensions for descriptor in self.descriptors]
        return np.repeat(np.arange(len(widths)), np.array(widths, dtype=np.intp))

    @cached_property
    def real_columns(self) -> NDArray[np.bool_]:
        """Whether each column belongs to a real descriptor, shape (width,)."""
        reals = np.array([descriptor.is_real for descriptor in self.descriptors], dtype=bool)
        return reals[self.descriptor_of]

    def keep(self, names: Iterable[str]) -> tuple[Layout, NDArray[np.intp]]:
        """Return the layout of the named descriptors only, and the columns they have here."""
        wanted = frozenset(names)
        kept = np.array([name in wanted for name in self.names], dtype=bool)
        layout = Layout(tuple(d for d in self.descriptors if d.name in wanted))
        return layout, np.flatnonzero(kept[self.descriptor_of])

    def matrix(self, documents: Sequence[LowLevel]) -> Float32:
        """Arrange documents as rows of this layout, shape (len(documents), width).

        Raises
        ------
        DocumentError
            A document lacks a descriptor, or has it with another type or number of dimensions.
        """
        matrix = np.empty((len(documents), self.width), dtype=np.float32)
        for row, document in zip(matrix, documents, strict=True):
            self._fill(row, document)
        return matrix

    def _fill(self, row: Float32, document: LowLevel) -> None:
        unusable: list[Descriptor] = []
        for start, descriptor in zip(self.starts, self.descriptors, strict=True):
            values = _values(descriptor, document)
            if values is None or len(values) != descriptor.dimensions:
                unusable.append(descriptor)
            else:
                row[start : start + descriptor.dimensions] = values
        if unusable:
            raise _unusable(unusable, document)


def _values(descriptor: Descriptor, document: LowLevel) -> Float32 | list[int] | None:
    if descriptor.is_real:
        return document.reals.get(descriptor.name)
    texts = strings_of(document, descriptor.name)
    if texts is None:
        return None
    unknown = len(descriptor.codes)
    return [descriptor.codes.get(text, unknown) for text in texts]


def strings_of(document: LowLevel, name: str) -> tuple[str, ...] | None:
    """Return a string descriptor's values; numbers are turned back into text, as Gaia does."""
    if name in document.strings:
        return document.strings[name]
    numbers = document.reals.get(name)
    return None if numbers is None else tuple(f"{number:.9g}" for number in numbers)


def utf16(text: str) -> bytes:
    """Return a key that sorts text as Qt sorts it, and thus Gaia: by UTF-16 code unit."""
    return text.encode("utf-16-be", "surrogatepass")


def _unusable(unusable: Sequence[Descriptor], document: LowLevel) -> DocumentError:
    """Tell what is not there from what is there in another shape: that is one document's fault."""
    there = [one for one in unusable if one.name in document.reals or one.name in document.strings]
    lacking = [one.name.removeprefix(".") for one in unusable if one not in there]
    misshapen = listed((_misshapen(one, document) for one in there), named=NAMED)
    version = document.extractor_version
    written_by = f"; it was written by Essentia {shown(version)}" if version else ""
    if not lacking:
        return DocumentError(f"the document has {misshapen}{written_by}")
    also = f", and has {misshapen}" if there else ""
    return AnotherLayoutError(
        f"the document lacks {listed(lacking, named=NAMED)}{also}{written_by}"
    )


def _misshapen(descriptor: Descriptor, document: LowLevel) -> str:
    name = descriptor.name.removeprefix(".")
    values = _values(descriptor, document)
    if values is None:
        numbers = counted(descriptor.dimensions, "number")
        return f"{name} as text or true or null for {numbers}"
    return f"{name} with {counted(len(values), 'value')} in place of {descriptor.dimensions}"
