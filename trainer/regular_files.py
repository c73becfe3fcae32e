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
    """Open a regular file as `open_regular` does; one that ends in ``.gz`` is unpacked."""
    file = open_regular(path)
    return cast("BinaryIO", _Unpacked(file)) if path.name.lower().endswith(".gz") else file


def read_regular(path: Path, most: int) -> bytes:
    """Read a regular file, at most `most` bytes and one more: that one says that it is larger.

    Raises
    ------
    OSError
        As `open_regular`, or reading fails.
    """
    with open_regular(path) as file:
        # A buffer of the size that is asked for is allocated at once, so not of `most`.
        size = os.fstat(file.fileno()).st_size
        return file.read(min(size, most) + 1)


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
