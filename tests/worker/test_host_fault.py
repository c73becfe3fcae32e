"""A fault of the computer says where it is and what to do, and ends no job for good."""

import errno
import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from schema.evaluation_jobs import Outcome
from worker.attempt_folder import AttemptFolder
from worker.child_process import ChildProcess
from worker.conclusion import Conclusion
from worker.host_fault import disk_sentence

ASSIGNMENT = {"model_dir": "/srv/models", "project_dir": "/srv/projects"}


def fault(number: int, filename: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), filename)


def test_a_full_disk_that_no_file_is_named_for_names_the_folders_and_the_remedy() -> None:
    said = disk_sentence(fault(errno.ENOSPC), ASSIGNMENT)

    assert said == (
        "No space left on device while working below /srv/models or /srv/projects: make room "
        "there; the job is tried again while it has attempts left"
    )


def test_a_file_that_cannot_be_opened_is_named() -> None:
    said = disk_sentence(fault(errno.EACCES, "/srv/models/a"), ASSIGNMENT)

    assert said is not None
    assert said.startswith("Permission denied at /srv/models/a: let the evaluator's user write")


def test_an_error_that_is_not_about_a_file_is_none_of_the_disks() -> None:
    assert disk_sentence(fault(errno.EPIPE), ASSIGNMENT) is None
    assert disk_sentence(OSError("odd"), ASSIGNMENT) is None


def test_an_engine_that_is_not_here_is_no_fault_of_the_job(
    service: Any, until: Callable[..., Any]
) -> None:
    folder = AttemptFolder(service.projects, uuid4(), 1)
    folder.path.mkdir(parents=True)
    assignment = {
        "job": str(folder.job),
        "attempt": 1,
        "snapshot": str(service.snapshot(service.classes())),
        "options": {},
        "database_url": service.database_url,
        "model_dir": str(service.models),
        "project_dir": str(service.projects),
        "engine": "abacus",
        "jobs": 1,
        "outcome": str(folder.outcome),
    }

    child = ChildProcess(["-m", "worker.training_child"], assignment, output=folder.output)
    conclusion = Conclusion.of(child, until(child.reap), folder, stopped=False)

    assert (conclusion.outcome, conclusion.terminal) == (Outcome.ERROR, False)
    assert "ACOUSTIC_ENGINE of the evaluator: engine 'abacus' is not" in conclusion.message
