"""How many threads there may be."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from threading import Lock

from joblib import cpu_count
from threadpoolctl import threadpool_limits

# OpenBLAS computes inner products of longer vectors on threads of its own.
LONGEST_ON_ONE_THREAD = 10_000


@cache
def usable_processors() -> int:
    """Count the processors that this process may use; a container's limit is one of the bounds."""
    return int(cpu_count())


class _OneThread:
    """The limit of one thread of BLAS, which is the process's, until nobody holds it any more."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._holders = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._holders:
                self._limits = threadpool_limits(1, user_api="blas")
            self._holders += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._holders -= 1
            if not self._holders:
                self._limits.restore_original_limits()


_ONE_THREAD = _OneThread()


def one_thread_each(columns: int) -> AbstractContextManager[None]:
    """Let inner products of rows of so many columns take no threads beside those of an engine.

    They would wait for each other, and sums would depend on how many processors there are. The
    limit is the process's as long as one such block lasts; blocks may overlap.
    """
    # To set a limit takes milliseconds.
    return _ONE_THREAD if columns > LONGEST_ON_ONE_THREAD else nullcontext()
