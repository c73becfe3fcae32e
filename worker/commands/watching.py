"""Jobs followed until they end: a live table for a person, a line for each change otherwise."""

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError

from schema.evaluation_jobs import JobStatus, count_jobs, list_jobs, paused, status_of
from schema.evaluation_jobs import Pause as QueuePause
from worker.commands.connections import explained
from worker.commands.invocation import Invocation
from worker.commands.job_status import (
    ENDED,
    as_json,
    left_to_others,
    paused_sentence,
    status_line,
    told_totals,
)
from worker.commands.job_table import JobTable
from worker.commands.readers import nobody_reads
from worker.commands.text import plain

# Workers say how far they are every few seconds; looking more often shows nothing new.
SECONDS_BETWEEN_LOOKS = 1.0

# Looks at a long queue, or over a slow line, take longer: they come as much later that they take
# this share of the time at most, and of the database's too.
SHARE_OF_TIME = 0.008

# More jobs than a screen has lines help nobody.
_MOST_JOBS = 200

# Lines around those of jobs: a title, a rule, how many more there are, and one for the cursor.
_AROUND = 4

Pause = Callable[[float], None]


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What one look at the database showed.

    Attributes
    ----------
    jobs
        Those that are followed: running ones, the head of the queue, those that ended meanwhile.
    totals
        How many jobs run and wait, whether they are among `jobs` or not.
    paused
        That no further job is begun, if one of `jobs` waits for that.
    """

    jobs: list[JobStatus]
    totals: Mapping[str, int]
    paused: QueuePause | None

    @property
    def beyond(self) -> int:
        """How many run or wait beyond those that are followed."""
        return sum(self.totals.values()) - sum(job.status not in ENDED for job in self.jobs)


Show = Callable[[Sight], None]


def seconds_after(took: float) -> float:
    """Return how long to wait for the next look, after one that took so many seconds."""
    return max(SECONDS_BETWEEN_LOOKS, took / SHARE_OF_TIME)


def pause(took: float) -> None:
    """Wait until it is time for the next look, after one that took so many seconds.

    Raises
    ------
    BrokenPipeError
        Nobody reads the output any more.
    """
    if nobody_reads(seconds_after(took)):
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


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
    with _view(invocation, json=json, positions=job is not None) as show:
        while True:
            began = time.monotonic()
            sight = _tolerant(engine, look, invocation.notes)
            took = time.monotonic() - began
            if sight is not None:
                show(sight)
                # Of one job that was named, a person knows best how long to wait for it.
                if all(_over(found, named=job is not None) for found in sight.jobs):
                    return sight.jobs
            pause(took)


def _over(job: JobStatus, *, named: bool) -> bool:
    return job.status in ENDED or (not named and left_to_others(job))


Look = Callable[[Engine], Sight]


def _tolerant(engine: Engine, look: Look, notes: Console) -> Sight | None:
    # A database that restarts is no reason to stop watching: the jobs outlive that, too.
    try:
        return look(engine)
    except OperationalError as error:
        notes.print(plain(explained(error, str(engine.url))), soft_wrap=True)
        return None


def _one(job: UUID) -> Look:
    def look(engine: Engine) -> Sight:
        with engine.connect() as connection:
            jobs = [status_of(connection, job)]
            return Sight(jobs=jobs, totals=_totals(jobs), paused=_paused(connection, jobs))

    return look


def _all(dataset: UUID | str | None) -> Look:
    known: dict[UUID, JobStatus] = {}
    status = ("running", "pending")

    def look(engine: Engine) -> Sight:
        with engine.connect() as connection:
            jobs = list_jobs(connection, status=status, dataset=dataset, limit=_MOST_JOBS)
            cut = len(jobs) == _MOST_JOBS
            totals = count_jobs(connection, status=status, dataset=dataset) if cut else None
            alive = {job.id: job for job in jobs}
            ended = {
                job: status_of(connection, job)
                for job, last in known.items()
                if job not in alive and last.status not in ENDED
            }
            paused = _paused(connection, jobs)
        # Those that run stay above those that wait, and both above those that ended.
        over = {job: found for job, found in known.items() if job not in alive}
        known.clear()
        known.update(alive | over | ended)
        shown = list(known.values())
        return Sight(jobs=shown, totals=totals or _totals(shown), paused=paused)

    return look


def _totals(jobs: Iterable[JobStatus]) -> Mapping[str, int]:
    return Counter(job.status for job in jobs if job.status not in ENDED)


def _paused(connection: Connection, jobs: Iterable[JobStatus]) -> QueuePause | None:
    # What runs goes on, and what others are to do is not in this queue.
    waiting = any(job.status == "pending" and job.position is not None for job in jobs)
    return paused(connection) if waiting else None


@contextmanager
def _view(invocation: Invocation, *, json: bool, positions: bool) -> Iterator[Show]:
    out = invocation.out
    if json or not out.is_terminal:
        lines = _lines(out, as_json if json else status_line, positions=positions)
        remarks = _remarks(invocation.notes)

        def show(sight: Sight) -> None:
            remarks(sight)
            lines(sight)

        yield show
        return
    with Live(console=out, refresh_per_second=4) as live:
        yield lambda sight: live.update(screen(sight, lines=out.height))


def screen(sight: Sight, *, lines: int) -> RenderableType:
    """Give what a terminal of so many lines shows: as many jobs as fit, and how many there are."""
    ended = Counter(job.status for job in sight.jobs if job.status in ENDED)
    below: list[RenderableType] = [_one_line(told_totals({**sight.totals, **ended}), "dim")]
    if sight.paused is not None:
        below.append(_one_line(paused_sentence(sight.paused), "yellow"))
    most = max(1, lines - _AROUND - len(below))
    return Group(JobTable(sight.jobs, bars=True, most=most, beyond=sight.beyond), *below)


def _one_line(said: str, style: str) -> Text:
    # However long the reason of a pause is, it must not push jobs away.
    return Text(said, style=style, no_wrap=True, overflow="ellipsis")


def _lines(console: Console, written: Callable[[JobStatus], str], *, positions: bool) -> Show:
    last: dict[UUID, JobStatus] = {}

    def show(sight: Sight) -> None:
        for job in sight.jobs:
            if _changed(last.get(job.id), job, positions=positions):
                last[job.id] = job
                console.print(written(job), soft_wrap=True)

    return show


def _remarks(notes: Console) -> Show:
    """Tell what concerns all jobs when it changes: that the queue stands, that there are more."""
    said: dict[str, bool] = {"paused": False, "beyond": False}

    def show(sight: Sight) -> None:
        if sight.paused is not None and not said["paused"]:
            notes.print(plain(paused_sentence(sight.paused)), soft_wrap=True)
        if sight.paused is None and said["paused"]:
            notes.print("The queue is not paused any more.")
        if sight.beyond and not said["beyond"]:
            said["beyond"] = True
            notes.print(
                f"{sight.beyond:,} further jobs ({told_totals(sight.totals)} in all) "
                "follow as these end.",
                soft_wrap=True,
            )
        said["paused"] = sight.paused is not None

    return show


def _changed(before: JobStatus | None, now: JobStatus, *, positions: bool) -> bool:
    def telling(job: JobStatus) -> tuple[object, ...]:
        # The time left moves with the clock alone; and of many jobs each moves up when one begins.
        place = job.position if positions else None
        return (job.status, place, job.attempt, job.progress, job.reason)

    return before is None or telling(before) != telling(now)
