"""What a training process logs and prints, told by its parent with the keys of its job.

A training logs a JSON object a line (`worker.telemetry`), and libraries print what they like. Both
end up in one file, which its parent reads as it grows: nothing that the child does there can hold
up the parent, and nothing that the parent does the child.
"""

import json
from typing import Any

import structlog

# Lines of one attempt that no logger wrote. A library that complains of each small problem writes
# thousands, and the first say it.
_MOST_PRINTED = 50
_LEVELS = ("debug", "info", "warning", "error", "critical")
# What the parent says itself, and knows better.
_OWN = {"event", "level", "worker", "job", "attempt"}


class RelayedLog:
    """Logs lines of one training process under the name ``worker.training``."""

    def __init__(self) -> None:
        self._printed = 0
        self._log = structlog.get_logger("worker.training")

    def tell(self, lines: list[str]) -> None:
        """Log lines: those that a logger wrote at their own level, others as warnings."""
        for line in lines:
            logged = logged_line(line)
            if logged is not None:
                said = {key: value for key, value in logged.items() if key not in _OWN}
                getattr(self._log, logged["level"])(logged["event"], **said)
            elif line.strip():
                self._tell_printed(line)

    def _tell_printed(self, line: str) -> None:
        self._printed += 1
        if self._printed == _MOST_PRINTED + 1:
            self._log.warning("the training prints more than is told here; level debug tells all")
        level = "warning" if self._printed <= _MOST_PRINTED else "debug"
        getattr(self._log, level)("the training printed", line=line)


def logged_line(line: str) -> dict[str, Any] | None:
    """Read a line that a logger wrote; `None`: none did."""
    if not line.startswith("{"):
        return None
    try:
        logged = json.loads(line)
    except (ValueError, RecursionError):
        return None
    said = isinstance(logged.get("event"), str) and logged.get("level") in _LEVELS
    return logged if said else None
