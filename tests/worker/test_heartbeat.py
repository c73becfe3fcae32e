"""A daemon touches a file with every turn, and a check looks at how long ago that was."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.heartbeat import Heartbeat, silence

Start = Callable[..., Any]
Until = Callable[..., Any]


def test_an_idle_evaluator_touches_its_file_again_and_again(
    start_evaluator: Start, until: Until, tmp_path: Path
) -> None:
    file = tmp_path / "turns"
    start_evaluator(heartbeat=file)

    until(file.exists)
    first = file.stat().st_mtime_ns
    until(lambda: file.stat().st_mtime_ns > first)


def test_a_file_that_nobody_touched_for_long_is_old(tmp_path: Path) -> None:
    file = tmp_path / "turns"
    assert silence(file) is None
    Heartbeat(file).beat()
    assert silence(file) < 60

    os.utime(file, (0, 0))

    assert silence(file) > 1e9


def test_a_file_that_cannot_be_touched_ends_no_daemon(tmp_path: Path) -> None:
    Heartbeat(tmp_path / "missing" / "turns").beat()
