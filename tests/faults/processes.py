"""Processes and control groups as /proc and /sys show them."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

GROUPS = Path("/sys/fs/cgroup")


@contextmanager
def control_group(controller: str, limit: str, value: int) -> Iterator[Path]:
    """Make a control group of the older kind with a limit; skip where that cannot be."""
    group = GROUPS / controller / f"acoustic-{secrets.token_hex(4)}"
    try:
        group.mkdir()
        (group / limit).write_text(str(value))
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"no control group for {controller} can be made here: {error}")
    try:
        yield group
    finally:
        for process in (group / "cgroup.procs").read_text().split():
            with suppress(OSError):
                (group.parent / "cgroup.procs").write_text(process)
        with suppress(OSError):
            group.rmdir()


def require_root(why: str) -> None:
    if os.geteuid() != 0:
        pytest.skip(f"only root can {why}")
