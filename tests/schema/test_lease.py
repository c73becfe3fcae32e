"""Holding a job, and losing it to a rescue."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from schema import evaluation_jobs
from schema.evaluation_jobs import EvaluationJob, Outcome

Step = Callable[..., Any]  # a fixture that does one thing to the database


HOUR = timedelta(hours=1)
EXPIRED = timedelta(seconds=-1)
NOW = timedelta(0)


@pytest.fixture
def renew(engine: Engine) -> Step:
    def renew(job: EvaluationJob, lease: timedelta = HOUR, progress: Any = None) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.renew(connection, job, lease=lease, progress=progress)

    return renew


@pytest.fixture
def rescue(engine: Engine) -> Step:
    def rescue(
        lease: timedelta = NOW, max_attempts: int = 3, limit: int = 10, backoff: timedelta = NOW
    ) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.rescue(
                connection, lease=lease, max_attempts=max_attempts, limit=limit, backoff=backoff
            )

    return rescue


def test_a_renewal_moves_the_end_of_the_lease(
    make_job: Step, claim: Step, renew: Step, show: Step
) -> None:
    job_id = make_job()
    job = claim(lease=EXPIRED)

    assert renew(job, lease=HOUR)

    [attempt] = show(job_id).attempts
    assert attempt.lease_until > attempt.started + timedelta(minutes=59)


def test_a_renewal_says_how_far_the_job_is_and_the_next_may_be_silent(
    make_job: Step, claim: Step, renew: Step, show: Step
) -> None:
    job_id = make_job()
    job = claim()

    renew(job, progress={"stage": "grid", "done": 1, "total": 2, "started": "2026-01-01T00:00:00Z"})
    renew(job)

    assert show(job_id).attempts[0].progress["stage"] == "grid"


def test_a_renewal_moves_no_other_jobs_lease(
    make_job: Step, claim: Step, renew: Step, show: Step
) -> None:
    first, second = make_job(), make_job()
    job = claim(lease=EXPIRED)
    claim(lease=EXPIRED)
    before = show(second).attempts[0].lease_until

    assert renew(job, lease=HOUR)

    assert job.id == first
    assert show(second).attempts[0].lease_until == before


def test_a_renewal_after_a_rescue_is_refused(
    make_job: Step, claim: Step, renew: Step, rescue: Step
) -> None:
    make_job()
    job = claim(lease=EXPIRED)
    rescue()

    assert not renew(job)


def test_a_renewal_of_the_attempt_before_is_refused_while_the_next_runs(
    make_job: Step, claim: Step, renew: Step, fail: Step
) -> None:
    make_job()
    job = claim()
    fail(job)
    second = claim()

    assert not renew(job)
    assert renew(second)


def test_a_renewal_is_refused_when_the_job_left_running_behind_the_back_of_the_triggers(
    engine: Engine, make_job: Step, claim: Step, renew: Step
) -> None:
    job_id = make_job()
    job = claim()
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE dataset_eval_jobs DISABLE TRIGGER USER"))
        update = text("UPDATE dataset_eval_jobs SET status = 'failed' WHERE id = :job")
        connection.execute(update, {"job": job_id})

    assert not renew(job)


def test_a_lease_that_is_held_is_not_rescued(
    make_job: Step, claim: Step, rescue: Step, show: Step
) -> None:
    job_id = make_job()
    claim(lease=HOUR)

    assert rescue() == []
    assert show(job_id).status.status == "running"


def test_a_lease_that_ran_out_gives_the_job_back_and_names_the_lost_worker(
    make_job: Step, claim: Step, rescue: Step, show: Step
) -> None:
    job_id = make_job()
    claim(lease=EXPIRED, worker="worker-7")

    assert rescue() == [(job_id, "pending")]

    details = show(job_id)
    assert details.status.reason == "Worker lost during attempt 1: worker-7 on host fell silent."
    [attempt] = details.attempts
    assert (attempt.outcome, attempt.counted) == (Outcome.LOST, True)
    assert attempt.error == details.status.reason


def test_a_rescued_job_is_not_rescued_again(make_job: Step, claim: Step, rescue: Step) -> None:
    make_job()
    claim(lease=EXPIRED)

    assert len(rescue()) == 1
    assert rescue() == []


def test_a_rescued_job_waits_before_its_next_attempt(
    make_job: Step, claim: Step, rescue: Step
) -> None:
    make_job()
    claim(lease=EXPIRED)
    rescue(backoff=HOUR)

    assert claim() is None


def test_a_job_that_loses_its_worker_every_time_is_failed_at_the_limit(
    make_job: Step, claim: Step, rescue: Step, show: Step
) -> None:
    job_id = make_job()
    statuses = []
    for _ in range(3):
        claim(lease=EXPIRED)
        statuses += [status for _, status in rescue(max_attempts=3)]

    assert statuses == ["pending", "pending", "failed"]
    assert show(job_id).status.reason.startswith("Worker lost during attempt 3")
    assert claim() is None


def test_a_server_that_has_just_started_gives_no_job_away(
    make_job: Step, claim: Step, rescue: Step
) -> None:
    make_job()
    claim(lease=EXPIRED)

    assert rescue(lease=timedelta(days=365)) == []
    assert len(rescue(lease=NOW)) == 1


def test_a_sweep_takes_no_more_than_its_limit(make_job: Step, claim: Step, rescue: Step) -> None:
    for _ in range(3):
        make_job()
        claim(lease=EXPIRED)

    assert [len(rescue(limit=2)) for _ in range(3)] == [2, 1, 0]


def test_a_sweep_takes_those_first_that_have_been_silent_for_longest(
    make_job: Step, claim: Step, rescue: Step
) -> None:
    make_job()
    longest = make_job()
    claim(lease=EXPIRED)
    claim(lease=2 * EXPIRED)

    assert rescue(limit=1) == [(longest, "pending")]


def test_a_sweep_does_not_keep_anybody_waiting_whose_lease_is_held(
    engine: Engine, make_job: Step, claim: Step, fail: Step
) -> None:
    make_job()
    job = claim(lease=HOUR)

    with engine.begin() as connection:
        evaluation_jobs.rescue(connection, lease=NOW, max_attempts=3)
        assert fail(job) == "pending"  # not one that waits for the sweep to be committed


def test_a_running_job_without_an_attempt_is_nobodys(
    make_job: Step, claim: Step, rescue: Step, show: Step
) -> None:
    job_id = make_job(status="running")

    assert rescue() == []
    assert claim() is None
    assert show(job_id).status.status == "running"


def test_a_renewal_that_commits_during_a_rescue_keeps_the_job(
    *, engine: Engine, make_job: Step, claim: Step, rescue: Step, wait_for_blocked: Step, show: Step
) -> None:
    job_id = make_job()
    job = claim(lease=EXPIRED)

    with ThreadPoolExecutor(1) as thread:
        with engine.begin() as connection:
            evaluation_jobs.renew(connection, job, lease=HOUR)
            rescuing = thread.submit(rescue)
            wait_for_blocked()
        assert rescuing.result(timeout=5) == []

    assert show(job_id).status.status == "running"


def test_a_sweep_leaves_a_job_alone_that_left_running_behind_the_back_of_the_triggers(
    engine: Engine, make_job: Step, claim: Step, rescue: Step, show: Step
) -> None:
    job_id = make_job()
    claim(lease=EXPIRED)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE dataset_eval_jobs DISABLE TRIGGER USER"))
        connection.execute(text("UPDATE dataset_eval_jobs SET status = 'done'"))

    rescue()

    assert show(job_id).status.status == "done"


def test_a_sweep_takes_no_hold_of_jobs_whose_lease_lasts(
    engine: Engine, make_job: Step, claim: Step
) -> None:
    held = make_job()
    claim(lease=HOUR)
    lost = make_job()
    claim(lease=EXPIRED)

    with engine.begin() as sweeping, engine.begin() as renewing:
        rescued = evaluation_jobs.rescue(sweeping, lease=NOW, max_attempts=3)
        assert rescued == [(lost, "pending")]
        renewing.execute(
            text("SELECT FROM dataset_eval_jobs WHERE id = :id FOR NO KEY UPDATE NOWAIT"),
            {"id": held},
        )


def test_two_sweeps_at_once_do_not_wait_for_each_other(
    engine: Engine, make_job: Step, claim: Step, rescue: Step
) -> None:
    make_job()
    claim(lease=EXPIRED)

    with engine.begin() as connection:
        first = evaluation_jobs.rescue(connection, lease=NOW, max_attempts=3)
        assert (len(first), rescue()) == (1, [])
