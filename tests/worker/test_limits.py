"""Limits on the time and the memory of a job."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.child_process import Exit
from worker.memory import MEBIBYTE, most_memory

Start = Callable[..., Any]
Until = Callable[..., Any]


def test_a_job_that_takes_too_long_is_ended_counts_and_says_why(
    service: Any, start_evaluator: Start, until: Until, group_members: Any
) -> None:
    job = service.job()
    with service.documents_locked():
        evaluator = start_evaluator(job_seconds=4, max_attempts=1)
        service.wait_until_blocked()
        group = evaluator.child()
        until(lambda: service.status(job) == "failed")
        assert group_members(group) == []

    (attempt,) = service.show(job).attempts
    assert (attempt.outcome, attempt.counted) == ("timeout", True)
    assert service.show(job).status.reason.startswith(
        "the training took longer than the 4 s that ACOUSTIC_JOB_SECONDS allows"
    )
    assert service.leftovers() == []


def test_a_job_that_needs_too_much_memory_says_so(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    hard = [("happy", service.recordings(300, 0.0)), ("sad", service.recordings(300, 0.0))]
    job = service.job(service.snapshot(hard), options=None)
    start_evaluator(job_memory_mib=MEMORY_MIB, max_attempts=1)

    reason = service.wait_for(job, "failed").status.reason

    assert f"more than the {MEMORY_MIB} MiB that ACOUSTIC_JOB_MEMORY_MIB allows" in reason
    assert service.outcomes(job) == ["error"]
    until(lambda: service.leftovers() == [])  # the status comes first


MEMORY_MIB = 64  # less than the imports take


def test_how_much_there_was_is_said_beside_the_peak() -> None:
    end = Exit(code=None, signal=9, peak_memory=3100 * MEBIBYTE, cpu_seconds=1.0)

    assert end.sentence(4096 * MEBIBYTE) == (
        "training process was killed by SIGKILL (out of memory?); peak memory 3,100 of 4,096 MiB"
    )


@pytest.mark.parametrize("limit", [None, 100 * MEBIBYTE])
def test_the_least_of_the_limits_counts(
    limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    group, without = tmp_path / "memory.max", tmp_path / "other"
    group.write_text(f"{200 * MEBIBYTE}\n")
    without.write_text("max\n")
    monkeypatch.setattr("worker.memory._LIMITS", (str(group), str(without), "/nowhere"))

    assert most_memory(limit) == (limit or 200 * MEBIBYTE)
