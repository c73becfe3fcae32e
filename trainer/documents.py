"""Low-level documents as they lie on disk: JSON, Gaia's YAML, or one JSON object a line.

Which recording a file describes
--------------------------------
A file's name without its suffixes is the recording's id: ``tracks/happy_song.sig.gz`` is
``happy_song``. In ``.jsonl`` each line is ``{"id": ..., "document": ...}``.

Documents of AcousticBrainz's dumps are called ``<MBID>-<offset>``, as files and as ids in lines:
offset 0, the submission that AcousticBrainz trained on, goes by the MBID alone; a further one keeps
its whole name, ``<MBID>-1``, so that it neither hides the first one nor gets lost.
"""

from __future__ import annotations

import os
import re
import unicodedata
import zlib
from collections.abc import Callable, Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from trainer.errors import DocumentError
from trainer.parsing import MAX_BYTES, check_size, decoded, parse_json, parse_yaml
from trainer.regular_files import open_unpacked
from trainer.wording import shown

__all__ = [
    "check_id",
    "document_files",
    "document_name",
    "parse_json",
    "parse_yaml",
    "read_documents",
    "recording_id",
]

_PARSED = (".json", ".yaml", ".yml", ".sig")
_UUID = "[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"
_SUBMISSION = re.compile(f"({_UUID})(-[0-9]+)?", re.IGNORECASE)
MAX_ID = 500  # characters; MBIDs have 36, file names 255 bytes at most

_LINE_ID = re.compile(rb'\s*\{\s*"id"\s*:\s*"([^"\\]+)"')


def read_documents(
    paths: Sequence[Path],
    *,
    wanted: Container[str] | None = None,
) -> Iterator[tuple[str, Any]]:
    """Read low-level documents one after the other.

    Parameters
    ----------
    paths : sequence of Path
        Folders, searched recursively in order of names for .json, .yaml, .yml and .sig; single
        files of these kinds; .jsonl files. Each may be compressed (.gz).
    wanted : container of str, optional
        Ids to read: other documents are passed over without being parsed, so that they may be
        broken or there twice. A line of .jsonl is passed over by its first key, if that is "id".

    Yields
    ------
    tuple of (str, document)
        Id as `recording_id` writes it, and the parsed document, not yet checked.

    Raises
    ------
    DocumentError
        A path that is not there or holds no document, a file that cannot be read, a recording
        that is there twice; the message names the file, and the line in .jsonl.
    """
    place_of: dict[str, str] = {}
    for path in paths:
        for source in _sources(path):
            if wanted is not None and source.recording not in wanted:
                continue
            if source.recording in place_of:
                raise DocumentError(
                    f"recording {shown(source.recording)} is there twice, in "
                    f"{place_of[source.recording]} and in {source.place}; keep one of them"
                )
            place_of[source.recording] = source.place
            with _naming(source.place):
                document = source.read()
            yield source.recording, document


def recording_id(text: str) -> str:
    """Return the one way to write a recording's id.

    An MBID is in lower case, and its first submission goes by it alone. Others have their Unicode
    composed.

    File names on macOS are decomposed, and an "é" of two code points would not match the ground
    truth's.

    >>> recording_id("0DF42A54-6B8B-4F4D-B4D5-6A9C5A3A5D8E")
    '0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e'
    >>> recording_id("0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e-0")
    '0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e'
    >>> recording_id("0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e-1")
    '0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e-1'
    """
    match = _SUBMISSION.fullmatch(text)
    if match is None:
        return unicodedata.normalize("NFC", text)
    return (match[1] if match[2] == "-0" else text).lower()


@dataclass(frozen=True)
class _Source:
    """A document that can be read: whose it is, where it lies."""

    recording: str
    place: str
    read: Callable[[], Any]


def _sources(path: Path) -> Iterator[_Source]:
    if path.is_dir():
        empty = True
        for file in document_files(path):
            empty = False
            yield _file_source(file)
        if empty:
            raise DocumentError(
                f"folder {_shown_path(path)} holds no low-level document ({', '.join(_PARSED)}, "
                "also .gz); name .jsonl files themselves"
            )
    elif _split(path.name)[1] == ".jsonl":
        yield from _lines(path)
    elif _split(path.name)[1] in _PARSED:
        yield _file_source(path)
    else:
        expected = ", ".join((*_PARSED, ".jsonl"))
        problem = "is not a low-level document" if path.exists() else "does not exist"
        raise DocumentError(f"{_shown_path(path)} {problem}; give a folder or {expected} (.gz)")


