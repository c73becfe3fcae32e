"""Faults around a job: processes that die, a database that goes away, people who meddle."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

import migrations
from tests.conftest import Recovery
from worker.embedded import EmbeddedPostgres
from worker.settings import RENEWALS_PER_LEASE

Start = Callable[..., Any]
Until = Callable[..., Any]

# The first characters of this job's id name the folder of its bundle.
OBSTRUCTED = UUID("0b570000-0000-4000-8000-000000000001")

# How late a process that is due may run on a busy machine. Seconds.
MARGIN = 1


@contextmanager
def running(service: Any, start_evaluator: Start, **settings: Any) -> Iterator[tuple[Any, UUID]]:
    """A job that runs for as long as the block does, and its evaluator."""
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(**settings)
        service.wait_until_blocked()
        assert service.outcomes(job) == [None]
        yield evaluator, job


def crash_once(service: Any, evaluator: Any, job: UUID, until: Until) -> None:
    before = len([outcome for outcome in service.outcomes(job) if outcome])
    with service.documents_locked():
        service.skip_backoff(job)
        service.wait_until_blocked()
        os.kill(evaluator.child(), signal.SIGKILL)
        until(lambda: len([o for o in service.outcomes(job) if o]) > before)


@pytest.mark.fault("F32")
def test_a_job_that_takes_longer_than_its_lease_is_kept_by_its_worker(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    with running(service, start_evaluator, lease_seconds=1) as (_, job):
        seen = set()

        def renewed() -> bool:
            seen.add(service.show(job).attempts[0].lease_until)
            return len(seen) > 8

        until(renewed)
        assert service.outcomes(job) == [None]


@pytest.mark.fault("F2", "F6")
def test_a_training_that_is_killed_is_tried_again_and_fails_in_the_end(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    evaluator = start_evaluator(max_attempts=2)

    crash_once(service, evaluator, job, until)
    assert service.status(job) == "pending"
    crash_once(service, evaluator, job, until)

    details = service.wait_for(job, "failed")
    assert service.outcomes(job) == ["crashed", "crashed"]
    assert details.status.reason.startswith(
        "training process was killed by SIGKILL (out of memory?); peak memory"
    )
    assert details.attempts[0].signal == signal.SIGKILL
    assert details.attempts[0].peak_memory > 10_000_000
    assert service.leftovers() == []
    assert service.wait_for(service.job(), "done", "failed").status.status == "done"
    assert evaluator.process.poll() is None


@pytest.mark.fault("F8")
def test_an_exception_of_the_training_is_tried_again_with_its_traceback_kept(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    obstacle = service.models / "0"
    obstacle.parent.mkdir()
    obstacle.touch()  # where the folder of the bundle should be
    job = service.job(identity=OBSTRUCTED)
    start_evaluator(max_attempts=2)

    until(lambda: service.outcomes(job) == ["error"])
    details = service.show(job)
    assert details.status.status == "pending"
    assert details.status.retry_at is not None
    assert "NotADirectoryError" in details.attempts[0].traceback
    assert service.leftovers() == [str(obstacle)]
    obstacle.unlink()
    service.skip_backoff(job)

    assert service.wait_for(job, "done", "failed").status.status == "done"
    assert service.outcomes(job) == ["error", "done"]


def test_a_worker_that_cannot_start_a_training_fails_the_attempt_and_lives(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator()
    until(lambda: "evaluator started" in evaluator.events())
    (service.projects / ".attempts").touch()  # where the attempt's folder should be made

    job = service.job()

    until(lambda: service.outcomes(job) == ["error"])
    attempt = service.show(job).attempts[0]
    assert not attempt.counted
    assert "Not a directory" in attempt.error
    assert "NotADirectoryError" in attempt.traceback
    (service.projects / ".attempts").unlink()
    assert service.wait_for(service.job(), "done", "failed").status.status == "done"


def test_an_outcome_that_cannot_be_read_fails_the_attempt_and_not_the_worker(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    with service.documents_locked():
        start_evaluator()
        service.wait_until_blocked()
        folder = service.projects / ".attempts" / f"{job}-1"
        folder.rename(service.projects / "elsewhere")
        folder.touch()

    until(lambda: service.outcomes(job) == ["error"])
    assert "Not a directory" in service.show(job).attempts[0].error
    service.skip_backoff(job)
    assert service.wait_for(job, "done", "failed").status.status == "done"
    assert service.outcomes(job) == ["error", "done"]


def test_what_this_computer_lacks_is_not_met_by_job_after_job_without_a_pause(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    service.projects.mkdir()
    (service.projects / ".attempts").touch()  # where the folders of attempts should be made
    jobs = [service.job(), service.job()]

    start_evaluator(poll_seconds=1)

    # Also though the database tells of the first job that it is pending again.
    until(lambda: [service.outcomes(job) for job in jobs] == [["error"]] * 2)
    first, second = (service.show(job).attempts[0] for job in jobs)
    assert (second.started - first.ended).total_seconds() >= 0.9


@pytest.mark.fault("F1")
def test_a_killed_worker_takes_its_training_along_and_another_one_finishes_the_job(
    service: Any, start_evaluator: Start, until: Until, *, group_members: Any, recovery: Recovery
) -> None:
    with running(service, start_evaluator, lease_seconds=1) as (evaluator, job):
        group = evaluator.child()
        other = start_evaluator(lease_seconds=1)
        until(lambda: "evaluator started" in other.events())
        killed = service.execute("SELECT now()")
        evaluator.process.kill()

        with recovery():
            until(lambda: not group_members(group))
            until(lambda: service.outcomes(job) == ["lost"])
        sweep = 1 / RENEWALS_PER_LEASE
        assert (service.show(job).attempts[0].ended - killed).total_seconds() < 1 + sweep + MARGIN
        until(lambda: service.leftovers() == [])
    service.skip_backoff(job)

    service.wait_for(job, "done")
    assert service.outcomes(job) == ["lost", "done"]
    assert [path.name for path in service.bundles(job)] == [f"{job}-2.model"]
    assert service.leftovers() == []


@pytest.mark.fault("F1")
def test_the_next_worker_removes_what_a_killed_one_left(
    service: Any, start_evaluator: Start
) -> None:
    with running(service, start_evaluator) as (evaluator, job):
        evaluator.process.kill()
        evaluator.process.wait()
        assert service.leftovers()
        # Cancelled, so that nobody will ever claim it again.
        service.execute("SELECT worker.cancel_evaluation(:job)", job=job)

    start_evaluator("--once").exit_code()

    assert service.leftovers() == []


@pytest.mark.fault("F26")
def test_a_bundle_whose_worker_died_before_it_could_say_so_is_removed(
    service: Any, start_evaluator: Start
) -> None:
    job = service.job()
    service.execute(
        "INSERT INTO worker.evaluation_attempts"
        " (job_id, attempt, worker, host, lease_until, ended, outcome, counted)"
        " VALUES (:job, 1, 'w', 'h', now(), now(), 'lost', true)",
        job=job,
    )
    orphan = service.models / str(job)[:1] / str(job)[:2] / f"{job}-1.model"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"")

    assert start_evaluator("--once").exit_code() == 0

    assert [path.name for path in service.bundles(job)] == [f"{job}-2.model"]


@pytest.mark.fault("F9", "F10")
def test_a_worker_that_was_asleep_throws_away_what_it_has_when_another_one_took_the_job(
    service: Any, start_evaluator: Start, until: Until, recovery: Recovery
) -> None:
    with running(service, start_evaluator, lease_seconds=1) as (evaluator, job):
        evaluator.process.send_signal(signal.SIGSTOP)
        other = start_evaluator()
        until(lambda: service.outcomes(job) == ["lost"])
        service.skip_backoff(job)
        until(lambda: service.outcomes(job) == ["lost", None])
    # The sleeper's training ends meanwhile, for it sleeps alone; its result is on disk.
    until(lambda: service.bundles(job))
    service.wait_for(job, "done")

    evaluator.process.send_signal(signal.SIGCONT)

    with recovery():
        until(lambda: any("not ours any more" in event for event in evaluator.events()))
        until(lambda: [path.name for path in service.bundles(job)] == [f"{job}-2.model"])
    assert service.outcomes(job) == ["lost", "done"]
    assert service.show(job).result["model"]["path"].endswith("-2.model")
    assert service.leftovers() == []
    assert other.process.poll() is None
    assert evaluator.process.poll() is None


def test_an_attempt_whose_row_somebody_deleted_spoils_none_of_the_next(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    with service.documents_locked():
        asleep = start_evaluator()
        service.wait_until_blocked()
        asleep.process.send_signal(signal.SIGSTOP)
        service.execute("DELETE FROM worker.evaluation_attempts")
        service.execute("UPDATE dataset_eval_jobs SET status = 'pending'")
        start_evaluator()
        until(lambda: service.outcomes(job) == ["error"])
        assert "resource busy" in service.show(job).attempts[0].error
        asleep.process.send_signal(signal.SIGCONT)
        until(lambda: any("not ours any more" in event for event in asleep.events()))
    service.skip_backoff(job)

    service.wait_for(job, "done")
    assert service.outcomes(job) == ["error", "done"]
    assert [path.name for path in service.bundles(job)] == [f"{job}-2.model"]


def test_a_result_that_the_database_refuses_is_an_error_of_the_attempt(
    service: Any, start_evaluator: Start
) -> None:
    service.execute("ALTER TABLE dataset_eval_jobs ADD CONSTRAINT no_result CHECK (result IS NULL)")
    job = service.job()

    assert start_evaluator("--once", max_attempts=1).exit_code() == 4

    details = service.show(job)
    assert details.status.status == "failed"
    assert "no_result" in details.status.reason
    assert "IntegrityError" in details.attempts[0].traceback
    assert service.bundles(job) == []
    assert service.leftovers() == []


def test_a_result_that_nothing_may_be_written_to_is_kept_until_it_may(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    service.execute("ALTER TABLE dataset_eval_sets RENAME TO elsewhere")
    job = service.job()
    evaluator = start_evaluator()
    refused = "the database refuses the end of the job, which an operator has to mend"
    until(lambda: refused in evaluator.events())

    service.execute("ALTER TABLE elsewhere RENAME TO dataset_eval_sets")

    service.wait_for(job, "done")
    assert service.outcomes(job) == ["done"]
    assert len(service.bundles(job)) == 1


def test_a_result_that_waits_too_long_for_a_lock_is_written_later(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    with running(service, start_evaluator) as (evaluator, job):
        operator = service.engine.connect()
        operator.exec_driver_sql("SELECT FROM dataset_eval_jobs FOR UPDATE")
    until(lambda: "the database cannot be used" in evaluator.events())
    assert "statement timeout" in str(evaluator.log())

    operator.close()

    service.wait_for(job, "done")
    assert service.outcomes(job) == ["done"]


def test_an_error_that_nobody_foresaw_is_met_with_a_pause_and_not_with_the_end(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator()
    until(lambda: "evaluator started" in evaluator.events())
    service.execute("ALTER TABLE worker.evaluation_attempts RENAME TO elsewhere")
    until(lambda: evaluator.events().count("unforeseen error at the database") >= 2)
    assert evaluator.events().count("unforeseen error at the database") < 10
    service.execute("ALTER TABLE worker.elsewhere RENAME TO evaluation_attempts")

    service.wait_for(service.job(), "done")


@pytest.mark.fault("F21", "F22", "F23")
@pytest.mark.parametrize(
    ("statement", "status"),
    [
        ("SELECT worker.cancel_evaluation(:job)", "failed"),
        ("UPDATE dataset_eval_jobs SET status = 'failed' WHERE id = :job", "failed"),
        ("UPDATE dataset_eval_jobs SET status = 'done' WHERE id = :job", "done"),
        ("DELETE FROM dataset_eval_jobs WHERE id = :job", None),
    ],
)
def test_a_job_that_somebody_takes_away_is_stopped_and_nothing_is_written(
    statement: str,
    status: str | None,
    *,
    service: Any,
    start_evaluator: Start,
    until: Until,
    group_members: Any,
) -> None:
    with running(service, start_evaluator, lease_seconds=60) as (evaluator, job):
        group = evaluator.child()
        saved = service.models / str(job)[:1] / str(job)[:2] / f"{job}-1.model"
        saved.parent.mkdir(parents=True)
        saved.touch()  # as if it had come to that already

        service.execute(statement, job=job)

        # By the notification: the next renewal is 15 seconds away.
        until(lambda: not group_members(group), 10)
        until(lambda: service.leftovers() == [])
    outcome = "SELECT outcome FROM worker.evaluation_attempts WHERE job_id = :job"
    assert service.execute(outcome, job=job) == "cancelled"
    kept = "SELECT status::text FROM dataset_eval_jobs WHERE id = :job AND result IS NULL"
    assert service.execute(kept, job=job) == status
    assert service.bundles(job) == []
    assert evaluator.process.poll() is None


@pytest.mark.fault("F23")
def test_a_running_job_that_is_set_back_to_pending_is_done_by_a_new_attempt(
    service: Any, start_evaluator: Start, until: Until, group_members: Any
) -> None:
    with running(service, start_evaluator) as (evaluator, job):
        group = evaluator.child()

        service.execute("UPDATE dataset_eval_jobs SET status = 'pending' WHERE id = :job", job=job)

        until(lambda: not group_members(group))

    service.wait_for(job, "done")
    assert service.outcomes(job) == ["cancelled", "done"]
    assert [path.name for path in service.bundles(job)] == [f"{job}-2.model"]


@pytest.mark.fault("F11")
def test_a_database_that_restarts_costs_no_attempt(
    tmp_path: Path, until: Until, *, make_service: Any, evaluators: Any, recovery: Recovery
) -> None:
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        migrations.upgrade(server.url())
        service = make_service(server.url(), tmp_path)
        with evaluators(service) as start_evaluator:
            job = service.job()
            with suppress(DBAPIError), service.documents_locked():
                evaluator = start_evaluator()
                service.wait_until_blocked()
                # A backend that is killed makes the server end all others and start anew.
                os.kill(service.training_backend(), signal.SIGKILL)
                until(lambda: "the database cannot be used" in evaluator.events())
            with recovery():
                until(lambda: answers(service))
                service.wait_for(job, "done")
            assert service.outcomes(job) == ["done"]
            assert service.leftovers() == []
            assert "the database is back" in evaluator.events()


def answers(service: Any) -> bool:
    try:
        return bool(service.execute("SELECT 1"))
    except DBAPIError:
        return False


@pytest.mark.fault("F12")
def test_an_outage_that_is_longer_than_the_lease_costs_no_attempt_when_nobody_else_claims(
    service: Any, start_evaluator: Start, until: Until, recovery: Recovery
) -> None:
    with running(service, start_evaluator, lease_seconds=1) as (evaluator, job), service.closed():
        until(lambda: evaluator.events().count("the database cannot be used") >= 4)
        assert evaluator.children()

    with recovery():
        service.wait_for(job, "done")
    assert service.outcomes(job) == ["done"]
    assert "unforeseen error at the database" not in evaluator.events()
