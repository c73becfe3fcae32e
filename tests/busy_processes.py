"""Telling from outside when a process is deep in its work."""

import os
import time
from pathlib import Path


def wait_until_busy(process: int) -> None:
    """Wait until a process has computed for half a second more."""
    ticks = os.sysconf("SC_CLK_TCK")
    deadline = time.monotonic() + 60
    begun = spent(process)
    while spent(process) < begun + ticks // 2:
        assert time.monotonic() < deadline
        os.sched_yield()


def spent(process: int) -> int:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11])
