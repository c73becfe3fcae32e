"""Where model bundles lie: one file for each attempt, at a path made of nothing but its UUID.

Beside each lies the page about its evaluation, under the same name with ``.html`` behind.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from trainer.whole_file import sync_folder

# Aside, a bundle that is being written begins with a dot and ends with ".part".
_NAME = re.compile(r"\.?([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d{1,9})\.model(?:\..*)?")


@dataclass(frozen=True)
class ModelStore:
    """A folder of bundles, ``<folder>/<j>/<jo>/<job id>-<attempt>.model``.

    A file name carries the attempt, so that a worker which was given up as dead and comes back late
    can never replace the file that the database points to.
    """

    folder: Path

    def path(self, job: UUID, attempt: int) -> Path:
        """Give the path of an attempt's bundle, in a folder that this call makes."""
        folder = self._folder(job)
        if not folder.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            for parent in (
                folder.parent,
                self.folder,
            ):  # or the file's folder is gone after a crash
                sync_folder(parent)
        return folder / f"{job}-{attempt}.model"

    def page(self, job: UUID, attempt: int) -> Path:
        """Give the path of the page about an attempt's evaluation, beside its bundle."""
        return self.path(job, attempt).with_suffix(".model.html")

    def attempts(self, job: UUID) -> list[int]:
        """List the attempts of a job that left a bundle, or a part of one, in ascending order."""
        found = set()
        for path in self._folder(job).glob(f"*{job}-*.model*"):
            number = path.name.partition(f"{job}-")[2].partition(".")[0]
            if number.isdecimal():
                found.add(int(number))
        return sorted(found)

    def files(self) -> list[tuple[UUID, int, Path]]:
        """List all bundles and parts of bundles, with the job and attempt that they are of."""
        found = []
        for path in self.folder.glob("?/??/*"):
            match = _NAME.fullmatch(path.name)
            if match is not None and path.parent == self._folder(UUID(match[1])):
                found.append((UUID(match[1]), int(match[2]), path))
        return sorted(found)

    def remove(self, job: UUID, attempt: int) -> None:
        """Remove an attempt's bundle, and what a killed process left of writing it."""
        for path in self._folder(job).glob(f"*{job}-{attempt}.model*"):
            path.unlink(missing_ok=True)

    def _folder(self, job: UUID) -> Path:
        name = str(job)
        return self.folder / name[:1] / name[:2]
