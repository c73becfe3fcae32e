"""What people do with evaluation jobs: ask for one, look at it, cancel it, try it again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, TextClause, select, text
from sqlalchemy.exc import DBAPIError

from schema import tables
from schema.documents import json_text, storable
from schema.errors import NotFound, SchemaError
from schema.evaluation_jobs.values import Attempt, JobDetails, JobStatus, Outcome

__all__ = [
    "cancel",
    "count_jobs",
    "enqueue",
    "legacy_running",
    "list_jobs",
    "matching",
    "retry",
    "show",
    "status_of",
]

STATUSES = ("running", "pending", "done", "failed")
ENDED = ("done", "failed")

ENQUEUE = text("SELECT worker.enqueue_evaluation(:dataset, CAST(:options AS jsonb))")
CANCEL = text("SELECT worker.cancel_evaluation(:job)")
RETRY = text("SELECT worker.retry_evaluation(:job)")

# The view tells much of each job, so what is shown is chosen first, each kind by its index; of the
# view alone, everything would be read and sorted.
ORDERED = """
  ORDER BY array_position(ARRAY['running', 'pending'], status), position,
           CASE WHEN status IN ('running', 'pending') THEN created END, updated DESC, id
     LIMIT :limit
"""
LISTED = """
    WITH chosen AS (
        (SELECT id FROM dataset_eval_jobs
          WHERE status = 'running' AND 'running' = ANY (:statuses) {which}
       ORDER BY created, id LIMIT :limit)
        UNION ALL
        (SELECT id FROM dataset_eval_jobs
          WHERE status = 'pending' AND eval_location = 'local' AND 'pending' = ANY (:statuses)
                {which}
       ORDER BY created, id LIMIT :limit)
        UNION ALL
        (SELECT id FROM dataset_eval_jobs
          WHERE status = 'pending' AND eval_location = 'remote' AND 'pending' = ANY (:statuses)
                {which}
       ORDER BY created, id LIMIT :limit)
        UNION ALL
        (SELECT id FROM dataset_eval_jobs
          WHERE status IN ('done', 'failed') AND status = ANY (CAST(:ended AS eval_job_status[]))
                {which}
       ORDER BY updated DESC, id LIMIT :limit)
    )
    SELECT job.* FROM worker.evaluation_jobs job JOIN chosen USING (id)
"""
OF_DATASET = "AND snapshot_id IN (SELECT id FROM dataset_snapshot WHERE dataset_id = :dataset)"
LIST = text(LISTED.format(which="") + ORDERED)
LIST_OF_DATASET = text(LISTED.format(which=OF_DATASET) + ORDERED)
# Names are in the view alone for those who may look at the queue and not at the datasets.
OF_NAME = """
    SELECT * FROM worker.evaluation_jobs
     WHERE status = ANY (:statuses) AND strpos(lower(dataset), lower(:dataset)) > 0
"""
LIST_OF_NAME = text(OF_NAME + ORDERED)

# Each kind by its index, as above: jobs that ended are many, and who follows the others asks often.
COUNTED = """
    SELECT status, count(*) AS jobs FROM dataset_eval_jobs
     WHERE status = 'running' AND 'running' = ANY (:statuses) {which}
  GROUP BY status
 UNION ALL
    SELECT status, count(*) FROM dataset_eval_jobs
     WHERE status = 'pending' AND eval_location = 'local' AND 'pending' = ANY (:statuses) {which}
  GROUP BY status
 UNION ALL
    SELECT status, count(*) FROM dataset_eval_jobs
     WHERE status = 'pending' AND eval_location = 'remote' AND 'pending' = ANY (:statuses) {which}
  GROUP BY status
 UNION ALL
    SELECT status, count(*) FROM dataset_eval_jobs
     WHERE status IN ('done', 'failed') AND status = ANY (CAST(:ended AS eval_job_status[])) {which}
  GROUP BY status
