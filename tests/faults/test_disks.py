"""Disks that are full or may not be written to, and what lies on them when a process dies."""

import errno
import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Recovery
from tests.faults.processes import require_root
from tests.preloaded.building import built

Start = Callable[..., Any]
Until = Callable[..., Any]


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[None]:
    """Have a disk of a given size at a folder; skip where none can be mounted."""
    require_root("mount a small disk")
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "acoustic", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        # Lazily: a training may be ending in it.
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """Fill a disk to the last page."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


class FailingDisk:
    """Folders whose disk fails for programs that run with `surroundings`."""

    def __init__(self, folder: Path) -> None:
        self._rule = folder / "failing_disk.rule"
        library = built("failing_disk", folder)
        self.surroundings = {"LD_PRELOAD": str(library), "FAILING_DISK": str(self._rule)}

    def fail(self, call: str, number: int, *, below: Path, after: int) -> None:
        """Have a system call fail with an error's number; writing, once a file has some bytes."""
        aside = self._rule.with_suffix(".aside")
        aside.write_text(f"{call} {number} {after} {below}\n")
        aside.replace(self._rule)

    def heal(self) -> None:
        self._rule.unlink()


@pytest.fixture
def failing_disk(tmp_path: Path) -> FailingDisk:
    return FailingDisk(tmp_path)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)


@pytest.mark.fault("F25")
def test_a_full_model_folder_fails_the_attempt_with_the_remedy_and_leaves_no_part_of_a_file(
    service: Any, start_evaluator: Start, until: Until, recovery: Recovery
) -> None:
    with small_disk(service.models, "64k"):
        filler = fill(service.models)
        job = service.job()
        evaluator = start_evaluator()
        until(lambda: service.outcomes(job)[-1:] == ["error"])
        attempt = service.show(job).attempts[0]
        assert "No space left on device" in attempt.error
        assert "make room there" in attempt.error
        assert service.show(job).result is None
        until(lambda: service.leftovers() == [str(filler)])
        assert service.bundles(job) == []

        with recovery():
            filler.unlink()
            service.skip_backoff(job)
            service.wait_for(job, "done")
        assert [str(path) for path in service.bundles(job)] == [
            service.show(job).result["model"]["path"]
        ]
        assert evaluator.process.poll() is None
        evaluator.process.kill()


