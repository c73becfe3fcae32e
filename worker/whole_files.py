"""Files that appear whole or not at all, also when the power fails."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from trainer.whole_file import sync_folder


def write_whole(path: Path, text: str) -> None:
    """Write `text` beside `path`, force it to disk and rename it: no reader sees half of it."""
    with whole(path) as stream:
        stream.write(text.encode())


@contextmanager
def whole(path: Path) -> Iterator[BinaryIO]:
    """Give a stream for what is too large to be in memory; at the end it is at `path`.

    When the block is left by an error, nothing is there that was not there before.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
