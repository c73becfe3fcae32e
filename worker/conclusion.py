"""How an attempt ended, as a value that can be written to the database."""

import json
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

from sqlalchemy import Connection

from schema import evaluation_jobs
from schema.errors import NotFound
from schema.evaluation_jobs import EvaluationJob, Outcome, Usage
from worker.attempt_folder import AttemptFolder
from worker.child_process import ChildProcess, Exit
from worker.memory import MEBIBYTE, most_memory

_UNKNOWN = Usage(exit_code=None, signal=None, peak_memory=None, cpu_seconds=None)


@dataclass(frozen=True, kw_only=True)
class Conclusion:
    """How an attempt ended.

    Attributes
    ----------
    outcome
        ``DONE`` comes with `result` and both sets, everything else with a `message`.
    message, traceback
        One sentence for the job's owner; what an operator wants to see beside it.
    terminal
        Trying again would end the same way, for the input has to change.
    usage
        What the training process used.
    progress
        How far it was.
    """

    outcome: Outcome
    message: str = ""
    traceback: str | None = None
    terminal: bool = False
    result: Mapping[str, Any] = field(default_factory=dict)
    training_set: Mapping[str, str] = field(default_factory=dict)
    testing_set: Mapping[str, str] = field(default_factory=dict)
    usage: Usage = _UNKNOWN
    progress: Mapping[str, Any] | None = None

    @property
    def final(self) -> bool:
        """Whether there will be no further attempt, however many are left."""
        return self.terminal or self.outcome is Outcome.DONE

    @classmethod
    def of(
        cls,
        child: ChildProcess,
        end: Exit,
        folder: AttemptFolder,
        *,
        stopped: bool,
        memory: int | None = None,
    ) -> Self:
        """Conclude from what a training process left.

        Parameters
        ----------
        child, end
            The process and how it ended.
        folder
            Where it put its outcome.
        stopped
            Whether it was we who ended it. An outcome that was complete by then counts all the
            same.
        memory
            How much the process was allowed. Bytes; `None`: what there is.
        """
        usage = Usage(
            exit_code=end.code,
            signal=end.signal,
            peak_memory=end.peak_memory,
            cpu_seconds=end.cpu_seconds,
        )
        try:
            handed_over = json.loads(folder.outcome.read_bytes())
        except FileNotFoundError:
            handed_over = None
        if handed_over is not None:
            return cls(**_reading(handed_over), usage=usage)
        if stopped:
            return cls(outcome=Outcome.INTERRUPTED, message="worker was stopped", usage=usage)
        tail = child.output_tail() or None
        if isinstance(child.said, dict) and "failed" in child.said:
            failure = str(child.said["failed"])
            return cls(outcome=Outcome.ERROR, message=failure, traceback=tail, usage=usage)
        return cls(
            outcome=Outcome.CRASHED,
            message=end.sentence(most_memory(memory)),
            traceback=tail,
            usage=usage,
        )

    def write(self, connection: Connection, job: EvaluationJob, *, max_attempts: int) -> str | None:
        """Write it, if the job is still ours.

        Returns
        -------
        str or None
            The job's status from now on; `None` when it is not ours any more and nothing was
            written.
        """
        status = self._written(connection, job, max_attempts)
        if status is None and evaluation_jobs.attempt_outcome(connection, job) is self.outcome:
            # The reply to an earlier COMMIT was lost: it is written already. Only the worker of an
            # attempt writes these outcomes, so it was us.
            with suppress(NotFound):
                return evaluation_jobs.show(connection, job.id).status.status
        return status

    def _written(self, connection: Connection, job: EvaluationJob, most: int) -> str | None:
        if self.outcome is Outcome.DONE:
            accepted = evaluation_jobs.finish(
                connection,
                job,
                result=self.result,
                training_set=self.training_set,
                testing_set=self.testing_set,
                usage=self.usage,
                progress=self.progress,
            )
            return "done" if accepted else None
        return evaluation_jobs.end(
            connection,
            job,
            outcome=self.outcome,
            message=self.message,
            traceback=self.traceback,
            terminal=self.terminal,
            counted=self.outcome is not Outcome.INTERRUPTED,
            max_attempts=most,
            usage=self.usage,
            progress=self.progress,
        )


def too_much_time(seconds: float) -> str:
    """Say of a training that we ended it because it took too long."""
    return (
        f"the training took longer than the {seconds:,.0f} s that ACOUSTIC_JOB_SECONDS allows: "
        "raise that, or give the job fewer combinations or recordings"
    )


def too_much_memory(held: int, limit: int) -> str:
    """Say of a training that we ended it because it took too much; both in bytes."""
    return (
        f"the training took {held / MEBIBYTE:,.0f} MiB of memory, more than the "
        f"{limit / MEBIBYTE:,.0f} MiB that ACOUSTIC_JOB_MEMORY_MIB allows: raise that, or give "
        "the job fewer recordings"
    )


def sentence(error: BaseException) -> str:
    """Say in one line what was not foreseen; the traceback tells the rest."""
    lines = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return f"unexpected error: {lines[0]}"


def _reading(handed_over: dict[str, Any]) -> dict[str, Any]:
    """Translate what the training process says into what the database says."""
    kind = handed_over.pop("kind")
    if kind == "done":
        return {"outcome": Outcome.DONE, **handed_over}
    if kind == "no database":
        said = handed_over["message"].strip().partition("\n")[0]
        message = f"the training process could not reach the database: {said}"
        return {"outcome": Outcome.INTERRUPTED, "message": message}
    return {"outcome": Outcome.ERROR, "terminal": kind == "rejected", **handed_over}
