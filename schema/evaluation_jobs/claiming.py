"""Taking a job, holding it, and taking it from a worker that fell silent."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from schema.documents import json_text, storable
from schema.evaluation_jobs.values import EvaluationJob, Outcome

__all__ = [
    "CHANNEL",
    "attempt_outcome",
    "claim",
    "done_attempts",
    "is_anothers",
    "open_attempt",
    "renew",
    "rescue",
]

# A trigger notifies it when a job is inserted, set to pending, taken out of running, or deleted.
CHANNEL = "acoustic_evaluation"

BACKOFF = timedelta(seconds=30)

# How often a claim starts over when another claim beat it between its snapshot and its lock.
TRIES = 3

NAME_LENGTH = 200

# Characters of options that are fetched. No reader takes so many; whole, they would fill the memory
# of each worker that claims the job, again and again: none of its attempts would be there to count.
MAX_OPTIONS = 2**18

# Workers pass over jobs that another one is claiming at this moment (SKIP LOCKED), so none waits.
# The attempt is inserted before the job is updated and a conflict gives no row: where the snapshot
# is older than the lock, NOT EXISTS and max() see the past, and the indexes alone decide. The last
# SELECT tells "nothing to do" (no row) from "somebody was faster" (attempt is NULL).
CLAIM = text("""
    WITH next_job AS (
        SELECT j.id, j.snapshot_id, j.options
          FROM dataset_eval_jobs j
         WHERE j.status = 'pending' AND j.eval_location = 'local'
           AND NOT EXISTS (SELECT FROM worker.pauses WHERE queue = 'evaluation')
           AND NOT EXISTS (SELECT FROM worker.evaluation_attempts a
                            WHERE a.job_id = j.id AND (a.ended IS NULL OR a.retry_at > now()))
      ORDER BY j.created, j.id
         LIMIT 1
           FOR NO KEY UPDATE OF j SKIP LOCKED
    ), taken AS (
        INSERT INTO worker.evaluation_attempts (job_id, attempt, worker, host, lease_until)
        SELECT id, 1 + coalesce((SELECT max(a.attempt) FROM worker.evaluation_attempts a
                                  WHERE a.job_id = next_job.id), 0),
               :worker, :host, now() + :lease
          FROM next_job
            ON CONFLICT DO NOTHING
     RETURNING job_id, attempt, worker
    ), started AS (
        UPDATE dataset_eval_jobs j
           SET status = 'running', status_msg = NULL, updated = now()
          FROM taken
         WHERE j.id = taken.job_id
     RETURNING j.id, taken.attempt, taken.worker
    )
    SELECT next_job.id, started.attempt, started.worker, next_job.snapshot_id,
           CASE WHEN length(next_job.options::text) < :most THEN next_job.options
                ELSE to_jsonb(left(next_job.options::text, :most)) END AS options
      FROM next_job LEFT JOIN started USING (id)
""")

# The row of the attempt is the one that is updated, so its conditions hold at that moment. That of
# the job is read from the snapshot; a job that leaves `running` closes its attempt (by the trigger)
# in the same transaction, so the first condition covers the second, which is for a missing trigger.
RENEW = text("""
    UPDATE worker.evaluation_attempts a
       SET lease_until = now() + :lease,
           progress = coalesce(CAST(:progress AS jsonb), a.progress)
      FROM dataset_eval_jobs j
     WHERE a.job_id = :job AND a.attempt = :attempt AND a.ended IS NULL
       AND j.id = a.job_id AND j.status = 'running' AND a.worker = :worker
""")

# A lease that was renewed after the snapshot is seen by `closed`, which repeats the condition on
# the row it updates. For one lease after its start the server rescues nothing: nobody could renew
# while it was away, and the first worker back would take everybody's jobs.
RESCUE = text("""
    WITH dead AS (
        SELECT j.id, a.attempt
          FROM worker.evaluation_attempts a JOIN dataset_eval_jobs j ON j.id = a.job_id
         WHERE a.ended IS NULL AND a.lease_until < now()
           AND pg_postmaster_start_time() + :lease < now()
      ORDER BY a.lease_until
         LIMIT :limit
           FOR NO KEY UPDATE OF j SKIP LOCKED
    ), verdict AS (
        SELECT dead.id, dead.attempt, failures, failures + 1 >= :max_attempts AS last
          FROM dead, LATERAL (SELECT count(*) AS failures FROM worker.evaluation_attempts a
                               WHERE a.job_id = dead.id AND a.counted) counts
    ), closed AS (
        UPDATE worker.evaluation_attempts a
           SET ended = now(), outcome = 'lost', counted = true,
               retry_at = CASE WHEN NOT v.last
                               THEN now() + worker.backoff(v.failures, :backoff) END,
               error = format('Worker lost during attempt %s: %s on %s fell silent.',
                              a.attempt, a.worker, a.host)
          FROM verdict v
         WHERE a.job_id = v.id AND a.attempt = v.attempt AND a.ended IS NULL
           AND a.lease_until < now()
     RETURNING a.job_id, a.error, v.last
    )
    UPDATE dataset_eval_jobs j
       SET updated = now(), status_msg = closed.error,
           status = CAST(CASE WHEN closed.last THEN 'failed' ELSE 'pending' END AS eval_job_status)
      FROM closed
     WHERE j.id = closed.job_id AND j.status = 'running'
 RETURNING j.id, j.status::text
