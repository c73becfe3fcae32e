"""Processes that die, sleep, or cannot be started."""

import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Recovery
from tests.faults.processes import control_group, require_root

Start = Callable[..., Any]
Until = Callable[..., Any]

MEBIBYTE = 2**20


def hard_job(service: Any) -> Any:
    """A search that takes some seconds, on data that can hardly be told apart."""
    classes = [("happy", service.recordings(500, 0.0)), ("sad", service.recordings(500, 0.1))]
    return service.job(service.snapshot(classes), options=None)


@pytest.mark.fault("F2")
def test_the_death_of_a_training_is_noticed_within_a_second(
    service: Any, start_evaluator: Start, until: Until, recovery: Recovery
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(lease_seconds=60)
        service.wait_until_blocked()
        began = time.monotonic()
        with recovery():
            os.kill(evaluator.child(), signal.SIGKILL)
            until(lambda: service.outcomes(job) == ["crashed"])
        assert time.monotonic() - began < 1
    assert service.show(job).attempts[0].signal == signal.SIGKILL


@pytest.mark.slow
@pytest.mark.fault("F3")
def test_a_training_whose_guard_is_killed_goes_on(
    service: Any, start_evaluator: Start, until: Until, group_members: Any
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator()
        service.wait_until_blocked()
        child = evaluator.child()
        [guard] = set(group_members(child)) - {child}
        os.kill(guard, signal.SIGKILL)
        until(lambda: group_members(child) == [child])
    service.wait_for(job, "done", "failed")
    assert service.outcomes(job) == ["done"]


@pytest.mark.fault("F4")
def test_nothing_computes_on_when_the_worker_is_killed_in_the_middle_of_a_search(
    service: Any, start_evaluator: Start, until: Until, *, recovery: Recovery, group_members: Any
) -> None:
    job = hard_job(service)
    evaluator = start_evaluator(jobs=2)
    group = evaluator.child()
    until(lambda: service.show(job).status.progress, 60)

    with recovery():
        evaluator.process.kill()
        until(lambda: not group_members(group))


@pytest.mark.fault("F5")
def test_a_training_that_may_have_no_more_memory_fails_its_attempt_and_nothing_else(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator()
        service.wait_until_blocked()
        child = evaluator.child()
        pages = int(Path(f"/proc/{child}/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + 4 * MEBIBYTE
        resource.prlimit(child, resource.RLIMIT_AS, (limit, limit))

    until(lambda: service.outcomes(job)[0] is not None)
    attempt = service.show(job).attempts[0]
    assert attempt.outcome in ("error", "crashed")
    assert attempt.peak_memory > 10 * MEBIBYTE
    # It is wherever memory was asked for last: an array, or a library that is loaded.
    assert re.search("[Mm]emory|failed to map", f"{attempt.error} {attempt.traceback}")
    assert service.wait_for(service.job(), "done", "failed").status.status == "done"
    assert evaluator.process.poll() is None


@pytest.mark.fault("F5")
def test_a_training_that_the_kernel_kills_for_its_memory_says_so(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    with control_group("memory", "memory.limit_in_bytes", 8 * MEBIBYTE) as group:
        with service.documents_locked():
            evaluator = start_evaluator()
            service.wait_until_blocked()
            (group / "cgroup.procs").write_text(str(evaluator.child()))
        until(lambda: service.outcomes(job)[0] is not None)
    attempt = service.show(job).attempts[0]
    if attempt.outcome == "done":
        pytest.skip("control groups limit no memory here")
    assert attempt.outcome == "crashed"
    assert attempt.signal == signal.SIGKILL
    assert "out of memory" in attempt.error
    assert service.wait_for(service.job(), "done", "failed").status.status == "done"
    assert evaluator.process.poll() is None


@pytest.mark.fault("F6")
def test_a_job_that_kills_every_training_runs_as_often_as_allowed_and_hinders_no_other(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    poison = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(max_attempts=3)
        for number in range(1, 4):
            service.skip_backoff(poison)
            until(lambda n=number: len(service.outcomes(poison)) == n)
            os.kill(evaluator.child(), signal.SIGKILL)
            until(lambda: None not in service.outcomes(poison))
    assert service.outcomes(poison) == ["crashed"] * 3
    assert service.status(poison) == "failed"
    assert service.wait_for(service.job(), "done", "failed").status.status == "done"
    assert len(service.show(poison).attempts) == 3


@pytest.mark.fault("F7")
def test_a_job_that_kills_every_worker_runs_as_often_as_allowed(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    poison, other = service.job(), service.job()
    for number in range(1, 4):
        service.skip_backoff(poison)
        evaluator = start_evaluator(lease_seconds=1)
        until(lambda n=number: len(service.outcomes(poison)) == n)
        evaluator.process.kill()
        evaluator.process.wait()
        service.execute(
            "UPDATE worker.evaluation_attempts SET lease_until = now() - INTERVAL '1 s'"
            " WHERE ended IS NULL"
        )
        # One sweep, of a worker that is told to take nothing else.
        service.execute("UPDATE dataset_eval_jobs SET eval_location = 'remote'")
        sweeper = start_evaluator(lease_seconds=1)
        until(lambda: None not in service.outcomes(poison))
        sweeper.process.send_signal(signal.SIGTERM)
        assert sweeper.exit_code() == 0
        service.execute("UPDATE dataset_eval_jobs SET eval_location = 'local'")

    details = service.show(poison)
    assert service.outcomes(poison) == ["lost"] * 3
    assert details.status.status == "failed"
    assert details.status.reason.startswith("Worker lost during attempt 3: ")
    start_evaluator("--once").exit_code()
    assert service.outcomes(other) == ["done"]
    assert len(service.outcomes(poison)) == 3


@pytest.mark.fault("F32")
def test_a_training_that_hears_nothing_for_many_leases_keeps_its_job_from_a_rival(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    """
    A call in C that never gives up the interpreter's lock is as deaf as a process that is stopped.
    """
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(lease_seconds=1)
        service.wait_until_blocked()
        start_evaluator(lease_seconds=1)
        child = evaluator.child()
        os.kill(child, signal.SIGSTOP)
        leases: set[Any] = set()

        def renewed() -> bool:
            leases.add(service.show(job).attempts[0].lease_until)
            return len(leases) > 12  # of a quarter each

        until(renewed)
        os.kill(child, signal.SIGCONT)
    service.wait_for(job, "done")
    assert service.outcomes(job) == ["done"]


@pytest.mark.slow
@pytest.mark.fault("F22")
def test_a_training_that_does_not_react_to_sigterm_is_killed_when_its_job_is_cancelled(
    service: Any, start_evaluator: Start, until: Until, *, recovery: Recovery, group_members: Any
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(lease_seconds=60)
        service.wait_until_blocked()
        group = evaluator.child()
        os.killpg(group, signal.SIGSTOP)

        with recovery():
            service.execute("SELECT worker.cancel_evaluation(:job)", job=job)
            until(lambda: not group_members(group))
    assert service.outcomes(job) == ["cancelled"]
    assert service.show(job).status.reason == "cancelled by operator"
    assert evaluator.process.poll() is None


@pytest.mark.slow
@pytest.mark.fault("F17")
def test_a_training_that_does_not_react_to_sigterm_is_killed_when_its_worker_stops(
    service: Any, start_evaluator: Start, *, recovery: Recovery, group_members: Any
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(drain_seconds=0)
        service.wait_until_blocked()
        group = evaluator.child()
        os.killpg(group, signal.SIGSTOP)
        with recovery():
            evaluator.process.send_signal(signal.SIGTERM)
            assert evaluator.exit_code() == 0
        assert group_members(group) == []
    assert service.outcomes(job) == ["interrupted"]
    assert start_evaluator("--once").exit_code() == 0
    assert service.outcomes(job) == ["interrupted", "done"]


@pytest.mark.fault("F36")
def test_a_worker_that_may_start_no_process_says_so_and_goes_on_when_it_may(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    with control_group("pids", "pids.max", 10) as group:
        evaluator = start_evaluator()
        until(lambda: "evaluator started" in evaluator.events())
        (group / "cgroup.procs").write_text(str(evaluator.process.pid))
        (group / "pids.max").write_text("1")
        job = service.job()
        until(lambda: service.outcomes(job)[-1:] not in ([], [None]))
        attempt = service.show(job).attempts[-1]
        assert attempt.outcome == "error"
        assert "Resource temporarily unavailable" in attempt.error
        assert not attempt.counted
        (group / "pids.max").write_text("max")
        service.skip_backoff(job)
        service.wait_for(job, "done")
        assert evaluator.process.poll() is None


@pytest.mark.slow
@pytest.mark.fault("F36")
def test_a_worker_without_descriptors_says_so_and_goes_on_when_it_has_some(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator()
    until(lambda: "evaluator started" in evaluator.events())
    process = evaluator.process.pid
    before = resource.prlimit(process, resource.RLIMIT_NOFILE)
    done = service.job()
    service.wait_for(done, "done")  # all connections are open
    used = 1 + max(int(file.name) for file in Path(f"/proc/{process}/fd").iterdir())
    resource.prlimit(process, resource.RLIMIT_NOFILE, (used + 1, before[1]))

    job = service.job()
    until(lambda: service.outcomes(job)[-1:] == ["error"])
    attempt = service.show(job).attempts[-1]
    assert "Too many open files" in attempt.error
    assert not attempt.counted
    resource.prlimit(process, resource.RLIMIT_NOFILE, before)
    service.skip_backoff(job)

    service.wait_for(job, "done")
    assert evaluator.process.poll() is None


@pytest.mark.fault("F36")
def test_a_worker_whose_log_nobody_reads_any_more_goes_on(
    service: Any, start_evaluator: Start
) -> None:
    reading, writing = os.pipe()
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(output=writing)
        os.close(writing)
        service.wait_until_blocked()
        os.close(reading)
    service.wait_for(job, "done", "failed")
    assert service.outcomes(job) == ["done"]
    evaluator.process.send_signal(signal.SIGTERM)
    assert evaluator.exit_code() in (0, 120)  # Python's, when its last words cannot be written


@pytest.mark.slow
@pytest.mark.fault("F38")
def test_workers_that_are_both_process_one_of_the_same_host_are_told_apart(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    require_root("make namespaces of process ids")
    prefix = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("no namespaces of process ids here")
    snapshot = service.snapshot(service.classes())
    jobs = [service.job(snapshot) for _ in range(2)]
    with service.documents_locked():
        for _ in range(2):
            start_evaluator(prefix=prefix)
        until(lambda: [service.outcomes(job) for job in jobs] == [[None], [None]])
    until(lambda: [service.outcomes(job) for job in jobs] == [["done"], ["done"]])

    names = [service.show(job).attempts[0].worker for job in jobs]
    host_and_process = {name.rpartition(":")[0] for name in names}
    assert len(set(names)) == 2
    assert len(host_and_process) == 1
    assert host_and_process.pop().endswith(":1")
