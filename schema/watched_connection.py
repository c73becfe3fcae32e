"""A connection on which no call waits for ever, even when the other end answers nothing.

A proxy or a router that has lost its way to the server may go on acknowledging what it is sent.
Then no timeout of the kernel or of libpq runs (the link looks healthy), the server's
`statement_timeout` cannot be told to the client, and a call of libpq blocks for good. From another
thread the socket can be shut down: the call then fails as on any broken connection.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import timedelta
from typing import Any

from psycopg2.extensions import connection, cursor

__all__ = ["WatchedConnection", "connection_factory"]

# How late a call may be cut off. While calls are made, the watching thread wakes this often.
_TICK_SECONDS = 0.25


class _Watchdog:
    """One thread that shuts down the sockets of calls that take too long."""

    def __init__(self) -> None:
        self._calls: dict[int, float] = {}  # descriptor of the socket -> when its call is cut off
        self._busy = False  # a call began since the last tick
        self._asleep = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread: before the first connection, for later there may be no room for it."""
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="database watchdog", daemon=True
                )
                self._thread.start()

    @contextmanager
    def watching(self, descriptor: int, seconds: float) -> Iterator[None]:
        with self._changed:
            self._calls[descriptor] = time.monotonic() + seconds
            self._busy = True
            if self._asleep:
                self._changed.notify()
        try:
            yield
        finally:
            # Under the lock: until here the descriptor is this connection's and no other's.
            with self._changed:
                self._calls.pop(descriptor, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                if not self._calls and not self._busy:
                    self._asleep = True
                    self._changed.wait()
                    self._asleep = False
                self._busy = False
                self._changed.wait(_TICK_SECONDS)
                now = time.monotonic()
                for descriptor in [one for one, end in self._calls.items() if end <= now]:
                    del self._calls[descriptor]
                    _shut_down(descriptor)


def _shut_down(descriptor: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as twin:
        twin.shutdown(socket.SHUT_RDWR)


_watchdog = _Watchdog()


class _WatchedCursor(cursor):
    """A cursor whose round trips end within the deadline of its connection."""

    def execute(self, *arguments: Any) -> None:
        with self.connection.watching():
            super().execute(*arguments)

    def executemany(self, *arguments: Any) -> None:
        with self.connection.watching():
            super().executemany(*arguments)

    def fetchone(self) -> Any:
        with self._asking():
            return super().fetchone()

    def fetchmany(self, *arguments: Any, **named: Any) -> Any:
        with self._asking():
            return super().fetchmany(*arguments, **named)

    def fetchall(self) -> Any:
        with self._asking():
            return super().fetchall()

    def _asking(self) -> AbstractContextManager[None]:
        """Give what watches a fetch: only a cursor on the server (with a name) asks for rows."""
        return nullcontext() if self.name is None else self.connection.watching()


class WatchedConnection(connection):
    """
    A connection of psycopg2 each of whose calls is cut off after `deadline` seconds.

    A call that is cut off raises `psycopg2.OperationalError`, and the connection is closed.
    """

    deadline: float = 60.0

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.cursor_factory = _WatchedCursor

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Cut off what a block waits for, once it takes longer than the deadline."""
        if self.closed:
            yield
            return
        with _watchdog.watching(self.fileno(), self.deadline):
            yield

    def commit(self) -> None:
        """Commit, or fail in time."""
        with self.watching():
            super().commit()

    def rollback(self) -> None:
        """Roll back, or fail in time."""
        with self.watching():
            super().rollback()


def connection_factory(deadline: timedelta) -> Callable[..., WatchedConnection]:
    """Give what makes connections whose calls are cut off after `deadline`."""
    _watchdog.start()

    def make(*arguments: Any, **named: Any) -> WatchedConnection:
        made = WatchedConnection(*arguments, **named)
        made.deadline = deadline.total_seconds()
        return made

    return make
