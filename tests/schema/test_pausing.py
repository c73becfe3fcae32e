"""A queue that is paused: what runs goes on, and nothing else is begun."""

from collections.abc import Callable
from typing import Any

Step = Callable[..., Any]


def test_no_job_is_claimed_while_the_queue_is_paused(
    make_job: Step, claim: Step, execute: Step
) -> None:
    make_job()
    execute("SELECT worker.pause_evaluation('disk full')")
    assert claim() is None

    execute("SELECT worker.resume_evaluation()")

    assert claim() is not None
