from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, text

from schema import evaluation_jobs

Step = Callable[..., Any]  # a fixture that does one thing to the database


HOUR = timedelta(hours=1)
NOW = timedelta(0)


def claim_with(connection: Connection, worker: Any = "worker-1") -> Any:
    return evaluation_jobs.claim(connection, worker=worker, host="host", lease=HOUR)


def test_nothing_is_claimed_from_an_empty_queue(claim: Step) -> None:
    assert claim() is None


def test_a_claim_hands_over_what_the_job_asks_for(make_job: Step, claim: Step, show: Step) -> None:
    job_id = make_job(options='{"seed": 7}')

    job = claim()

    assert (job.id, job.attempt, job.options) == (job_id, 1, {"seed": 7})
    assert job.snapshot_id == show(job_id).snapshot_id


def test_options_that_would_fill_the_memory_are_cut_on_the_server(
    make_job: Step, claim: Step, engine: Engine
) -> None:
    most = evaluation_jobs.claiming.MAX_OPTIONS
    make_job(options='{"x": [' + ", ".join(["[]"] * most) + "]}")

    job = claim()

    assert job.options.startswith('{"x": [[], []')
    assert len(job.options) == most
    with engine.connect() as connection:
        assert evaluation_jobs.open_attempt(connection, worker="worker-1").options == job.options


def test_a_job_without_options_is_claimed_with_none(make_job: Step, claim: Step) -> None:
    make_job()

    assert claim().options is None


def test_a_claimed_job_is_running_and_its_attempt_names_the_worker(
    make_job: Step, claim: Step, show: Step
) -> None:
    job_id = make_job(status_msg="an older message")

    claim(worker="worker-7")

    details = show(job_id)
    assert (details.status.status, details.status.reason) == ("running", None)
    [attempt] = details.attempts
    assert (attempt.worker, attempt.host, attempt.outcome) == ("worker-7", "host", None)
    assert attempt.lease_until - attempt.started == HOUR


def test_a_worker_name_that_postgres_refuses_is_cleaned_alike_everywhere(
    make_job: Step, claim: Step, engine: Engine
) -> None:
    make_job()

    job = claim(worker="a\x00b\ud800")

    with engine.connect() as connection:
        assert evaluation_jobs.open_attempt(connection, worker="a\x00b\ud800") == job


def test_the_job_that_was_created_first_is_claimed_first(make_job: Step, claim: Step) -> None:
    now = datetime.now(UTC)
    ages = {age: make_job(created=now - timedelta(minutes=age)) for age in (2, 3, 1)}

    assert [claim().id for _ in range(3)] == [ages[3], ages[2], ages[1]]


def test_jobs_created_at_once_are_claimed_in_the_order_of_their_ids(
    make_job: Step, claim: Step
) -> None:
    now = datetime.now(UTC)
    jobs = [make_job(created=now) for _ in range(5)]

    assert [claim().id for _ in range(5)] == sorted(jobs)


@pytest.mark.parametrize("status", ["running", "done", "failed"])
def test_a_job_that_is_not_pending_is_not_claimed(make_job: Step, claim: Step, status: str) -> None:
    make_job(status=status)

    assert claim() is None


def test_a_job_for_a_remote_evaluator_is_not_claimed(make_job: Step, claim: Step) -> None:
    make_job(eval_location="remote")

    assert claim() is None


def test_a_job_that_waits_after_a_failure_is_passed_over(
    make_job: Step, claim: Step, fail: Step, execute: Step
) -> None:
    waiting, next_in_line = make_job(), make_job()
    fail(claim(), backoff=HOUR)

    assert claim().id == next_in_line
    assert claim() is None

    execute("UPDATE worker.evaluation_attempts SET retry_at = now() WHERE retry_at IS NOT NULL")
    job = claim()
    assert (job.id, job.attempt) == (waiting, 2)


def test_a_second_claim_passes_over_a_job_that_is_being_claimed(
    engine: Engine, make_job: Step
) -> None:
    make_job()
    make_job()

    with engine.begin() as one, engine.begin() as other:
        assert claim_with(one).id != claim_with(other).id
        with engine.begin() as third:
            assert claim_with(third) is None


