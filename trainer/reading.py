"""Chosen descriptors of parsed documents, as rows of a matrix.

Models need some 170 of a document's 500 descriptors, and those are looked up where they lie. What
is found there in another shape than Essentia writes goes by way of `trainer.descriptors.flatten`,
which knows all shapes and has the sentence for those that are none. So a document is read to the
same values on both ways; only what nobody asked for is not looked at on this one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np

from trainer.descriptors import Float32, flatten
from trainer.errors import DocumentError
from trainer.layout import Descriptor, Layout

Document = Mapping[str, Any]

# The types of numbers in a parsed document. bool is none of them: Gaia reads it as text.
_NUMBERS = {float, int}
# What looking for a descriptor in something else than an object of them raises.
_NOT_THERE = (KeyError, IndexError, TypeError, AttributeError)


class _OfAnotherShapeError(Exception):
    """A descriptor is there, but not as Essentia writes it."""


@dataclass(frozen=True)
class Reader:
    """Reads the same descriptors of many documents.

    Attributes
    ----------
    layout : Layout
        What is read: each descriptor once that any of the layouts has, the real ones first. One
        that is enumerated in several ways is there as often.
    """

    layout: Layout

    @classmethod
    def of(cls, layouts: Iterable[Layout]) -> Reader:
        """Make a reader of all that some layouts hold."""
        wanted = {descriptor for layout in layouts for descriptor in layout.descriptors}

        def place(descriptor: Descriptor) -> tuple[object, ...]:
            *branch, leaf = _path(descriptor)
            return (not descriptor.is_real, branch, leaf, descriptor.values or ())

        return cls(Layout(tuple(sorted(wanted, key=place))))

    def columns(self, layout: Layout) -> np.ndarray[Any, np.dtype[np.intp]]:
        """Return where in the matrix the columns of a layout are, shape (layout.width,)."""
        starts = dict(zip(self.layout.descriptors, self.layout.starts.tolist(), strict=True))
        spans = [np.arange(d.dimensions) + starts[d] for d in layout.descriptors]
        return np.concatenate(spans).astype(np.intp)

    def matrix(self, documents: Sequence[Document]) -> tuple[Float32, dict[int, DocumentError]]:
        """Read documents, as parsed, into a matrix of shape (len(documents), layout.width).

        Returns
        -------
        matrix : ndarray of float32
            Numbers may be infinite or NaN; rows of documents that cannot be read are 0.
        refused : dict of int to DocumentError
            Position of each document that cannot be read, and why.
        """
        matrix = np.zeros((len(documents), self.layout.width), dtype=np.float32)
        refused = {}
        with np.errstate(over="ignore"):  # beyond float32 is infinite, as in `flatten`
            for position, document in enumerate(documents):
                try:
                    matrix[position] = self._row(document)
                except DocumentError as error:
                    refused[position] = error
        return matrix, refused

    def _row(self, document: Document) -> Any:
        try:
            numbers = self._numbers(document)
            return np.array(numbers + self._codes(document), dtype=np.float64)
        except (_OfAnotherShapeError, OverflowError, *_NOT_THERE):
            return self.layout.matrix([flatten(document)])[0]

    def _numbers(self, document: Document) -> list[float]:
        numbers: list[float] = []
        for path, leaves in self._branches:
            branch: Any = document
            for key in path:
                branch = branch[key]
            for key, dimensions in leaves:
                value = branch[key]
                if type(value) is list:
                    if len(value) != dimensions:
                        raise _OfAnotherShapeError
                    numbers += value
                else:
                    numbers.append(value)
        # Of all at once: one look at each value costs as much as the rest of the reading.
        if len(numbers) != self._real_width or not _NUMBERS.issuperset(map(type, numbers)):
            raise _OfAnotherShapeError
        return numbers

    def _codes(self, document: Document) -> list[float]:
        codes: list[float] = []
        for path, readings in self._texts:
            value: Any = document
            for key in path:
                value = value[key]
            texts = value if type(value) is list else [value]
            for text in texts:
                if type(text) is not str or not text.isascii() or "\0" in text:
                    raise _OfAnotherShapeError
            for dimensions, code_of in readings:
                if len(texts) != dimensions:
                    raise _OfAnotherShapeError
                unknown = len(code_of)
                codes += [code_of.get(text, unknown) for text in texts]
        return codes

    @cached_property
    def _branches(self) -> list[tuple[list[str], list[tuple[str, int]]]]:
        """The objects that hold real descriptors: path, and name and dimensions of each."""
        paths = [(_path(d), d.dimensions) for d in self.layout.descriptors if d.is_real]
        return [
            (branch, [(path[-1], dimensions) for path, dimensions in leaves])
            for branch, leaves in groupby(paths, key=lambda entry: entry[0][:-1])
        ]

    @cached_property
    def _texts(self) -> list[tuple[list[str], list[tuple[int, Mapping[str, int]]]]]:
        """Path of each enumerated descriptor, and the dimensions and codes of each reading."""
        descriptors = [d for d in self.layout.descriptors if not d.is_real]
        return [
            (path, [(d.dimensions, d.codes) for d in readings])
            for path, readings in groupby(descriptors, key=_path)
        ]

    @cached_property
    def _real_width(self) -> int:
        return sum(d.dimensions for d in self.layout.descriptors if d.is_real)


def _path(descriptor: Descriptor) -> list[str]:
    return descriptor.name.removeprefix(".").split(".")
