"""A disk that fills up: the attempt fails with a sentence, and nothing of it is left."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

Start = Callable[..., Any]
Until = Callable[..., Any]


@pytest.fixture
def small_disk(service: Any) -> Iterator[Path]:
    """Have the model folder on a disk of its own that is full."""
    folder: Path = service.models
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "acoustic", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("a small disk can be made by root only, where mounting is allowed")
    (folder / "other.model").write_bytes(bytes(64 * 1024))
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_fails_the_attempt_and_leaves_no_row_and_no_file(
    small_disk: Path, service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    start_evaluator(max_attempts=2)

    until(lambda: service.outcomes(job) == ["error"])
    details = service.show(job)
    assert "No space left on device" in details.attempts[0].error
    assert "make room there" in details.attempts[0].error
    assert (details.status.status, details.result) == ("pending", None)
    assert service.bundles(job) == []
    assert service.leftovers() == []
    (small_disk / "other.model").unlink()
    service.skip_backoff(job)

    assert service.wait_for(job, "done", "failed").status.status == "done"
    assert [path.name for path in service.bundles(job)] == [f"{job}-2.model"]
