"""Real children, each a few lines of Python."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from worker.child_process import ChildProcess, Exit

READ = "import json, os, sys, time; given = json.load(sys.stdin); "
REPORT = "os.write(given['progress'], json.dumps({said}).encode() + b'\\n'); "
SLEEP = "time.sleep(60); "

Start = Callable[..., ChildProcess]


@pytest.fixture
def start(tmp_path: Path) -> Any:
    started = []

    def start(code: str, **assignment: Any) -> ChildProcess:
        child = ChildProcess(["-c", READ + code], assignment, output=tmp_path / "output.log")
        started.append(child)
        return child

    yield start
    for child in started:
        if child._process.returncode is None:
            child.signal_group(signal.SIGKILL)
            child.wait_for_end()
            child.reap()


def open_descriptors() -> set[str]:
    return {path.name for path in Path("/proc/self/fd").iterdir()}


def ended(child: ChildProcess, until: Callable[..., Any]) -> Exit:
    end: Exit = until(child.reap)
    return end


def test_a_child_finds_its_assignment_whatever_its_size(
    start: Start, until: Callable[..., Any]
) -> None:
    long = "x" * 1_000_000  # more than any pipe holds

    child = start("print(len(given['long']), given['parent'])", long=long)

    assert ended(child, until).code == 0
    assert child.output_tail() == f"1000000 {os.getpid()}"


def test_the_latest_progress_is_given(start: Start, until: Callable[..., Any]) -> None:
    child = start(REPORT.format(said=1) + REPORT.format(said=2) + SLEEP)

    until(lambda: child.read_progress() == 2)
    assert child.read_progress() is None
    assert child.said == 2


def test_a_line_of_progress_that_comes_in_two_parts_is_one(
    start: Start, until: Callable[..., Any], tmp_path: Path
) -> None:
    go = tmp_path / "go"
    wait = f"[time.sleep(0.01) for _ in iter(lambda: os.path.exists({str(go)!r}), True)]; "
    first, second = (f"os.write(given['progress'], {part}); " for part in (b"[1", b", 2]\n"))
    child = start(first + wait + second)
    until(lambda: child.read_progress() or child._unread)

    go.touch()

    ended(child, until)
    assert child.said == [1, 2]


def test_a_line_that_is_no_json_is_passed_over(start: Start, until: Callable[..., Any]) -> None:
    child = start("os.write(given['progress'], b'1\\noh no\\n')")

    assert ended(child, until).code == 0
    assert child.said is None


def test_a_closed_progress_pipe_is_not_waited_for_any_more(
    start: Start, until: Callable[..., Any]
) -> None:
    child = start("os.close(given['progress']); " + SLEEP)

    until(lambda: child.read_progress() is None and not child.progress_open)


def test_how_it_ended_is_said_with_its_memory_and_processor_time(
    start: Start, until: Callable[..., Any]
) -> None:
    end = ended(start("kept = bytearray(80_000_000); sys.exit(7)"), until)

    assert (end.code, end.signal) == (7, None)
    assert end.peak_memory > 80_000_000
    assert 0 < end.cpu_seconds < 60
    assert end.sentence().startswith("training process ended with exit code 7 and no result; peak")


def test_a_child_that_was_killed_is_told_with_the_likeliest_reason(
    start: Start, until: Callable[..., Any]
) -> None:
    child = start(SLEEP)

    os.kill(child.pid, signal.SIGKILL)

    end = ended(child, until)
    assert (end.code, end.signal) == (None, signal.SIGKILL)
    assert end.sentence().startswith(
        "training process was killed by SIGKILL (out of memory?); peak memory "
    )


def test_nothing_that_a_child_started_outlives_it(
    start: Start, until: Callable[..., Any], group_members: Callable[[int], list[int]]
) -> None:
    child = start(
        "import subprocess; other = subprocess.Popen(['sleep', '60']); "
        + REPORT.format(said="other.pid")
    )
    until(child.read_progress)
    group = child.pid

    ended(child, until)

    until(lambda: not group_members(group))


def test_a_grandchild_that_keeps_the_output_open_keeps_nobody_waiting(
    start: Start, until: Callable[..., Any]
) -> None:
    child = start("import subprocess; subprocess.Popen(['sleep', '60']); print('last words')")

    assert ended(child, until).code == 0
    assert child.output_tail() == "last words"


def test_a_child_that_ignores_sigterm_dies_of_sigkill(
    start: Start, until: Callable[..., Any]
) -> None:
    child = start(
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
        + REPORT.format(said=1)
        + SLEEP
    )
    until(child.read_progress)

    child.signal_group(signal.SIGTERM)
    assert child.reap() is None
    child.signal_group(signal.SIGKILL)

    assert ended(child, until).signal == signal.SIGKILL


def test_only_the_end_of_a_long_output_is_kept(start: Start, until: Callable[..., Any]) -> None:
    child = start("print('x' * 100_000 + '\\xff last')")

    ended(child, until)

    assert child.output_tail().endswith("last")
    assert len(child.output_tail()) < 10_000


def test_no_descriptor_is_left_open(start: Start, until: Callable[..., Any]) -> None:
    before = open_descriptors()

    ended(start("pass"), until)

    assert open_descriptors() == before


def test_a_child_that_cannot_be_started_leaves_no_descriptor_open(tmp_path: Path) -> None:
    before = open_descriptors()

    with pytest.raises(FileNotFoundError):
        ChildProcess(["-c", ""], {}, output=tmp_path / "missing" / "output.log")

    assert open_descriptors() == before


LIFELINE = """
import json, os, subprocess, sys, time
from worker.child_process import ChildProcess
from pathlib import Path

code = '''
import json, sys
given = json.load(sys.stdin)
from worker.lifeline import die_with_parent, guard_group
die_with_parent(given["parent"])
guard_group(given["lifeline"])
import os, subprocess, time
other = subprocess.Popen(["sleep", "60"])
os.write(given["progress"], json.dumps(other.pid).encode() + b"\\\\n")
time.sleep(60)
'''
child = ChildProcess(["-c", code], {}, output=Path(sys.argv[1]))
while (other := child.read_progress()) is None:
    time.sleep(0.01)
print(json.dumps([child.pid, other]), flush=True)
time.sleep(60)
"""


@pytest.mark.fault("F4")
def test_child_and_grandchild_die_with_a_parent_that_is_killed(
    tmp_path: Path, until: Callable[..., Any], group_members: Callable[[int], list[int]]
) -> None:
    command = [sys.executable, "-c", LIFELINE, str(tmp_path / "output.log")]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as parent:
        assert parent.stdout is not None
        group, grandchild = json.loads(parent.stdout.readline())
        assert {group, grandchild} <= set(group_members(group))

        parent.kill()
        parent.wait()

        until(lambda: not group_members(group))


# Killed before its child asks the kernel to end it, too.
HASTY_PARENT = """
import os, subprocess, sys, time
code = '''
import sys
print("started", flush=True)
sys.stdin.read()
from worker.lifeline import die_with_parent
die_with_parent(int(sys.argv[1]))
print("computes", flush=True)
'''
subprocess.Popen([sys.executable, "-c", code, str(os.getpid())])
time.sleep(60)
"""


def test_a_child_whose_parent_died_before_it_could_ask_to_die_with_it_does_nothing() -> None:
    command = [sys.executable, "-c", HASTY_PARENT]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, cwd=Path(__file__).parents[2]) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"started\n"
        parent.kill()
        parent.wait()

        parent.stdin.close()

        assert parent.stdout.read() == b""
