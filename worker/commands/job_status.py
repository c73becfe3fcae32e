"""A job at a glance: as a row, as a line, as JSON."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from json import dumps
from typing import Any

from schema.evaluation_jobs import JobStatus, Pause
from worker.commands.figures import at, number
from worker.commands.progress import ENOUGH_DONE, duration
from worker.commands.text import visible

# As much of an id as a person reads; `jobs show` takes it if it is unique.
_SHORT = 8

_STYLES = {"running": "cyan", "pending": "yellow", "done": "green", "failed": "red"}

ENDED = ("done", "failed")


def paused_sentence(pause: Pause, *, resume: str = "acoustic jobs resume") -> str:
    """Say that the queue is paused, since when, by whom and why."""
    why = f": {visible(pause.reason)}" if pause.reason else ""
    return (
        f"The queue has been paused for {age(pause.since)} by {visible(pause.paused_by)}{why}; "
        f"{resume} ends that."
    )


def told_totals(totals: Mapping[str, int]) -> str:
    """Say how many jobs there are of each status.

    Examples
    --------
    >>> told_totals({"pending": 1000, "running": 1, "failed": 0})
    '1 running, 1,000 pending'
    """
    ordered = ("running", "pending", *ENDED)
    return ", ".join(f"{totals[status]:,} {status}" for status in ordered if totals.get(status))


def left_to_others(job: JobStatus) -> bool:
    """Whether no worker of this database does the job: it is remote, or nobody has it."""
    if job.status == "running":
        return job.worker is None
    # Only local jobs have a place in the queue.
    return job.status == "pending" and job.position is None


def as_json(value: Any) -> str:
    """One line of JSON, ASCII only: no character in it acts on a terminal."""
    return dumps(value, default=_plain_json)


def status_fields(jobs: Iterable[JobStatus]) -> Iterator[tuple[str, ...]]:
    """Give the names of fields and then those of each job, for a program that splits at tabs."""
    yield ("job", "status", "queue", "dataset", "try", "age", "progress", "left", "reason")
    for job in jobs:
        left = time_left(job)
        yield (
            str(job.id),
            visible(job.status),
            _or_nothing(job.position),
            visible(job.dataset or "-"),
            _or_nothing(job.attempt),
            age(job.created),
            progress(job) if job.status == "running" else "",
            "" if left is None else duration(left),
            reason_of(job),
        )


def short_id(job: JobStatus) -> str:
    """As much of a job's id as a person reads; commands take it if it is unique."""
    return str(job.id)[:_SHORT]


def style_of(job: JobStatus) -> str:
    """Style of rich for a job's status."""
    return _STYLES.get(job.status, "")


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
        left = time_left(job)
        rest = [f"{duration(left)} left"] if left is not None else []
        return ", ".join([*filter(None, [progress(job)]), *rest])
    return reason_of(job)


def reason_of(job: JobStatus) -> str:
    """Why it failed, or failed last; before that, when it is tried again."""
    if job.status in ("running", "done"):
        return ""
    return ": ".join(filter(None, [again(job), visible(job.reason or "")]))


def time_left(job: JobStatus) -> float | None:
    """Seconds that the stage of a running job may take yet; None while that is unknown."""
    if job.status != "running" or job.time_left is None or not _enough_done(job):
        return None
    return job.time_left.total_seconds()


def _enough_done(job: JobStatus) -> bool:
    done, total = (number(at(job.progress, key)) for key in ("done", "total"))
    return done is not None and total is not None and done >= ENOUGH_DONE * total


def progress(job: JobStatus) -> str:
    """How far the attempt is."""
    done, total = (number(at(job.progress, key)) for key in ("done", "total"))
    if done is not None and total:
        share = f" {100 * done / total:.0f} %"
        return f"{visible(at(job.progress, 'stage'))} {done:.0f}/{total:.0f}{share}"
    return ""


def again(job: JobStatus) -> str:
    """When the next attempt may start, if it has to wait."""
    if job.retry_at is not None and job.retry_at > datetime.now(UTC):
        return f"again in {age(datetime.now(UTC), until=job.retry_at)}"
    return ""


def age(since: datetime, *, until: datetime | None = None) -> str:
    """Time from `since` to `until`, or to now."""
    return duration(((until or datetime.now(UTC)) - since).total_seconds())


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