"""
COUNT = text(COUNTED.format(which=""))
COUNT_OF_DATASET = text(COUNTED.format(which=OF_DATASET))
NAMED = "SELECT status, count(*) FROM ({which}) found GROUP BY status"
COUNT_OF_NAME = text(NAMED.format(which=OF_NAME))

# The newest first: of the jobs that share the beginning of an id, that is the one in mind.
MATCHING = text("""
    SELECT id FROM dataset_eval_jobs
     WHERE starts_with(id::text, :prefix)
  ORDER BY created DESC, id
     LIMIT :limit
""")

LEGACY_RUNNING = text("""
    SELECT j.id FROM dataset_eval_jobs j
     WHERE j.status = 'running'
       AND NOT EXISTS (SELECT FROM worker.evaluation_attempts a
                        WHERE a.job_id = j.id AND a.ended IS NULL)
  ORDER BY j.created, j.id
""")

STATUS = text("SELECT * FROM worker.evaluation_jobs WHERE id = :job")

PREFIX_LENGTH = 36  # of an id in full
NAME_LENGTH = 1_000  # of a dataset, far beyond any

# SQLSTATEs that the functions of the database raise, with a sentence for a person.
NO_DATA_FOUND = "P0002"
OBJECT_IN_USE = "55006"
PROGRAM_LIMIT_EXCEEDED = "54000"


def enqueue(connection: Connection, dataset_id: UUID, options: Mapping[str, Any] | None) -> UUID:
    """
    Freeze a dataset as it is now, ask for its evaluation, and return the id of the job.

    Raises
    ------
    NotFound
        There is no such dataset.
    SchemaError
        It already has a pending or running job, or the options are too large.
    """
    told = None if options is None else json_text(options)
    job: UUID = _call(connection, ENQUEUE, {"dataset": dataset_id, "options": told})
    return job


def cancel(connection: Connection, job_id: UUID) -> str:
    """
    End a pending or running job as failed; return what was done, in words.

    Raises
    ------
    NotFound
        There is no such job.
    """
    answer: str = _call(connection, CANCEL, {"job": job_id})
    return answer


def retry(connection: Connection, job_id: UUID) -> str:
    """
    Set a job that nobody works on back to pending, without its failures; say what was done.

    Also for a pending job that waits after a failure, and for a job that stands as running without
    an attempt, as an older evaluator left it.

    Raises
    ------
    NotFound
        There is no such job.
    """
    answer: str = _call(connection, RETRY, {"job": job_id})
    return answer


def list_jobs(
    connection: Connection,
    *,
    status: str | Sequence[str] = (),
    dataset: UUID | str | None = None,
    limit: int = 50,
) -> list[JobStatus]:
    """
    Give jobs: running, pending in their order, those that ended last.

    Parameters
    ----------
    connection : Connection
    status : str or sequence of str
        Only jobs of this status, or of one of these; none: all.
    dataset : UUID or str, optional
        Only jobs of the dataset of this id, or of those whose name contains this, in either case.
    limit : int
        At most so many.
    """
    values = {**_wanted(status, dataset), "limit": limit}
    rows = connection.execute(_either(dataset, LIST, LIST_OF_DATASET, LIST_OF_NAME), values)
    return [JobStatus(**row._asdict()) for row in rows]


def count_jobs(
    connection: Connection,
    *,
    status: str | Sequence[str] = (),
    dataset: UUID | str | None = None,
) -> dict[str, int]:
    """
    Say how many jobs there are of each status, 0 left out.

    Parameters
    ----------
    connection : Connection
    status, dataset
        Only these jobs, as `list_jobs` takes them.
    """
    statement = _either(dataset, COUNT, COUNT_OF_DATASET, COUNT_OF_NAME)
    totals: Counter[str] = Counter()
    for found, jobs in connection.execute(statement, _wanted(status, dataset)):
        totals[found] += jobs
    return dict(+totals)


def _wanted(status: str | Sequence[str], dataset: UUID | str | None) -> dict[str, Any]:
    statuses = [status] if isinstance(status, str) else list(status) or list(STATUSES)
    values: dict[str, Any] = {
        "statuses": statuses,
        "ended": [one for one in statuses if one in ENDED],
    }
    if dataset is None:
        return values
    by_id = isinstance(dataset, UUID)
    return {**values, "dataset": dataset if by_id else storable(str(dataset), most=NAME_LENGTH)}


def _either(
    dataset: UUID | str | None, of_all: TextClause, of_dataset: TextClause, of_name: TextClause
) -> TextClause:
    if dataset is None:
        return of_all
    return of_dataset if isinstance(dataset, UUID) else of_name


def matching(connection: Connection, prefix: str, *, limit: int = 11) -> list[UUID]:
    """Give the jobs whose id begins with `prefix`, in either case, the newest first."""
    values = {"prefix": storable(prefix.lower(), most=PREFIX_LENGTH), "limit": limit}
    return list(connection.execute(MATCHING, values).scalars())


def legacy_running(connection: Connection) -> list[UUID]:
    """Give the jobs that stand as running though nobody claimed them: an older evaluator's."""
    return list(connection.execute(LEGACY_RUNNING).scalars())


