"""Waiting, in one thread, for whatever comes first: a signal, a child's end, a line, the time.

A supervisor computes nothing, so a lease is renewed in time whatever a training does.
"""

import contextlib
import math
import os
import random
import select
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

_STOPPING = (signal.SIGTERM, signal.SIGINT)
_WATCHED = (*_STOPPING, signal.SIGCHLD)


class Supervisor:
    """Signals as something to wait for, and the waiting.

    Used as a context manager, in the main thread; the handlers that were there come back at its
    end.

    Attributes
    ----------
    stops
        How often the process was told to stop (SIGTERM, SIGINT).
    """

    def __init__(self) -> None:
        self.stops = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._wake, self._written = os.pipe()
        for descriptor in (self._wake, self._written):
            os.set_blocking(descriptor, False)
        # The C-level handler writes to this descriptor, so a signal that comes just before select
        # ends the waiting too.
        self._wake_before = signal.set_wakeup_fd(self._written, warn_on_full_buffer=False)
        self._before = {number: signal.signal(number, self._handle) for number in _WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wake_before)
        os.close(self._wake)
        os.close(self._written)

    def wait(self, seconds: float, descriptors: Iterable[int] = ()) -> set[int]:
        """Wait until a signal came, a descriptor can be read, or the time is over.

        Returns
        -------
        set of int
            The descriptors that can be read.
        """
        watched = [self._wake, *descriptors]
        ready = set(select.select(watched, [], [], max(0.0, seconds))[0])
        if self._wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake, 4096)
        return ready - {self._wake}

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if number in _STOPPING:
            self.stops += 1


@dataclass
class Timer:
    """Something to do again and again, at times that differ between workers.

    Attributes
    ----------
    seconds
        The time between two turns. Each is up to a tenth shorter, or workers that were started
        together would ask the database together for ever.
    last, due
        When the last turn was and when the next one is, by ``time.monotonic``.
    rests_until
        Before this nothing hastens it.
    """

    seconds: float
    last: float = 0.0
    due: float = 0.0
    rests_until: float = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self.due

    def restart(self) -> None:
        """Have the next turn one interval from now."""
        self.last = time.monotonic()
        self.due = self.last + self.seconds * random.uniform(0.9, 1)  # noqa: S311 - no secret

    def rest(self) -> None:
        """Have the next turn one interval from now, whatever would hasten it."""
        self.restart()
        self.rests_until = self.due

    def hasten(self, seconds: float) -> None:
        """Have the next turn no later than `seconds` after the last one, unless it rests."""
        self.due = max(self.rests_until, min(self.due, self.last + seconds))


class Drain:
    """How much longer a worker that was told to stop goes on.

    Told once, it gives the running job `drain` seconds to end by itself, `grace` more to end when
    told, and as much again to write that down. Told twice, it does not wait for anything.
    """

    def __init__(self, drain: float, grace: float) -> None:
        self._drain = drain
        self._grace = grace
        self.stop_at = math.inf
        self.give_up_at = math.inf

    @property
    def started(self) -> bool:
        """Whether the worker was told to stop."""
        return self.stop_at < math.inf

    def note(self, stops: int) -> None:
        """Take in how often the worker was told to stop."""
        now = time.monotonic()
        if stops >= 1 and not self.started:
            self.stop_at = now + self._drain
            self.give_up_at = self.stop_at + 2 * self._grace
        if stops >= 2:  # noqa: PLR2004 - told twice
            self.stop_at = min(self.stop_at, now)
            self.give_up_at = min(self.give_up_at, now)


@dataclass
class Backoff:
    """Waits that double, up to a limit, each shortened at random by up to a half."""

    first: float
    most: float
    failures: int = 0

    def next(self) -> float:
        """Give the wait after one more failure, in seconds."""
        longest = min(self.most, self.first * 2**self.failures)
        self.failures = min(self.failures + 1, 32)
        return longest * random.uniform(0.5, 1)  # noqa: S311 - no secret

    def reset(self) -> None:
        """Begin anew, after a success."""
        self.failures = 0
