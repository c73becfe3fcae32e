"""Progress in a log and on a terminal."""

import io
from dataclasses import dataclass

from rich.console import Console

from worker.commands.progress import remaining_seconds, shown


@dataclass(frozen=True)
class Step:
    stage: str
    done: int
    total: int


def test_a_log_gets_a_line_when_a_stage_starts_and_one_when_it_ends() -> None:
    stream = io.StringIO()

    with shown(Console(file=stream, width=200)) as told:
        for done in range(1, 101):
            told(Step("grid", done, 100))
        told(Step("final model", 1, 1))

    assert stream.getvalue().splitlines() == [
        "grid: 1 of 100",
        "grid: 100 of 100",
        "final model: 1 of 1",
    ]


def test_a_terminal_gets_a_bar_with_the_time_left() -> None:
    stream = io.StringIO()

    with shown(Console(file=stream, force_terminal=True, width=100)) as told:
        told(Step("grid", 50, 100))

    assert "50/100" in stream.getvalue()
    assert "-:--:--" in stream.getvalue()


def test_the_time_left_follows_from_the_speed_so_far() -> None:
    assert remaining_seconds(Step("grid", 25, 100), elapsed=10) == 30
    assert remaining_seconds(Step("grid", 0, 100), elapsed=10) is None
    assert remaining_seconds(Step("grid", 1, 720), elapsed=10) is None
    assert remaining_seconds(Step("grid", 100, 100), elapsed=10) is None
