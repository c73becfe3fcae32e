"""What the high-level worker tells of its queue and its work, in the thread that does the work."""

import time

import structlog
from sqlalchemy import Connection, text

from schema import highlevel
from schema.highlevel import Backlog
from schema.pauses import Queue, paused
from worker.database_link import DatabaseLink, Outage
from worker.highlevel_batch import Tally
from worker.metrics import HighLevelMetrics
from worker.supervisor import Timer

# Counting a long queue takes tenths of a second. Looks take this share of the time at most.
_LEAST_SECONDS = 15.0
_SHARE = 0.005

NOW = text("SELECT now()")


class QueueLook:
    """Looks at the queue now and then, and hands on what was done.

    Parameters
    ----------
    link
        How the database is reached.
    metrics
        What is told.
    """

    def __init__(self, link: DatabaseLink, metrics: HighLevelMetrics) -> None:
        self._link = link
        self._metrics = metrics
        self._timer = Timer(_LEAST_SECONDS)
        self._written = self._failed = 0
        self._log = structlog.get_logger("worker.highlevel")

    def tell(self, tally: Tally, *, models: int) -> None:
        """Hand on what was done, and look at the queue if it is time.

        Raises
        ------
        worker.database_link.Outage
            The database is away.
        """
        self._metrics.models.set(models)
        self._metrics.done(
            written=tally.recordings - self._written, failed=tally.failed - self._failed
        )
        self._written, self._failed = tally.recordings, tally.failed
        if self._timer.is_due:
            self._look()

    def _look(self) -> None:
        began = time.monotonic()
        try:
            backlog, oldest, is_paused = self._link.run(_queue)
            self._metrics.looked(backlog, oldest, paused=is_paused)
        except Outage:
            raise
        except Exception as error:  # noqa: BLE001 - figures are not worth a batch
            self._log.warning("the queue's figures cannot be told", reason=str(error))
        self._timer.seconds = max(_LEAST_SECONDS, (time.monotonic() - began) / _SHARE)
        self._timer.restart()


def _queue(connection: Connection) -> tuple[Backlog, float | None, bool]:
    """Give the queue's figures, the age of its oldest recording, and whether it is paused."""
    found = highlevel.backlog(connection)
    is_paused = paused(connection, Queue.HIGHLEVEL) is not None
    if found.oldest is None:
        return found, None, is_paused
    age = (connection.execute(NOW).scalar_one() - found.oldest).total_seconds()
    return found, age, is_paused
