"""How many threads there may be, and the BLAS's among them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import cache

from joblib import cpu_count
from threadpoolctl import ThreadpoolController


@cache
def usable_processors() -> int:
    """Count the processors that this process may use; a container's limit is one of the bounds."""
    return int(cpu_count())


def one_blas_thread() -> AbstractContextManager[object]:
    """Let each call of the BLAS use the calling thread only, until the context ends.

    The threads that a BLAS keeps for itself go on spinning for some 50 ms after each call, on the
    processors that others would compute on.
    """
    return _blas().limit(limits=1, user_api="blas")


@cache
def _blas() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries, which takes 10 ms
