"""Where the time of a training goes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OTHER = "other"


class Account:
    """Seconds of wall time by what was done, in the order in which it first began.

    Its clock starts with it: what is made before the first document is read has the whole job.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
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

    def timings(self) -> dict[str, Any]:
        """Return `total_seconds` until now and `parts`, whose sum they are, as a report has them.

        What was done outside of any context is `OTHER`.
        """
        parts = self.seconds
        total = round(time.perf_counter() - self._started, 3)
        rest = round(total - sum(parts.values()), 3)
        return {"total_seconds": total, "parts": {**parts, OTHER: max(0.0, rest)}}

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds by what was done, to the millisecond."""
        return {what: round(seconds, 3) for what, seconds in self._seconds.items()}
