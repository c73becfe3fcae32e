"""Checkpoints are written by nobody but the worker that holds the job, and go when it ends."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine

from schema import evaluation_jobs
from schema.evaluation_jobs import Checkpoint, EvaluationJob

ONE = Checkpoint(number=1, fingerprint="f" * 64, part="grid basic native", content=b"\x00\xff")

Step = Callable[..., Any]


@pytest.fixture
def save(engine: Engine) -> Step:
    def save(job: EvaluationJob, checkpoint: Checkpoint = ONE) -> bool:
        with engine.begin() as connection:
            return evaluation_jobs.save_checkpoint(connection, job, checkpoint)

    return save


@pytest.fixture
def load(engine: Engine) -> Step:
    def load(job: Any) -> list[Checkpoint]:
        with engine.connect() as connection:
            return evaluation_jobs.load_checkpoints(connection, job)

    return load


def test_the_next_attempt_finds_what_the_one_before_it_kept(
    make_job: Step, claim: Step, save: Step, load: Step, fail: Step
) -> None:
    job = make_job()
    first = claim()
    assert save(first)
    assert save(first, replace(ONE, number=2))
    fail(first)
    second = claim()
    assert save(second, replace(ONE, part="grid lowlevel native"))

    assert load(job) == [ONE, replace(ONE, number=2), replace(ONE, part="grid lowlevel native")]


def test_a_checkpoint_whose_reply_was_lost_is_written_once(
    make_job: Step, claim: Step, save: Step, load: Step
) -> None:
    job = make_job()
    claimed = claim()

    assert save(claimed)
    assert save(claimed)

    assert load(job) == [ONE]


def test_a_worker_that_lost_the_job_writes_no_checkpoint(
    make_job: Step, claim: Step, save: Step, load: Step, fail: Step
) -> None:
    job = make_job()
    slow = claim()
    fail(slow)
    claim()

    assert not save(slow)

    assert load(job) == []


def test_of_a_job_that_left_running_behind_the_back_of_the_triggers_no_checkpoint_is_written(
    make_job: Step, claim: Step, save: Step, *, load: Step, execute: Step
) -> None:
    job = make_job()
    claimed = claim()
    execute("ALTER TABLE dataset_eval_jobs DISABLE TRIGGER USER")
    execute("UPDATE dataset_eval_jobs SET status = 'failed'")

    assert not save(claimed)

    assert load(job) == []


def test_a_checkpoint_that_waits_for_the_end_of_its_attempt_is_not_written(
    make_job: Step, claim: Step, save: Step, *, load: Step, engine: Engine, wait_for_blocked: Step
) -> None:
    job = make_job()
    claimed = claim()
    with ThreadPoolExecutor(1) as pool, engine.connect() as operator:
        operator.exec_driver_sql("UPDATE dataset_eval_jobs SET status = 'failed'")
        saving = pool.submit(save, claimed)
        wait_for_blocked()
        operator.commit()
        assert saving.result() is False

    assert load(job) == []


def test_a_checkpoint_that_is_being_written_when_the_job_is_cancelled_goes_too(
    make_job: Step,
    claim: Step,
    execute: Step,
    *,
    load: Step,
    engine: Engine,
    wait_for_blocked: Step,
) -> None:
    job = make_job()
    claimed = claim()
    with ThreadPoolExecutor(1) as pool, engine.connect() as worker:
        assert evaluation_jobs.save_checkpoint(worker, claimed, ONE)
        cancelling = pool.submit(execute, "SELECT worker.cancel_evaluation(:job)", job=job)
        wait_for_blocked()
        worker.commit()
        cancelling.result()

    assert load(job) == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE dataset_eval_jobs SET status = 'done'",
        "UPDATE dataset_eval_jobs SET status = 'failed'",
        "SELECT worker.cancel_evaluation(id) FROM dataset_eval_jobs",
        "DELETE FROM dataset_eval_jobs",
        "TRUNCATE dataset_eval_jobs",
    ],
)
@pytest.mark.parametrize("running", [True, False])
def test_checkpoints_go_when_the_job_ends_however_it_ends(
    statement: str,
    *,
    running: bool,
    make_job: Step,
    claim: Step,
    save: Step,
    load: Step,
    fail: Step,
    execute: Step,
) -> None:
    job = make_job()
    claimed = claim()
    save(claimed)
    if not running:
        fail(claimed)

    execute(statement)

    assert load(job) == []


def test_checkpoints_of_other_jobs_stay_when_one_ends(
    make_job: Step, claim: Step, save: Step, load: Step, execute: Step
) -> None:
    make_job()
    ending = claim()
    job = make_job()
    staying = claim()
    save(ending)
    save(staying)

    execute("UPDATE dataset_eval_jobs SET status = 'done' WHERE id = :job", job=ending.id)

    assert load(job) == [ONE]


def test_checkpoints_stay_when_a_running_job_is_set_back_to_pending(
    make_job: Step, claim: Step, save: Step, load: Step, execute: Step
) -> None:
    job = make_job()
    save(claim())

    execute("UPDATE dataset_eval_jobs SET status = 'pending'")

    assert load(job) == [ONE]


def test_the_time_left_does_not_take_what_was_known_for_speed(execute: Step) -> None:
    progress = (
        "jsonb_build_object('stage', 'grid', 'done', 700, 'total', 720, 'known', 690,"
        " 'started', now() - interval '100 s')"
    )

    left = execute(f"SELECT worker.time_left({progress})")

    assert left.total_seconds() == pytest.approx(200, abs=5)


def test_a_worker_whose_attempt_was_deleted_writes_none_into_its_successor_s(
    claim: Step, save: Step, execute: Step, make_job: Step
) -> None:
    make_job()
    before = claim(worker="before")
    execute("DELETE FROM worker.evaluation_attempts")
    execute("UPDATE dataset_eval_jobs SET status = 'pending'")
    now = claim(worker="now")

    assert not save(before, ONE)
    assert save(now, ONE)
