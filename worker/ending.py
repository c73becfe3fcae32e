"""How a process ends that may have begun what cannot be stopped."""

import contextlib
import os
import sys
from typing import Never


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
