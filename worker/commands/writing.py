"""Where a command may write a file."""

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click


def destination(path: Path, *, option: str = "", apart_from: Iterable[tuple[str, Path]]) -> Path:
    """Find out where a file for `path` goes, before hours are spent on what goes into it.

    A symbolic link is followed: the file is written where it leads, and the link stays.

    Parameters
    ----------
    path
        Where a person wants it.
    option
        By which option; empty where it is an argument whose place says it.
    apart_from
        Files that it must not replace, such as those that are read, each with its option or
        argument.

    Raises
    ------
    click.UsageError
        No file can be put there, and why.
    """
    if str(path) == "-":
        raise click.UsageError("'-' is no place for a file here: name a file.")
    target = Path(os.path.realpath(path))
    for name, other in apart_from:
        if _same(target, other):
            raise click.UsageError(
                f"{f'{option} {path}'.lstrip()} and {name} {other} are the same file, and writing "
                "it would destroy what is in it: name another file."
            )
    # Asked of the path as it was given: what /dev/stdout leads to has no name when it is a pipe.
    if path.exists() and not path.is_file() and not path.is_dir():
        raise click.UsageError(f"{path} is a device, a pipe or a socket: name a regular file.")
    if target.is_symlink():
        raise click.UsageError(f"{path} is a symbolic link that leads in a circle: name a file.")
    require_writable(target)
    return target


def destination_of_no_report(
    path: Path, *, option: str = "", apart_from: Iterable[tuple[str, Path]]
) -> Path:
    """Find out where a page or a table for `path` goes, which is nowhere that a report is.

    Parameters
    ----------
    path, option, apart_from
        As for `destination`.

    Raises
    ------
    click.UsageError
        No file can be put there, or a report is there or looked for under such a name.
    """
    target = destination(path, option=option, apart_from=apart_from)
    if target.is_file() and _holds_json(target):
        raise click.UsageError(
            f"{path} holds JSON, such as a report, and writing it would destroy what is in it: "
            "name another file."
        )
    if path.suffix.lower() == ".json":
        raise click.UsageError(
            f"{path} has the name of a report, which is JSON: name a file of another ending."
        )
    return target


def _holds_json(path: Path) -> bool:
    # Reports begin so; neither pages nor tables do.
    try:
        with path.open("rb") as stream:
            return stream.read(64).lstrip().startswith(b"{")
    except OSError:  # what may be written need not be readable
        return False


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


def _same(target: Path, other: Path) -> bool:
    # By name where there is no file yet, by file where a hard link gives it a second name.
    if target == Path(os.path.realpath(other)):
        return True
    return target.exists() and other.exists() and target.samefile(other)
