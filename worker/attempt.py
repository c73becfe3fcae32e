"""One attempt at a job as its parent process holds it: files, child, and how it ends."""

import math
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
from worker.child_process import ChildProcess, Exit
from worker.conclusion import Conclusion, sentence, too_much_memory, too_much_time
from worker.host_fault import disk_sentence
from worker.memory import held_memory
from worker.model_store import ModelStore
from worker.relayed_log import RelayedLog
from worker.settings import Settings
from worker.waiting_child import COMMAND, WaitingChild

# Between asking a process group to end and killing it.
GRACE_SECONDS = 5.0
# Between two looks at how much memory a child holds, if that is limited.
_MEMORY_SECONDS = 0.5


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
    kill_at, give_up_at
        When a child that was told to end is killed (`None`: it was not told), and when one that
        was not is. By ``time.monotonic``.
    lost
        The job belongs to somebody else; whatever comes of this attempt is thrown away.
    """

    def __init__(self, job: EvaluationJob, settings: Settings) -> None:
        self.job = job
        self._began = time.monotonic()
        self.progress: Any = None
        self.written_progress: Any = None
        self.conclusion: Conclusion | None = None
        self.said_resumed = False
        self.unsaved = 0
        self.lost = False
        self.kill_at: float | None = None
        self.give_up_at = time.monotonic() + (settings.job_seconds or math.inf)
        self._settings = settings
        self._store = ModelStore(settings.model_dir)
        self._folder = AttemptFolder(settings.project_dir, job.id, job.attempt)
        self._held: int | None = None
        self._beyond: tuple[Outcome, str] | None = None
        self._child: ChildProcess | None = None
        self._relayed = RelayedLog()

    @classmethod
    def start(cls, job: EvaluationJob, settings: Settings, waiting: WaitingChild) -> Self:
        """Start the training; where that fails, the attempt has failed, and nothing else.

        It does not count then: the job had no part in it, and a computer on which nothing can be
        started would bring job after job to its limit.
        """
        attempt = cls(job, settings)
        try:
            attempt._held = hold(attempt._folder)
            attempt._child = waiting.take(attempt._assignment()) or ChildProcess(
                COMMAND, attempt._assignment(), output=attempt._folder.output
            )
        except OSError as error:
            attempt.conclude_error(error, counted=False)
        return attempt

    @property
    def seconds(self) -> float:
        """How long ago it began."""
        return time.monotonic() - self._began

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
    def look_again_at(self) -> float:
        """When limits have to be looked at again, by ``time.monotonic``."""
        looks = self._settings.job_memory is not None
        return min(self.give_up_at, time.monotonic() + _MEMORY_SECONDS if looks else math.inf)

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
        self._hold_to_limits()
        if self.kill_at is not None and time.monotonic() >= self.kill_at:
            self._child.signal_group(signal.SIGKILL)
            self.kill_at = time.monotonic() + GRACE_SECONDS
        end = self._child.reap()
        self._relayed.tell(self._child.read_output())
        if end is not None:
            child, self._child = self._child, None
            self._conclude(child, end)

    def _conclude(self, child: ChildProcess, end: Exit) -> None:
        try:
            concluded = Conclusion.of(
                child,
                end,
                self._folder,
                stopped=self.stopping,
                memory=self._settings.job_memory,
            )
        except OSError as error:  # the folder in which it left what it came to
            self.conclude_error(error)
            return
        if self._beyond is not None and concluded.outcome is Outcome.INTERRUPTED:
            outcome, message = self._beyond
            concluded = replace(concluded, outcome=outcome, message=message)
        self.conclusion = replace(concluded, progress=self.progress)

    def _hold_to_limits(self) -> None:
        """End a child that takes too long or too much."""
        if self._child is None or self.stopping:
            return
        settings, held = self._settings, 0
        if settings.job_memory is not None:
            held = held_memory(self._child.pid)
        if settings.job_memory is not None and held > settings.job_memory:
            self._beyond = (Outcome.ERROR, too_much_memory(held, settings.job_memory))
            self.stop(grace=0)
        elif settings.job_seconds is not None and time.monotonic() >= self.give_up_at:
            self._beyond = (Outcome.TIMEOUT, too_much_time(settings.job_seconds))
            self.stop()

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

    def conclude_error(self, error: BaseException, *, counted: bool = True) -> None:
        """Conclude that something went wrong on this side; it may pass."""
        said = disk_sentence(error, self._assignment()) if isinstance(error, OSError) else None
        self.conclusion = Conclusion(
            outcome=Outcome.ERROR,
            message=said or sentence(error),
            traceback="".join(traceback.format_exception(error)),
            counted=counted,
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
            "memory": settings.engine_memory,
            "checkpoint_seconds": settings.checkpoint_seconds,
            "outcome": str(self._folder.outcome),
            "log_level": settings.log_level,
        }
