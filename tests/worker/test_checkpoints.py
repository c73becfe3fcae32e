"""A job that is interrupted goes on where it was, on whichever host, to the same result."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from trainer.models.bundle import Model

Start = Callable[..., Any]
Until = Callable[..., Any]

# A search of a second and more, in small steps, on data that cannot be told apart: all of the
# default one for the compiled engine, and a small one for the other.
SEARCHES: dict[str, Any] = {
    "sklearn": {
        "preprocessing_values": ["basic", "lowlevel"],
        "c_values": [1, 5, 9],
        "gamma_values": [3, -1, -3, -5],
    },
    "auto": None,
}
OF_ONE_RUN = {"timings", "project_path", "history_path", "model", "report_page"}


def slow_job(service: Any, engine: str = "sklearn") -> UUID:
    size = 90 if engine == "sklearn" else 150
    classes = [("happy", service.recordings(size, 0.0)), ("sad", service.recordings(size, 0.1))]
    made: UUID = service.job(service.snapshot(classes), options=SEARCHES[engine])
    return made


def checkpoints(service: Any, job: UUID) -> int:
    found: int = service.execute(
        "SELECT count(*) FROM worker.evaluation_checkpoints WHERE job_id = :job", job=job
    )
    return found


def uninterrupted(service: Any, job: UUID, start_evaluator: Start, engine: str) -> Any:
    """Do the same once more, in one go, and give the result."""
    again = service.job(service.show(job).snapshot_id, options=SEARCHES[engine])
    assert start_evaluator("--once", checkpoint_seconds=0, engine=engine).exit_code() == 0
    return service.show(again).result


def comparable(result: Any) -> Any:
    return {key: value for key, value in result.items() if key not in OF_ONE_RUN}


def content(result: Any) -> bytes:
    """Give the bytes of a bundle but for which attempt at which job it is of."""
    stored = result["model"]
    model = Model.load(Path(stored["path"]), sha256=stored["sha256"])
    return replace(model, training={**model.training, "provenance": {}}).to_bytes()


@pytest.mark.parametrize(
    ("ended_by", "engine"),
    [("SIGTERM", "sklearn"), ("SIGKILL of the training", "auto"), ("SIGKILL of both", "auto")],
)
def test_the_next_attempt_goes_on_where_the_last_one_was(
    ended_by: str,
    engine: str,
    *,
    service: Any,
    start_evaluator: Start,
    until: Until,
) -> None:
    job = slow_job(service, engine)
    settings = {"engine": engine, "checkpoint_seconds": 0.05, "lease_seconds": 1}
    evaluator = start_evaluator(**settings)
    until(lambda: checkpoints(service, job))
    if ended_by == "SIGTERM":
        evaluator.process.send_signal(signal.SIGTERM)
        assert evaluator.exit_code() == 0
    elif ended_by == "SIGKILL of the training":
        os.kill(evaluator.child(), signal.SIGKILL)
        until(lambda: service.outcomes(job) == ["crashed"])
        evaluator.process.kill()
        evaluator.process.wait()
    else:
        evaluator.process.kill()
        evaluator.process.wait()
        other = start_evaluator(lease_seconds=1, poll_seconds=60)  # another host, to the database
        until(lambda: service.outcomes(job) == ["lost"])
        other.process.kill()
        other.process.wait()
    service.skip_backoff(job)

    second = start_evaluator("--once", **settings)

    assert second.exit_code() == 0
    details = service.show(job)
    assert details.status.status == "done"
    resumed = details.result["timings"]["resumed_combinations"]
    assert resumed > 0
    assert [a.progress.get("resumed") for a in details.attempts] == [None, resumed]
    assert any(line.get("combinations") for line in second.log())
    assert checkpoints(service, job) == 0
    expected = uninterrupted(service, job, start_evaluator, engine)
    assert comparable(details.result) == comparable(expected)
    assert content(details.result) == content(expected)
    assert expected["timings"]["resumed_combinations"] == 0


def test_a_fast_job_writes_no_checkpoint(service: Any, start_evaluator: Start) -> None:
    service.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN RAISE 'a checkpoint'; END $$"
    )
    service.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON worker.evaluation_checkpoints"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse()"
    )
    job = service.job(options=SEARCHES["sklearn"])
    evaluator = start_evaluator("--once")

    assert evaluator.exit_code() == 0
    assert service.status(job) == "done"
    assert "a checkpoint cannot be written" not in evaluator.events()


def test_a_checkpoint_that_the_database_refuses_costs_the_job_nothing(
    service: Any, start_evaluator: Start
) -> None:
    job = slow_job(service)
    service.execute(
        "ALTER TABLE worker.evaluation_checkpoints ADD CONSTRAINT none CHECK (number < 0)"
    )
    evaluator = start_evaluator(
        "--once", checkpoint_seconds=0.05, lease_seconds=1, engine="sklearn"
    )

    assert evaluator.exit_code() == 0
    assert "a checkpoint cannot be written" in evaluator.events()
    assert service.outcomes(job) == ["done"]
    assert service.leftovers() == []


@pytest.mark.parametrize(
    "change",
    [
        "fingerprint = repeat('0', 64)",  # of another version, engine or dataset
        "content = substr(content, 1, 20)",
    ],
)
def test_a_checkpoint_of_another_version_or_a_damaged_one_is_not_used(
    change: str, *, service: Any, start_evaluator: Start, until: Until
) -> None:
    job = slow_job(service)
    settings = {"engine": "sklearn", "checkpoint_seconds": 0.05, "lease_seconds": 1}
    evaluator = start_evaluator(**settings)
    until(lambda: checkpoints(service, job))
    evaluator.process.send_signal(signal.SIGTERM)
    assert evaluator.exit_code() == 0
    service.execute(f"UPDATE worker.evaluation_checkpoints SET {change}")

    assert start_evaluator("--once", **settings).exit_code() == 0

    result = service.show(job).result
    assert result["timings"]["resumed_combinations"] == 0
    expected = uninterrupted(service, job, start_evaluator, "sklearn")
    assert comparable(result) == comparable(expected)
