"""How many threads there may be."""

from __future__ import annotations

from functools import cache

from joblib import cpu_count


@cache
def usable_processors() -> int:
    """Count the processors that this process may use; a container's limit is one of the bounds."""
    return int(cpu_count())