def test_a_claim_that_is_rolled_back_leaves_no_trace(
    engine: Engine, make_job: Step, claim: Step
) -> None:
    job_id = make_job()

    with engine.connect() as connection:
        claim_with(connection)
        connection.rollback()

    job = claim()
    assert (job.id, job.attempt) == (job_id, 1)


def test_attempt_numbers_go_on_after_the_highest_there_ever_was(
    make_job: Step, claim: Step, execute: Step
) -> None:
    job_id = make_job()
    first = claim()
    execute("DELETE FROM dataset_eval_jobs WHERE id = :job", job=job_id)
    make_job(id=job_id)

    assert (claim().attempt, first.attempt) == (2, 1)


def test_attempt_numbers_go_on_when_old_attempts_were_removed(
    make_job: Step, claim: Step, fail: Step, execute: Step
) -> None:
    make_job()
    for _ in range(2):
        fail(claim())
        execute("UPDATE worker.evaluation_attempts SET retry_at = NULL")
    execute("DELETE FROM worker.evaluation_attempts WHERE attempt = 1")

    assert claim().attempt == 3


def test_a_pending_job_with_an_open_attempt_does_not_keep_others_from_being_claimed(
    make_job: Step, claim: Step, execute: Step
) -> None:
    odd = make_job()
    claim()
    execute("ALTER TABLE dataset_eval_jobs DISABLE TRIGGER USER")
    execute("UPDATE dataset_eval_jobs SET status = 'pending' WHERE id = :job", job=odd)
    next_in_line = make_job()

    assert claim().id == next_in_line


@pytest.mark.fault("F19")
def test_eight_workers_racing_for_2000_jobs_never_take_one_twice(
    engine: Engine, execute: Step
) -> None:
    execute("INSERT INTO dataset_snapshot (id, data) VALUES (gen_random_uuid(), '{}')")
    execute("""INSERT INTO dataset_eval_jobs (snapshot_id)
               SELECT id FROM dataset_snapshot, generate_series(1, 2000)""")

    def drain(worker: Any) -> Any:
        claimed = []
        with engine.connect() as connection:
            while job := claim_with(connection, f"worker-{worker}"):
                connection.commit()
                claimed.append(job)
        return claimed

    with ThreadPoolExecutor(8) as workers:
        shares = list(workers.map(drain, range(8)))

    claimed = [job.id for share in shares for job in share]
    assert len(claimed) == len(set(claimed)) == 2000
    assert all(job.attempt == 1 for share in shares for job in share)
    assert execute("SELECT count(*) FROM dataset_eval_jobs WHERE status <> 'running'") == 0
    assert execute("SELECT count(*) FROM worker.evaluation_attempts") == 2000


# A session whose statements stop, after they took their snapshot and before they lock a row, for as
# long as the test holds an advisory lock.
SLOW_SESSION = """
    CREATE SCHEMA slow;
    CREATE FUNCTION slow.pause() RETURNS boolean LANGUAGE plpgsql VOLATILE AS $$
    BEGIN
        PERFORM pg_advisory_lock_shared(1);
        PERFORM pg_advisory_unlock_shared(1);
        RETURN true;
    END $$;
    CREATE VIEW slow.dataset_eval_jobs AS SELECT * FROM public.dataset_eval_jobs WHERE slow.pause();
"""


@pytest.fixture
def slow_claim(engine: Engine, execute: Step, wait_for_blocked: Step) -> Step:
    """Run something between the snapshot and the lock of a claim, and give what was claimed."""
    execute(SLOW_SESSION)

    def claim() -> Any:
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL search_path = slow, public"))
            return claim_with(connection, "slow worker")

    def run(meanwhile: Step) -> Any:
        with ThreadPoolExecutor(1) as thread, engine.connect() as gate:
            gate.execute(text("SELECT pg_advisory_lock(1)"))
            slow = thread.submit(claim)
            wait_for_blocked()
            meanwhile()
            gate.execute(text("SELECT pg_advisory_unlock(1)"))
            return slow.result(timeout=5)

    return run


