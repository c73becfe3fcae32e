"""What is left of jobs that ended: which files are still of use, and the removal of old history."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Connection, text

__all__ = ["Standing", "deleted_jobs", "ended_jobs", "forget", "standing"]

# An attempt that ended in any other way than `done` is never accepted later, and no attempt is ever
# opened again. So what is neither open nor accepted here stays so.
STANDING = text("""
    SELECT f.job_id, f.attempt, a.job_id IS NOT NULL AS known,
           a.job_id IS NOT NULL AND a.ended IS NULL AS open,
           coalesce(j.id IS NOT NULL AND a.outcome = 'done' AND NOT EXISTS (
               SELECT FROM worker.evaluation_attempts later
                WHERE later.job_id = f.job_id AND later.attempt > f.attempt
                  AND later.outcome = 'done'), false)
           OR coalesce(j.result #>> '{model,path}', j.result ->> 'history_path', '')
              LIKE '%/' || f.job_id || '-' || f.attempt || '.model' AS accepted
      FROM unnest(CAST(:jobs AS uuid[]), CAST(:attempts AS integer[])) AS f (job_id, attempt)
      LEFT JOIN worker.evaluation_attempts a USING (job_id, attempt)
      LEFT JOIN dataset_eval_jobs j ON j.id = f.job_id
""")

DELETED = text("""
    SELECT a.job_id FROM worker.evaluation_attempts a
     WHERE NOT EXISTS (SELECT FROM dataset_eval_jobs j WHERE j.id = a.job_id)
  GROUP BY a.job_id
    HAVING bool_and(a.ended < now() - CAST(:age AS interval))
  ORDER BY a.job_id
""")

ENDED = text("""
    SELECT id FROM dataset_eval_jobs
     WHERE status IN ('done', 'failed') AND updated < now() - CAST(:age AS interval)
  ORDER BY id
       FOR NO KEY UPDATE SKIP LOCKED
""")

# Of a job that exists its last attempt stays, for the next one is numbered after it, and a number
# that came twice would let a late writer pass; so do attempts whose results were accepted.
OLD = """
    FROM worker.evaluation_attempts a
   WHERE a.ended < now() - CAST(:age AS interval)
     AND CASE WHEN EXISTS (SELECT FROM dataset_eval_jobs j WHERE j.id = a.job_id)
              THEN a.outcome <> 'done'
                   AND a.attempt < (SELECT max(l.attempt) FROM worker.evaluation_attempts l
                                     WHERE l.job_id = a.job_id)
              ELSE a.job_id = ANY(CAST(:deleted AS uuid[])) END
"""
COUNT_OLD = text(f"SELECT count(*) {OLD}")
FORGET = text(f"DELETE {OLD}")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the database says of one attempt, for its files."""

    job_id: UUID
    attempt: int
    known: bool  # there is a row of it
    open: bool  # it runs, or its lease has not been looked at yet
    accepted: bool  # its result is the job's


def standing(connection: Connection, attempts: Iterable[tuple[UUID, int]]) -> list[Standing]:
    """Say of each (job, attempt) whether its files are of use, all as of one moment."""
    wanted = list(attempts)
    values = {"jobs": [str(job) for job, _ in wanted], "attempts": [n for _, n in wanted]}
    return [Standing(**row._asdict()) for row in connection.execute(STANDING, values)]


def deleted_jobs(connection: Connection, *, age: timedelta) -> list[UUID]:
    """Give jobs of which nothing is left but attempts, all of them ended longer ago than `age`."""
    return list(connection.execute(DELETED, {"age": age}).scalars())


def ended_jobs(connection: Connection, *, age: timedelta) -> list[UUID]:
    """Give jobs that ended longer ago than `age`; none is begun before this transaction ends."""
    return list(connection.execute(ENDED, {"age": age}).scalars())


def forget(
    connection: Connection, *, age: timedelta, deleted: Iterable[UUID], dry_run: bool = False
) -> int:
    """
    Delete attempts that ended longer ago than `age`; return how many.

    Of jobs that exist, the last attempt and those with an accepted result stay; of jobs that do
    not, only attempts at the jobs in `deleted` go.
    """
    values = {"age": age, "deleted": [str(job) for job in deleted]}
    if dry_run:
        return int(connection.execute(COUNT_OLD, values).scalar_one())
    return connection.execute(FORGET, values).rowcount
