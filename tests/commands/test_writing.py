"""Files that appear whole or not at all."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from trainer.whole_file import written_whole
from worker.commands.writing import destination, require_writable
from worker.whole_files import write_whole


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")

    write_whole(target, "new")

    assert target.read_text() == "new"
    assert list(tmp_path.iterdir()) == [target]


def bundle(target: Path, text: str) -> None:
    """Write as bundles are written."""
    with written_whole(target) as stream:
        stream.write(text.encode())


@pytest.mark.parametrize("write", [write_whole, bundle])
def test_a_file_is_on_the_disk_before_it_has_its_name_and_then_the_name_is(
    write: Callable[[Path, str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, sync, seen = tmp_path / "report.json", os.fsync, []

    def noted(descriptor: int) -> None:
        what = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        seen.append((what, target.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    write(target, "new")

    assert seen == [("file", False), ("folder", True)]


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    target = tmp_path / "report.json"
    target.write_text("old")

    with pytest.raises(UnicodeEncodeError):
        write_whole(target, "half\ud800")

    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("place", ["", "missing/model", "file/model"])
def test_a_place_that_takes_no_file_is_found_out(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(click.UsageError):
        require_writable(tmp_path / place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write_is_found_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(click.UsageError, match="cannot be written"):
        require_writable(tmp_path / "model")


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    require_writable(tmp_path / "model")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["/dev/null", "/dev/full", "fifo", "circle", "-"])
def test_what_is_no_regular_file_is_refused_and_stays(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo")
    Path("circle").symlink_to("circle")
    before = sorted(tmp_path.iterdir())

    with pytest.raises(click.UsageError, match="name a"):
        destination(Path(name), apart_from=())

    assert sorted(tmp_path.iterdir()) == before


def test_a_link_to_a_file_that_is_not_there_yet_leads_to_it(tmp_path: Path) -> None:
    (tmp_path / "latest").symlink_to("a.model")

    assert destination(tmp_path / "latest", apart_from=()) == tmp_path / "a.model"
