"""A training process that waits for the next job, so that a small one does not pay for its start.

Importing numpy, scipy and scikit-learn takes longer than a small search. So one process that has
done so waits, at the price of its memory; like every child it leads a group of its own and dies
with its parent, and like every child it does one job. The one after it is started with the job.
"""

import signal
from contextlib import suppress
from typing import Any

import structlog

from worker.child_process import ChildProcess
from worker.supervisor import Backoff, Timer

COMMAND = ("-m", "worker.training_child")


class WaitingChild:
    """At most one child without an assignment.

    Parameters
    ----------
    wanted
        Whether there is to be one at all.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted
        self._child: ChildProcess | None = None
        self._backoff = Backoff(first=1.0, most=300.0)
        self._again = Timer(0)
        self._log = structlog.get_logger("worker.evaluator")

    def attend(self) -> None:
        """Start one where there is none, or where it has ended by itself: later and later."""
        if self._child is not None:
            end = self._child.reap()
            if end is None:
                return
            said = self._child.output_tail().splitlines()
            self._child = None
            self._again.seconds = self._backoff.next()
            self._again.restart()
            self._log.warning(
                "the waiting process has ended", reason=end.sentence(), said=said[-1:]
            )
        if self._wanted and self._again.is_due:
            with suppress(OSError):  # the next job says what is wrong, if that lasts
                self._child = ChildProcess(COMMAND, None, output=None)

    def take(self, assignment: dict[str, Any]) -> ChildProcess | None:
        """Give the child, which begins its job; `None` if there is none."""
        child, self._child = self._child, None
        if child is None:
            return None
        try:
            child.assign(assignment)
        except OSError:
            _end(child)
            return None
        self._backoff.reset()
        return child

    def close(self) -> None:
        """End it; from now on there is none."""
        self._wanted = False
        child, self._child = self._child, None
        if child is not None:
            _end(child)


def _end(child: ChildProcess) -> None:
    child.signal_group(signal.SIGKILL)
    child.wait_for_end()
    child.reap()
