"""How a training process, and all that it starts, dies with the worker that started it.

A worker that is killed by SIGKILL can clean up nothing. The kernel kills the child at once
(``PR_SET_PDEATHSIG``, Linux); the child's own processes, such as a pool, are killed by a small
guard process that waits for the other end of a pipe to close.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Ask the kernel to kill this process when the thread that started it ends.

    Parameters
    ----------
    parent
        The id of the process that started this one. If it is not the parent any more, it died
        before the kernel was asked, and this process exits.
    """
    if sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent:
        os._exit(1)


def guard_group(lifeline: int) -> None:
    """Start a process that kills this process group once `lifeline` is closed at its other end.

    To be called before anything big is imported, for the guard is a copy of this process.
    """
    if os.fork():
        os.set_inheritable(lifeline, False)  # noqa: FBT003
        return
    try:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it stays until the group is killed
        os.dup2(lifeline, 0)
        os.closerange(3, 1024)  # nothing may wait for a pipe that only the guard holds open
        os.read(0, 1)
        os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)
