"""Where the files of published models lie: below the model folder, each under its own SHA-256."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from trainer.errors import ModelError
from trainer.models.manifest import HISTORY_MAGIC
from trainer.regular_files import open_regular
from trainer.whole_file import sync_folder
from trainer.wording import shown

_FOLDER = "published"
_BUNDLE, _HISTORY = ".model", ".history"
_BLOCK = 2**20
# What a model is never larger than; a disk image that somebody named by mistake is.
_MOST_BYTES = 2**31


@dataclass(frozen=True)
class StoredFile:
    """A file that was added.

    Attributes
    ----------
    path
        Below the model folder, with slashes: what the database has.
    sha256
        Hexadecimal.
    """

    path: str
    sha256: str


@dataclass(frozen=True)
class PublishedFiles:
    """The files ``<folder>/published/<s>/<SHA-256>.model``, or ``.history`` for those of Gaia.

    A name says what is in the file, so a file is never changed and the same one is stored once. It
    is complete and on the disk before any row points to it.

    Attributes
    ----------
    folder
        The model folder.
    """

    folder: Path

    def add(self, source: Path) -> StoredFile:
        """Copy a file there.

        Raises
        ------
        ModelError
            It cannot be read, or is larger than any model.
        """
        parent = self.folder / _FOLDER
        parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as copy:
                digest, suffix = _copy(source, copy.fileno())
                os.fsync(copy.fileno())
            relative = PurePosixPath(_FOLDER, digest[:2], digest + suffix)
            final = self.folder / relative
            final.parent.mkdir(exist_ok=True)
            Path(aside).chmod(0o644)
            Path(aside).replace(final)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        for made in (final.parent, parent, self.folder):
            sync_folder(made)
        return StoredFile(str(relative), digest)

    def find(self, path: str) -> Path:
        """Give the file of a row.

        Rows can be written by others than us, so a path leads nowhere but below the model folder.

        Raises
        ------
        ModelError
            It is absolute, goes up, or leads through a link.
        """
        parts = PurePosixPath(path)
        if not path or "\0" in path or parts.is_absolute() or ".." in parts.parts:
            raise ModelError(
                f"the path {shown(path)} of a published model does not lie in the model folder: "
                "publish the model again"
            )
        folder = self.folder.resolve()
        found = folder / parts
        if found.resolve() != found:
            raise ModelError(
                f"the path {shown(path)} of a published model leads through a link, to "
                f"{found.resolve()}: put the file itself into the model folder"
            )
        return found

    def check(self, path: str, sha256: str) -> None:
        """Check that a row's file is there and as it was.

        Raises
        ------
        ModelError
            It is not.
        """
        file = self.find(path)
        try:
            with open_regular(file) as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            raise ModelError(f"{file} cannot be read: {error.strerror}") from error
        if found != sha256:
            raise ModelError(f"{file} is not the file that was published")


def _copy(source: Path, target: int) -> tuple[str, str]:
    """Copy a file; its digest, and the ending of the kind of file that it is."""
    digest = hashlib.sha256()
    size, suffix = 0, _BUNDLE
    try:
        with open_regular(source) as file:
            while block := file.read(_BLOCK):
                if size == 0 and block.startswith(HISTORY_MAGIC):
                    suffix = _HISTORY
                size += len(block)
                if size > _MOST_BYTES:
                    raise ModelError(f"{source} is larger than {_MOST_BYTES:,} bytes: no model is")
                digest.update(block)
                _write(target, block)
    except OSError as error:
        if error.filename is None:  # of the copy: a full disk, which the caller names
            raise
        raise ModelError(f"{source} cannot be read: {error.strerror}") from error
    return digest.hexdigest(), suffix


def _write(target: int, block: bytes) -> None:
    while block:
        block = block[os.write(target, block) :]