def test_a_claim_with_an_old_snapshot_does_not_repeat_an_attempt_number(
    make_job: Step, claim: Step, fail: Step, slow_claim: Step, execute: Step
) -> None:
    make_job()

    def fail_and_stop_waiting() -> None:
        fail(claim())
        execute("UPDATE worker.evaluation_attempts SET retry_at = NULL")

    assert slow_claim(meanwhile=fail_and_stop_waiting).attempt == 2


def test_a_claim_with_an_old_snapshot_sees_that_the_job_has_to_wait(
    make_job: Step, claim: Step, fail: Step, slow_claim: Step
) -> None:
    make_job()

    assert slow_claim(meanwhile=lambda: fail(claim(), backoff=HOUR)) is None


def test_a_claim_that_was_beaten_to_a_job_takes_the_next(
    make_job: Step, claim: Step, fail: Step, slow_claim: Step
) -> None:
    make_job()
    next_in_line = make_job()

    assert slow_claim(meanwhile=lambda: fail(claim(), backoff=HOUR)).id == next_in_line


def test_after_a_lost_reply_a_worker_finds_the_job_that_it_holds(
    engine: Engine, make_job: Step, claim: Step
) -> None:
    make_job()
    make_job()
    job, _ = claim(worker="worker-1"), claim(worker="worker-2")

    with engine.connect() as connection:
        assert evaluation_jobs.open_attempt(connection, worker="worker-1") == job
        assert evaluation_jobs.open_attempt(connection, worker="worker-3") is None


def test_an_attempt_that_ended_is_not_found_as_open(
    engine: Engine, make_job: Step, claim: Step, fail: Step
) -> None:
    make_job()
    fail(claim())

    with engine.connect() as connection:
        assert evaluation_jobs.open_attempt(connection, worker="worker-1") is None


def test_an_attempt_that_ended_is_not_found_as_open_while_another_worker_has_the_job(
    engine: Engine, make_job: Step, claim: Step, fail: Step
) -> None:
    make_job()
    fail(claim(worker="worker-1"))
    with engine.begin() as connection:
        connection.execute(text("UPDATE worker.evaluation_attempts SET retry_at = NULL"))
    assert claim(worker="worker-2").attempt == 2

    with engine.connect() as connection:
        assert evaluation_jobs.open_attempt(connection, worker="worker-1") is None


def test_a_job_that_left_running_behind_the_back_of_the_triggers_is_held_by_nobody(
    engine: Engine, make_job: Step, claim: Step, execute: Step
) -> None:
    make_job()
    claim(worker="worker-1")
    execute("ALTER TABLE dataset_eval_jobs DISABLE TRIGGER USER")
    execute("UPDATE dataset_eval_jobs SET status = 'failed'")

    with engine.connect() as connection:
        assert evaluation_jobs.open_attempt(connection, worker="worker-1") is None


def test_polling_reads_the_queue_and_not_the_history(
    engine: Engine, make_job: Step, execute: Step
) -> None:
    job_id = make_job(status="done")
    execute(
        """INSERT INTO dataset_eval_jobs (snapshot_id, status)
           SELECT snapshot_id, 'done' FROM dataset_eval_jobs, generate_series(1, 5000)
            WHERE id = :job""",
        job=job_id,
    )
    execute("""INSERT INTO worker.evaluation_attempts
                      (job_id, attempt, worker, host, lease_until, ended, outcome)
               SELECT id, 1, 'w', 'h', now(), now(), 'done' FROM dataset_eval_jobs""")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))

    explain = text(f"EXPLAIN {evaluation_jobs.claiming.CLAIM.text}")
    values = {"worker": "w", "host": "h", "lease": HOUR, "most": 1}
    with engine.connect() as connection:
        plan = "\n".join(connection.execute(explain, values).scalars())

    assert "acoustic_workers_pending_jobs" in plan
    # A table of a row for each queue that is paused is as fast to read without its index.
    assert "Seq Scan" not in plan.replace("Seq Scan on pauses", "")
    assert "Hash" not in plan


def test_an_unknown_job_has_no_open_attempt(engine: Engine) -> None:
    with engine.connect() as connection:
        job = evaluation_jobs.EvaluationJob(
            id=uuid4(), attempt=1, worker="w", snapshot_id=uuid4(), options=None
        )

        assert evaluation_jobs.attempt_outcome(connection, job) is None
