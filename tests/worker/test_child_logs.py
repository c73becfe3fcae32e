"""What a training logs and prints reaches the log of its evaluator, with the keys of its job."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.hostile_text import NASTY, acting
from worker.child_process import ChildProcess
from worker.relayed_log import RelayedLog, logged_line

Start = Callable[..., Any]
Until = Callable[..., Any]


def lines_of(evaluator: Any) -> list[dict[str, Any]]:
    """All that it wrote; a line that is no JSON object fails the test."""
    lines = evaluator.printed.read_text().splitlines()
    assert lines
    return [json.loads(line) for line in lines]


@pytest.fixture(scope="module", params=["0", "1"])
def lines_of_a_job(
    request: pytest.FixtureRequest, module_start: Start, module_service: Any
) -> tuple[str, list[dict[str, Any]]]:
    """The id of a job that was done, by a process that waited for it or not, and all lines."""
    job = module_service.job()
    evaluator = module_start(warm_child=request.param)
    module_service.wait_for(job, "done")
    evaluator.process.send_signal(signal.SIGTERM)
    assert evaluator.exit_code() == 0
    return str(job), lines_of(evaluator)


def test_lines_of_a_training_carry_worker_job_and_attempt(
    lines_of_a_job: tuple[str, list[dict[str, Any]]],
) -> None:
    job, lines = lines_of_a_job

    (prepared,) = (line for line in lines if line["event"] == "dataset prepared")
    assert (prepared["job"], prepared["attempt"]) == (job, 1)
    assert prepared["worker"] == lines[0]["worker"]
    assert (prepared["recordings"], prepared["classes"], prepared["level"]) == (12, 2, "info")
    assert prepared["timestamp"] <= lines[-1]["timestamp"]
    assert all({"worker", "job", "attempt"} <= line.keys() for line in lines)


def test_a_job_takes_few_lines_at_the_usual_level(
    lines_of_a_job: tuple[str, list[dict[str, Any]]],
) -> None:
    job, lines = lines_of_a_job

    events = [line["event"] for line in lines if line["job"] == job]
    assert events == ["job claimed", "dataset prepared", "job done"]


def test_the_traceback_of_a_crash_is_told_line_by_line_and_every_line_is_json(
    start_evaluator: Start, service: Any, until: Until
) -> None:
    snapshot = service.snapshot(service.classes(), name=NASTY["line"] + NASTY["escape"])
    evaluator = start_evaluator(surroundings={"PYTHONFAULTHANDLER": "1"})
    with service.documents_locked():
        job = service.job(snapshot)
        service.wait_until_blocked()
        os.kill(evaluator.child(), signal.SIGABRT)
        until(lambda: service.outcomes(job)[:1] == ["crashed"])
    evaluator.process.send_signal(signal.SIGTERM)
    assert evaluator.exit_code() == 0

    printed = [line for line in lines_of(evaluator) if line["event"] == "the training printed"]
    assert any("Fatal Python error: Aborted" in line["line"] for line in printed)
    assert any("training_job.py" in line["line"] for line in printed)
    assert {(line["job"], line["attempt"], line["level"]) for line in printed} == {
        (str(job), 1, "warning")
    }


def test_what_strangers_wrote_leaves_every_line_json(
    start_evaluator: Start, service: Any, until: Until
) -> None:
    names = [NASTY[kind] for kind in ("escape", "line", "line separators", "quotes", "far eastern")]
    for name in names:
        service.job(service.snapshot([(name, service.recordings(1, 0.0))], name=name))
    evaluator = start_evaluator()
    statement = "SELECT count(*) FROM dataset_eval_jobs WHERE status = 'failed'"
    until(lambda: service.execute(statement) == len(names), 90)
    evaluator.process.send_signal(signal.SIGTERM)
    assert evaluator.exit_code() == 0

    lines = lines_of(evaluator)
    assert sum(line["event"] == "attempt failed" for line in lines) == len(names)
    assert acting(evaluator.printed.read_text()) == set()


def test_an_error_that_ends_a_daemon_is_a_line_of_json_too(
    start_evaluator: Start, service: Any
) -> None:
    service.execute("UPDATE acoustic_workers_revision SET version_num = '9999'")

    evaluator = start_evaluator("--once")

    assert evaluator.exit_code() == 3
    last = lines_of(evaluator)[-1]
    assert "newer than this program" in last["event"]
    assert last["level"] == "error"


def test_what_is_printed_comes_line_by_line_and_once(until: Until, tmp_path: Path) -> None:
    go = tmp_path / "go"
    code = (
        "import os, time\n"
        "os.write(1, b'one\\ntw')\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\n"
        "os.write(1, b'o\\nthree')"
    )
    child = ChildProcess(["-c", code], {}, output=None)

    assert until(child.read_output) == ["one"]
    go.touch()
    child.wait_for_end()
    assert child.reap() is not None

    assert child.read_output() == ["two", "three"]
    assert child.read_output() == []


def test_the_last_words_of_a_training_are_not_what_it_logged() -> None:
    logged = json.dumps({"event": "dataset prepared", "level": "info"})
    child = ChildProcess(["-c", f"print('{logged}'); print('last words')"], {}, output=None)
    child.wait_for_end()
    assert child.reap() is not None

    assert child.output_tail() == "last words"
    assert child.read_output() == [logged, "last words"]


def test_of_what_floods_the_output_only_a_part_is_told(tmp_path: Path) -> None:
    code = "print('x' * 10_000_000); [print(n) for n in range(1_000_000)]"
    child = ChildProcess(["-c", code], {}, output=tmp_path / "output")
    child.wait_for_end()
    assert child.reap() is not None

    lines = child.read_output()

    assert lines[-1] == "999999"
    assert sum(map(len, lines)) < 1_000_000
    with capture_logs() as told:
        relayed = RelayedLog()
        relayed.tell(lines)
    warnings = [line for line in told if line["log_level"] == "warning"]
    assert len(warnings) == 51


def test_an_object_that_no_logger_wrote_is_something_printed() -> None:
    assert logged_line('{"event": 1, "level": "info"}') is None
    assert logged_line('{"event": "x", "level": "exit"}') is None
    assert logged_line("{" * 100_000) is None
    assert logged_line('{"event": "x", "level": "info"}') == {"event": "x", "level": "info"}


def test_a_training_cannot_pass_for_another_worker_or_job() -> None:
    line = json.dumps({"event": "x", "level": "info", "job": "another", "worker": "me", "n": 1})

    with capture_logs() as told:
        RelayedLog().tell([line])

    assert told == [{"event": "x", "log_level": "info", "n": 1}]
