"""Telling from outside what a command has left running."""

import os
import time
from pathlib import Path


def processes_of(folder: Path) -> set[int]:
    """Processes that know of the folder by their arguments or their environment."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                known = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
            except OSError:
                continue
            if bytes(folder) in known:
                found.add(int(entry.name))
    return found


def all_gone(folder: Path, *, within: float = 30) -> bool:
    deadline = time.monotonic() + within
    while processes_of(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
