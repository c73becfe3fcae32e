"""Jobs followed until they end: a live table for a person, a line for each change otherwise."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from schema.evaluation_jobs import JobStatus, list_jobs, status_of
from worker.commands.connections import explained
from worker.commands.invocation import Invocation
from worker.commands.job_status import ENDED, as_json, left_to_others, status_line
from worker.commands.job_table import JobTable
from worker.commands.text import plain

# Workers say how far they are every few seconds; looking more often shows nothing new.
SECONDS_BETWEEN_LOOKS = 1.0

# Looks at a long queue, or over a slow line, take longer: they come as much later that they take
# this share of the time at most, and of the database's too.
SHARE_OF_TIME = 0.008

# More jobs than a screen has lines help nobody.
_MOST_JOBS = 200

# Lines around those of jobs: a title, a rule, how many there are, and one for the cursor.
_AROUND = 5

Show = Callable[[list[JobStatus]], None]
Pause = Callable[[float], None]


def pause(took: float) -> None:
    """Wait until it is time for the next look, after one that took so many seconds."""
    time.sleep(max(SECONDS_BETWEEN_LOOKS, took / SHARE_OF_TIME))


def follow(
    engine: Engine,
    invocation: Invocation,
    *,
    job: UUID | None,
    dataset: UUID | str | None = None,
    json: bool = False,
    pause: Pause = pause,
) -> list[JobStatus]:
    """Show a job, or all that are pending or running, until they have ended.

    Parameters
    ----------
    engine
        The database.
    invocation
        Where to show them.
    job
        One job; None for all.
    dataset
        Of these only those of a dataset, as `schema.evaluation_jobs.list_jobs` takes it.
    json
        A line of JSON for each change.
    pause
        Called between two looks with the seconds that the last one took; may raise to end it all.

    Returns
    -------
    list of JobStatus
        How they ended; among all jobs also those that no worker of this database will do.
    """
    look = _one(job) if job is not None else _all(dataset)
    with _view(invocation.out, json=json, positions=job is not None) as show_jobs:
        while True:
            began = time.monotonic()
            jobs = _tolerant(engine, look, invocation.notes)
            took = time.monotonic() - began
            if jobs is not None:
                show_jobs(jobs)
                # Of one job that was named, a person knows best how long to wait for it.
                if all(_over(found, named=job is not None) for found in jobs):
                    return jobs
            pause(took)


def _over(job: JobStatus, *, named: bool) -> bool:
    return job.status in ENDED or (not named and left_to_others(job))


Look = Callable[[Engine], list[JobStatus]]


def _tolerant(engine: Engine, look: Look, notes: Console) -> list[JobStatus] | None:
    # A database that restarts is no reason to stop watching: the jobs outlive that, too.
    try:
        return look(engine)
    except OperationalError as error:
        notes.print(plain(explained(error, str(engine.url))), soft_wrap=True)
        return None


def _one(job: UUID) -> Look:
    def look(engine: Engine) -> list[JobStatus]:
        with engine.connect() as connection:
            return [status_of(connection, job)]

    return look


def _all(dataset: UUID | str | None) -> Look:
    known: dict[UUID, JobStatus] = {}

    def look(engine: Engine) -> list[JobStatus]:
        with engine.connect() as connection:
            jobs = list_jobs(
                connection, status=("running", "pending"), dataset=dataset, limit=_MOST_JOBS
            )
            alive = {job.id: job for job in jobs}
            ended = {
                job: status_of(connection, job)
                for job, last in known.items()
                if job not in alive and last.status not in ENDED
            }
        # Those that run stay above those that wait, and both above those that ended.
        over = {job: found for job, found in known.items() if job not in alive}
        known.clear()
        known.update(alive | over | ended)
        return list(known.values())

    return look


@contextmanager
def _view(console: Console, *, json: bool, positions: bool) -> Iterator[Show]:
    if json or not console.is_terminal:
        yield _lines(console, as_json if json else status_line, positions=positions)
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda jobs: live.update(screen(jobs, lines=console.height))


def screen(jobs: list[JobStatus], *, lines: int) -> RenderableType:
    """Give what a terminal of so many lines shows: as many jobs as fit, and how many there are."""
    counts = Counter(job.status for job in jobs)
    told = ", ".join(
        f"{counts[status]} {status}"
        for status in ("running", "pending", "done", "failed")
        if counts[status]
    )
    more = " or more" if len(jobs) - counts["done"] - counts["failed"] >= _MOST_JOBS else ""
    return Group(
        JobTable(jobs, bars=True, most=max(1, lines - _AROUND)),
        Text(f"{told}{more}", style="dim"),
    )


def _lines(console: Console, written: Callable[[JobStatus], str], *, positions: bool) -> Show:
    last: dict[UUID, JobStatus] = {}

    def show_jobs(jobs: list[JobStatus]) -> None:
        for job in jobs:
            if _changed(last.get(job.id), job, positions=positions):
                last[job.id] = job
                console.print(written(job), soft_wrap=True)

    return show_jobs


def _changed(before: JobStatus | None, now: JobStatus, *, positions: bool) -> bool:
    def telling(job: JobStatus) -> tuple[object, ...]:
        # The time left moves with the clock alone; and of many jobs each moves up when one begins.
        place = job.position if positions else None
        return (job.status, place, job.attempt, job.progress, job.reason)

    return before is None or telling(before) != telling(now)
