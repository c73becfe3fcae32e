"""How a process ends that may have begun what cannot be stopped."""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import Never


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Have SIGTERM end a daemon that is still getting ready as it ends one that works: with 0.

    Imports and models take seconds, and who stops a daemon meanwhile would be told of a failure.
    There is nothing to give back yet. `worker.supervisor.Supervisor` heeds signals from there on.
    """

    def end(*_: object) -> Never:
        os._exit(0)  # an exception might be swallowed by whatever is being imported

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def leave(code: int = 0) -> Never:
    """End this process, at once if libsvm still computes in it; nothing may be left to do by now.

    libsvm goes on in its threads after a signal or an error, and the interpreter's own end takes
    from it what it computes with: that would be a crash, SIGSEGV, instead of the exit code.

    Parameters
    ----------
    code
        The exit code.
    """
    engine = sys.modules.get("trainer.grid.sklearn_engine")
    if engine is not None and engine.fits_under_way():
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):  # nobody reads it, or it is closed
                stream.flush()
        os._exit(code)
    sys.exit(code)
