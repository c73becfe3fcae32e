"""A call in a thread beside the one that goes on."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


class Background:
    """Makes one call at a time, each in a thread of its own.

    The threads are daemons, other than those of an executor: what hangs in one must not keep a
    process that was told to stop.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._thread: threading.Thread | None = None
        self._result: Any = None
        self._error: Exception | None = None

    def start(self, call: Callable[[], object]) -> None:
        """Begin a call; the one before must have been waited for."""
        if self._thread is not None:
            raise RuntimeError("nobody has waited for the call before")
        thread = threading.Thread(target=self._run, args=(call,), name=self._name, daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has no more threads: then it is made here, and now
            self._run(call)
        else:
            self._thread = thread

    def wait(self) -> Any:
        """Wait for the end of the call; give what it gave, or raise what it raised."""
        self.join()
        result, error = self._result, self._error
        self._result = self._error = None
        if error is not None:
            raise error
        return result

    def join(self) -> None:
        """Wait for the end of the call, whatever became of it."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, call: Callable[[], object]) -> None:
        try:
            self._result = call()
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error


@contextmanager
def one_at_a_time(name: str) -> Iterator[Background]:
    """Give a background for a block; it ends when the last call has, and raises what that raised.

    Where the block itself raises, that comes first; the call is waited for all the same.
    """
    background = Background(name)
    try:
        yield background
    except BaseException:
        background.join()
        raise
    background.wait()
