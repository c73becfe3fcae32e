"""Where the time of a training goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Account:
    """Seconds of wall time by what was done, in the order in which it first began."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Add the time of this context to what was done in it; contexts must not be nested."""
        started = time.perf_counter()
        self._seconds.setdefault(what, 0.0)
        try:
            yield
        finally:
            self._seconds[what] += time.perf_counter() - started

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by what was done, to the millisecond."""
        return {what: round(seconds, 3) for what, seconds in self._seconds.items()}
