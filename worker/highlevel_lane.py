"""The high-level worker's work, in a thread of its own, so that the main one heeds signals."""

import os
import threading
from contextvars import copy_context
from datetime import timedelta

import structlog

from schema import highlevel
from schema.pauses import Queue, paused
from worker.database_link import DatabaseLink
from worker.highlevel_batch import Batches
from worker.highlevel_look import QueueLook
from worker.highlevel_models import Models
from worker.supervisor import Timer

# Recordings that one step of the sweep looks at, some 20 ms, and steps of one turn.
SWEEP_LIMIT = 5_000
SWEEP_STEPS = 20

# The trigger misses next to nothing, so rounds are rare.
SWEEP_PAUSE = timedelta(hours=1)

_AT_ONCE = timedelta(0)


class Lane:
    """Does batch after batch until nothing is left, when it is told to look.

    Parameters
    ----------
    link, models, batches
        How the database is reached, what is computed, and what does it.
    poll_seconds
        The time between two looks for what is at its limit or was missed.
    once
        Whether a whole round of the sweep belongs to a look.
    look
        What tells how the work goes; `None`: nobody asks.

    Attributes
    ----------
    ended
        A descriptor that can be read when a look is over.
    error
        What ended the last look, if anything did.
    without_models
        Whether the last look found that there is no model.
    """

    def __init__(
        self,
        link: DatabaseLink,
        models: Models,
        batches: Batches,
        *,
        poll_seconds: float,
        once: bool,
        look: QueueLook | None = None,
    ) -> None:
        self.ended, self._signal = os.pipe()
        self.error: Exception | None = None
        self.without_models = False
        self._link = link
        self._models = models
        self._batches = batches
        self._once = once
        self._look = look
        self._stop = threading.Event()
        self._chores = Timer(poll_seconds)
        self._paused = False
        self._found = False
        self._from_the_start = False
        self._swept_all = False
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger("worker.highlevel")

    @property
    def busy(self) -> bool:
        """Whether a look is not over."""
        return self._thread is not None

    def look(self) -> None:
        """Begin a look, in the thread."""
        self.error = None
        # A daemon: what hangs in it must not keep a process that was told to stop.
        # With the context of this one, for log lines say whose they are.
        self._thread = threading.Thread(
            target=copy_context().run, args=(self._run,), name="high-level lane", daemon=True
        )
        self._thread.start()

    def join(self) -> None:
        """Take note that a look is over; to be called when `ended` can be read."""
        os.read(self.ended, 1)
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def stop(self) -> None:
        """End after the batch that is being done."""
        self._stop.set()

    def close(self) -> None:
        """Close the descriptors, of a lane that is not busy."""
        if not self.busy:
            os.close(self.ended)
            os.close(self._signal)

    def _run(self) -> None:
        try:
            while not self._stop.is_set() and self._turn():
                pass
        except Exception as error:  # noqa: BLE001 - the main thread decides
            self.error = error
        finally:
            os.write(self._signal, b".")

    def _turn(self) -> bool:
        """Do one thing; tell whether there may be more."""
        loaded = self._models.current()
        self.without_models = loaded is None
        if self._look is not None:
            self._look.tell(self._batches.tally, models=0 if loaded is None else len(loaded.ids))
        if loaded is None:
            return False
        if self._chores.is_due:
            self._heed_pause()
            self._batches.exhaust(loaded)
            self._sweep()
            self._chores.restart()
        return self._batches.next(loaded) or self._sweep_on()

    def _heed_pause(self) -> None:
        """Tell when the queue is paused and when it goes on; claims heed it by themselves."""
        pause = self._link.run(lambda connection: paused(connection, Queue.HIGHLEVEL))
        if pause is not None and not self._paused:
            self._log.warning("the queue is paused", by=pause.paused_by, reason=pause.reason)
        elif pause is None and self._paused:
            self._log.info("the queue goes on")
        self._paused = pause is not None

    def _sweep_on(self) -> bool:
        """Sweep on when nothing is left, as long as that finds something."""
        if self._once and not self._swept_all:
            return self._sweep() or not self._swept_all
        return self._found and self._sweep()

    def _sweep(self) -> bool:
        """Look for what was missed, until something is found; bounded, whatever the history."""
        self._found = False
        pause = _AT_ONCE if self._once and not self._swept_all else SWEEP_PAUSE
        for _ in range(SWEEP_STEPS):
            step = self._link.run(
                lambda connection: highlevel.sweep(connection, limit=SWEEP_LIMIT, pause=pause)
            )
            if step is None and self._link.run(highlevel.restore_sweep):
                self._log.warning("the row of worker.highlevel_sweep was gone; sweeping anew")
                continue
            if step is None:  # another worker is at it, or the next round has not come
                self._swept_all = True
                break
            self._from_the_start = self._from_the_start or step.before is None
            if step.after is None:
                self._swept_all = self._from_the_start
            if step.enqueued:
                self._log.info("the sweep found recordings", recordings=step.enqueued)
                self._found = True
            if step.enqueued or step.after is None:
                break
        return self._found
