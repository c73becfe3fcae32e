"""Asking for an evaluation, looking at it, cancelling it, trying it again."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, text

from schema import datasets, evaluation_jobs, snapshots
from schema.errors import NotFound, SchemaError
from schema.evaluation_jobs import Outcome

Step = Callable[..., Any]  # a fixture that does one thing to the database


HOUR = timedelta(hours=1)
NOW = timedelta(0)
RECORDINGS = [uuid4() for _ in range(4)]


@pytest.fixture
def dataset(engine: Engine) -> Any:
    with engine.begin() as connection:
        return datasets.create(
            connection,
            name="moods",
            description="Two moods",
            classes={"sad": RECORDINGS[:2], "happy": RECORDINGS[2:]},
            author="somebody",
        )


@pytest.fixture
def enqueue(engine: Engine, dataset: UUID) -> Step:
    def enqueue(dataset_id: UUID = dataset, options: Any = None) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.enqueue(connection, dataset_id, options)

    return enqueue


@pytest.fixture
def cancel(engine: Engine) -> Step:
    def cancel(job_id: UUID) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.cancel(connection, job_id)

    return cancel


@pytest.fixture
def retry(engine: Engine) -> Step:
    def retry(job_id: UUID) -> Any:
        with engine.begin() as connection:
            return evaluation_jobs.retry(connection, job_id)

    return retry


@pytest.fixture
def status_table(engine: Engine) -> Step:
    """The rows of the view for people."""

    def status_table() -> Any:
        with engine.connect() as connection:
            return connection.execute(text("SELECT * FROM worker.job_status")).all()

    return status_table


def test_enqueuing_by_sql_freezes_the_dataset_and_gives_the_id_of_the_job(
    execute: Step, dataset: UUID, claim: Step, engine: Engine
) -> None:
    job_id = execute("SELECT worker.enqueue_evaluation(:d, '{\"seed\": 1}')", d=dataset)
    execute("DELETE FROM dataset_class_member")

    job = claim()

    assert (job.id, job.options) == (job_id, {"seed": 1})
    with engine.connect() as connection:
        snapshot = snapshots.read(connection, job.snapshot_id)
    assert (snapshot.dataset_id, snapshot.name, snapshot.description) == (
        dataset,
        "moods",
        "Two moods",
    )
    assert snapshot.classes == (
        ("sad", tuple(sorted(map(str, RECORDINGS[:2])))),
        ("happy", tuple(sorted(map(str, RECORDINGS[2:])))),
    )


def test_a_snapshot_has_the_shape_that_acousticbrainz_gives_it(
    enqueue: Step, execute: Step, dataset: UUID
) -> None:
    enqueue()

    data = execute("SELECT data FROM dataset_snapshot")
    assert {**data, "classes": None} == {
        "id": str(dataset),
        "name": "moods",
        "description": "Two moods",
        "classes": None,
    }
    assert {"name", "description", "recordings"} <= set(data["classes"][0])


def test_a_dataset_without_classes_is_enqueued_with_an_empty_list(
    engine: Engine, enqueue: Step, execute: Step
) -> None:
    with engine.begin() as connection:
        empty = datasets.create(connection, name="e", description="", classes={}, author="a")

    enqueue(empty)

    assert execute("SELECT data -> 'classes' FROM dataset_snapshot") == []


def test_a_class_without_recordings_is_enqueued_with_an_empty_list(
    engine: Engine, enqueue: Step, execute: Step
) -> None:
    with engine.begin() as connection:
        empty = datasets.create(connection, name="e", description="", classes={"x": []}, author="a")

    enqueue(empty)

    assert execute("SELECT data -> 'classes' -> 0 -> 'recordings' FROM dataset_snapshot") == []


def test_options_are_handed_over_as_they_are(enqueue: Step, claim: Step) -> None:
    enqueue(options={"c_values": [1], "unknown": "kept"})

    assert claim().options == {"c_values": [1], "unknown": "kept"}


def test_an_unknown_dataset_is_refused_by_name(enqueue: Step) -> None:
    missing = uuid4()

    with pytest.raises(NotFound, match=f"There is no dataset {missing}"):
        enqueue(missing)


def test_a_dataset_that_waits_already_is_refused_with_the_job_it_waits_for(enqueue: Step) -> None:
    job_id = enqueue()

    with pytest.raises(SchemaError, match=f"already has a pending job: {job_id}"):
        enqueue()


def test_a_dataset_that_is_running_is_refused(enqueue: Step, claim: Step) -> None:
    enqueue()
    claim()

    with pytest.raises(SchemaError, match="already has a running job"):
        enqueue()


def test_a_dataset_can_be_evaluated_again_after_its_job_ended(enqueue: Step, cancel: Step) -> None:
    cancel(enqueue())

    assert enqueue()


def test_two_people_who_enqueue_a_dataset_at_once_get_one_job(
    engine: Engine, dataset: UUID
) -> None:
    with engine.begin() as one, engine.begin() as other:
        evaluation_jobs.enqueue(one, dataset, None)
        other.execute(text("SET LOCAL lock_timeout = '100ms'"))
        with pytest.raises(Exception, match="lock timeout"), other.begin_nested():
            evaluation_jobs.enqueue(other, dataset, None)


def test_a_pending_job_is_cancelled(make_job: Step, cancel: Step, claim: Step, show: Step) -> None:
    job_id = make_job()

    assert cancel(job_id) == f"Job {job_id} is cancelled; it was pending."
    assert claim() is None
    assert show(job_id).status.reason == "cancelled by operator"


def test_a_running_job_is_cancelled_and_its_worker_is_fenced_out(
    make_job: Step, claim: Step, cancel: Step, show: Step
) -> None:
    job_id = make_job()
    claim()

    assert cancel(job_id) == f"Job {job_id} is cancelled; it was running."

    details = show(job_id)
    assert details.status.status == "failed"
    assert details.attempts[0].outcome is Outcome.CANCELLED
    assert "cancelled by operator" in details.attempts[0].error


@pytest.mark.parametrize("status", ["done", "failed"])
def test_cancelling_a_job_that_ended_says_so_and_changes_nothing(
    make_job: Step, cancel: Step, show: Step, status: str
) -> None:
    job_id = make_job(status=status, status_msg="as it was")

    assert cancel(job_id) == f"Job {job_id} is {status} already: there is nothing to cancel."
    assert show(job_id).status.status == status
    assert show(job_id).status.reason == "as it was"


def test_a_failed_job_is_retried_with_all_its_attempts(
    make_job: Step, claim: Step, fail: Step, retry: Step
) -> None:
    job_id = make_job()
    fail(claim(), terminal=True)

    assert retry(job_id) == f"Job {job_id} is pending again; it was failed."
    assert [fail(claim()) for _ in range(3)] == ["pending", "pending", "failed"]


def test_retrying_a_job_that_waits_ends_its_wait(
    make_job: Step, claim: Step, fail: Step, retry: Step
) -> None:
    job_id = make_job()
    fail(claim(), backoff=HOUR)

    assert retry(job_id) == f"Job {job_id} is retried at once."
    assert claim().attempt == 2


def test_retrying_a_pending_job_says_that_it_is_pending(make_job: Step, retry: Step) -> None:
    job_id = make_job()

    assert retry(job_id) == f"Job {job_id} is pending already."


def test_a_job_that_runs_is_not_retried(
    make_job: Step, claim: Step, retry: Step, show: Step
) -> None:
    job_id = make_job()
    claim(worker="worker-7")

    assert retry(job_id) == f"Job {job_id} runs on worker-7: cancel it first."
    assert show(job_id).status.status == "running"


def test_a_job_that_an_older_evaluator_left_running_is_retried(
    make_job: Step, retry: Step, claim: Step
) -> None:
    job_id = make_job(status="running")

    assert retry(job_id) == f"Job {job_id} is pending again; it was running."
    assert claim().id == job_id


@pytest.mark.parametrize("action", ["cancel", "retry", "show"])
def test_an_unknown_job_is_refused_by_name(engine: Engine, action: str) -> None:
    missing = uuid4()

    with engine.connect() as connection, pytest.raises(NotFound, match=f"job {missing}"):
        getattr(evaluation_jobs, action)(connection, missing)


def test_jobs_are_listed_running_first_then_the_queue_then_the_last_that_ended(
    engine: Engine, make_job: Step, claim: Step
) -> None:
    now = datetime.now(UTC)
    older = make_job(status="done", updated=now - 2 * HOUR)
    newer = make_job(status="failed", updated=now - HOUR)
    running = make_job(created=now - 3 * HOUR)
    claim()
    second = make_job(created=now - HOUR)
    first = make_job(created=now - 2 * HOUR)

    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)
        pending = evaluation_jobs.list_jobs(connection, status="pending", limit=1)

    assert [job.id for job in jobs] == [running, first, second, newer, older]
    assert [job.position for job in jobs] == [None, 1, 2, None, None]
    assert [job.id for job in pending] == [first]


def test_the_view_lists_jobs_in_the_same_order(
    engine: Engine, make_job: Step, claim: Step, status_table: Step
) -> None:
    make_job(status="done")
    for _ in range(4):
        make_job()
    claim()

    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)

    assert [row.job for row in status_table()] == [job.id for job in jobs]


def test_the_view_shows_a_running_job_with_its_progress_and_the_time_left(
    engine: Engine, enqueue: Step, claim: Step, status_table: Step
) -> None:
    enqueue()
    job = claim(worker="worker-7")
    with engine.begin() as connection:
        started = connection.execute(text("SELECT now() - interval '300 s'")).scalar_one()
        progress = {"stage": "grid", "done": 300, "total": 408, "started": started.isoformat()}
        evaluation_jobs.renew(connection, job, lease=HOUR, progress=progress)

    [row] = status_table()

    assert row._fields == (
        *("dataset", "status", "pos", "try", "worker", "stage", "progress", "left"),
        *("age", "reason", "job"),
    )
    assert row[:7] == ("moods", "running", None, 1, "worker-7", "grid", "300/408 73%")
    assert timedelta(seconds=108) <= row.left <= timedelta(seconds=112)
    assert row.age.microseconds == 0


def test_the_view_tells_when_a_failed_attempt_is_repeated_and_why_it_failed(
    make_job: Step, claim: Step, fail: Step, status_table: Step
) -> None:
    make_job()
    fail(claim(), message="It broke.\nWith details.", backoff=timedelta(seconds=59))

    [row] = status_table()

    assert (row.status, row.pos, row[3], row.worker) == ("pending", 1, 1, None)
    assert row.progress.startswith("again in 00:00:")
    assert row.reason == "It broke."


def test_the_view_keeps_the_last_reason_while_the_next_attempt_runs(
    make_job: Step, claim: Step, fail: Step, status_table: Step
) -> None:
    make_job()
    fail(claim(), message="It broke.")
    claim()

    [row] = status_table()

    assert (row.status, row[3], row.reason) == ("running", 2, "It broke.")


def test_the_view_forgets_the_reason_when_the_job_is_done(
    make_job: Step, claim: Step, fail: Step, execute: Step, engine: Engine
) -> None:
    job_id = make_job()
    fail(claim(), message="It broke.")
    execute("UPDATE dataset_eval_jobs SET status = 'done', status_msg = NULL")

    with engine.connect() as connection:
        assert evaluation_jobs.show(connection, job_id).status.reason is None


@pytest.mark.parametrize(
    "progress",
    [
        "null",
        "[]",
        '"half"',
        "{}",
        '{"done": 0, "total": 0, "started": "2026-01-01"}',
        '{"done": "x", "total": {}, "started": 5}',
        '{"done": 1, "total": 2, "started": "yesterday, about"}',
        '{"done": 1, "total": 2, "started": "9999-99-99"}',
        '{"done": 1e300, "total": 1e305, "started": "2026-01-01"}',
        '{"done": 1e-300, "total": 1e300, "started": "2026-01-01"}',
        '{"done": 3, "total": 2, "started": "2026-01-01"}',
    ],
)
def test_the_view_survives_progress_that_makes_no_sense(
    make_job: Step, claim: Step, execute: Step, status_table: Step, progress: Any
) -> None:
    make_job()
    claim()
    execute("UPDATE worker.evaluation_attempts SET progress = CAST(:p AS jsonb)", p=progress)

    [row] = status_table()
    assert row.left is None


def test_the_view_survives_a_snapshot_that_makes_no_sense(
    make_job: Step, execute: Step, status_table: Step
) -> None:
    make_job()
    execute("UPDATE dataset_snapshot SET data = '[1]'")

    assert status_table()[0].dataset is None


def test_a_job_for_a_remote_evaluator_has_no_place_in_the_queue(
    make_job: Step, status_table: Step
) -> None:
    make_job(eval_location="remote")

    assert status_table()[0].pos is None


def test_a_job_is_found_by_the_beginning_of_its_id(engine: Engine, make_job: Step) -> None:
    now = datetime.now(UTC)
    ids = [UUID(f"abc{number}0000-0000-4000-8000-000000000000") for number in range(3)]
    for age, job_id in enumerate(ids):
        make_job(id=job_id, created=now - timedelta(hours=age))

    with engine.connect() as connection:
        assert evaluation_jobs.matching(connection, "ABC") == ids
        assert evaluation_jobs.matching(connection, "abc", limit=2) == ids[:2]
        assert evaluation_jobs.matching(connection, str(ids[1])) == [ids[1]]
        assert evaluation_jobs.matching(connection, "%") == []
        assert evaluation_jobs.matching(connection, "abc\x00") == []


def test_a_job_that_nobody_claimed_and_that_stands_as_running_is_named(
    engine: Engine, make_job: Step, claim: Step
) -> None:
    make_job()
    claim()
    left = make_job(status="running")

    with engine.connect() as connection:
        assert evaluation_jobs.legacy_running(connection) == [left]


def test_the_view_says_nothing_of_progress_where_no_work_was_done(
    make_job: Step, claim: Step, status_table: Step
) -> None:
    make_job()
    make_job()
    claim()

    for row in status_table():
        assert (row.stage, row.progress, row.left) == (None, None, None)