def document_files(folder: Path) -> Iterator[Path]:
    """Find the documents of a folder, in order of names; one folder's names at a time in memory."""
    pending = [folder]
    while pending:
        path = pending.pop()
        if path != folder and not path.is_dir():
            yield path
            continue
        with _naming(f"folder {_shown_path(path)}"), os.scandir(path) as entries:
            chosen = [entry for entry in entries if _is_folder_or_document(entry)]
        pending += [path / entry.name for entry in sorted(chosen, key=_name, reverse=True)]


def _name(entry: os.DirEntry[str]) -> str:
    return entry.name


def _is_folder_or_document(entry: os.DirEntry[str]) -> bool:
    if entry.is_dir(follow_symlinks=False):  # a link to a folder above would never end
        return True
    is_document = _split(entry.name)[1] in _PARSED and entry.is_file()
    # "._song.json" is what macOS puts beside song.json in archives.
    return is_document and not entry.name.startswith("._")


def _split(name: str) -> tuple[str, str]:
    """Split a file name into the part before its suffix, and the suffix without .gz."""
    name = name[:-3] if name.lower().endswith(".gz") else name
    stem, suffix = os.path.splitext(name)  # noqa: PTH122 - a name, not a path
    return stem, suffix.lower()


def document_name(path: Path) -> str:
    """Give the name of a document's file without its suffixes."""
    # A name that is not UTF-8 comes with half surrogate pairs in it.
    return os.fsencode(_split(path.name)[0]).decode(errors="backslashreplace")


def _file_source(path: Path) -> _Source:
    return _Source(recording_id(document_name(path)), _shown_path(path), partial(_read_file, path))


def _read_file(path: Path) -> Any:
    with open_unpacked(path) as stream:
        text = stream.read(MAX_BYTES + 1)
    suffix = _split(path.name)[1]
    # Essentia writes JSON by default, whatever its output is called, and many call it .sig.
    is_json = suffix == ".json" or (suffix == ".sig" and text.lstrip().startswith(b"{"))
    return parse_json(text) if is_json else parse_yaml(text)


def _lines(path: Path) -> Iterator[_Source]:
    with _naming(_shown_path(path)):
        stream = open_unpacked(path)
    empty = True
    with stream:
        for number in count(1):
            place = f"{_shown_path(path)}, line {number}"
            with _naming(place):
                line = stream.readline(MAX_BYTES + 1)
                check_size(line)
                source = _line_source(line, place) if line.strip() else None
            if source:
                empty = False
                yield source
            if not line:
                break
    if empty:
        raise DocumentError(f"{_shown_path(path)} holds no low-level document; give one that does")


def _line_source(line: bytes, place: str) -> _Source:
    match = _LINE_ID.match(line)
    if match:
        return _Source(_line_id(decoded(match[1])), place, lambda: _document(_object(line)))
    value = _object(line)
    return _Source(_line_id(value.get("id")), place, partial(_document, value))


def _line_id(value: Any) -> str:
    check_id(value)
    return recording_id(value)


def check_id(value: Any) -> None:
    """Raise DocumentError if a value is not the id of a recording."""
    if not isinstance(value, str) or not value:
        raise DocumentError(f'"id" is {shown(value)}, not the id of a recording')
    if len(value) > MAX_ID:
        raise DocumentError(f'"id" is {shown(value)}, longer than {MAX_ID} characters')


def _object(line: bytes) -> dict[str, Any]:
    value = parse_json(line)
    if not isinstance(value, dict):
        raise DocumentError('the line is not an object with "id" and "document"')
    return value


def _document(value: dict[str, Any]) -> Any:
    if "document" not in value:
        raise DocumentError('the line has no "document" beside its "id"')
    return value["document"]


@contextmanager
def _naming(place: str) -> Iterator[None]:
    """Name the place in whatever goes wrong with reading it."""
    try:
        yield
    except DocumentError as error:
        raise DocumentError(f"{place}: {error}") from error
    except EOFError as error:
        raise DocumentError(f"{place}: the compressed file ends early; fetch it again") from error
    except (OSError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DocumentError(f"{place} cannot be read: {reason}") from error


def _shown_path(path: Path) -> str:
    return shown(str(path), 300)
