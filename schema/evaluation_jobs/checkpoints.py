"""Solved parts of a job, kept from one attempt to the next; triggers remove them when it ends."""

from dataclasses import asdict, dataclass
from uuid import UUID

from sqlalchemy import Connection, text

from schema.documents import storable
from schema.evaluation_jobs.values import EvaluationJob

__all__ = ["MOST_BYTES", "Checkpoint", "load_checkpoints", "save_checkpoint"]

MOST_BYTES = 32 * 2**20  # of one; the table refuses more

NAME_LENGTH = 200

# The fence of `renew`, with the attempt locked rather than updated. The last SELECT tells that it
# held, also when the row is there already because the reply to an earlier COMMIT was lost.
SAVE = text("""
    WITH fence AS (
        SELECT a.job_id, a.attempt
          FROM worker.evaluation_attempts a JOIN dataset_eval_jobs j ON j.id = a.job_id
         WHERE a.job_id = :job AND a.attempt = :attempt AND a.ended IS NULL
           AND j.status = 'running' AND a.worker = :worker
           FOR NO KEY UPDATE OF a
    ), saved AS (
        INSERT INTO worker.evaluation_checkpoints
               (job_id, attempt, number, fingerprint, part, content)
        SELECT job_id, attempt, :number, :fingerprint, :part, :content FROM fence
            ON CONFLICT DO NOTHING
    )
    SELECT count(*) FROM fence
""")

LOAD = text("""
    SELECT number, fingerprint, part, content FROM worker.evaluation_checkpoints
     WHERE job_id = :job
  ORDER BY attempt, number
""")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A row of worker.evaluation_checkpoints."""

    number: int  # from 1 in each attempt
    fingerprint: str  # of what was solved
    part: str  # which part of it
    content: bytes


def save_checkpoint(connection: Connection, job: EvaluationJob, checkpoint: Checkpoint) -> bool:
    """
    Keep a checkpoint for the next attempt; doing it twice is fine.

    False: the job is no longer ours, nothing was written, and its training has to be stopped.
    """
    values = {
        **asdict(checkpoint),
        "fingerprint": storable(checkpoint.fingerprint, most=NAME_LENGTH),
        "part": storable(checkpoint.part, most=NAME_LENGTH),
    }
    fence = {"job": job.id, "attempt": job.attempt, "worker": job.worker}
    return connection.execute(SAVE, {**fence, **values}).scalar_one() == 1


def load_checkpoints(connection: Connection, job_id: UUID) -> list[Checkpoint]:
    """Give what earlier attempts at a job kept, the oldest first."""
    rows = connection.execute(LOAD, {"job": job_id})
    return [Checkpoint(**{**row._asdict(), "content": bytes(row.content)}) for row in rows]
