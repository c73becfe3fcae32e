"""Telling from outside when a process is deep in its work, and how soon it leaves it."""

import os
import re
import signal
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")


def wait_until_busy(process: int) -> None:
    """Wait until a process has computed for half a second more."""
    deadline = time.monotonic() + 60
    begun = spent(process)
    while spent(process) < begun + 0.5:
        assert time.monotonic() < deadline
        os.sched_yield()


def wait_until_in_libsvm(process: int) -> None:
    """Wait until a process has loaded scikit-learn's solver and computes."""
    deadline = time.monotonic() + 60
    while "_libsvm" not in Path(f"/proc/{process}/maps").read_text():
        assert time.monotonic() < deadline
        os.sched_yield()
    wait_until_busy(process)


def catches(process: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{process}/status").read_text()
    [caught] = re.findall(r"^SigCgt:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)


def spent(process: int) -> float:
    """Return the seconds of processor time that a process has taken so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def spent_until_the_end(process: "Popen[Any]") -> float:
    """Wait for the end, and return the processor time that it took from now on.

    Not the time on the clock, which on a busy machine says more of other processes.
    """
    before = spent(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime - before
