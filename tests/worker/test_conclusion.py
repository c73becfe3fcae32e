"""What a training process left, as an outcome of the attempt."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from schema.evaluation_jobs import Outcome
from worker.attempt_folder import AttemptFolder
from worker.child_process import ChildProcess
from worker.conclusion import Conclusion, sentence

JOB = UUID("ab1c0000-0000-4000-8000-000000000001")

Conclude = Callable[..., Conclusion]


@pytest.fixture
def conclude(tmp_path: Path, until: Callable[..., Any]) -> Conclude:
    """Run a child that hands over an outcome, or none, and exits."""
    folder = AttemptFolder(tmp_path, JOB, 1)
    folder.path.mkdir(parents=True)

    def conclude(handed_over: Any, *, code: int = 0, stopped: bool = False) -> Conclusion:
        if handed_over is not None:
            folder.outcome.write_text(json.dumps(handed_over))
        child = ChildProcess(
            ["-c", f"print('last words'); raise SystemExit({code})"], {}, output=folder.output
        )
        return Conclusion.of(child, until(child.reap), folder, stopped=stopped)

    return conclude


def test_a_result_is_taken(conclude: Conclude) -> None:
    sets = {"training_set": {"a": "x"}, "testing_set": {}}

    conclusion = conclude({"kind": "done", "result": {"accuracy": 50.0}, **sets})

    assert (conclusion.outcome, conclusion.result) == (Outcome.DONE, {"accuracy": 50.0})
    assert conclusion.training_set == {"a": "x"}
    assert conclusion.usage.exit_code == 0
    assert conclusion.usage.peak_memory


def test_a_complete_result_counts_though_the_process_failed_later(conclude: Conclude) -> None:
    done = {"kind": "done", "result": {}, "training_set": {}, "testing_set": {}}

    assert conclude(done, code=1, stopped=True).outcome is Outcome.DONE


def test_input_that_has_to_change_is_not_tried_again(conclude: Conclude) -> None:
    conclusion = conclude({"kind": "rejected", "message": "no"})

    assert (conclusion.outcome, conclusion.terminal) == (Outcome.ERROR, True)


def test_other_errors_are_tried_again(conclude: Conclude) -> None:
    conclusion = conclude({"kind": "error", "message": "no", "traceback": "…"})

    assert (conclusion.outcome, conclusion.terminal) == (Outcome.ERROR, False)
    assert conclusion.traceback == "…"


def test_a_training_that_could_not_reach_the_database_is_no_failure_of_the_job(
    conclude: Conclude,
) -> None:
    handed_over = {"kind": "no database", "message": "refused\nhint", "traceback": "…"}

    conclusion = conclude(handed_over)

    assert conclusion.outcome is Outcome.INTERRUPTED
    assert conclusion.message == "the training process could not reach the database: refused"


def test_a_process_that_ends_without_an_outcome_has_crashed(conclude: Conclude) -> None:
    conclusion = conclude(None, code=3)

    assert conclusion.outcome is Outcome.CRASHED
    assert conclusion.message.startswith("training process ended with exit code 3 and no result")
    assert conclusion.traceback == "last words"


def test_a_training_that_cannot_write_its_outcome_says_why(
    service: Any, start_evaluator: Callable[..., Any]
) -> None:
    job = service.job()
    with service.documents_locked():
        start_evaluator(max_attempts=1)
        service.wait_until_blocked()
        # A folder where the outcome should be, and a file that lies in it.
        (service.projects / ".attempts" / f"{job}-1" / "outcome.part" / "x").mkdir(parents=True)

    details = service.wait_for(job, "failed")
    assert details.attempts[0].outcome is Outcome.ERROR
    assert "Is a directory" in details.status.reason
    assert "IsADirectoryError" in details.attempts[0].traceback


def test_a_process_that_we_stopped_was_interrupted(conclude: Conclude) -> None:
    assert conclude(None, stopped=True).outcome is Outcome.INTERRUPTED


def test_an_unforeseen_error_is_one_line() -> None:
    assert sentence(ValueError("a\nb")) == "unexpected error: ValueError: a"
