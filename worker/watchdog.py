"""The end of a process that is stuck where no Python code can end it."""

import faulthandler
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def watched(seconds: float) -> Iterator[None]:
    """End this process, with exit code 1 and a traceback of all threads, if a block takes longer.

    A native call can be interrupted by nothing in Python, and while it holds the interpreter's lock
    not even a signal is handled. The timer is a thread of the interpreter that needs no lock. There
    is one for each process, so blocks may not overlap.

    Parameters
    ----------
    seconds
        The longest that the block may take.
    """
    faulthandler.dump_traceback_later(seconds, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
