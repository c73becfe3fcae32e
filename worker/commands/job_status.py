"""A job at a glance: as a row, as a line, as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from json import dumps
from typing import Any

from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from schema.evaluation_jobs import JobStatus, Pause
from worker.commands.figures import at, number, table
from worker.commands.progress import ENOUGH_DONE, duration
from worker.commands.text import plain, visible

# As much of an id as a person reads; `jobs show` takes it if it is unique.
_SHORT = 8

_BAR = 20

_STYLES = {"running": "cyan", "pending": "yellow", "done": "green", "failed": "red"}

ENDED = ("done", "failed")

# A reason in a narrower column is a letter a line, and hides the other jobs.
_NARROWEST_REASON = 12


def paused_sentence(pause: Pause, *, resume: str = "acoustic jobs resume") -> str:
    """Say that the queue is paused, since when, by whom and why."""
    why = f": {visible(pause.reason)}" if pause.reason else ""
    return (
        f"The queue has been paused for {age(pause.since)} by {visible(pause.paused_by)}{why}; "
        f"{resume} ends that."
    )


def left_to_others(job: JobStatus) -> bool:
    """Whether no worker of this database does the job: it is remote, or nobody has it."""
    if job.status == "running":
        return job.worker is None
    # Only local jobs have a place in the queue.
    return job.status == "pending" and job.position is None


def as_json(value: Any) -> str:
    """One line of JSON, ASCII only: no character in it acts on a terminal."""
    return dumps(value, default=_plain_json)


def status_table(jobs: Iterable[JobStatus], *, short: bool, bars: bool = False) -> Table:
    """Give a row for each job.

    Parameters
    ----------
    jobs
        In the order in which they are to stand.
    short
        Shorten ids for a person; else they are whole, for a script.
    bars
        Draw the progress too.
    """
    columns = ("job", "status", "queue", "dataset", "try", "age", "progress or reason")
    made = table(*columns, numbers=("queue", "try", "age"), whole=("job", "status", "age"))
    made.columns[-1].min_width = _NARROWEST_REASON
    for job in jobs:
        made.add_row(
            str(job.id)[: _SHORT if short else None],
            Text(job.status, style=_STYLES.get(job.status, "")),
            _or_nothing(job.position),
            plain(job.dataset or "-"),
            _or_nothing(job.attempt),
            age(job.created),
            _with_bar(job) if bars else Text(detail(job)),
        )
    return made


def status_line(job: JobStatus) -> str:
    """One line of plain text on where the job stands."""
    parts = [str(job.id), visible(job.dataset or "-"), job.status]
    if job.status == "pending" and job.position is not None:
        parts.append(f"number {job.position} in the queue")
    if job.status == "running":
        parts.append(f"attempt {job.attempt}")
    return "  ".join([*parts, detail(job)]).rstrip()


def detail(job: JobStatus) -> str:
    """How far it is, when it goes on, or why it does not."""
    if job.status == "running":
        left = job.time_left if _enough_done(job) else None
        rest = [f"{duration(left.total_seconds())} left"] if left is not None else []
        return ", ".join([*filter(None, [progress(job)]), *rest])
    if job.status == "done":
        return ""
    return ": ".join(filter(None, [progress(job), visible(job.reason or "")]))


def _enough_done(job: JobStatus) -> bool:
    done, total = (number(at(job.progress, key)) for key in ("done", "total"))
    return done is not None and total is not None and done >= ENOUGH_DONE * total


def progress(job: JobStatus) -> str:
    """How far the attempt is, or when the next one may start."""
    done, total = (number(at(job.progress, key)) for key in ("done", "total"))
    if done is not None and total:
        share = f" {100 * done / total:.0f} %"
        return f"{visible(at(job.progress, 'stage'))} {done:.0f}/{total:.0f}{share}"
    if job.retry_at is not None and job.retry_at > datetime.now(UTC):
        return f"again in {age(datetime.now(UTC), until=job.retry_at)}"
    return ""


def age(since: datetime, *, until: datetime | None = None) -> str:
    """Time from `since` to `until`, or to now."""
    return duration(((until or datetime.now(UTC)) - since).total_seconds())


def _with_bar(job: JobStatus) -> Table | Text:
    done, total = (number(at(job.progress, key)) for key in ("done", "total"))
    if done is None or not total:
        return Text(detail(job))
    cell = Table.grid(padding=(0, 1))
    cell.add_row(ProgressBar(total=total, completed=done, width=_BAR), Text(detail(job)))
    return cell


def _or_nothing(value: int | None) -> str:
    return "" if value is None else str(value)


def _plain_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
