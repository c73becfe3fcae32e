"""Files that strangers name, opened so that opening and reading them comes to an end.

A path may lead to a pipe that nobody writes to, where `open` itself blocks, or to a device such as
``/dev/zero``, which has no end.
"""

from __future__ import annotations

import errno
import gzip
import os
import stat
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

_GZIP = b"\x1f\x8b"


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading; links are followed.

    Raises
    ------
    OSError
        It is a pipe, a socket, a device or a folder, or cannot be opened; `strerror` says which.
    """
    # Without O_NONBLOCK the call waits for somebody to write to a pipe; to files it means nothing.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    what = "a folder" if stat.S_ISDIR(mode) else "a pipe, a socket or a device"
    raise OSError(errno.EINVAL, f"it is {what}", str(path))


def open_unpacked(path: Path) -> BinaryIO:
    """Open a regular file as `open_regular` does; one that ends in ``.gz`` is unpacked.

    Raises
    ------
    OSError
        As `open_regular`; or it ends in ``.gz`` and does not begin as such a file.
    """
    file = open_regular(path)
    if not path.name.lower().endswith(".gz"):
        return file
    # What is empty has been cut, of which reading tells.
    if file.peek(len(_GZIP))[: len(_GZIP)] not in (_GZIP, b""):
        file.close()
        raise OSError(
            errno.EINVAL,
            "it is not packed by gzip as its name says: take .gz off the name, or fetch it again",
            str(path),
        )
    return cast("BinaryIO", _Unpacked(file))


def read_regular(path: Path, most: int) -> bytes:
    """Read a regular file of at most `most` bytes.

    Raises
    ------
    OSError
        As `open_regular`; or it is larger, and then it is not read; or reading fails.
    """
    with open_regular(path) as file:
        # As much as is asked for is made room for at once, so that is not `most`.
        size = os.fstat(file.fileno()).st_size
        content = b"" if size > most else file.read(size + 1)
    if max(size, len(content)) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return content


class _Unpacked(gzip.GzipFile):
    """A compressed file that closes what it reads from, too."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(fileobj=file, mode="rb")
        self._file = file

    def close(self) -> None:
        """Close both."""
        try:
            super().close()
        finally:
            self._file.close()
