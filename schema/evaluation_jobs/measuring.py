"""How much there is to do: figures for those who look after the queue."""

from dataclasses import dataclass

from sqlalchemy import Connection, text

__all__ = ["MOST_MEASURED", "QueueLoad", "measure"]

# Beyond this many waiting jobs the number says no more than "very many", and counting costs more
# than every worker may ask for four times a minute.
MOST_MEASURED = 10_000

# A job waits since it last became pending: `updated` then, or when its pause after a failure ended.
# Numbers are subtracted and not moments: of infinite ones Postgres gives no difference before 17.
MEASURE = text("""
    WITH waiting AS (
        SELECT greatest(j.created, j.updated, f.retry_at) AS since
          FROM (SELECT id, created, updated FROM dataset_eval_jobs
                 WHERE status = 'pending' AND eval_location = 'local'
              ORDER BY created, id LIMIT :most) j
          LEFT JOIN LATERAL (SELECT max(a.retry_at) AS retry_at
                               FROM worker.evaluation_attempts a WHERE a.job_id = j.id) f ON true
    )
    SELECT (SELECT count(*) FROM waiting WHERE since <= now()) AS pending,
           (SELECT count(*) FROM waiting WHERE since > now()) AS deferred,
           (SELECT CAST(extract(epoch FROM now()) - extract(epoch FROM min(since))
                        AS double precision)
              FROM waiting WHERE since <= now()) AS oldest,
           (SELECT count(*) FROM worker.evaluation_attempts WHERE ended IS NULL) AS running,
           (SELECT count(*) FROM worker.evaluation_attempts
             WHERE ended IS NULL AND lease_until < now()) AS expired,
           EXISTS (SELECT FROM worker.pauses WHERE queue = 'evaluation') AS paused
""")


@dataclass(frozen=True, kw_only=True)
class QueueLoad:
    """The queue of evaluation jobs in figures; waiting jobs are counted up to `MOST_MEASURED`."""

    pending: int  # local jobs that may be begun now
    deferred: int  # local jobs that wait after a failed attempt
    oldest: float | None  # seconds for which the first of `pending` could have been begun
    running: int  # jobs that a worker holds
    expired: int  # of these, whose lease has run out
    paused: bool


def measure(connection: Connection) -> QueueLoad:
    """Count what waits and what runs."""
    row = connection.execute(MEASURE, {"most": MOST_MEASURED}).one()
    return QueueLoad(**row._asdict())
