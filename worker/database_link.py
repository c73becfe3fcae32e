"""The database as a daemon sees it: sometimes away, which is nobody's failure."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from schema.database import connect
from worker.metrics import DatabaseMetrics
from worker.supervisor import Backoff

Result = TypeVar("Result")

_MOST_SECONDS = 10.0

# Beginnings of SQLSTATE that no value in a statement causes: a database that is read only; a role,
# database or schema that is not there; a right, table or column that is missing; a disk or memory
# that is full. Not all of 25: a transaction that was idle too long may be one of a document that
# takes too long.
_REFUSALS = ("25006", "28", "3D", "3F", "42", "53")

# A statement took longer than it may, or waited for a lock.
_TOO_LONG = ("57014", "55P03")


class Outage(Exception):  # noqa: N818 - what it is, not whose error
    """The database cannot be used now; `DatabaseLink.away` says when to try again."""


class DatabaseLink:
    """Runs transactions, one after the other, and remembers when the database was away.

    Parameters
    ----------
    url
        The database.
    channel
        What to listen to.
    deadline
        What no statement may take longer than.
    application_name
        What the server shows for the connections.
    metrics
        What is told of the database.
    """

    def __init__(
        self,
        url: str,
        *,
        channel: str,
        deadline: timedelta,
        application_name: str = "acoustic evaluator",
        metrics: DatabaseMetrics | None = None,
    ) -> None:
        self._engine = connect(url, application_name=application_name, statement_timeout=deadline)
        self._channel = channel
        self._listening: Connection | None = None
        self._backoff = Backoff(first=0.2, most=_MOST_SECONDS)
        self._back_at = 0.0
        self._answered: float | None = None
        self._metrics = metrics or DatabaseMetrics()
        self._log = structlog.get_logger("worker.database")

    @property
    def away(self) -> float:
        """Seconds until the next try; 0 when the database is not known to be away."""
        return max(0.0, self._back_at - time.monotonic())

    def unusable(self, *, within: float) -> str | None:
        """Say why the database is of no use, if it is of none; other threads may ask.

        Parameters
        ----------
        within
            How long ago a call may have succeeded at most. Seconds.
        """
        answered = self._answered
        if answered is None:
            return "the database has not answered yet"
        if self._backoff.failures:
            return "the database cannot be used; the log says why"
        silent = time.monotonic() - answered
        return f"the database last answered {silent:.0f} s ago" if silent > within else None

    def run(self, transaction: Callable[[Connection], Result]) -> Result:
        """Run a transaction.

        Raises
        ------
        Outage
            The database is away, or went away meanwhile; in that case nobody knows whether the
            transaction was committed.
        """
        try:
            with self._engine.begin() as connection:
                result = transaction(connection)
        except DBAPIError as error:
            if not is_outage(error):
                raise
            self.back_off(error)
            raise Outage(str(error.orig)) from error
        if self._backoff.failures:
            self._log.info("the database is back")
            self._backoff.reset()
        self._answered = time.monotonic()
        self._metrics.up.set(1)
        return result

    def back_off(self, error: BaseException) -> None:
        """Leave the database alone for a while, longer with every failure in a row."""
        seconds = self._backoff.next()
        self._back_at = time.monotonic() + seconds
        outage = isinstance(error, SQLAlchemyError) and is_outage(error)
        self._metrics.failed(outage=outage)
        self._log.warning(
            "the database cannot be used",
            reason=reason_of(error),
            retry_seconds=round(seconds, 1),
        )

    def leave_alone(self, seconds: float) -> None:
        """Have nothing asked of the database for so long, though it answers."""
        self._back_at = time.monotonic() + seconds

    def listen(self) -> None:
        """Listen to the channel, if that is not being done already; what comes is only a hint."""
        if self._listening is not None:
            return
        try:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            connection.exec_driver_sql(f"LISTEN {self._channel}")
        except DBAPIError as error:
            self.back_off(error)
            raise Outage(str(error.orig)) from error
        self._listening = connection
        self._metrics.listening.set(1)

    @property
    def descriptors(self) -> list[int]:
        """What to wait for notifications on."""
        return [] if self._listening is None else [_driver(self._listening).fileno()]

    def notified(self) -> bool:
        """Read what has come on the channel; a lost connection is one thing to look into, too."""
        if self._listening is None:
            return False
        driver = _driver(self._listening)
        try:
            driver.poll()
        except Exception:  # noqa: BLE001 - whatever the driver raises, the connection is gone
            self._stop_listening()
            return True
        came = bool(driver.notifies)
        self._metrics.notifications.inc(len(driver.notifies))
        driver.notifies.clear()
        return came

    def close(self) -> None:
        """Disconnect."""
        self._stop_listening()
        self._engine.dispose()

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._metrics.listening.set(0)
            self._listening.invalidate()
            self._listening.close()
            self._listening = None


def is_outage(error: SQLAlchemyError) -> bool:
    """Tell an error that passes by itself from one that the same statement will meet again."""
    return isinstance(error, OperationalError | InterfaceError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    )


def is_refusal(error: BaseException | None) -> bool:
    """Tell an error that an operator has to mend at the database, whatever was to be written."""
    return _code(error).startswith(_REFUSALS)


def took_too_long(error: BaseException | None) -> bool:
    """Tell that a statement was cut off, as behind somebody's lock; the connection is whole."""
    return _code(error) in _TOO_LONG


def reason_of(error: BaseException | None) -> str:
    """Give the first line of what was said of an error."""
    lines = str(getattr(error, "orig", None) or error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _code(error: BaseException | None) -> str:
    return getattr(error.orig, "pgcode", None) or "" if isinstance(error, DBAPIError) else ""


def _driver(connection: Connection) -> Any:
    return connection.connection.driver_connection
