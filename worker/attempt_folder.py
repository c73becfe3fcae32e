"""The working files of one attempt, and getting rid of them whatever happens to the worker.

``<project dir>/.attempts/<job id>-<attempt>/`` holds what the training process prints, hands over
and has half written. A worker locks the folders it uses; the kernel drops the lock with the
process, so whoever finds a folder that it can lock has found what a killed worker left.
"""

import errno
import fcntl
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import UUID

_ATTEMPTS = ".attempts"
_NAME = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-(\d+)")
LOWLEVEL = "lowlevel"

# For a folder that somebody else holds, and between two looks at it. Seconds.
PATIENCE = 5.0
_MOMENT = 0.02


@dataclass(frozen=True)
class AttemptFolder:
    """Names inside one attempt's folder, and the project folder of its job.

    Attributes
    ----------
    project_dir
        The folder of all project folders.
    job, attempt
        Which claim; a job that is claimed again gets a folder of its own, so that a worker which
        was given up as dead and goes on cannot spoil the files of the next.
    """

    project_dir: Path
    job: UUID
    attempt: int

    @property
    def path(self) -> Path:
        """The attempt's own folder, which goes when the attempt ends."""
        return self.project_dir / _ATTEMPTS / f"{self.job}-{self.attempt}"

    @property
    def project(self) -> Path:
        """The job's project folder, which stays."""
        return self.project_dir / str(self.job)

    @property
    def outcome(self) -> Path:
        """What the training process hands over, a JSON file."""
        return self.path / "outcome.json"

    @property
    def output(self) -> Path:
        """What the training process prints."""
        return self.path / "output.log"

    @property
    def checkpoints(self) -> Path:
        """Where the training process puts what the next attempt can go on from."""
        return self.path / "checkpoints"

    def remove(self, *, keep_lowlevel: bool) -> None:
        """Remove the attempt's folder, and the project's low-level files unless they are kept."""
        if not keep_lowlevel:
            shutil.rmtree(self.project / LOWLEVEL, ignore_errors=True)
        shutil.rmtree(self.path, ignore_errors=True)

    @classmethod
    def parse(cls, path: Path) -> Self | None:
        """Tell whose folder this is, `None` when it is no attempt's."""
        match = _NAME.fullmatch(path.name)
        return match and cls(path.parent.parent, UUID(match[1]), int(match[2]))


def hold(folder: AttemptFolder, *, patience: float = PATIENCE) -> int:
    """Make an attempt's folder and lock it; gives the descriptor whose closing unlocks it.

    Raises
    ------
    OSError
        It cannot be made, or a process that lives holds it all the time: a worker that has the same
        attempt, because somebody deleted rows of attempts.
    """
    deadline = time.monotonic() + patience
    while True:
        folder.path.mkdir(parents=True, exist_ok=True)
        # Another worker took it for a leftover: it holds it for a moment, and removes it.
        with suppress(BlockingIOError, FileNotFoundError):
            descriptor = _locked(folder.path)
            if folder.path.exists():
                return descriptor
            os.close(descriptor)
        if time.monotonic() > deadline:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(folder.path))
        time.sleep(_MOMENT)


def _locked(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def remove_leftovers(project_dir: Path, *, keep_lowlevel: bool) -> list[AttemptFolder]:
    """Remove what killed workers left; gives the attempts that were found.

    Folders that another worker holds are left alone.
    """
    removed = []
    for folder in leftovers(project_dir):  # the lock is held until the next one is asked for
        folder.remove(keep_lowlevel=keep_lowlevel)
        removed.append(folder)
    return removed


def leftovers(project_dir: Path) -> Iterator[AttemptFolder]:
    """Give what killed workers left, each locked until the next one is asked for."""
    for path in sorted(project_dir.glob(f"{_ATTEMPTS}/*")):
        folder = AttemptFolder.parse(path)
        if folder is None:
            continue
        # Held by a worker that lives, or removed by one that was quicker.
        with suppress(BlockingIOError, FileNotFoundError):
            descriptor = _locked(path)
            try:
                yield folder
            finally:
                os.close(descriptor)
