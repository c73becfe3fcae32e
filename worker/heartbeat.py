"""A file that a daemon touches with every turn of its loop, for a check that costs next to nothing.

A check of the container must not load the program, connect to the database and read its schema
every minute; and a daemon whose loop stands still has a database that answers all the same.
"""

import time
from pathlib import Path

# No turn takes longer: what a daemon waits for at most, and the deadline of a statement, with room.
LONGEST_SECONDS = 180.0

# Turns come quickly while a job reports its progress.
_PAUSE = 1.0


class Heartbeat:
    """Touches a file, not more often than once a second.

    Parameters
    ----------
    path
        The file; `None`: none.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._due = 0.0
        self._last = time.monotonic()

    @property
    def silent(self) -> float:
        """Seconds since the loop last turned, for a thread that is asked about it."""
        return time.monotonic() - self._last

    def stuck(self) -> str | None:
        """Say that the loop stands still, if it does."""
        silent = self.silent
        return f"the loop has stood still for {silent:.0f} s" if silent > LONGEST_SECONDS else None

    def beat(self) -> None:
        """Say that the loop turns. A full disk is no reason to end: the check will find it."""
        now = self._last = time.monotonic()
        if self._path is None or now < self._due:
            return
        self._due = now + _PAUSE
        try:
            self._path.touch()
        except OSError:
            return


def silence(path: Path) -> float | None:
    """Give the seconds since a daemon touched the file, `None` where there is none."""
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return None
