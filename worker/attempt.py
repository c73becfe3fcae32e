"""One attempt at a job as its parent process holds it: files, child, and how it ends."""

import os
import signal
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from schema.evaluation_jobs import Checkpoint, EvaluationJob, Outcome
from worker.attempt_folder import AttemptFolder, hold
from worker.checkpoint_files import written
from worker.child_process import ChildProcess
from worker.conclusion import Conclusion, sentence
from worker.host_fault import disk_sentence
from worker.model_store import ModelStore
from worker.settings import MEBIBYTE, Settings

# Between asking a process group to end and killing it.
GRACE_SECONDS = 5.0

_COMMAND = ("-m", "worker.training_child")


class Attempt:
    """A claimed job, its child process and its files.

    Attributes
    ----------
    job
        The claim.
    progress, written_progress
        The latest that the child reported, and the latest that the database knows.
    conclusion
        How it ended, once it has.
    said_resumed
        The log tells that it goes on from an earlier attempt.
    unsaved
        How often a checkpoint could not be written because the database was away.
    lost
        The job belongs to somebody else; whatever comes of this attempt is thrown away.
    """

    def __init__(self, job: EvaluationJob, settings: Settings) -> None:
        self.job = job
        self.progress: Any = None
        self.written_progress: Any = None
        self.conclusion: Conclusion | None = None
        self.said_resumed = False
        self.unsaved = 0
        self.lost = False
        self.kill_at: float | None = None
        self._settings = settings
        self._store = ModelStore(settings.model_dir)
        self._folder = AttemptFolder(settings.project_dir, job.id, job.attempt)
        self._held: int | None = None
        self._child: ChildProcess | None = None

    @classmethod
    def start(cls, job: EvaluationJob, settings: Settings) -> Self:
        """Start the training; where that fails, the attempt has failed, and nothing else."""
        attempt = cls(job, settings)
        try:
            attempt._held = hold(attempt._folder)
            attempt._child = ChildProcess(
                _COMMAND, attempt._assignment(), output=attempt._folder.output
            )
        except OSError as error:
            attempt.conclude_error(error)
        return attempt

    @property
    def descriptors(self) -> list[int]:
        """What to wait for progress on."""
        if self._child is None or not self._child.progress_open:
            return []
        return [self._child.progress]

    @property
    def running(self) -> bool:
        """Whether there is a child."""
        return self._child is not None

    @property
    def resumed(self) -> int:
        """How many combinations were known from earlier attempts, as far as it has said so."""
        return self.progress.get("resumed", 0) if isinstance(self.progress, dict) else 0

    @property
    def stopping(self) -> bool:
        """Whether the child was told to end."""
        return self.kill_at is not None

    def checkpoints(self) -> Iterator[tuple[Path, Checkpoint]]:
        """Give what the child found and the database does not have yet, with its files."""
        return written(self._folder.checkpoints)

    def attend(self) -> None:
        """Read progress, notice the child's end, lose patience with one that was told to end."""
        if self._child is None:
            return
        self.progress = self._child.read_progress() or self.progress
        if self.kill_at is not None and time.monotonic() >= self.kill_at:
            self._child.signal_group(signal.SIGKILL)
            self.kill_at = time.monotonic() + GRACE_SECONDS
        end = self._child.reap()
        if end is not None:
            concluded = Conclusion.of(self._child, end, self._folder, stopped=self.stopping)
            self.conclusion = replace(concluded, progress=self.progress)
            self._child = None

    def stop(self, *, grace: float = GRACE_SECONDS) -> None:
        """Tell the child, and all that it started, to end within `grace` seconds."""
        if self._child is None:
            return
        if self.kill_at is None:
            self._child.signal_group(signal.SIGTERM)
            self.kill_at = time.monotonic() + grace

    def kill(self) -> None:
        """End the child now, and wait for it: nothing of it outlives this call."""
        if self._child is not None:
            self.stop(grace=0)
            self._child.signal_group(signal.SIGKILL)
            self._child.wait_for_end()
            self.attend()

    def conclude_error(self, error: BaseException) -> None:
        """Conclude that something went wrong on this side; it may pass."""
        said = disk_sentence(error, self._assignment()) if isinstance(error, OSError) else None
        self.conclusion = Conclusion(
            outcome=Outcome.ERROR,
            message=said or sentence(error),
            traceback="".join(traceback.format_exception(error)),
        )

    def remove_files(self, *, bundle: bool) -> None:
        """Remove the attempt's working files, and its bundle if nobody is to have it."""
        if bundle:
            self._store.remove(self.job.id, self.job.attempt)
        self._folder.remove(keep_lowlevel=self._settings.keep_lowlevel)
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _assignment(self) -> dict[str, Any]:
        settings = self._settings
        return {
            "job": str(self.job.id),
            "attempt": self.job.attempt,
            "snapshot": str(self.job.snapshot_id),
            "options": self.job.options,
            "database_url": str(settings.database_url),
            "model_dir": str(settings.model_dir),
            "project_dir": str(settings.project_dir),
            "engine": settings.engine,
            "jobs": settings.jobs,
            "memory": settings.memory_mib * MEBIBYTE,
            "checkpoint_seconds": settings.checkpoint_seconds,
            "outcome": str(self._folder.outcome),
        }
