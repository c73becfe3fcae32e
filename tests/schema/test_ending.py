"""Giving a job up: the result, errors, limits, and the fence before each of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from schema import evaluation_jobs
from schema.evaluation_jobs import EvaluationJob, Outcome, Usage
from schema.evaluation_jobs.ending import FORGIVEN_INTERRUPTIONS

Step = Callable[..., Any]  # a fixture that does one thing to the database


HOUR = timedelta(hours=1)
EXPIRED = timedelta(seconds=-1)
NOW = timedelta(0)
USAGE = Usage(exit_code=0, signal=None, peak_memory=2**33, cpu_seconds=1.5)
RESULT = {"accuracy": 92.41}
SETS = {"training_set": {"a": "happy", "b": "sad"}, "testing_set": {}}


@pytest.fixture
def finish(engine: Engine) -> Step:
    def finish(job: EvaluationJob, result: Any = RESULT) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.finish(connection, job, result=result, **SETS, usage=USAGE)

    return finish


@pytest.fixture
def rescue(engine: Engine) -> Step:
    def rescue() -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.rescue(connection, lease=NOW, max_attempts=3, backoff=NOW)

    return rescue


def outcome_of(engine: Engine, job: EvaluationJob) -> Any:
    with engine.connect() as connection:
        return evaluation_jobs.attempt_outcome(connection, job)


def test_a_finished_job_has_its_result_both_sets_and_a_closed_attempt(
    make_job: Step, claim: Step, finish: Step, show: Step, execute: Step
) -> None:
    job_id = make_job()

    assert finish(claim())

    details = show(job_id)
    assert (details.status.status, details.status.reason, details.result) == ("done", None, RESULT)
    assert details.training_set == SETS["training_set"]
    assert details.testing_set == {}
    [attempt] = details.attempts
    assert (attempt.outcome, attempt.counted, attempt.error) == (Outcome.DONE, False, None)
    assert (attempt.exit_code, attempt.peak_memory, attempt.cpu_seconds) == (0, 2**33, 1.5)
    assert execute("SELECT updated >= created FROM dataset_eval_jobs")


def test_a_result_that_postgres_would_refuse_is_stored_without_what_it_refuses(
    make_job: Step, claim: Step, finish: Step, show: Step
) -> None:
    job_id = make_job()

    assert finish(claim(), {"f1": float("nan"), "cl\x00ass": "\ud800", "big": 2**70})

    assert show(job_id).result == {"f1": None, "cl�ass": "�", "big": 2**70}


@pytest.mark.fault("F10")
def test_a_late_result_after_a_rescue_is_refused_and_leaves_no_sets_behind(
    *, make_job: Step, claim: Step, finish: Step, rescue: Step, show: Step, execute: Step
) -> None:
    job_id = make_job()
    slow = claim(lease=EXPIRED)
    rescue()

    assert not finish(slow)

    assert show(job_id).result is None
    assert execute("SELECT count(*) FROM dataset_eval_sets") == 0


@pytest.mark.fault("F10")
def test_a_late_result_is_refused_while_the_next_attempt_runs(
    make_job: Step, claim: Step, finish: Step, rescue: Step, show: Step
) -> None:
    job_id = make_job()
    slow = claim(lease=EXPIRED)
    rescue()
    second = claim()

    assert not finish(slow, {"accuracy": 1.0})
    assert finish(second, {"accuracy": 2.0})
    assert not finish(slow, {"accuracy": 1.0})

    assert show(job_id).result == {"accuracy": 2.0}
    assert [attempt.outcome for attempt in show(job_id).attempts] == [Outcome.LOST, Outcome.DONE]


def test_a_result_is_accepted_after_the_lease_ran_out_when_nobody_took_the_job(
    make_job: Step, claim: Step, finish: Step
) -> None:
    make_job()

    assert finish(claim(lease=EXPIRED))


def test_a_result_that_waits_behind_a_cancellation_is_refused(
    *,
    engine: Engine,
    make_job: Step,
    claim: Step,
    finish: Step,
    wait_for_blocked: Step,
    show: Step,
    execute: Step,
) -> None:
    job_id = make_job()
    job = claim()

    with ThreadPoolExecutor(1) as thread:
        with engine.begin() as connection:
            evaluation_jobs.cancel(connection, job_id)
            finishing = thread.submit(finish, job)
            wait_for_blocked()
        assert not finishing.result(timeout=5)

    assert show(job_id).status.status == "failed"
    assert execute("SELECT count(*) FROM dataset_eval_sets") == 0


def test_a_result_that_waits_while_the_job_changes_hands_is_refused(
    *, engine: Engine, make_job: Step, claim: Step, finish: Step, wait_for_blocked: Step, show: Step
) -> None:
    job_id = make_job()
    slow = claim(lease=EXPIRED)

    with ThreadPoolExecutor(1) as thread:
        with engine.begin() as connection:
            evaluation_jobs.rescue(connection, lease=NOW, max_attempts=3, backoff=NOW)
            finishing = thread.submit(finish, slow)
            wait_for_blocked()
            evaluation_jobs.claim(connection, worker="worker-2", host="host", lease=HOUR)
        assert not finishing.result(timeout=5)

    assert show(job_id).status.status == "running"


def test_after_a_lost_commit_reply_the_attempt_says_that_the_result_was_accepted(
    engine: Engine, make_job: Step, claim: Step, finish: Step
) -> None:
    make_job()
    job = claim()
    finish(job)

    assert not finish(job)
    assert outcome_of(engine, job) is Outcome.DONE


def test_an_attempt_that_was_lost_says_so_to_its_late_worker(
    engine: Engine, make_job: Step, claim: Step, rescue: Step
) -> None:
    make_job()
    job = claim(lease=EXPIRED)
    assert outcome_of(engine, job) is None

    rescue()

    assert outcome_of(engine, job) is Outcome.LOST


def test_an_error_gives_the_job_back_with_the_sentence_and_keeps_the_traceback_apart(
    make_job: Step, claim: Step, fail: Step, show: Step
) -> None:
    job_id = make_job()

    usage = Usage(exit_code=None, signal=9, peak_memory=5, cpu_seconds=0.5)
    status = fail(
        claim(), outcome=Outcome.CRASHED, message="Killed.", traceback="line 1", usage=usage
    )

    details = show(job_id)
    assert status == details.status.status == "pending"
    assert details.status.reason == "Killed."
    [attempt] = details.attempts
    assert (attempt.outcome, attempt.counted) == (Outcome.CRASHED, True)
    assert (attempt.error, attempt.traceback, attempt.signal) == ("Killed.", "line 1", 9)


def test_a_message_that_postgres_would_refuse_is_cleaned(
    make_job: Step, claim: Step, fail: Step, show: Step
) -> None:
    job_id = make_job()

    fail(claim(), message="a\x00b", traceback="\udcff")

    assert show(job_id).status.reason == "a�b"
    assert show(job_id).attempts[0].traceback == "�"


def test_a_long_traceback_keeps_its_end(
    make_job: Step, claim: Step, fail: Step, show: Step
) -> None:
    job_id = make_job()

    fail(claim(), traceback="x" * 1_000_000 + "ValueError: the cause")

    kept = show(job_id).attempts[0].traceback
    assert len(kept) < 100_000
    assert kept.endswith("ValueError: the cause")


def test_a_job_is_failed_when_its_attempts_are_used_up(
    make_job: Step, claim: Step, fail: Step, show: Step
) -> None:
    job_id = make_job()

    assert [fail(claim()) for _ in range(3)] == ["pending", "pending", "failed"]
    assert claim() is None
    assert [attempt.attempt for attempt in show(job_id).attempts] == [1, 2, 3]


def test_errors_and_lost_workers_count_towards_the_same_limit(
    make_job: Step, claim: Step, fail: Step, rescue: Step
) -> None:
    make_job()
    fail(claim())
    claim(lease=EXPIRED)
    rescue()

    assert fail(claim()) == "failed"


def test_an_input_error_fails_the_job_at_the_first_attempt(
    make_job: Step, claim: Step, fail: Step, show: Step
) -> None:
    job_id = make_job()

    assert fail(claim(), terminal=True, message="Class sad has one recording.") == "failed"
    assert show(job_id).status.reason == "Class sad has one recording."
    assert show(job_id).attempts[0].retry_at is None


def test_interruptions_do_not_count_and_the_job_can_be_taken_at_once(
    make_job: Step, claim: Step, fail: Step, show: Step
) -> None:
    job_id = make_job()
    for _ in range(5):
        assert fail(claim(), outcome=Outcome.INTERRUPTED, backoff=HOUR, max_attempts=1) == "pending"

    assert fail(claim(), max_attempts=2) == "pending"
    assert [attempt.counted for attempt in show(job_id).attempts] == [False] * 5 + [True]


def test_a_job_that_is_interrupted_for_ever_is_failed_in_the_end(
    make_job: Step, claim: Step, fail: Step
) -> None:
    make_job()
    for _ in range(FORGIVEN_INTERRUPTIONS):
        assert fail(claim(), outcome=Outcome.INTERRUPTED) == "pending"

    statuses = [fail(claim(), outcome=Outcome.INTERRUPTED) for _ in range(3)]

    assert statuses == ["pending", "pending", "failed"]


def test_an_error_that_does_not_count_still_makes_the_job_wait(
    make_job: Step, claim: Step, fail: Step
) -> None:
    make_job()

    assert fail(claim(), counted=False, max_attempts=1, backoff=HOUR) == "pending"
    assert claim() is None


def test_the_wait_doubles_with_each_failure_and_is_at_most_an_hour(
    make_job: Step, claim: Step, fail: Step, execute: Step
) -> None:
    make_job()
    waits = []
    for _ in range(9):
        fail(claim(), backoff=timedelta(seconds=30), max_attempts=100)
        waits.append(
            execute("""SELECT extract(epoch FROM retry_at - ended)::float
                         FROM worker.evaluation_attempts ORDER BY attempt DESC LIMIT 1""")
        )
        execute("UPDATE worker.evaluation_attempts SET retry_at = now()")

    longest = [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert all(0.75 * most <= wait <= most for wait, most in zip(waits, longest, strict=True))


def test_jobs_that_failed_together_do_not_come_back_together(
    make_job: Step, claim: Step, fail: Step, execute: Step
) -> None:
    for _ in range(5):
        make_job()
        fail(claim(), backoff=HOUR)

    assert execute("SELECT count(DISTINCT retry_at - ended) FROM worker.evaluation_attempts") == 5


@pytest.mark.parametrize("outcome", [Outcome.ERROR, Outcome.INTERRUPTED])
def test_a_late_error_is_refused(
    *, make_job: Step, claim: Step, fail: Step, rescue: Step, show: Step, outcome: Outcome
) -> None:
    job_id = make_job()
    slow = claim(lease=EXPIRED)
    rescue()
    claim()

    assert fail(slow, outcome=outcome, terminal=True) is None
    assert show(job_id).status.status == "running"


def test_an_error_of_a_job_that_is_gone_is_refused(
    make_job: Step, claim: Step, fail: Step, execute: Step
) -> None:
    make_job()
    job = claim()
    execute("DELETE FROM dataset_eval_jobs")

    assert fail(job) is None


@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.LOST, Outcome.CANCELLED])
def test_a_worker_cannot_end_its_attempt_in_the_name_of_others(
    make_job: Step, claim: Step, fail: Step, outcome: Outcome
) -> None:
    make_job()

    with pytest.raises(ValueError, match=outcome):
        fail(claim(), outcome=outcome)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE worker.evaluation_attempts SET ended = now()",
        "UPDATE worker.evaluation_attempts SET outcome = 'done'",
        "UPDATE worker.evaluation_attempts SET ended = now(), outcome = 'perhaps'",
        """INSERT INTO worker.evaluation_attempts (job_id, attempt, worker, host, lease_until)
           SELECT job_id, 2, '', '', now() FROM worker.evaluation_attempts""",
    ],
)
def test_the_table_refuses_a_state_that_no_attempt_can_be_in(
    engine: Engine, make_job: Step, claim: Step, statement: str
) -> None:
    make_job()
    claim()

    with engine.connect() as connection, pytest.raises(Exception, match="violates"):
        connection.execute(text(statement))


@pytest.fixture(params=["finish", "fail"])
def give_up(request: pytest.FixtureRequest) -> Step:
    """Each of the two ways to give a job up; what it gives is falsy when it was refused."""
    return request.getfixturevalue(request.param)


def test_a_worker_that_gives_up_a_job_takes_its_locks_in_the_order_of_everybody_else(
    engine: Engine, make_job: Step, claim: Step, give_up: Step, wait_for_blocked: Step
) -> None:
    make_job()
    job = claim()

    with ThreadPoolExecutor(1) as thread:
        with engine.begin() as connection:
            connection.execute(text("SELECT FROM dataset_eval_jobs FOR NO KEY UPDATE"))
            giving_up = thread.submit(give_up, job)
            wait_for_blocked()
            # The trigger goes on to the attempt: a worker that held that would be a deadlock.
            connection.execute(text("UPDATE dataset_eval_jobs SET status = 'failed'"))
        assert not giving_up.result(timeout=5)


def test_a_job_that_left_running_behind_the_back_of_the_triggers_is_not_written(
    make_job: Step, claim: Step, give_up: Step, execute: Step
) -> None:
    make_job()
    job = claim()
    execute("ALTER TABLE dataset_eval_jobs DISABLE TRIGGER USER")
    execute("UPDATE dataset_eval_jobs SET status = 'failed'")

    assert not give_up(job)
    assert execute("SELECT status::text FROM dataset_eval_jobs") == "failed"


@pytest.fixture
def writes(engine: Engine, finish: Step, fail: Step) -> dict[str, Step]:
    """What a worker writes of its attempt, each in a transaction of its own."""

    def renew(job: EvaluationJob) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.renew(connection, job, lease=HOUR)

    return {"renew": renew, "finish": finish, "end": fail}


@pytest.mark.parametrize("write", ["renew", "finish", "end"])
def test_a_worker_whose_attempt_was_deleted_writes_nothing_into_its_successor_s(
    make_job: Step, claim: Step, execute: Step, writes: dict[str, Step], write: str
) -> None:
    make_job()
    before = claim(worker="before")
    execute("DELETE FROM worker.evaluation_attempts")
    execute("UPDATE dataset_eval_jobs SET status = 'pending'")
    now = claim(worker="now")
    assert (before.id, before.attempt) == (now.id, now.attempt)

    assert not writes[write](before)
    assert writes[write](now)
