import fcntl
import os
import shutil
from pathlib import Path
from uuid import UUID

import pytest

from worker.attempt_folder import AttemptFolder, hold, remove_leftovers

JOB = UUID("ab1c0000-0000-4000-8000-000000000001")


def used(folder: AttemptFolder) -> int:
    """Leave what a running attempt has on disk, and its lock."""
    held = hold(folder)
    folder.output.write_text("x")
    lowlevel = folder.project / "lowlevel"
    lowlevel.mkdir(parents=True, exist_ok=True)
    (lowlevel / "a.sig").write_text("x")
    (folder.project / "project.yaml").write_text("x")
    return held


def test_an_ended_attempt_leaves_the_small_files_of_its_project(tmp_path: Path) -> None:
    folder = AttemptFolder(tmp_path, JOB, 1)
    os.close(used(folder))

    folder.remove(keep_lowlevel=False)

    assert [path.name for path in folder.project.iterdir()] == ["project.yaml"]
    assert not folder.path.exists()


def test_low_level_files_can_be_kept(tmp_path: Path) -> None:
    folder = AttemptFolder(tmp_path, JOB, 1)
    os.close(used(folder))

    folder.remove(keep_lowlevel=True)

    assert (folder.project / "lowlevel" / "a.sig").exists()
    assert not folder.path.exists()


def test_what_a_killed_worker_left_is_removed(tmp_path: Path) -> None:
    folder = AttemptFolder(tmp_path, JOB, 1)
    os.close(used(folder))  # as the kernel closes it

    assert remove_leftovers(tmp_path, keep_lowlevel=False) == [folder]
    assert not folder.path.exists()
    assert not (folder.project / "lowlevel").exists()


def test_what_a_living_worker_holds_is_left_alone(tmp_path: Path) -> None:
    folder = AttemptFolder(tmp_path, JOB, 1)
    held = used(folder)

    assert remove_leftovers(tmp_path, keep_lowlevel=False) == []
    assert folder.output.exists()

    os.close(held)


def test_a_folder_that_is_no_attempts_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".attempts" / "mine").mkdir(parents=True)

    assert remove_leftovers(tmp_path, keep_lowlevel=False) == []
    assert (tmp_path / ".attempts" / "mine").exists()


def test_there_is_nothing_to_remove_before_the_first_job(tmp_path: Path) -> None:
    assert remove_leftovers(tmp_path / "projects", keep_lowlevel=False) == []


def test_a_folder_that_a_living_worker_holds_is_not_waited_for_without_end(tmp_path: Path) -> None:
    folder = AttemptFolder(tmp_path, JOB, 1)
    held = hold(folder)

    with pytest.raises(OSError, match="resource busy"):
        hold(folder, patience=0)

    os.close(held)
    os.close(hold(folder, patience=0))


def test_a_folder_that_is_removed_while_it_is_being_locked_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = AttemptFolder(tmp_path, JOB, 1)
    lock = fcntl.flock

    def remove_and_lock(descriptor: int, how: int) -> None:
        monkeypatch.undo()
        shutil.rmtree(folder.path)  # as another worker does that took it for a leftover
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", remove_and_lock)
    held = hold(folder)

    assert folder.path.exists()
    assert remove_leftovers(tmp_path, keep_lowlevel=False) == []
    os.close(held)
