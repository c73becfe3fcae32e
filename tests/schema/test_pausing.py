"""The queue as a whole: paused and resumed, failed jobs tried again together."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import evaluation_jobs

Step = Callable[..., Any]


@pytest.fixture
def failed(make_job: Step, execute: Step) -> Step:
    """Insert a job that has failed for a reason, three attempts behind it."""

    def failed(reason: str, ago: str = "1 minute") -> Any:
        job = make_job()
        execute(
            "INSERT INTO worker.evaluation_attempts"
            " (job_id, attempt, worker, host, lease_until, ended, outcome, counted)"
            " SELECT :job, n, 'w', 'h', now(), now(), 'error', true FROM generate_series(1, 3) n",
            job=job,
        )
        execute(
            "UPDATE dataset_eval_jobs SET status = 'failed', status_msg = :reason,"
            " updated = now() - CAST(:ago AS interval) WHERE id = :job",
            job=job,
            reason=reason,
            ago=ago,
        )
        return job

    return failed


@pytest.fixture
def retry_failed(engine: Engine) -> Step:
    def retry(**how: Any) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.retry_failed(connection, **how)

    return retry


def test_no_job_is_claimed_while_the_queue_is_paused(
    make_job: Step, claim: Step, engine: Engine
) -> None:
    make_job()
    with engine.begin() as connection:
        evaluation_jobs.pause(connection, reason="disk full")
        assert evaluation_jobs.paused(connection).reason == "disk full"
    assert claim() is None

    with engine.begin() as connection:
        evaluation_jobs.resume(connection)
        assert evaluation_jobs.paused(connection) is None

    assert claim() is not None


def test_a_job_that_runs_is_renewed_and_ended_while_the_queue_is_paused(
    make_job: Step, claim: Step, fail: Step, engine: Engine
) -> None:
    make_job()
    job = claim()
    with engine.begin() as connection:
        evaluation_jobs.pause(connection)
        assert evaluation_jobs.renew(connection, job, lease=timedelta(minutes=1))

    assert fail(job) == "pending"


def test_pausing_and_resuming_twice_is_said(engine: Engine) -> None:
    with engine.begin() as connection:
        evaluation_jobs.pause(connection, reason="first")
        assert "already" in evaluation_jobs.pause(connection, reason="second")
        assert evaluation_jobs.paused(connection).reason == "first"
        evaluation_jobs.resume(connection)
        assert "not paused" in evaluation_jobs.resume(connection)


def test_failed_jobs_are_set_back_together_with_a_fresh_count(
    failed: Step, retry_failed: Step, claim: Step, fail: Step
) -> None:
    jobs = {failed("disk full"), failed("killed")}

    assert set(retry_failed()) == jobs

    assert fail(claim()) == fail(claim()) == "pending"


def test_jobs_that_were_cancelled_or_are_not_failed_stay(
    failed: Step, retry_failed: Step, make_job: Step
) -> None:
    cancelled = failed("cancelled by operator")
    make_job()

    assert retry_failed() == []
    assert retry_failed(reason="Cancelled") == [cancelled]


def test_failed_jobs_are_chosen_by_age_and_reason(failed: Step, retry_failed: Step) -> None:
    failed("disk full", ago="3 hours")
    failed("killed by SIGKILL 100%")
    wanted = failed("No space left: Disk full_")

    assert retry_failed(age=timedelta(hours=2), reason="disk full_", dry_run=True) == [wanted]
    assert retry_failed(age=timedelta(hours=2), reason="disk full_") == [wanted]
    assert retry_failed(reason="_%_") == []
