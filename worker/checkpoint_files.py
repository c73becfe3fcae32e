"""Checkpoints on their way from the training process to the database, and back.

The training process never writes to the database. It puts what it has solved into small files, one
after the other; its parent, which renews the lease, writes them under the fence and removes them.
The next attempt, on whichever host, is given them as rows.

A job of seconds writes none: the first comes after `pause` seconds, and each further one when
another twentieth of the time has gone by, so that a search of ten hours writes some 150 of them and
an interruption costs about a twentieth of what was done.
"""

import json
import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from schema.evaluation_jobs import Checkpoint

if TYPE_CHECKING:  # it loads scikit-learn, which the parent can do without
    from trainer.grid.engine import Solution

# Of one job, whatever its size; what is found beyond that is found again by the next attempt.
MOST_BYTES = 64 * 2**20

_SHARE = 20  # of the time: see above
_SUFFIX = ".checkpoint"


class CheckpointFiles:
    """`trainer.grid.checkpoints.Checkpoints` in a folder that the parent empties.

    Parameters
    ----------
    folder
        Where to write; made when the first is.
    earlier
        What the database has of the attempts before.
    pause
        Seconds before the first file; 0 writes none.
    """

    def __init__(self, folder: Path, earlier: Sequence[Checkpoint], *, pause: float) -> None:
        self._folder = folder
        self._earlier = earlier
        self._pause = pause
        self._started = self._written = time.monotonic()
        self._fingerprint = ""
        self._pending: dict[str, list[Solution]] = {}
        self._number = 0
        self._bytes = sum(len(checkpoint.content) for checkpoint in earlier)

    def begin(self, fingerprint: str) -> None:
        """Learn which of the earlier ones are of any use."""
        self._fingerprint = fingerprint

    def known(self, part: str) -> "list[Solution]":
        """Give what earlier attempts solved of a part; a damaged row is as good as none."""
        from trainer.grid.checkpoints import unpack  # noqa: PLC0415 - loads scikit-learn

        wanted = (self._fingerprint, part)
        found: list[Solution] = []
        for checkpoint in self._earlier:
            if (checkpoint.fingerprint, checkpoint.part) == wanted:
                with suppress(ValueError):
                    found += unpack(checkpoint.content)
        return found

    def add(self, part: str, solutions: "Sequence[Solution]") -> None:
        """Take in what was solved, and write when it is time."""
        if not self._pause:
            return
        self._pending.setdefault(part, []).extend(solutions)
        now = time.monotonic()
        if now - self._written >= max(self._pause, (now - self._started) / _SHARE):
            self.flush()

    def flush(self) -> None:
        """Write what was not written yet."""
        from trainer.grid.checkpoints import pack  # noqa: PLC0415 - loads scikit-learn

        self._written = time.monotonic()
        # The search can do without them: a full disk is for those who write its result to find.
        with suppress(OSError):
            for part in list(self._pending):
                self._write(part, pack(self._pending.pop(part)))

    def _write(self, part: str, content: bytes) -> None:
        self._bytes += len(content)
        if self._bytes > MOST_BYTES:
            self._pause = 0
            return
        self._number += 1
        self._folder.mkdir(exist_ok=True)
        head = json.dumps({"fingerprint": self._fingerprint, "part": part}).encode()
        path = self._folder / f"{self._number:06}{_SUFFIX}"
        aside = path.with_suffix(".part")
        aside.write_bytes(head + b"\n" + content)
        aside.replace(path)


@contextmanager
def flushed_when_told_to_end(checkpoints: CheckpointFiles) -> Iterator[None]:
    """Write what is pending when SIGTERM comes, before it ends this process as it always does."""

    def handle(number: int, _frame: FrameType | None) -> None:
        signal.signal(number, signal.SIG_DFL)
        try:
            checkpoints.flush()
        finally:  # whatever came of that
            os.kill(os.getpid(), number)

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def written(folder: Path) -> Iterator[tuple[Path, Checkpoint]]:
    """Give the checkpoints that a training process wrote, with their files, in order.

    A file that cannot be read is passed over: the job does not depend on it.
    """
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with suppress(OSError, ValueError, KeyError):
            head, _, content = path.read_bytes().partition(b"\n")
            described = json.loads(head)
            yield (
                path,
                Checkpoint(
                    number=int(path.stem),
                    fingerprint=described["fingerprint"],
                    part=described["part"],
                    content=content,
                ),
            )