""")

OUTCOME = text("""
    SELECT outcome FROM worker.evaluation_attempts
     WHERE job_id = :job AND attempt = :attempt AND worker = :worker
""")

DONE_ATTEMPTS = text("""
    SELECT attempt FROM worker.evaluation_attempts WHERE job_id = :job AND outcome = 'done'
""")

# Where somebody deleted rows of attempts, another worker may have been given the same number.
IS_ANOTHERS = text("""
    SELECT EXISTS (SELECT FROM worker.evaluation_attempts
                    WHERE job_id = :job AND attempt = :attempt AND worker <> :worker)
""")

OPEN_ATTEMPT = text("""
    SELECT j.id, a.attempt, a.worker, j.snapshot_id,
           CASE WHEN length(j.options::text) < :most THEN j.options
                ELSE to_jsonb(left(j.options::text, :most)) END AS options
      FROM worker.evaluation_attempts a JOIN dataset_eval_jobs j ON j.id = a.job_id
     WHERE a.worker = :worker AND a.ended IS NULL AND j.status = 'running'
  ORDER BY a.started DESC
     LIMIT 1
""")


def claim(
    connection: Connection, *, worker: str, host: str, lease: timedelta
) -> EvaluationJob | None:
    """
    Take the oldest local job that is pending and not waiting after a failure.

    While the queue is paused there is none.

    Parameters
    ----------
    connection : Connection
    worker : str
        Name of the worker process, different from that of any other, also of an earlier one.
    host : str
        For people.
    lease : timedelta
        For how long the job is ours without `renew`.

    Returns
    -------
    EvaluationJob or None
        None: there is nothing to do now.
    """
    given = {
        "worker": storable(worker, most=NAME_LENGTH),
        "host": storable(host, most=NAME_LENGTH),
        "lease": lease,
        "most": MAX_OPTIONS,
    }
    for _ in range(TRIES):
        row = connection.execute(CLAIM, given).one_or_none()
        if row is None:
            return None
        if row.attempt is not None:
            return EvaluationJob(**row._asdict())
    return None


def renew(
    connection: Connection,
    job: EvaluationJob,
    *,
    lease: timedelta,
    progress: Mapping[str, Any] | None = None,
) -> bool:
    """
    Hold the job for another `lease`, and say how far it is.

    `progress` is `{"stage": str, "done": int, "total": int, "started": ISO 8601 time}`; None leaves
    what was said before. False: the job is no longer ours, and its training has to be stopped.
    """
    told = None if progress is None else json_text(progress)
    fence = {"job": job.id, "attempt": job.attempt, "worker": job.worker}
    done = connection.execute(RENEW, {**fence, "lease": lease, "progress": told})
    return done.rowcount == 1


def rescue(
    connection: Connection,
    *,
    lease: timedelta,
    max_attempts: int,
    limit: int = 10,
    backoff: timedelta = BACKOFF,
) -> list[tuple[UUID, str]]:
    """
    Take at most `limit` jobs from workers whose lease has run out.

    Parameters
    ----------
    connection : Connection
    lease : timedelta
        The workers' lease; for that long after its start the server gives nothing away.
    max_attempts : int
        A job with this many failed attempts, the lost one among them, is failed, else pending.
    limit : int
    backoff : timedelta
        Least wait before the next attempt, about; it doubles with every failure.

    Returns
    -------
    list of (UUID, str)
        The jobs and their new status.
    """
    limits = {"lease": lease, "max_attempts": max_attempts, "limit": limit, "backoff": backoff}
    return [(row.id, row.status) for row in connection.execute(RESCUE, limits)]


def attempt_outcome(connection: Connection, job: EvaluationJob) -> Outcome | None:
    """
    Tell how the attempt ended; None while it is open.

    For a COMMIT whose reply was lost: a second `finish` then touches no row, and DONE says that the
    first one was accepted.
    """
    fence = {"job": job.id, "attempt": job.attempt, "worker": job.worker}
    found = connection.execute(OUTCOME, fence).scalar()
    return None if found is None else Outcome(found)


def is_anothers(connection: Connection, job: EvaluationJob) -> bool:
    """Tell whether another worker has, or had, the number of this attempt."""
    fence = {"job": job.id, "attempt": job.attempt, "worker": job.worker}
    return bool(connection.execute(IS_ANOTHERS, fence).scalar())


def done_attempts(connection: Connection, job_id: UUID) -> set[int]:
    """Give the attempts at a job whose results were accepted, whoever made them."""
    return set(connection.execute(DONE_ATTEMPTS, {"job": job_id}).scalars())


def open_attempt(connection: Connection, *, worker: str) -> EvaluationJob | None:
    """
    Find the job that this worker holds.

    For a `claim` whose reply was lost: after the reconnect the worker may have a job and not know.
    """
    given = {"worker": storable(worker, most=NAME_LENGTH), "most": MAX_OPTIONS}
    row = connection.execute(OPEN_ATTEMPT, given).one_or_none()
    return None if row is None else EvaluationJob(**row._asdict())