@pytest.mark.slow
@pytest.mark.fault("F25")
def test_a_model_folder_that_became_read_only_fails_the_attempt_with_the_remedy(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    with small_disk(service.models, "16m"):
        evaluator = start_evaluator()
        until(lambda: "evaluator started" in evaluator.events())
        remount(service.models, "ro")
        job = service.job()
        until(lambda: service.outcomes(job)[-1:] == ["error"])
        error = service.show(job).attempts[0].error
        assert "Read-only file system" in error
        assert "make it writable" in error
        remount(service.models, "rw")
        service.skip_backoff(job)
        service.wait_for(job, "done")
        evaluator.process.kill()


@pytest.mark.slow
@pytest.mark.fault("F25")
def test_a_model_folder_that_became_forbidden_fails_the_attempt_with_the_remedy(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    without_rights = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    if shutil.which("setpriv") is None:
        pytest.skip("no setpriv here")
    evaluator = start_evaluator(prefix=without_rights)
    until(lambda: "evaluator started" in evaluator.events())
    service.models.chmod(0o555)
    job = service.job()
    until(lambda: service.outcomes(job)[-1:] == ["error"])
    error = service.show(job).attempts[0].error
    assert "Permission denied" in error
    assert "let the evaluator's user write there" in error
    service.models.chmod(0o755)
    service.skip_backoff(job)

    service.wait_for(job, "done")


@pytest.mark.fault("F25")
@pytest.mark.parametrize(
    ("call", "number", "room", "remedy"),
    [
        ("write", errno.EIO, 1000, "check the disk"),
        pytest.param("fsync", errno.EIO, 0, "check the disk", marks=pytest.mark.slow),
        pytest.param("fsync", errno.ENOSPC, 0, "make room there", marks=pytest.mark.slow),
        pytest.param("rename", errno.EIO, 0, "check the disk", marks=pytest.mark.slow),
        pytest.param("rename", errno.EACCES, 0, "let the evaluator's user", marks=pytest.mark.slow),
    ],
)
def test_a_disk_that_fails_while_the_model_is_saved_fails_the_attempt_and_leaves_no_part_of_a_file(
    call: str,
    number: int,
    room: int,
    remedy: str,
    *,
    service: Any,
    failing_disk: FailingDisk,
    start_evaluator: Start,
    until: Until,
    recovery: Recovery,
) -> None:
    evaluator = start_evaluator(surroundings=failing_disk.surroundings)
    failing_disk.fail(call, number, below=service.models, after=room)
    job = service.job()
    until(lambda: service.outcomes(job)[-1:] == ["error"])
    attempt = service.show(job).attempts[0]
    assert os.strerror(number) in attempt.error
    assert str(service.models) in attempt.error
    assert remedy in attempt.error
    assert service.show(job).result is None
    until(lambda: service.leftovers() == [])
    assert service.bundles(job) == []

    with recovery():
        failing_disk.heal()
        service.skip_backoff(job)
        done = service.wait_for(job, "done")
    (bundle,) = service.bundles(job)
    assert done.result["model"]["path"] == str(bundle)
    assert done.result["model"]["sha256"] == hashlib.sha256(bundle.read_bytes()).hexdigest()
    assert evaluator.process.poll() is None


@pytest.mark.slow
@pytest.mark.fault("F25")
def test_a_disk_that_fails_below_the_project_folder_fails_the_attempt_and_not_the_worker(
    service: Any, failing_disk: FailingDisk, start_evaluator: Start, until: Until
) -> None:
    evaluator = start_evaluator(surroundings=failing_disk.surroundings)
    # Nothing that the training says by a file arrives, neither its outcome nor what it prints.
    failing_disk.fail("write", errno.EIO, below=service.projects, after=0)
    job = service.job()
    until(lambda: service.outcomes(job)[-1:] == ["error"])
    error = service.show(job).attempts[0].error
    assert "Input/output error" in error
    assert "check the disk" in error
    assert service.show(job).result is None
    until(lambda: service.leftovers() == [])

    failing_disk.heal()
    service.skip_backoff(job)
    service.wait_for(job, "done")
    assert evaluator.process.poll() is None


@pytest.mark.slow
@pytest.mark.fault("F36")
def test_a_full_folder_for_temporary_files_fails_the_attempt_and_not_the_worker(
    service: Any, start_evaluator: Start, until: Until, tmp_path: Path
) -> None:
    folder = tmp_path / "tmp"
    with small_disk(folder, "64k"):
        evaluator = start_evaluator(surroundings={"TMPDIR": str(folder)})
        service.wait_for(service.job(), "done")  # so it has chosen where to put such files
        filler = fill(folder)
        job = service.job()
        until(lambda: service.outcomes(job)[-1:] == ["error"])
        assert "No space left on device" in service.show(job).attempts[0].error
        filler.unlink()
        service.skip_backoff(job)
        service.wait_for(job, "done")
        assert evaluator.process.poll() is None
        evaluator.process.kill()


@pytest.mark.slow
@pytest.mark.fault("F26")
def test_a_worker_that_dies_with_the_model_saved_and_not_written_leaves_no_row_without_a_file(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    # The row of the job stays locked, so that what is saved cannot be written.
    with service.documents_locked():
        evaluator = start_evaluator(lease_seconds=1)
        service.wait_until_blocked()
        operator = service.engine.connect()
        operator.exec_driver_sql("SELECT FROM dataset_eval_jobs FOR UPDATE")
    until(lambda: service.bundles(job))
    until(lambda: not evaluator.children())
    evaluator.process.kill()
    evaluator.process.wait()
    operator.close()
    assert [path.name for path in service.bundles(job)] == [f"{job}-1.model"]
    assert service.show(job).result is None

    start_evaluator(lease_seconds=1)
    until(lambda: service.outcomes(job)[0] == "lost")
    service.skip_backoff(job)
    service.wait_for(job, "done")

    until(lambda: [path.name for path in service.bundles(job)] == [f"{job}-2.model"])
    assert service.show(job).result["model"]["path"].endswith(f"{job}-2.model")
