"""What people do with the high-level queue: look at it, and try again what failed."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, text

from schema.errors import NotFound
from schema.highlevel.values import Backlog, FailedRecording

__all__ = [
    "MOST_COUNTED",
    "backlog",
    "list_failed",
    "retry",
    "retry_all",
    "retry_refused",
    "submissions",
]

# Counting further takes longer than anybody waits for it.
MOST_COUNTED = 1_000_000

LIST_FAILED = text("""
    SELECT q.id, l.gid AS mbid, l.submission_offset, q.attempts, q.failed, q.error
      FROM worker.highlevel_queue q LEFT JOIN lowlevel l USING (id)
     WHERE q.failed IS NOT NULL
  ORDER BY q.failed DESC, q.id
     LIMIT :limit
""")

SUBMISSIONS = text("SELECT id FROM lowlevel WHERE gid = :mbid ORDER BY submission_offset, id")

EXISTING = text("SELECT id FROM lowlevel_json WHERE id = ANY(CAST(:ids AS integer[]))")

# Also what is not in the queue, such as a document that AcousticBrainz's own worker marked as
# failed; and what waits after a failure is tried at once.
RETRY = text("""
    INSERT INTO worker.highlevel_queue AS queued (id)
    SELECT unnest(CAST(:ids AS integer[]))
        ON CONFLICT (id) DO UPDATE
       SET attempts = 0, interruptions = 0, worker = NULL, retry_at = NULL, failed = NULL,
           priority = 0
     WHERE queued.failed IS NOT NULL OR queued.worker IS NULL AND queued.attempts > 0
 RETURNING id
""")

RETRY_ALL = text("""
    UPDATE worker.highlevel_queue
       SET attempts = 0, interruptions = 0, retry_at = NULL, failed = NULL
     WHERE failed IS NOT NULL
""")

# What any other model refused too, unless that is retired, would fail again.
RETRY_REFUSED = text("""
    UPDATE worker.highlevel_queue
       SET attempts = 0, interruptions = 0, retry_at = NULL, failed = NULL, error = NULL,
           refused_by = NULL, models = NULL, priority = 1
     WHERE failed IS NOT NULL AND :model = ANY(refused_by)
       AND refused_by <@ ARRAY(SELECT model FROM worker.models WHERE retired IS NOT NULL)
""")

NOTIFY = text("SELECT pg_notify('acoustic_highlevel', '')")

BACKLOG = text("""
    SELECT (SELECT count(*) FROM (SELECT FROM worker.highlevel_queue
                                   WHERE attempts = 0 AND failed IS NULL AND models IS NULL
                                   LIMIT :most) t) AS waiting,
           (SELECT count(*) FROM (SELECT FROM worker.highlevel_queue
                                   WHERE attempts = 0 AND failed IS NULL AND models IS NOT NULL
                                   LIMIT :most) t) AS left_for_others,
           (SELECT count(*) FROM (SELECT FROM worker.highlevel_queue
                                   WHERE attempts > 0 AND failed IS NULL LIMIT :most) t) AS again,
           (SELECT count(*) FROM (SELECT FROM worker.highlevel_queue
                                   WHERE failed IS NOT NULL LIMIT :most) t) AS failed,
           (SELECT min(enqueued) FROM (SELECT enqueued FROM worker.highlevel_queue
                                        WHERE failed IS NULL LIMIT :most) t) AS oldest,
           s.after AS swept_after, s.ended AS sweep_ended
      FROM worker.highlevel_sweep s
""")

BACKFILLS = text("""
    SELECT models, after, looked, enqueued, began FROM worker.highlevel_backfills
     WHERE ended IS NULL
  ORDER BY began
""")


def list_failed(connection: Connection, *, limit: int) -> list[FailedRecording]:
    """Give recordings whose attempts are spent, those that failed last first."""
    rows = connection.execute(LIST_FAILED, {"limit": limit})
    return [FailedRecording(**row._asdict()) for row in rows]


def submissions(connection: Connection, mbid: UUID) -> list[int]:
    """
    Give the ids of a recording's submissions, in order.

    Raises
    ------
    NotFound
        It has none.
    """
    found = list(connection.execute(SUBMISSIONS, {"mbid": mbid}).scalars())
    if not found:
        raise NotFound(f"There is no low-level document of recording {mbid}.")
    return found


def retry(connection: Connection, ids: Sequence[int]) -> int:
    """
    Have recordings looked at again, with a fresh count of attempts; return how many were changed.

    Those that wait for their first attempt, or are being computed, are left alone.

    Raises
    ------
    NotFound
        One of the ids has no low-level document.
    """
    wanted = {"ids": sorted(set(ids))}
    found = set(connection.execute(EXISTING, wanted).scalars())
    missing = [identifier for identifier in wanted["ids"] if identifier not in found]
    if missing:
        named = ", ".join(map(str, missing[:10])) + ("…" if len(missing) > 10 else "")  # noqa: PLR2004
        raise NotFound(f"There is no low-level document with id {named}.")
    changed = len(connection.execute(RETRY, wanted).all())
    connection.execute(NOTIFY)
    return changed


def retry_all(connection: Connection) -> int:
    """Have all recordings that failed looked at again; return how many there were."""
    changed = connection.execute(RETRY_ALL).rowcount
    connection.execute(NOTIFY)
    return changed


def retry_refused(connection: Connection, model: int) -> int:
    """
    Have recordings looked at again that failed at nothing but a model that is retired by now.

    Parameters
    ----------
    connection : Connection
    model : int
        Id in `model`.

    Returns
    -------
    int
        How many there were.
    """
    changed = connection.execute(RETRY_REFUSED, {"model": model}).rowcount
    if changed:
        connection.execute(NOTIFY)
    return changed


def backlog(connection: Connection) -> Backlog:
    """Give the queue at a glance."""
    row = connection.execute(BACKLOG, {"most": MOST_COUNTED}).one()
    backfills = [one._asdict() for one in connection.execute(BACKFILLS)]
    return Backlog(**row._asdict(), backfills=backfills)
