"""What operators and the server do to dataset_eval_jobs directly."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import ProgrammingError

from schema import evaluation_jobs
from schema.evaluation_jobs import EvaluationJob, Outcome

Step = Callable[..., Any]  # a fixture that does one thing to the database


HOUR = timedelta(hours=1)


@pytest.fixture
def renew(engine: Engine) -> Step:
    def renew(job: EvaluationJob) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.renew(connection, job, lease=HOUR)

    return renew


@pytest.fixture
def set_status(execute: Step) -> Step:
    def set_status(job_id: UUID, status: str) -> None:
        execute(
            "UPDATE dataset_eval_jobs SET status = CAST(:s AS eval_job_status) WHERE id = :job",
            s=status,
            job=job_id,
        )

    return set_status


def test_a_plain_insert_is_all_it_takes_to_ask_for_an_evaluation(
    make_job: Step, claim: Step
) -> None:
    job_id = make_job()

    assert isinstance(job_id, UUID)
    assert claim().id == job_id


def test_a_running_job_that_is_set_back_to_pending_is_taken_from_its_worker(
    make_job: Step, claim: Step, renew: Step, set_status: Step, show: Step
) -> None:
    job_id = make_job()
    job = claim()

    set_status(job_id, "pending")

    assert not renew(job)
    [attempt] = show(job_id).attempts
    assert (attempt.outcome, attempt.counted) == (Outcome.CANCELLED, False)
    assert attempt.error == "The job was set from running to pending by postgres while it ran."
    assert claim().attempt == 2


@pytest.mark.parametrize("status", ["failed", "done"])
def test_a_running_job_that_is_ended_by_hand_is_taken_from_its_worker(
    *,
    make_job: Step,
    claim: Step,
    renew: Step,
    fail: Step,
    set_status: Step,
    show: Step,
    status: str,
) -> None:
    job_id = make_job()
    job = claim()

    set_status(job_id, status)

    assert not renew(job)
    assert fail(job) is None
    assert show(job_id).status.status == status


def test_a_running_job_that_is_deleted_leaves_its_history(
    make_job: Step, claim: Step, renew: Step, execute: Step
) -> None:
    job_id = make_job()
    job = claim()

    execute("DELETE FROM dataset_eval_jobs WHERE id = :job", job=job_id)

    assert not renew(job)
    assert execute("SELECT outcome FROM worker.evaluation_attempts") == "cancelled"
    assert "deleted by postgres" in execute("SELECT error FROM worker.evaluation_attempts")


def test_emptying_the_table_takes_all_jobs_from_their_workers(
    make_job: Step, claim: Step, renew: Step, execute: Step
) -> None:
    make_job()
    job = claim()

    execute("TRUNCATE dataset_eval_jobs")

    assert not renew(job)
    assert execute("SELECT outcome FROM worker.evaluation_attempts") == "cancelled"


def test_deleting_its_sets_deletes_a_job_and_the_workers_survive_it(
    make_job: Step, claim: Step, execute: Step
) -> None:
    job_id = make_job()
    execute("INSERT INTO dataset_eval_sets (data) VALUES ('{}')")
    execute("UPDATE dataset_eval_jobs SET training_snapshot = (SELECT id FROM dataset_eval_sets)")

    execute("DELETE FROM dataset_eval_sets")

    assert claim() is None
    assert execute("SELECT count(*) FROM dataset_eval_jobs WHERE id = :job", job=job_id) == 0


def test_a_failed_job_that_is_set_back_to_pending_has_all_its_attempts_again(
    make_job: Step, claim: Step, fail: Step, set_status: Step, show: Step
) -> None:
    job_id = make_job()
    for _ in range(3):
        fail(claim())

    set_status(job_id, "pending")

    assert not any(attempt.counted for attempt in show(job_id).attempts)
    assert [fail(claim()) for _ in range(3)] == ["pending", "pending", "failed"]


def test_a_done_job_that_is_set_back_to_pending_runs_again(
    make_job: Step, claim: Step, set_status: Step
) -> None:
    job_id = make_job(status="done")

    set_status(job_id, "pending")

    assert claim().id == job_id


def test_a_job_that_was_set_back_does_not_wait_for_its_old_failure(
    make_job: Step, claim: Step, fail: Step, set_status: Step
) -> None:
    job_id = make_job()
    fail(claim(), backoff=HOUR)
    set_status(job_id, "failed")

    set_status(job_id, "pending")

    assert claim().id == job_id


def test_failures_are_not_forgotten_by_a_change_of_another_column(
    make_job: Step, claim: Step, fail: Step, execute: Step
) -> None:
    make_job()
    fail(claim(), backoff=HOUR)

    execute("UPDATE dataset_eval_jobs SET status_msg = 'a note', status = status")

    assert claim() is None


def test_a_role_without_rights_in_our_schema_can_still_change_jobs(
    engine: Engine, make_job: Step, claim: Step, show: Step
) -> None:
    job_id = make_job()
    claim()
    with engine.begin() as connection:
        connection.execute(text("CREATE ROLE server_without_rights"))
        connection.execute(
            text(
                "GRANT SELECT, INSERT, UPDATE, DELETE ON dataset_eval_jobs TO server_without_rights"
            )
        )
    try:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL ROLE server_without_rights"))
            connection.execute(text("UPDATE dataset_eval_jobs SET status = 'failed'"))
            with (
                pytest.raises(ProgrammingError, match="permission denied"),
                connection.begin_nested(),
            ):
                connection.execute(text("SELECT FROM worker.evaluation_attempts"))
    finally:
        with engine.begin() as connection:
            connection.execute(text("DROP OWNED BY server_without_rights"))
            connection.execute(text("DROP ROLE server_without_rights"))

    assert show(job_id).attempts[0].outcome is Outcome.CANCELLED


def test_a_table_of_that_name_in_another_schema_does_not_mislead_the_functions(
    engine: Engine, make_job: Step, claim: Step
) -> None:
    job_id = make_job()
    claim()

    with engine.connect() as connection:
        connection.execute(text("CREATE TEMP TABLE dataset_eval_jobs (id uuid, status text)"))
        answer = connection.execute(text("SELECT worker.cancel_evaluation(:job)"), {"job": job_id})
        assert "it was running" in answer.scalar_one()
