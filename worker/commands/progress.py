"""Progress of a long search: a bar for a person, now and then a line for a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from worker.commands.text import visible

# Somebody may look on at first, and a log of a day should still fit on a screen or two: lines come
# after some seconds, and later after a share of the time that the stage has taken.
_SECONDS_BETWEEN_LINES = 5.0
_SHARE_BETWEEN_LINES = 0.1


class Step(Protocol):
    """Where a search stands: `done` of `total` pieces of its `stage`."""

    @property
    def done(self) -> int: ...  # noqa: D102
    @property
    def total(self) -> int: ...  # noqa: D102
    @property
    def stage(self) -> str: ...  # noqa: D102


class Watcher(Protocol):
    """Is told of every step."""

    def __call__(self, step: Step, /) -> None: ...  # noqa: D102


@contextmanager
def shown(console: Console) -> Iterator[Watcher]:
    """Give a function that shows each step it is told of on `console`."""
    if not console.is_terminal:
        lines = Lines(console)
        try:
            yield lines
        finally:
            lines.end()
        return
    with Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    ) as progress:
        yield Bars(progress)


class Bars:
    """One bar a stage."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, step: Step, /) -> None:
        """Move the bar of this stage."""
        if step.stage not in self.tasks:
            self.tasks[step.stage] = self.progress.add_task(visible(step.stage), total=step.total)
        self.progress.update(self.tasks[step.stage], completed=step.done, total=step.total)


class Lines:
    """A line when a stage starts, one where it ends, and now and then one in between."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console
        self.clock = clock
        self.began = self.last_line = clock()
        self.step: Step | None = None
        self.told = False

    def __call__(self, step: Step, /) -> None:
        """Write a line if it is time for one."""
        now = self.clock()
        if self.step is None or step.stage != self.step.stage:
            self.end()
            self.began = now
        elif (step.done, step.total) == (self.step.done, self.step.total):
            return
        elif not _is_over(step, self.step) and now - self.last_line < self._pause(now):
            self.step, self.told = step, False
            return
        self._tell(step, now)

    def end(self) -> None:
        """Write where the stage stands, if that was not written yet."""
        if self.step is not None and not self.told:
            self._tell(self.step, self.clock())

    def _pause(self, now: float) -> float:
        return max(_SECONDS_BETWEEN_LINES, _SHARE_BETWEEN_LINES * (now - self.began))

    def _tell(self, step: Step, now: float) -> None:
        self.step, self.told, self.last_line = step, True, now
        left = remaining_seconds(step, elapsed=now - self.began)
        rest = f", about {duration(left)} left" if left else ""
        self.console.print(f"{visible(step.stage)}: {step.done} of {step.total}{rest}")


def _is_over(step: Step, last: Step) -> bool:
    # A total that grows with what is done, as that of lines in a pipe, says nothing of the end.
    return step.done >= step.total == last.total


# What is done before that says little of the rest: the first of a search is the slowest.
ENOUGH_DONE = 0.02


def remaining_seconds(step: Step, *, elapsed: float) -> float | None:
    """Seconds that are left if the rest goes as what is done; None while too little is known."""
    if step.done < step.total * ENOUGH_DONE or step.done >= step.total:
        return None
    return elapsed * (step.total - step.done) / step.done


def duration(seconds: float) -> str:
    """Words for a time span.

    Examples
    --------
    >>> duration(8), duration(95), duration(7300), duration(200_000)
    ('8 s', '1 min 35 s', '2 h 1 min', '2 d 7 h')
    """
    whole = max(0, round(seconds))
    minutes, left = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (left, "s")]
    first = next((n for n, (count, _) in enumerate(parts) if count), 3)
    return " ".join(f"{count} {unit}" for count, unit in parts[first : first + 2] if count) or "0 s"


def brief(seconds: float) -> str:
    """Give a time span in as few characters as possible.

    Examples
    --------
    >>> brief(8), brief(95), brief(3600), brief(7300), brief(200_000)
    ('8s', '1m35s', '1h', '2h1m', '2d7h')
    """
    return duration(seconds).replace("min", "m").replace(" ", "")
