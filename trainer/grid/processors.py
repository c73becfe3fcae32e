"""How many threads there may be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from joblib import cpu_count
from threadpoolctl import threadpool_limits

# OpenBLAS computes inner products of longer vectors on threads of its own.
LONGEST_ON_ONE_THREAD = 10_000


@cache
def usable_processors() -> int:
    """Count the processors that this process may use; a container's limit is one of the bounds."""
    return int(cpu_count())


@contextmanager
def one_thread_each(columns: int) -> Iterator[None]:
    """Let inner products of rows of so many columns take no threads beside those of an engine.

    They would wait for each other, and sums would depend on how many processors there are. The
    limit is the process's as long as the block lasts.
    """
    if columns <= LONGEST_ON_ONE_THREAD:  # to set a limit takes milliseconds
        yield
        return
    with threadpool_limits(1, user_api="blas"):
        yield
