"""Archives of low-level documents, as AcousticBrainz's dumps are: read as a stream, never unpacked.

A dump has a million documents, and nothing of it is written anywhere: members come one after the
other, however large the archive is.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Self, cast

import zstandard

from trainer.errors import DocumentError
from trainer.parsing import MAX_BYTES
from trainer.regular_files import open_regular

__all__ = ["Member", "is_archive", "members"]

# All of them go on where one compressed stream ends and the next begins, as parallel compressors
# write them; tarfile's own streams would end there.
_UNPACKING: dict[str, Callable[[Any], Any]] = {
    ".tar": lambda file: file,
    ".tar.gz": lambda file: gzip.GzipFile(fileobj=file),
    ".tgz": lambda file: gzip.GzipFile(fileobj=file),
    ".tar.bz2": bz2.BZ2File,
    ".tar.xz": lzma.LZMAFile,
    ".tar.zst": lambda file: zstandard.ZstdDecompressor().stream_reader(
        file, read_across_frames=True
    ),
}

# An archive ends with two blocks of zeros. Without them it was cut, which neither tarfile nor
# zstandard finds worth an error where it happens between two members.
_END = bytes(1024)

# What comes before a member with a long name, or more dates than fit into its header. tarfile takes
# all of it into memory, as much as it says that it has.
_HEADERS = {
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}
_MAX_HEADER = 2**16

_BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError, tarfile.TarError, zstandard.ZstdError)


@dataclass(frozen=True)
class Member:
    """A file in an archive.

    Attributes
    ----------
    path
        Its path in there.
    content
        Its bytes; empty where it is larger than any document.
    is_too_large
        Whether it is.
    """

    path: PurePosixPath
    content: bytes
    is_too_large: bool = False


def is_archive(path: Path) -> bool:
    """Tell whether a file is an archive, by its name."""
    return _unpacking(path) is not None


def members(path: Path, suffix: str) -> Iterator[Member]:
    """Read the files of an archive that have a suffix, in their order; links are passed over.

    Raises
    ------
    DocumentError
        It cannot be read, or not beyond some member: those before have been given.
    """
    unpack = _unpacking(path)
    if unpack is None:
        raise DocumentError(f"{path} is no archive: {', '.join(_UNPACKING)} are read")
    last = ""
    try:
        with open_regular(path) as file, closing(unpack(file)) as stream:
            watched = _Watched(stream)
            with tarfile.open(fileobj=cast("Any", watched), mode="r|", tarinfo=_Entry) as archive:
                for entry in archive:
                    # tarfile keeps all that it has seen, some hundred megabytes of a dump.
                    cast("Any", archive).members.clear()
                    last = entry.name
                    if entry.isreg() and entry.name.lower().endswith(suffix):
                        yield _member(archive, entry)
        if watched.end != _END:
            raise tarfile.ReadError("it ends early")
    except _BROKEN as error:
        reason = getattr(error, "strerror", None) or error
        where = f" beyond {last!r}" if last else ""
        raise DocumentError(
            f"{path} cannot be read{where}: {reason}; fetch it again if it was cut or damaged"
        ) from error


def _member(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> Member:
    path = PurePosixPath(entry.name)
    if entry.size > MAX_BYTES:
        return Member(path, b"", is_too_large=True)
    content = archive.extractfile(entry)
    return Member(path, b"" if content is None else content.read())


def _unpacking(path: Path) -> Callable[[Any], Any] | None:
    name = path.name.lower()
    return next((unpack for end, unpack in _UNPACKING.items() if name.endswith(end)), None)


class _Entry(tarfile.TarInfo):
    """A header that was looked at before it is believed."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Make an entry of a block."""
        entry = super().frombuf(buf, encoding, errors)
        if entry.type in _HEADERS and entry.size > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of {entry.size:,} bytes is in there")
        return entry


class _Watched:
    """A stream that remembers the last bytes that were read of it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.end = b""

    def read(self, size: int) -> bytes:
        """Read as the stream does."""
        block: bytes = self._stream.read(size)
        if block:
            self.end = (self.end + block)[-len(_END) :]
        return block
