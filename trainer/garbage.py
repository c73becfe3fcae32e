"""When the garbage collector looks for cycles."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Look for no cycles meanwhile.

    The collector runs again and again while many objects are made, and each time looks at all that
    there are: to parse a batch of documents it takes six times as long as the parser. JSON and
    predictions have no cycles, and what nobody refers to any more goes at once all the same.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
