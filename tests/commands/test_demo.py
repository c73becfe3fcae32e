"""``acoustic demo``: the whole way, with real processes, and nothing left behind."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

import examples
from tests.leftover_processes import all_gone

Start = Callable[..., subprocess.Popen[str]]
Process = Callable[..., subprocess.CompletedProcess[str]]

SMALL = ("-o", "preprocessing_values=normalized", "-o", "kernel_values=rbf", "-o", "c_values=5")


def test_a_job_goes_from_sql_to_a_model_and_what_to_type_next_works(
    process: Process, started: Start, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"

    done = process("demo", "--keep", kept, *SMALL, "-o", "gamma_values=-5")

    assert done.returncode == 0, done.stderr
    assert "SELECT worker.enqueue_evaluation('" in done.stdout
    assert "running  attempt 1" in done.stdout
    assert "normalized, RBF, C 2^5, gamma 2^-5" in done.stdout
    assert "actual \\ predicted" in done.stdout
    assert "4320 outputs of 240 recordings" in done.stdout
    assert all(f"\n{task} " in done.stdout for task in examples.tasks())
    assert all_gone(kept)
    [serve] = [line.split()[1:] for line in done.stdout.splitlines() if "--serve" in line]
    server = started(*shlex.split(" ".join(serve)))
    assert server.stdout is not None
    exports = [next(server.stdout) for _ in range(3)]
    settings = dict(shlex.split(line)[1].split("=", 1) for line in exports)
    assert settings["DATABASE_URL"].startswith("postgresql://")
    listed = process("models", "list", "--json", **settings)
    assert len(listed.stdout.splitlines()) == len(examples.tasks())
    server.send_signal(signal.SIGINT)
    assert server.wait(30) == 0
    assert all_gone(kept)
    following = [line.split()[1:] for line in done.stdout.splitlines() if line.startswith("  ")]
    following = [words for words in following if words and words[0] in {"models", "predict"}]
    assert [words[0] for words in following] == ["models", "predict"]
    for words in following:
        again = process(*shlex.split(" ".join(words)))
        assert again.returncode == 0, again.stderr
    assert "danceability" in again.stdout


def test_another_terminal_can_look_on_and_a_job_that_fails_is_told(
    started: Start, process: Process, tmp_path: Path
) -> None:
    demo = started("demo", TMPDIR=str(tmp_path))
    assert demo.stdout is not None
    address = next(line for line in demo.stdout if "DATABASE_URL=" in line)
    job = next(line for line in demo.stdout if "  pending" in line).split()[0]
    (setting, *_) = shlex.split(address)

    cancelled = process("jobs", "cancel", job, DATABASE_URL=setting.removeprefix("DATABASE_URL="))

    assert cancelled.returncode == 0, cancelled.stderr
    assert "The job failed: cancelled by operator" in demo.stdout.read()
    assert demo.wait(60) == 4
    assert list(tmp_path.iterdir()) == []


def test_a_server_is_started_again_only_where_a_demo_was_kept(
    acoustic: Callable[..., Result], tmp_path: Path
) -> None:
    nothing = acoustic("demo", "--keep", tmp_path, "--serve")
    unnamed = acoustic("demo", "--serve")

    assert (nothing.exit_code, unnamed.exit_code) == (1, 2)
    assert f"No demo was kept in {tmp_path}" in nothing.stderr
    assert "--keep FOLDER --serve" in unnamed.stderr


def test_options_and_tasks_are_checked_before_anything_is_started(
    acoustic: Callable[..., Result],
) -> None:
    wrong_option = acoustic("demo", "-o", "folds=1")
    wrong_task = acoustic("demo", "--task", "mood")

    assert wrong_option.exit_code == wrong_task.exit_code == 2
    assert "folds" in wrong_option.stderr
    assert "there are danceability, gender" in wrong_task.stderr


@pytest.mark.parametrize(
    ("word", "number", "code"), [("running", signal.SIGINT, 130), ("pending", signal.SIGTERM, 143)]
)
def test_an_interruption_stops_and_removes_everything(
    started: Start, tmp_path: Path, word: str, number: int, code: int
) -> None:
    process = _until(word, started("demo", TMPDIR=str(tmp_path)))

    os.killpg(process.pid, number)

    assert process.wait(60) == code
    assert all_gone(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_while_the_server_is_made_removes_everything(
    started: Start, tmp_path: Path
) -> None:
    process = started("demo", TMPDIR=str(tmp_path))
    deadline = time.monotonic() + 30
    while not any(tmp_path.glob("acoustic-demo-*/postgres/postgres-*.new/PG_VERSION")):
        assert time.monotonic() < deadline, "the server's data folder was never begun"
        time.sleep(0.005)

    process.terminate()

    assert process.wait(60) == 143
    assert all_gone(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_demo_that_is_killed_leaves_no_process(started: Start, tmp_path: Path) -> None:
    process = _until("running", started("demo", TMPDIR=str(tmp_path)))

    process.kill()

    assert all_gone(tmp_path)


def _until(word: str, process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdout is not None
    for line in process.stdout:
        if word in line:
            return process
    raise AssertionError(f"it ended and never said {word!r}")
