"""All there is to know about a job, as ``jobs show`` and the demo show it."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from contextlib import suppress
from datetime import UTC, datetime
from json import dumps
from pathlib import Path
from signal import Signals, strsignal
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.text import Text

from schema.evaluation_jobs import Attempt, JobDetails, Outcome
from trainer.wording import counted
from worker.commands.evaluations import misclassified, show_left_out, summary
from worker.commands.figures import at, number, pairs, show_rows, table
from worker.commands.job_status import again, age, progress, time_left
from worker.commands.progress import duration
from worker.commands.text import plain, visible, visible_lines

# As many of a long list as fit on a screen with the rest.
_FEW = 20

_MEGABYTE = 1e6

_OUTCOMES = {"done": "green", "error": "red", "crashed": "red", "timeout": "red", "lost": "red"}


def show_details(
    console: Console, details: JobDetails, *, everything: bool = False, traceback: bool = False
) -> None:
    """Show a job.

    Parameters
    ----------
    console
        Where to write.
    details
        The job.
    everything
        Name all misclassified and left-out recordings, and not only the first few.
    traceback
        Show where failed attempts went wrong.
    """
    console.print(pairs(_facts(details)))
    if details.attempts:
        console.print()
        console.print(_attempts(details.attempts))
    if traceback:
        _show_tracebacks(console, details.attempts)
    if details.result is not None:
        console.print()
        if details.status.status != "done":
            console.print(Text(f"{_former(details)}:", "bold yellow"), soft_wrap=True)
        show_result(console, details.result, most=None if everything else _FEW)
        listed = (misclassified(details.result), at(details.result, "left_out"))
        if not everything and any(isinstance(x, Sized) and len(x) > _FEW for x in listed):
            console.print("--all names every recording.")


def show_result(console: Console, result: Any, *, most: int | None) -> None:
    """Show a job's result, with at most `most` recordings in each list."""
    summary(console, result)
    wrong = misclassified(result)
    if wrong:
        console.print(f"misclassified: {len(wrong)}")
        show_rows(console, wrong, ("recording", "actual", "predicted", "fold"), most=most)
    show_left_out(console, result, most=most)
    console.print(pairs(_where(result)))


def _former(details: JobDetails) -> str:
    """Say whose result it is that a job still has."""
    done = [one for one in details.attempts if one.outcome is Outcome.DONE]
    which = f"try {done[-1].attempt} ({done[-1].ended:%Y-%m-%d %H:%M:%S})" if done else "before"
    return f"What follows is the result of {which}; the job is {details.status.status} again"


def _facts(details: JobDetails) -> Iterator[tuple[str, object]]:
    status = details.status
    yield "job", status.id
    yield "dataset", status.dataset or "-"
    yield "status", status.status
    if status.position is not None:
        yield "queue", f"number {status.position}"
    if again(status):
        yield "next attempt", again(status)
    if progress(status):
        yield "progress", progress(status)
    left = time_left(status)
    if left is not None:
        yield "time left", f"about {duration(left)}"
    if status.reason:
        yield "reason", status.reason
    yield "created", f"{status.created:%Y-%m-%d %H:%M:%S %Z} ({age(status.created)} ago)"
    yield "updated", f"{status.updated:%Y-%m-%d %H:%M:%S %Z} ({age(status.updated)} ago)"
    yield "options", dumps(details.options, ensure_ascii=False) if details.options else "defaults"
    if details.training_set is not None:
        yield "training set", counted(len(details.training_set), "recording")
    if details.testing_set:
        yield "testing set", counted(len(details.testing_set), "recording")


def _attempts(attempts: Sequence[Attempt]) -> Group:
    """Give the timeline: a line each, and below it why it ended and where it ran."""
    columns = ("try", "started", "took", "outcome", "memory", "CPU")
    made = table(*columns, numbers=("try", "took", "memory", "CPU"), whole=columns)
    lines: list[RenderableType] = []
    for attempt in attempts:
        memory, cpu = attempt.peak_memory, attempt.cpu_seconds
        made.add_row(
            str(attempt.attempt),
            f"{attempt.started:%Y-%m-%d %H:%M:%S}",
            age(attempt.started, until=attempt.ended or datetime.now(UTC)),
            plain(_outcome(attempt), _OUTCOMES.get(attempt.outcome or "", "")),
            "" if memory is None else f"{memory / _MEGABYTE:.0f} MB",
            "" if cpu is None else f"{cpu:.1f} s",
        )
        told = "; ".join(filter(None, [f"{attempt.worker} on {attempt.host}", _story(attempt)]))
        lines.append(plain(f"try {attempt.attempt}: {told}"))
    return Group(made, Text(), *lines)


def _story(attempt: Attempt) -> str:
    """Say where it went on from and what went wrong, if anything."""
    resumed = number(at(attempt.progress, "resumed"))
    were = "combination was" if resumed == 1 else "combinations were"
    went_on = f"{resumed:.0f} {were} known from earlier attempts" if resumed else ""
    return "; ".join(filter(None, [went_on, attempt.error]))


def _outcome(attempt: Attempt) -> str:
    if attempt.outcome is None:
        return "running"
    if attempt.signal is not None and attempt.outcome is Outcome.CRASHED:
        return f"{attempt.outcome} ({_signal_name(attempt.signal)})"
    not_counted = attempt.outcome is not Outcome.DONE and not attempt.counted
    return f"{attempt.outcome} (not counted)" if not_counted else attempt.outcome


def _signal_name(number: int) -> str:
    try:
        return Signals(number).name
    except ValueError:
        return f"signal {number}, {strsignal(number) or 'unknown'}"


def _show_tracebacks(console: Console, attempts: Iterable[Attempt]) -> None:
    for attempt in attempts:
        if attempt.traceback:
            console.print()
            console.print(f"attempt {attempt.attempt}:")
            console.print(Text(visible_lines(attempt.traceback)), soft_wrap=True)


def _where(result: Any) -> Iterator[tuple[str, str]]:
    model = at(result, "model", "path")
    history = at(result, "history_path")
    for label, value in (
        ("model", model if model is None else f"{model}{_if_missing(model)}"),
        ("SHA-256", at(result, "model", "sha256")),
        # AcousticBrainz's name for the model; in its own results it is the only one.
        ("history", history if history != model else None),
        ("project", at(result, "project_path")),
        ("page", at(result, "report_page")),
    ):
        if value:
            yield label, visible(value)


def _if_missing(path: Any) -> str:
    # A result is JSON that anybody may have written: whatever cannot be looked at is left at that.
    with suppress(OSError, ValueError):
        if isinstance(path, str) and not Path(path).is_file():
            return " (no such file on this host)"
    return ""
