"""Jobs followed until they end: a live table for a person, a line for each change otherwise."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from rich.console import Console
from rich.live import Live
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from schema.evaluation_jobs import JobStatus, list_jobs, show
from worker.commands.connections import explained
from worker.commands.invocation import Invocation
from worker.commands.job_status import ENDED, as_json, left_to_others, status_line, status_table
from worker.commands.text import plain

# Workers say how far they are every few seconds; looking more often shows nothing new.
SECONDS_BETWEEN_LOOKS = 1.0

# More jobs than a screen has lines help nobody.
_MOST_JOBS = 200

# A narrower terminal has no room for bars.
_WIDE = 100

Show = Callable[[list[JobStatus]], None]
Pause = Callable[[], None]


def pause() -> None:
    """Wait until it is time for the next look."""
    time.sleep(SECONDS_BETWEEN_LOOKS)


def follow(
    engine: Engine,
    invocation: Invocation,
    *,
    job: UUID | None,
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
    json
        A line of JSON for each change.
    pause
        Called between two looks; may raise to end it all.

    Returns
    -------
    list of JobStatus
        How they ended; among all jobs also those that no worker of this database will do.
    """
    look = _one(job) if job is not None else _all()
    with _view(invocation.out, json=json) as show_jobs:
        while True:
            jobs = _tolerant(engine, look, invocation.notes)
            if jobs is not None:
                show_jobs(jobs)
                # Of one job that was named, a person knows best how long to wait for it.
                if all(_over(found, named=job is not None) for found in jobs):
                    return jobs
            pause()


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
            return [show(connection, job).status]

    return look


def _all() -> Look:
    known: dict[UUID, JobStatus] = {}

    def look(engine: Engine) -> list[JobStatus]:
        with engine.connect() as connection:
            alive = {
                job.id: job
                for status in ("running", "pending")
                for job in list_jobs(connection, status=status, limit=_MOST_JOBS)
            }
            ended = {
                job: show(connection, job).status
                for job, last in known.items()
                if job not in alive and last.status not in ENDED
            }
        known.update(alive | ended)
        return list(known.values())

    return look


@contextmanager
def _view(console: Console, *, json: bool) -> Iterator[Show]:
    if json or not console.is_terminal:
        yield _lines(console, as_json if json else status_line)
        return
    with Live(console=console, refresh_per_second=4) as live:
        bars = console.width >= _WIDE
        yield lambda jobs: live.update(status_table(jobs, short=True, bars=bars))


def _lines(console: Console, written: Callable[[JobStatus], str]) -> Show:
    last: dict[UUID, JobStatus] = {}

    def show_jobs(jobs: list[JobStatus]) -> None:
        for job in jobs:
            if _changed(last.get(job.id), job):
                last[job.id] = job
                console.print(written(job), soft_wrap=True)

    return show_jobs


def _changed(before: JobStatus | None, now: JobStatus) -> bool:
    def telling(job: JobStatus) -> tuple[object, ...]:
        # The time left moves with the clock alone.
        return (job.status, job.position, job.attempt, job.progress, job.reason)

    return before is None or telling(before) != telling(now)
