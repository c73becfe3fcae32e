"""A training process ends in good order beside what it cannot stop."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest

from schema import lowlevel
from tests.busy_processes import wait_until_busy
from tests.preloaded.building import built
from worker.attempt_folder import AttemptFolder
from worker.child_process import ChildProcess
from worker.conclusion import Conclusion

# Two problems: one that is solved at once, and one that takes libsvm minutes.
QUICK_AND_ENDLESS = {
    "preprocessing_values": ["basic"],
    "kernel_values": ["poly"],
    "c_values": [-15, 11],
    "gamma_values": [3],
}


def noise(service: Any, count: int) -> list[UUID]:
    """Store recordings of three numbers in disguise, which no machine tells apart."""
    randomness = np.random.default_rng(3)
    values = randomness.normal(size=(count, 3)) @ randomness.normal(size=(3, 20))
    made = [(uuid4(), {"lowlevel": {"noise": row.tolist()}}) for row in values]
    with service.engine.begin() as connection:
        lowlevel.insert(connection, made)
    return [mbid for mbid, _ in made]


def test_a_training_that_is_interrupted_within_libsvm_ends_without_a_crash(
    service: Any, until: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = noise(service, 600)
    folder = AttemptFolder(service.projects, uuid4(), 1)
    folder.path.mkdir(parents=True)
    assignment = {
        "job": str(folder.job),
        "attempt": 1,
        "snapshot": str(service.snapshot([("even", recordings[::2]), ("odd", recordings[1::2])])),
        "options": QUICK_AND_ENDLESS,
        "database_url": service.database_url,
        "model_dir": str(service.models),
        "project_dir": str(service.projects),
        "engine": "sklearn",
        "jobs": 2,
        "memory": 2**30,
        "checkpoint_seconds": 0,
        "outcome": str(folder.outcome),
    }
    # Without it, a crash has only as long as the kernel needs to end the process.
    monkeypatch.setenv("LD_PRELOAD", str(built("slow_end", tmp_path)))
    child = ChildProcess(["-m", "worker.training_child"], assignment, output=folder.output)
    until(child.read_progress)  # the quick one is solved
    wait_until_busy(child.pid)

    os.kill(child.pid, signal.SIGINT)
    conclusion = Conclusion.of(child, until(child.reap), folder, stopped=False)

    assert (conclusion.usage.signal, conclusion.usage.exit_code) == (None, 130)
    assert "ended with exit code 130 and no result" in conclusion.message
