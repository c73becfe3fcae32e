"""Mirrors and their workers."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.highlevel.mirror import Mirror, Start, processes
from worker.highlevel import run


@pytest.fixture
def mirror(database_url: str, tmp_path: Path) -> Iterator[Mirror]:
    made = Mirror(database_url, tmp_path / "mirror")
    yield made
    made.engine.dispose()


@pytest.fixture
def start(mirror: Mirror) -> Iterator[Start]:
    with processes(mirror) as start:
        yield start


@pytest.fixture
def work(mirror: Mirror) -> Callable[..., int]:
    """Run a worker in this process until nothing is left; its exit code."""

    def work(*, batch: int = 100, max_attempts: int = 3, **given: Any) -> int:
        changes = {
            "ACOUSTIC_BATCH_SIZE": str(batch),
            "ACOUSTIC_MAX_ATTEMPTS": str(max_attempts),
        }
        return run(mirror.settings(**changes), once=True, **given)

    return work


@pytest.fixture
def until() -> Callable[..., Any]:
    """Wait until something holds, and give what it gave."""

    def until(condition: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.02)
        return found

    return until
