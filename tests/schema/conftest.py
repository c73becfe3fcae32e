"""Jobs, claims and what became of them, for tests of the queue."""

from collections.abc import Callable
from datetime import timedelta
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from schema import evaluation_jobs
from schema.evaluation_jobs import EvaluationJob, JobDetails, Outcome

HOUR = timedelta(hours=1)
# A lease that has run out when it is given.
EXPIRED = timedelta(seconds=-1)
NOW = timedelta(0)

MakeJob = Callable[..., UUID]
Claim = Callable[..., EvaluationJob | None]


@pytest.fixture
def make_job(engine: Engine) -> MakeJob:
    """Insert a job and its snapshot; keyword arguments are columns of the job."""

    def make(**columns: Any) -> UUID:
        snapshot = {"snapshot_id": uuid4()}
        names = ["snapshot_id", *columns]
        with engine.begin() as connection:
            connection.execute(
                text("""INSERT INTO dataset_snapshot (id, data)
                        VALUES (:snapshot_id, '{"name": "moods", "classes": []}')"""),
                snapshot,
            )
            insert = text(
                f"INSERT INTO dataset_eval_jobs ({', '.join(names)}) "
                f"VALUES ({', '.join(':' + name for name in names)}) RETURNING id"
            )
            return connection.execute(insert, {**snapshot, **columns}).scalar_one()

    return make


@pytest.fixture
def claim(engine: Engine) -> Claim:
    """Claim a job in a transaction of its own."""

    def claim(lease: timedelta = HOUR, worker: str = "worker-1") -> EvaluationJob | None:
        with engine.begin() as connection:
            return evaluation_jobs.claim(connection, worker=worker, host="host", lease=lease)

    return claim


@pytest.fixture
def fail(engine: Engine) -> Callable[..., str | None]:
    """End an attempt with an error, in a transaction of its own."""

    def fail(job: EvaluationJob, **changes: Any) -> str | None:
        arguments = {
            "outcome": Outcome.ERROR,
            "message": "It broke.",
            "max_attempts": 3,
            "backoff": NOW,
        }
        with engine.begin() as connection:
            return evaluation_jobs.end(connection, job, **{**arguments, **changes})

    return fail


@pytest.fixture
def show(engine: Engine) -> Callable[[UUID], JobDetails]:
    def show(job_id: UUID) -> JobDetails:
        with engine.connect() as connection:
            return evaluation_jobs.show(connection, job_id)

    return show


@pytest.fixture
def execute(engine: Engine) -> Callable[..., Any]:
    """Run one statement as an operator would; its first value, if it gives one."""

    def execute(statement: str, **values: Any) -> Any:
        with engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return done.scalar() if done.returns_rows else done.rowcount

    return execute


@pytest.fixture
def wait_for_blocked(engine: Engine) -> Callable[[], None]:
    """Wait until some session of this database waits for a lock that another one holds."""
    blocked = text("""
        SELECT count(*) FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'
    """)

    def wait() -> None:
        deadline = monotonic() + 4
        with engine.connect() as connection:
            while not _count(connection, blocked):
                assert monotonic() < deadline, "nobody waited for a lock"

    return wait


def _count(connection: Connection, query: Any) -> int:
    # A transaction sees one state of pg_stat_activity throughout.
    count: int = connection.execute(query).scalar_one()
    connection.rollback()
    return count
