"""The queue as a whole: paused and resumed, its failed jobs tried again together."""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

from schema import pauses
from schema.documents import storable
from schema.pauses import REASON_LENGTH, Pause, Queue

__all__ = ["Pause", "pause", "paused", "resume", "retry_failed"]

# A job that was cancelled failed because somebody wanted it to: only who asks for it gets it. Rows
# that somebody else has locked are being changed at this moment.
FAILED = """
    SELECT id FROM dataset_eval_jobs
     WHERE status = 'failed' AND eval_location = 'local'
       AND (CAST(:age AS interval) IS NULL OR updated >= now() - CAST(:age AS interval))
       AND (CAST(:reason AS text) IS NOT NULL
            OR status_msg IS DISTINCT FROM 'cancelled by operator')
       AND (CAST(:reason AS text) IS NULL
            OR strpos(lower(status_msg), lower(CAST(:reason AS text))) > 0)
  ORDER BY created, id
"""
WOULD_RETRY = text(FAILED)
RETRY_FAILED = text(f"""
    WITH wanted AS ({FAILED} FOR NO KEY UPDATE SKIP LOCKED)
    UPDATE dataset_eval_jobs j SET status = 'pending', status_msg = NULL, updated = now()
      FROM wanted
     WHERE j.id = wanted.id
 RETURNING j.id
""")  # noqa: S608 - a statement of our own


def pause(connection: Connection, *, reason: str | None = None) -> str:
    """Have no evaluation job begun from now on; those that run go on. Say what was done."""
    return pauses.pause(connection, Queue.EVALUATION, reason=reason)


def resume(connection: Connection) -> str:
    """Have evaluation jobs begun again; say what was done."""
    return pauses.resume(connection, Queue.EVALUATION)


def paused(connection: Connection) -> Pause | None:
    """Tell whether the queue is paused."""
    return pauses.paused(connection, Queue.EVALUATION)


def retry_failed(
    connection: Connection,
    *,
    age: timedelta | None = None,
    reason: str | None = None,
    dry_run: bool = False,
) -> list[UUID]:
    """
    Set failed jobs back to pending, with a fresh count of attempts each.

    Parameters
    ----------
    connection : Connection
    age : timedelta, optional
        Only jobs that failed no longer ago.
    reason : str, optional
        Only jobs whose reason contains this, in either case. Without it cancelled jobs stay.
    dry_run : bool
        Change nothing.

    Returns
    -------
    list of UUID
        The jobs.
    """
    values = {"age": age, "reason": reason and storable(reason, most=REASON_LENGTH)}
    statement = WOULD_RETRY if dry_run else RETRY_FAILED
    return list(connection.execute(statement, values).scalars())
