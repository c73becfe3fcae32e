"""A training process that waits: the next job is begun by it, and it never outlives its worker."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

Start = Callable[..., Any]
Until = Callable[..., Any]


def ready(pid: int) -> bool:
    """Whether a process has imported what a job needs and waits in read()."""
    try:
        mapped = Path(f"/proc/{pid}/maps").read_text()
        waits = "pipe_read" in Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False
    return ("/_native" in mapped or "_libsvm" in mapped) and waits  # whichever engine is here


def test_the_process_that_waits_does_the_next_job_and_another_one_takes_its_place(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator(warm_child=1)
    waiting = evaluator.child()
    snapshot = service.snapshot(service.classes())
    with service.documents_locked():
        job = service.job(snapshot)
        service.wait_until_blocked()
        assert evaluator.children()[0] == waiting
        until(lambda: len(evaluator.children()) == 2)
        (_, other) = evaluator.children()

    assert service.wait_for(job, "done", "failed").status.status == "done"
    until(lambda: evaluator.children() == [other])
    assert service.wait_for(service.job(), "done", "failed").status.status == "done"
    assert service.leftovers() == []


def test_no_process_waits_where_that_is_not_wanted_or_for_one_job_only(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator(warm_child=0)
    until(lambda: "evaluator started" in evaluator.events())
    assert service.wait_for(service.job(), "done").status.status == "done"
    assert evaluator.children() == []


def test_a_process_that_waits_ends_with_its_worker(
    start_evaluator: Start, until: Until, group_members: Any
) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        evaluator = start_evaluator(warm_child=1)
        group = evaluator.child()
        until(lambda group=group: len(group_members(group)) == 2)  # with its guard

        evaluator.process.send_signal(number)

        assert evaluator.exit_code() == (0 if number == signal.SIGTERM else -number)
        until(lambda group=group: not group_members(group), 5)


def test_a_process_that_dies_while_it_waits_is_replaced_and_costs_no_job_an_attempt(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator(warm_child=1)
    waiting = evaluator.child()

    os.kill(waiting, signal.SIGKILL)

    until(lambda: "the waiting process has ended" in evaluator.events())
    job = service.job()
    service.wait_for(job, "done")
    assert service.outcomes(job) == ["done"]
    until(lambda: evaluator.children() and evaluator.child() != waiting)


def test_a_job_that_is_given_to_a_dead_process_is_begun_by_a_new_one(
    service: Any,
    start_evaluator: Start,
    until: Until,
    group_members: Callable[[int], list[int]],
) -> None:
    evaluator = start_evaluator(warm_child=1, poll_seconds=0.5)
    waiting = evaluator.child()
    until(lambda: ready(waiting), 60)
    evaluator.process.send_signal(signal.SIGSTOP)
    os.kill(waiting, signal.SIGKILL)
    until(lambda: waiting not in group_members(waiting))  # until then its pipe can be written to
    job = service.job()

    evaluator.process.send_signal(signal.SIGCONT)

    service.wait_for(job, "done")
    assert service.outcomes(job) == ["done"]
