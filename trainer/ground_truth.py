"""Which recording belongs to which class, as people write it down.

Three kinds of files are read, each also compressed (``.gz``):

* ``.yaml``, ``.yml``: Gaia's, ``{className, type, version, groundTruth: {id: class}}``;
* ``.csv``, ``.tsv``: AcousticBrainz's dataset export, a line ``id,class`` for each recording, or
  with semicolons or tabs in place of commas;
* ``.json``: ``{"name": ..., "classes": {class: [ids]}}``, or AcousticBrainz's dataset,
  ``{"name": ..., "classes": [{"name": class, "recordings": [ids]}]}``, or nothing but classes,
  ``{class: [ids]}``, or nothing but recordings, ``{id: class}``.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from trainer.columns import pairs_of_csv
from trainer.documents import recording_id
from trainer.errors import DocumentError, GroundTruthError
from trainer.names import why_no_name
from trainer.parsing import MAX_BYTES, check_size, parse_json, parse_yaml
from trainer.regular_files import open_unpacked
from trainer.selection import (
    MIN_CLASSES,
    MIN_RECORDINGS,
    Selection,
    artist_filter,
    limit_class_sizes,
    select,
)
from trainer.wording import counted, enumerated, listed, shown

__all__ = ["GroundTruth", "Selection", "artist_filter", "limit_class_sizes", "select"]

MAX_CLASSES = 1000
MAX_RECORDINGS = 250_000  # their documents are in memory together, some 15 GB of them
FEW = 3  # classes that a sentence names
ALL_DIFFERENT = 0.9  # of a CSV's classes, and they are ids

# What a report has and no ground truth.
_REPORTED = frozenset({"accuracy", "confusion_matrix"})

_SHAPES = 'write {"classes": {class: [ids]}}, or {id: class}'
_ENTRY = 'write {"name": class, "recordings": [ids]}'
_GAIA = "write {type: singleClass, version: 1.0, groundTruth: {id: class}}"

Pairs = Iterable[tuple[str, str]]  # of recording and class


@dataclass(frozen=True)
class GroundTruth:
    """A user's classes of recordings.

    Attributes
    ----------
    name : str
        What is told apart, such as "danceability".
    classes : mapping of str to tuple of str
        Class name to the ids of its recordings; classes and ids in the order given.
    repeated : tuple of str
        Recordings that were listed more than once in their class, and count once.
    """

    name: str
    classes: Mapping[str, tuple[str, ...]]
    repeated: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<GroundTruth {shown(self.name)}: "
            f"{counted(sum(map(len, self.classes.values())), 'recording')} of "
            f"{enumerated(self.classes)}>"
        )

    @classmethod
    def from_classes(
        cls,
        name: str,
        classes: Mapping[str, Iterable[str]] | Iterable[tuple[str, Iterable[str]]],
    ) -> Self:
        """Check classes and make a ground truth of them.

        The classes are a mapping of each one's name to the ids of its recordings, or pairs of
        these. A recording that is twice in a class counts once; a class that is listed in two
        parts is one class. MBIDs become lower case, as everywhere
        (`trainer.documents.recording_id`).

        Raises
        ------
        GroundTruthError
            There are fewer than two classes, or more than 1,000; a class has fewer than two
            recordings, or all together have more than 250,000; a recording is in two classes; a
            name or an id is not usable text.
        """
        found: dict[str, dict[str, None]] = {}
        repeated: dict[str, None] = {}
        for label, recordings in classes.items() if isinstance(classes, Mapping) else classes:
            _check_text("class name", label)
            if isinstance(recordings, str):  # each of its letters would be an id
                raise GroundTruthError(
                    f"class {shown(label)} holds {shown(recordings)}; give a list of recording ids"
                )
            members = found.setdefault(label, {})
            for recording in recordings:
                _check_text(f"recording id of class {shown(label)}", recording)
                known = recording_id(recording)
                if known in members:
                    repeated[known] = None
                members[known] = None
        _check_text("name of the dataset", name)
        _check_sizes(name, {label: len(members) for label, members in found.items()})
        _check_disjoint(found)
        classes_of = {label: tuple(members) for label, members in found.items()}
        return cls(name, classes_of, tuple(repeated))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file of one of the three kinds above.

        The name, where the file gives none, is the file's own without its suffixes.

        Raises
        ------
        GroundTruthError
            The file cannot be read, or `from_classes` refuses its classes; the message names it.
        """
        path = Path(path)
        place = shown(str(path), 300)
        stem, parse = _parser(path)
        try:
            name, classes = parse(read_bytes(path))
            return cls.from_classes(name or stem, classes)
        except (DocumentError, GroundTruthError) as error:
            raise GroundTruthError(f"{place}: {error}") from error
        except (OSError, EOFError, zlib.error) as error:
            reason = getattr(error, "strerror", None) or error
            raise GroundTruthError(f"{place} cannot be read: {reason}") from error

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person who reads the evaluation should know of the labels."""
        if not self.repeated:
            return ()
        told = counted(len(self.repeated), "recording")
        once = "it counts" if len(self.repeated) == 1 else "they count"
        named = listed(map(shown, self.repeated))
        return (f"{told} listed more than once in the same class, where {once} once: {named}",)

    @cached_property
    def class_of(self) -> dict[str, str]:
        """Class of each recording."""
        return {
            recording: label
            for label, recordings in self.classes.items()
            for recording in recordings
        }


def _check_text(what: str, value: Any) -> None:
    if not isinstance(value, str):
        raise GroundTruthError(f"{what} {shown(value)} is not text; write it in quotes")
    if not value.strip():
        blank = f"a {what} is {shown(value)}, which is blank" if value else f"a {what} is empty"
        raise GroundTruthError(f"{blank}; give each one a name")
    reason = why_no_name(value)
    if reason is not None:
        raise GroundTruthError(f"{what} {shown(value)} {reason}")


def _check_sizes(name: str, size_of: Mapping[str, int]) -> None:
    dataset = f"dataset {shown(name)}"
    if not any(size_of.values()):
        raise GroundTruthError(
            f"{dataset} is empty: it needs at least {MIN_CLASSES} classes of at least "
            f"{MIN_RECORDINGS} recordings"
        )
    if len(size_of) < MIN_CLASSES:
        (label,) = size_of
        raise GroundTruthError(
            f"{dataset} has only one class, {shown(label)}; at least {MIN_CLASSES} are needed"
        )
    if len(size_of) > MAX_CLASSES:
        raise GroundTruthError(
            f"{dataset} has {len(size_of):,} classes; at most {MAX_CLASSES:,} can be told apart"
        )
    total = sum(size_of.values())
    if total > MAX_RECORDINGS:
        raise GroundTruthError(
            f"{dataset} has {total:,} recordings; at most {MAX_RECORDINGS:,} can be trained on"
        )
    small = {label: size for label, size in size_of.items() if size < MIN_RECORDINGS}
    if small:
        raise GroundTruthError(
            f"{_too_small(small)}; at least {MIN_RECORDINGS} are needed in each class"
        )


def _too_small(size_of: Mapping[str, int]) -> str:
    if len(size_of) == 1:
        ((label, size),) = size_of.items()
        return f"class {shown(label)} has {_some(size)}"
    sizes = listed((f"{shown(label)} {size}" for label, size in size_of.items()), FEW)
    return f"{counted(len(size_of), 'class')} have too few recordings: {sizes}"


def _some(size: int) -> str:
    return counted(size, "recording") if size else "no recordings"


def _check_disjoint(classes: Mapping[str, Iterable[str]]) -> None:
    class_of: dict[str, str] = {}
    twice = []
    for label, recordings in classes.items():
        for recording in recordings:
            if recording in class_of:
                labels = f"{shown(class_of[recording])} and {shown(label)}"
                twice.append(f"recording {shown(recording)} is in two classes, {labels}")
            class_of[recording] = label
    if twice:
        raise GroundTruthError(f"{listed(twice, 1)}; leave each recording in one class")


Parsed = tuple[str | None, Iterable[tuple[str, Iterable[str]]]]


def _parser(path: Path) -> tuple[str, Callable[[bytes], Parsed]]:
    name = path.name[:-3] if path.name.lower().endswith(".gz") else path.name
    parsers = {".yaml": _yaml, ".yml": _yaml, ".csv": _csv, ".tsv": _csv, ".json": _json}
    suffix = Path(name).suffix.lower()
    if suffix not in parsers:
        raise GroundTruthError(
            f"{shown(str(path), 300)} is not a ground truth; give one of {', '.join(parsers)} (.gz)"
        )
    return Path(name).stem, parsers[suffix]


def read_bytes(path: Path) -> bytes:
    """Return the content of a file, unpacked; DocumentError if it is too large for its kind."""
    with open_unpacked(path) as stream:
        text = stream.read(MAX_BYTES + 1)
    check_size(text)
    return text


def _grouped(pairs: Pairs) -> Iterable[tuple[str, list[str]]]:
    classes: dict[str, list[str]] = {}
    for recording, label in pairs:
        classes.setdefault(label, []).append(recording)
    return classes.items()


def _yaml(text: bytes) -> Parsed:
    # Untyped, because class "1", "yes" or "nan" is a name; Gaia too needs names to be text.
    value = parse_yaml(text, typed=False, unique_keys=True)
    value = _mapping("the ground truth", value, remedy=_GAIA)
    # As lenient as Gaia: AcousticBrainz wrote "type: unknown".
    if value.get("type") != "singleClass" and value.get("version") not in {"1.0", "1"}:
        raise GroundTruthError(
            f"type {shown(value.get('type'))} and version {shown(value.get('version'))} are not "
            f"those of a ground truth, 'singleClass' and '1.0'; {_GAIA}"
        )
    class_of = _mapping('"groundTruth"', value.get("groundTruth"), remedy=_GAIA)
    for recording, label in class_of.items():
        if not isinstance(label, str):
            raise GroundTruthError(
                f"the class of {shown(recording)} is {shown(label)}, not text; write the name of "
                f"its one class there"
            )
    return value.get("className"), _grouped(class_of.items())


def _json(text: bytes) -> Parsed:
    value = _mapping("the ground truth", parse_json(text, unique_keys=True), remedy=_SHAPES)
    if value.keys() >= _REPORTED:
        raise GroundTruthError(
            "it is the report of an evaluation, not a ground truth; give the labels that the "
            "evaluation was made of"
        )
    if "classes" not in value:
        return None, _bare(value)
    classes = value["classes"]
    members: list[tuple[Any, Any]]
    if isinstance(classes, list):
        entries = [
            _mapping(f'"classes"[{place}]', item, remedy=_ENTRY)
            for place, item in enumerate(classes)
        ]
        members = [(entry.get("name"), entry.get("recordings")) for entry in entries]
    else:
        members = list(_mapping('"classes"', classes, remedy=_SHAPES).items())
    for label, recordings in members:
        if not isinstance(recordings, list):
            raise GroundTruthError(
                f"class {shown(label)} holds {shown(recordings)}, not a list of recording ids; "
                f"{_SHAPES}"
            )
    return value.get("name"), members


def _bare(value: Mapping[str, Any]) -> Iterable[tuple[str, list[str]]]:
    """Read an object that holds nothing but classes, or nothing but recordings."""
    if value and all(isinstance(label, str) for label in value.values()) and "name" not in value:
        return _grouped(value.items())
    if value and all(_is_list_of_texts(recordings) for recordings in value.values()):
        return value.items()
    raise GroundTruthError(f'there is no "classes"; {_SHAPES}')


def _is_list_of_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _mapping(what: str, value: Any, *, remedy: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise GroundTruthError(f"{what} is {shown(value)}, not an object; {remedy}")
    return value


def _csv(text: bytes) -> Parsed:
    pairs = list(pairs_of_csv(text, of="class"))
    _check_columns(pairs)
    return None, _grouped(pairs)


def _check_columns(pairs: Sequence[tuple[str, str]]) -> None:
    """Recognise swapped columns: nearly every "class" has one recording, and few ids come often.

    Such a file is refused anyway, but in words that make nobody think of its columns.
    """
    ids = list(dict.fromkeys(recording for recording, _ in pairs))
    labels = list(dict.fromkeys(label for _, label in pairs))
    if pairs and len(labels) >= ALL_DIFFERENT * len(pairs) and 2 * len(ids) <= len(labels):
        raise GroundTruthError(
            f"the columns seem to be swapped: the first, of recording ids, holds "
            f"{listed(map(shown, ids), 3)} again and again, and the second, of classes, something "
            f"else on nearly every line, such as {shown(labels[0])}; write the id first, then its "
            f"class"
        )
