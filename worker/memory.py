"""How much memory a training process may have, and what is said when that was not enough."""

import os
from contextlib import suppress
from pathlib import Path

MEBIBYTE = 2**20

# Of control groups, version 2 and 1, as a container sees its own.
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def held_memory(process: int) -> int:
    """Give the bytes that a process holds now, without the code of libraries; 0 where nobody says.

    Looked at from outside, for a limit that the kernel holds a process to (RLIMIT_DATA) has numeric
    libraries hang, or crash, where an allocation fails that they never check.
    """
    with suppress(OSError, ValueError, IndexError):
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) * 1024
    return 0


def most_memory(limit: int | None) -> int:
    """Give the bytes that a process could have at most: by `limit`, its container or the host."""
    found = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    found += [] if limit is None else [limit]
    for name in _LIMITS:
        with suppress(OSError, ValueError):  # no such file, or "max"
            found.append(int(Path(name).read_text()))
    return min(found)
