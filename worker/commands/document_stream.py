"""Documents one after the other, where one that is broken does not end the stream."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.archives import Member, is_archive, members
from trainer.documents import (
    check_id,
    document_files,
    document_name,
    parse_json,
    read_documents,
    recording_id,
)
from trainer.errors import DocumentError
from trainer.parsing import MAX_BYTES
from trainer.regular_files import open_unpacked

# After so many lines in a row without a document the rest of a file is not looked at: a megabyte
# can hold a thousand million lines once it is unpacked.
MOST_BROKEN_LINES = 100


@dataclass(frozen=True)
class Item:
    """A document, or the reason why it cannot be used.

    Attributes
    ----------
    recording
        Id of the recording; the place of the document where it has none.
    document
        What was parsed, not yet checked.
    error
        Why there is none, in a sentence; empty where there is one.
    given
        The id as it stands in the line, or as the file is called; empty where there is none.
    """

    recording: str
    document: Any = None
    error: str = ""
    given: str = ""


def items(paths: Sequence[Path], *, of_line: Callable[[Any], Any] | None = None) -> Iterator[Item]:
    """Read folders, single files, .jsonl files and archives, in the order given.

    A folder is read in order of names, an archive as a stream.

    Parameters
    ----------
    paths
        What to read.
    of_line
        Takes the document out of a line of .jsonl, or raises a DocumentError; by default its
        "document".

    Raises
    ------
    DocumentError
        A folder holds no document at all.
    """
    for path in paths:
        if path.is_dir():
            yield from _folder(path)
        elif _suffix(path) == ".jsonl":
            yield from _lines(path, of_line or _document_of_line)
        elif is_archive(path):
            yield from _archive(path)
        else:
            yield _file(path)


class _Heard:
    """Wants every recording, and remembers the one that it was asked about."""

    recording: str | None = None

    def __contains__(self, recording: object) -> bool:
        self.recording = str(recording)
        return True


def _folder(path: Path) -> Iterator[Item]:
    empty = True
    for file in document_files(path):
        empty = False
        yield _file(file)
    if empty:
        list(read_documents([path]))  # has the sentence for it


def _archive(path: Path) -> Iterator[Item]:
    try:
        for member in members(path, ".json"):
            if not member.path.name.startswith("._"):  # of macOS
                yield _of_archive(path, member)
    except DocumentError as error:
        yield Item(str(path), error=str(error))


def _of_archive(path: Path, member: Member) -> Item:
    given = member.path.stem
    recording = recording_id(given)
    if member.is_too_large:
        size = f"it is larger than {MAX_BYTES // 2**20} MiB"
        return Item(recording, error=f"{path}, {member.path}: {size}", given=given)
    try:
        return Item(recording, document=parse_json(member.content), given=given)
    except DocumentError as error:
        return Item(recording, error=f"{path}, {member.path}: {error}", given=given)


def _file(path: Path) -> Item:
    heard, given = _Heard(), document_name(path)
    try:
        ((recording, document),) = read_documents([path], wanted=heard)
        return Item(recording, document=document, given=given)
    except DocumentError as error:
        return Item(
            heard.recording or str(path), error=str(error), given=given if heard.recording else ""
        )


def _lines(path: Path, of_line: Callable[[Any], Any]) -> Iterator[Item]:
    # A line at a time and not by read_documents, which ends at the first one that is broken.
    number = broken = 0
    try:
        with closing(open_unpacked(path)) as stream:
            while line := stream.readline(MAX_BYTES + 1):
                number += 1
                if len(line) > MAX_BYTES:
                    size = f"is larger than {MAX_BYTES // 2**20} MiB"
                    yield _abandoned(path, f"line {number} {size}")
                    return
                broken += 1
                if line.strip():
                    item = _line(line, f"{path}, line {number}", of_line)
                    broken = broken if item.error else 0
                    yield item
                if broken >= MOST_BROKEN_LINES:
                    yield _abandoned(path, f"{broken} lines in a row hold no document")
                    return
    except (OSError, EOFError, zlib.error) as error:
        where = f"beyond line {number}" if number else "at all"
        advice = "it may have been cut or damaged on its way, so get it anew"
        yield Item(str(path), error=f"{path} cannot be read {where} ({error}): {advice}")


def _abandoned(path: Path, reason: str) -> Item:
    return Item(str(path), error=f"{path}: {reason}, so what follows is not read")


def _line(line: bytes, place: str, of_line: Callable[[Any], Any]) -> Item:
    recording, given = place, ""
    try:
        value = parse_json(line)
        given = _id(value)
        recording = recording_id(given)
        return Item(recording, document=of_line(value), given=given)
    except DocumentError as error:
        return Item(recording, error=f"{place}: {error}", given=given)


def _document_of_line(value: Any) -> Any:
    if value.get("document") is None:
        raise DocumentError(
            'the line has no "document": write {"id": …, "document": …} with the low-level '
            "document in it"
        )
    return value["document"]


def _id(value: Any) -> str:
    if not isinstance(value, dict) or "id" not in value:
        raise DocumentError('the line is not an object with "id" and "document"')
    check_id(value["id"])
    return str(value["id"])


def _suffix(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    return Path(name).suffix
