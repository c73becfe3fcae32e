"""The statements of the queue, in any order and from several workers, against a model of them.

Time passes by moving what the database remembers into the past: no statement knows another clock
than `now()`, and all that is compared with it are columns.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, text

from schema import evaluation_jobs
from schema.evaluation_jobs import EvaluationJob, Outcome, Usage

JOBS = [UUID(int=number) for number in range(1, 4)]
WORKERS = ["one", "two", "three"]

LEASE = 60
BACKOFF = 30
MAX_ATTEMPTS = 3
# No comparison depends on what the test itself takes: a second of it is nothing to these.
MARGIN = 5.0
# No sum of steps comes near to a lease.
STEPS = [25, 45, 7200]
NOTHING = Usage(exit_code=None, signal=None, peak_memory=None, cpu_seconds=None)

PASS = """
    UPDATE worker.evaluation_attempts
       SET started = started - :step, lease_until = lease_until - :step, ended = ended - :step,
           retry_at = retry_at - :step
"""

ATTEMPTS = """
    SELECT job_id, attempt, outcome, counted,
           extract(epoch FROM lease_until - now())::float8 AS held,
           extract(epoch FROM retry_at - now())::float8 AS waits
      FROM worker.evaluation_attempts
"""

PEOPLE = {
    "cancel": "SELECT worker.cancel_evaluation(:job)",
    "retry": "SELECT worker.retry_evaluation(:job)",
    "delete": "DELETE FROM dataset_eval_jobs WHERE id = :job",
    **{
        status: f"UPDATE dataset_eval_jobs SET status = '{status}' WHERE id = :job"
        for status in ("pending", "done", "failed")
    },
}


@dataclass
class Tried:
    """An attempt as it should be."""

    lease_until: float
    outcome: str | None = None
    counted: bool = False
    retry_at: float | None = None


@dataclass
class Job:
    """A job as it should be; None for its status: it was deleted."""

    status: str | None = None
    created: int = 0
    result: str | None = None
    attempts: dict[int, Tried] = field(default_factory=dict)

    @property
    def open(self) -> int | None:
        return next((n for n, tried in self.attempts.items() if tried.outcome is None), None)

    @property
    def failures(self) -> int:
        return sum(tried.counted for tried in self.attempts.values())

    def close(self, attempt: int, outcome: str, *, counted: bool, retry_at: float | None) -> None:
        tried = self.attempts[attempt]
        tried.outcome, tried.counted, tried.retry_at = outcome, counted, retry_at

    def forget_failures(self) -> None:
        for tried in self.attempts.values():
            tried.counted, tried.retry_at = False, None

    def stop_waiting(self) -> None:
        for tried in self.attempts.values():
            tried.retry_at = None


class Queue(RuleBasedStateMachine):
    """Workers that claim, renew, end and come back late; people who meddle; time that passes."""

    engine: Engine

    claims = Bundle("claims")

    @initialize()
    def begin(self) -> None:
        self.now = 0.0
        self.inserted = 0
        self.jobs = {job: Job() for job in JOBS}
        self.execute(
            "SET LOCAL session_replication_role = replica; DELETE FROM dataset_eval_jobs;"
            " DELETE FROM worker.evaluation_attempts; DELETE FROM dataset_eval_sets"
        )
        for job in JOBS[:2]:
            self.insert(job)

    # What workers do; a claim that was ever given may be used at any time later.

    @rule(target=claims, worker=st.sampled_from(WORKERS))
    def claim(self, worker: str) -> Any:
        given = self.call(
            evaluation_jobs.claim, worker=worker, host="h", lease=timedelta(seconds=LEASE)
        )
        sure = [job for job in self.claimable() if not self.doubtful(job)]
        if given is None:
            assert sure == []
            return multiple()
        job = self.jobs[given.id]
        assert given.id in self.claimable()
        # The one that was created first, unless it is doubtful whether that waits.
        assert [one for one in sure if self.jobs[one].created < job.created] == []
        assert given.attempt == 1 + max(job.attempts, default=0)
        job.status = "running"
        job.attempts[given.attempt] = Tried(lease_until=self.now + LEASE)
        return given

    @rule(claim=claims)
    def renew(self, claim: EvaluationJob) -> None:
        renewed = self.call(evaluation_jobs.renew, claim, lease=timedelta(seconds=LEASE))
        assert renewed == self.ours(claim)
        if renewed:
            self.jobs[claim.id].attempts[claim.attempt].lease_until = self.now + LEASE

    @rule(claim=claims)
    def finish(self, claim: EvaluationJob) -> None:
        result = f"attempt {claim.attempt}"
        accepted = self.call(
            evaluation_jobs.finish,
            claim,
            result={"of": result},
            training_set={},
            testing_set={},
            usage=NOTHING,
        )
        assert accepted == self.ours(claim)
        if accepted:
            job = self.jobs[claim.id]
            job.close(claim.attempt, "done", counted=False, retry_at=None)
            job.status, job.result = "done", result

    @rule(
        claim=claims,
        outcome=st.sampled_from([Outcome.ERROR, Outcome.CRASHED, Outcome.TIMEOUT]),
        terminal=st.booleans(),
    )
    def fail(self, claim: EvaluationJob, outcome: Outcome, *, terminal: bool) -> None:
        status = self.end(claim, outcome, terminal=terminal)
        assert (status is not None) == self.ours(claim)
        if status is not None:
            job = self.jobs[claim.id]
            last = terminal or job.failures + 1 >= MAX_ATTEMPTS
            assert status == ("failed" if last else "pending")
            retry_at = None if last else self.waits(claim.id, claim.attempt, job.failures)
            job.close(claim.attempt, outcome, counted=True, retry_at=retry_at)
            job.status = status

    @rule(claim=claims)
    def interrupt(self, claim: EvaluationJob) -> None:
        status = self.end(claim, Outcome.INTERRUPTED)
        assert status == ("pending" if self.ours(claim) else None)
        if status is not None:
            job = self.jobs[claim.id]
            job.close(claim.attempt, "interrupted", counted=False, retry_at=None)
            job.status = status

    @rule()
    def sweep(self) -> None:
        # A lease of nothing: the server has been up for long enough.
        rescued = dict(
            self.call(
                evaluation_jobs.rescue,
                lease=timedelta(0),
                max_attempts=MAX_ATTEMPTS,
                backoff=timedelta(seconds=BACKOFF),
            )
        )
        for identity, job in self.jobs.items():
            attempt = job.open
            expired = attempt is not None and job.attempts[attempt].lease_until < self.now
            assert (identity in rescued) == expired
            if attempt is not None and expired:
                last = job.failures + 1 >= MAX_ATTEMPTS
                assert rescued[identity] == ("failed" if last else "pending")
                retry_at = None if last else self.waits(identity, attempt, job.failures)
                job.close(attempt, "lost", counted=True, retry_at=retry_at)
                job.status = rescued[identity]

    # What people do.

    @rule(job=st.sampled_from(JOBS))
    def insert(self, job: UUID) -> None:
        if self.jobs[job].status is not None:
            return
        self.inserted += 1
        self.execute(
            "INSERT INTO dataset_eval_jobs (id, snapshot_id, created)"
            " SELECT :job, id, TIMESTAMPTZ '2020-01-01' + :n * INTERVAL '1 s'"
            " FROM dataset_snapshot",
            job=job,
            n=self.inserted,
        )
        history = self.jobs[job].attempts
        self.jobs[job] = Job(status="pending", created=self.inserted, attempts=history)

    @rule(job=st.sampled_from(JOBS), what=st.sampled_from(sorted(PEOPLE)))
    def meddle(self, job: UUID, what: str) -> None:
        was, attempt = self.jobs[job].status, self.jobs[job].open
        if was is None:
            return
        self.execute(PEOPLE[what], job=job)
        self.expect(self.jobs[job], was, what)
        if attempt is not None and self.jobs[job].status != "running":
            self.jobs[job].close(attempt, "cancelled", counted=False, retry_at=None)

    @staticmethod
    def expect(job: Job, was: str, what: str) -> None:
        """Change the model as a person changes the job."""
        if what == "delete":
            job.status, job.result = None, None
        elif what == "cancel":
            job.status = "failed" if was in ("pending", "running") else was
        elif what != "retry":
            job.status = what
        elif was == "pending":
            job.stop_waiting()
        elif was != "running":
            job.status = "pending"
        if was in ("done", "failed") and job.status == "pending":
            job.forget_failures()

    @rule(step=st.sampled_from(STEPS))
    def time_passes(self, step: int) -> None:
        self.execute(PASS, step=timedelta(seconds=step))
        self.now += step

    # What always holds.

    @invariant()
    def every_row_is_as_in_the_model(self) -> None:
        found = {
            row.id: (row.status, (row.result or {}).get("of"))
            for row in self.rows("SELECT id, status::text, result FROM dataset_eval_jobs")
        }
        assert found == {
            identity: (job.status, job.result)
            for identity, job in self.jobs.items()
            if job.status is not None
        }
        attempts = {(row.job_id, row.attempt): row for row in self.rows(ATTEMPTS)}
        assert {key: (row.outcome, row.counted) for key, row in attempts.items()} == {
            (identity, number): (tried.outcome, tried.counted)
            for identity, job in self.jobs.items()
            for number, tried in job.attempts.items()
        }
        for (identity, number), row in attempts.items():
            tried = self.jobs[identity].attempts[number]
            if tried.outcome is None:
                assert abs(row.held - (tried.lease_until - self.now)) < MARGIN
            left = 0.0 if tried.retry_at is None else tried.retry_at - self.now
            assert abs(max(0.0, row.waits or 0.0) - max(0.0, left)) < MARGIN

    @invariant()
    def the_promises_hold(self) -> None:
        for job in self.jobs.values():
            still = [n for n, tried in job.attempts.items() if tried.outcome is None]
            assert len(still) == (job.status == "running")
            assert job.failures <= MAX_ATTEMPTS
            assert sorted(job.attempts) == list(range(1, len(job.attempts) + 1))
            for tried in job.attempts.values():
                assert tried.lease_until <= self.now + LEASE
                assert tried.retry_at is None or tried.retry_at <= self.now + 3600

    def teardown(self) -> None:
        """Whatever happened: left to a worker that works, every job comes to its end."""
        if not hasattr(self, "jobs"):
            return
        for _ in range(2):
            self.time_passes(7200)
            self.sweep()
        self.time_passes(7200)
        while (claim := self.claim(worker="one")) not in (None, multiple()):
            self.finish(claim)
        assert {job.status for job in self.jobs.values()} <= {"done", "failed", None}
        self.every_row_is_as_in_the_model()

    # How it is asked and told.

    def claimable(self) -> list[UUID]:
        """Jobs that may be claimed, if only because it is doubtful whether they wait."""
        return [
            identity
            for identity, job in self.jobs.items()
            if job.status == "pending"
            and all(
                t.retry_at is None or t.retry_at < self.now + MARGIN for t in job.attempts.values()
            )
        ]

    def doubtful(self, identity: UUID) -> bool:
        waits = [t.retry_at for t in self.jobs[identity].attempts.values() if t.retry_at]
        return any(abs(until - self.now) < MARGIN for until in waits)

    def ours(self, claim: EvaluationJob) -> bool:
        return self.jobs[claim.id].open == claim.attempt

    def waits(self, job: UUID, attempt: int, failures: int) -> float:
        """Until when a job waits, which is up to chance within bounds."""
        [row] = self.rows(
            "SELECT extract(epoch FROM retry_at - now())::float8 AS seconds"
            " FROM worker.evaluation_attempts WHERE job_id = :job AND attempt = :attempt",
            job=job,
            attempt=attempt,
        )
        most = min(3600, BACKOFF * 2**failures)
        assert 0.75 * most - MARGIN <= row.seconds <= most
        return self.now + float(row.seconds)

    def end(self, claim: EvaluationJob, outcome: Outcome, *, terminal: bool = False) -> Any:
        return self.call(
            evaluation_jobs.end,
            claim,
            outcome=outcome,
            message="no",
            terminal=terminal,
            counted=outcome is not Outcome.INTERRUPTED,
            max_attempts=MAX_ATTEMPTS,
            backoff=timedelta(seconds=BACKOFF),
        )

    def call(self, statement: Callable[..., Any], *arguments: Any, **values: Any) -> Any:
        with self.engine.begin() as connection:
            return statement(connection, *arguments, **values)

    def rows(self, query: str, **values: Any) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text(query), values).all()

    def execute(self, statement: str, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)


def test_in_whatever_order_things_happen_the_queue_keeps_its_promises(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO dataset_snapshot (id, data) VALUES (gen_random_uuid(), '{}')")
        )

    class OnDatabase(Queue):
        pass

    OnDatabase.engine = engine
    run_state_machine_as_test(
        OnDatabase,
        settings=settings(
            max_examples=100,
            stateful_step_count=40,
            suppress_health_check=list(HealthCheck),
        ),
    )
