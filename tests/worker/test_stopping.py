"""SIGTERM and SIGINT: the running job is finished in time, or given back."""

import signal
from collections.abc import Callable
from typing import Any

import pytest

from tests.busy_processes import catches
from tests.conftest import Recovery

Start = Callable[..., Any]
Until = Callable[..., Any]


@pytest.mark.fault("F17")
def test_an_idle_worker_stops_at_once(start_evaluator: Start, until: Until) -> None:
    evaluator = start_evaluator(drain_seconds=60, poll_seconds=60)
    until(lambda: "evaluator started" in evaluator.events())

    evaluator.process.send_signal(signal.SIGTERM)

    assert evaluator.exit_code() == 0


@pytest.mark.fault("F17")
def test_a_worker_that_is_still_getting_ready_stops_at_once(
    start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator()
    until(lambda: catches(evaluator.process.pid, signal.SIGTERM))

    evaluator.process.send_signal(signal.SIGTERM)

    assert evaluator.exit_code() == 0
    assert evaluator.events() == []


@pytest.mark.fault("F17", "F18")
@pytest.mark.parametrize(
    ("signals", "drain"), [((signal.SIGTERM,), 0.2), ((signal.SIGINT, signal.SIGTERM), 600)]
)
def test_a_job_that_does_not_end_in_time_is_given_back_and_does_not_count(
    signals: tuple[int, ...],
    drain: float,
    *,
    service: Any,
    start_evaluator: Start,
    until: Until,
    group_members: Any,
    recovery: Recovery,
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(drain_seconds=drain)
        service.wait_until_blocked()
        group = evaluator.child()

        with recovery():
            for number in signals:
                evaluator.process.send_signal(number)
                until(lambda: "told to stop" in evaluator.events())
            assert evaluator.exit_code() == 0
        assert group_members(group) == []
    details = service.show(job)
    assert details.status.status == "pending"
    assert [(a.outcome.value, a.counted) for a in details.attempts] == [("interrupted", False)]
    assert service.leftovers() == []
    assert start_evaluator("--once").exit_code() == 0
    assert service.outcomes(job) == ["interrupted", "done"]


@pytest.mark.fault("F17")
def test_a_job_that_ends_within_the_drain_time_is_finished(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job, next_job = service.job(), service.job()
    with service.documents_locked():
        evaluator = start_evaluator(drain_seconds=600)
        service.wait_until_blocked()
        evaluator.process.send_signal(signal.SIGTERM)
        until(lambda: "told to stop" in evaluator.events())

    assert evaluator.exit_code() == 0
    assert service.outcomes(job) == ["done"]
    assert service.outcomes(next_job) == []


@pytest.mark.fault("F17")
def test_a_search_shows_its_progress_and_is_stopped_in_the_middle(
    service: Any, start_evaluator: Start, until: Until, group_members: Any
) -> None:
    # All of the default 720 combinations on data that cannot be told apart take scikit-learn half
    # a minute. The native engine would be done before it is told to stop; its own tests stop it.
    classes = [("happy", service.recordings(150, 0.0)), ("sad", service.recordings(150, 0.1))]
    job = service.job(service.snapshot(classes), options=None)
    evaluator = start_evaluator(jobs=2, engine="sklearn")
    group = evaluator.child()

    progress = until(lambda: service.show(job).status.progress, 60)
    evaluator.process.send_signal(signal.SIGTERM)

    assert evaluator.exit_code() == 0
    assert group_members(group) == []
    assert service.outcomes(job) == ["interrupted"]
    assert progress.keys() == {"stage", "done", "total", "started"}
    assert (progress["stage"], progress["total"]) == ("grid", 720)
    assert service.leftovers() == []


@pytest.mark.fault("F18")
def test_a_worker_that_cannot_give_its_job_back_stops_all_the_same(
    service: Any, start_evaluator: Start, until: Until, group_members: Any
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator()
        service.wait_until_blocked()
        group = evaluator.child()
        with service.closed():
            until(lambda: "the database cannot be used" in evaluator.events())
            for number in (signal.SIGTERM, signal.SIGINT):
                evaluator.process.send_signal(number)

            assert evaluator.exit_code() == 1
        assert group_members(group) == []
    assert service.outcomes(job) == [None]  # its lease runs out