def status_of(connection: Connection, job_id: UUID) -> JobStatus:
    """
    Give a job at a glance.

    Raises
    ------
    NotFound
        There is no such job.
    """
    row = connection.execute(STATUS, {"job": job_id}).one_or_none()
    if row is None:
        raise NotFound(f"There is no evaluation job {job_id}.")
    return JobStatus(**row._asdict())


def show(connection: Connection, job_id: UUID) -> JobDetails:
    """
    Give all there is to know about a job.

    Raises
    ------
    NotFound
        There is no such job.
    """
    status = status_of(connection, job_id)
    details = connection.execute(_details(job_id)).one_or_none()
    if details is None:
        raise NotFound(f"There is no evaluation job {job_id}.")
    attempts = connection.execute(_attempts(job_id))
    return JobDetails(
        status=status,
        attempts=tuple(_attempt(row) for row in attempts),
        **details._asdict(),
    )


def _details(job_id: UUID) -> Select[Any]:
    jobs, training = tables.dataset_eval_jobs, tables.dataset_eval_sets.alias()
    testing = tables.dataset_eval_sets.alias()
    return (
        select(
            jobs.c.snapshot_id,
            jobs.c.options,
            jobs.c.result,
            training.c.data.label("training_set"),
            testing.c.data.label("testing_set"),
        )
        .outerjoin_from(jobs, training, training.c.id == jobs.c.training_snapshot)
        .outerjoin(testing, testing.c.id == jobs.c.testing_snapshot)
        .where(jobs.c.id == job_id)
    )


def _attempts(job_id: UUID) -> Select[Any]:
    attempts = tables.evaluation_attempts
    columns = (attempts.c[field.name] for field in fields(Attempt))
    return select(*columns).where(attempts.c.job_id == job_id).order_by(attempts.c.attempt)


def _attempt(row: Row[Any]) -> Attempt:
    values = row._asdict()
    outcome = values.pop("outcome")
    return Attempt(outcome=None if outcome is None else Outcome(outcome), **values)


def _call(connection: Connection, statement: Any, values: Mapping[str, Any]) -> Any:
    try:
        return connection.execute(statement, values).scalar_one()
    except DBAPIError as error:
        diagnostics = getattr(error.orig, "diag", None)
        code = getattr(diagnostics, "sqlstate", None)
        if diagnostics is None or code not in (
            NO_DATA_FOUND,
            OBJECT_IN_USE,
            PROGRAM_LIMIT_EXCEEDED,
        ):
            raise
        kind = NotFound if code == NO_DATA_FOUND else SchemaError
        raise kind(diagnostics.message_primary) from None
