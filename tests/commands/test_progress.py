"""Progress in a log and on a terminal."""

import io
from dataclasses import dataclass

from rich.console import Console

from worker.commands.progress import Lines, remaining_seconds, shown


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


def test_a_log_says_each_state_once_and_ever_less_often() -> None:
    stream = io.StringIO()
    seconds = 0.0
    lines = Lines(Console(file=stream, width=200), clock=lambda: seconds)

    for done in range(3601):
        seconds = float(done)
        lines(Step("grid", done, 3600))
        lines(Step("grid", done, 3600))
    for _ in range(145):
        seconds += 600
        lines(Step("grid", 3600, 3600))
    lines.end()
    lines.end()

    written = [line.split(",")[0] for line in stream.getvalue().splitlines()]
    assert written[:3] == ["grid: 0 of 3600", "grid: 5 of 3600", "grid: 10 of 3600"]
    assert written[-1] == "grid: 3600 of 3600"
    assert len(written) == len(set(written)) < 60


def test_a_stage_whose_end_is_not_known_is_told_of_when_it_is_over() -> None:
    stream = io.StringIO()

    with shown(Console(file=stream, width=200)) as told:
        for done in range(1, 246):
            told(Step("documents", done, done))

    assert stream.getvalue().splitlines() == ["documents: 1 of 1", "documents: 245 of 245"]


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
