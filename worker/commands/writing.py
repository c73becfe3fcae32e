"""Files that appear whole or not at all."""

import os
import tempfile
from pathlib import Path

import click


def require_writable(path: Path) -> None:
    """Make sure that a file can be put at `path`, before hours are spent on what goes into it.

    Raises
    ------
    click.UsageError
        It cannot, and why.
    """
    if path.is_dir():
        raise click.UsageError(f"{path} is a folder: name a file in it.")
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise click.UsageError(
            f"{path} cannot be written ({error.strerror}): "
            "name a file in an existing folder that you may write to."
        ) from error


def write_aside(path: Path, text: str) -> None:
    """Write `text` beside `path`, force it to disk and rename it: no reader sees half of it."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with aside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise
