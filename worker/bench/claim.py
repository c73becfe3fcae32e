"""What the queue itself costs: claim, start and end of jobs whose training takes no time.

Beside it, on the same server, two queues for Python that anybody would think of. They are asked for
what they promise by default, which is less: neither refuses the late write of a worker that was
given up, so neither writes as much for a job.
"""

import json
import math
import random
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url, text

import migrations
from schema.evaluation_jobs import CHANNEL, EvaluationJob, Outcome
from worker.bench.claim_peers import Peer, peer
from worker.conclusion import Conclusion
from worker.database_link import DatabaseLink
from worker.embedded import EmbeddedPostgres
from worker.job_queue import JobQueue
from worker.settings import Settings
from worker.supervisor import Supervisor

NOTIFIED, POLLING = "notified", "polling"

# Jobs come one by one, at intervals of no pattern, seconds.
SPACING = (0.02, 0.08)

SNAPSHOT = text("INSERT INTO dataset_snapshot (id, data) VALUES (gen_random_uuid(), '{}')")
FILL = text("""
    INSERT INTO dataset_eval_jobs (snapshot_id)
        SELECT id FROM dataset_snapshot, generate_series(1, :jobs)
""")
INSERT = text("""
    INSERT INTO dataset_eval_jobs (snapshot_id, options)
        SELECT id, CAST(:options AS jsonb) FROM dataset_snapshot
""")
DONE = text("SELECT count(*) FROM dataset_eval_jobs WHERE status = 'done'")


@dataclass(frozen=True)
class Order:
    """What to measure.

    Attributes
    ----------
    jobs
        Jobs that wait when the clock starts.
    picked
        Jobs that come one by one, for the time until one is started.
    poll_seconds
        The time between two looks for a job where notifications are off.
    against
        Names of alternatives: ``procrastinate``, ``pgqueuer``.
    rounds
        How often everything is done, in turns; medians are reported.
    seed
        Of the intervals.
    """

    jobs: int = 2000
    picked: int = 200
    poll_seconds: float = 1.0
    against: tuple[str, ...] = ()
    rounds: int = 1
    seed: int = 1


@dataclass(frozen=True)
class Latency:
    """From the INSERT to the start of a job, in milliseconds."""

    p50: float
    p99: float


@dataclass(frozen=True)
class Figures:
    """What was measured of one queue.

    Attributes
    ----------
    rate
        Jobs a second, one worker, claimed and ended one by one or as its default is.
    missing
        Jobs that were not done exactly once, of all.
    latency
        By how a worker learns of a job: notified, polling.
    """

    rate: float
    missing: int
    latency: dict[str, Latency]


def measure(order: Order) -> dict[str, Figures]:
    """Measure ours, under the name ``ours``, and the alternatives.

    Raises
    ------
    worker.bench.claim_peers.MissingPeer
        An alternative is not installed, or there is none of that name.
    """
    peers = {name: peer(name) for name in order.against}
    rounds: dict[str, list[Figures]] = {name: [] for name in ("ours", *peers)}
    with _server() as server:
        for number in range(order.rounds):
            rounds["ours"].append(_ours(_database(server, f"ours_{number}"), order))
            for name, one in peers.items():
                rounds[name].append(_theirs(one, _database(server, f"{name}_{number}"), order))
    return {name: _median(figures) for name, figures in rounds.items()}


@contextmanager
def _server() -> Iterator[EmbeddedPostgres]:
    # Durable, as a real one is: a commit costs what it costs.
    with (
        tempfile.TemporaryDirectory(prefix="acoustic-bench-") as name,
        EmbeddedPostgres(Path(name) / "data") as server,
    ):
        yield server


def _database(server: EmbeddedPostgres, name: str) -> str:
    engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    engine.dispose()
    return server.url(name)


def _ours(url: str, order: Order) -> Figures:
    migrations.upgrade(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(SNAPSHOT)
        connection.execute(FILL, {"jobs": order.jobs})
    rate = _drain(url, order.jobs)
    latency = {}
    for way in (NOTIFIED, POLLING):
        waits = _pick_up(url, engine, order, listen=way == NOTIFIED)
        latency[way] = _latency(waits)
    with engine.connect() as connection:
        done = connection.execute(DONE).scalar_one()
    engine.dispose()
    return Figures(rate=rate, missing=order.jobs + 2 * order.picked - done, latency=latency)


@contextmanager
def _queue(url: str) -> Iterator[tuple[DatabaseLink, JobQueue]]:
    link = DatabaseLink(url, channel=CHANNEL, deadline=timedelta(seconds=30))
    try:
        yield link, JobQueue(link, Settings.from_environment({"DATABASE_URL": url}))
    finally:
        link.close()


def _train(job: EvaluationJob) -> Conclusion:
    return Conclusion(outcome=Outcome.DONE, result={"job": str(job.id)})


def _drain(url: str, jobs: int) -> float:
    with _queue(url) as (_, queue):
        began = time.perf_counter()
        while (job := queue.claim()) is not None:
            queue.write(job, _train(job))
        return jobs / (time.perf_counter() - began)


def _pick_up(url: str, engine: Engine, order: Order, *, listen: bool) -> list[float]:
    """Take jobs as they come, waiting as the evaluator does; how long each waited, seconds."""
    waits: list[float] = []
    # The waiting of a daemon is in its main thread, so jobs are made in another one.
    maker = threading.Thread(target=_make, args=(engine, order), daemon=True)
    with _queue(url) as (link, queue), Supervisor() as supervisor:
        if listen:
            link.listen()
        queue.claim()  # connects
        maker.start()
        while len(waits) < order.picked:
            while (job := queue.claim()) is not None:
                waits.append(time.perf_counter() - job.options["made"])
                queue.write(job, _train(job))
            pause = 5 * order.poll_seconds if listen else order.poll_seconds
            ready = supervisor.wait(pause, link.descriptors)
            if ready:
                link.notified()
        maker.join()
    return waits


def _make(engine: Engine, order: Order) -> None:
    for pause in pauses(order):
        time.sleep(pause)
        with engine.begin() as connection:
            options = json.dumps({"made": time.perf_counter()})
            connection.execute(INSERT, {"options": options})


def pauses(order: Order) -> list[float]:
    """Give the time before each of the jobs that come one by one; the same for everybody."""
    randomness = random.Random(order.seed)  # noqa: S311 - no secret
    return [randomness.uniform(*SPACING) for _ in range(order.picked)]


def _theirs(one: Peer, url: str, order: Order) -> Figures:
    address = make_url(url)
    place = (str(address.query["host"]), int(str(address.query["port"])), str(address.database))
    rate, done = one.drain(place, order.jobs)
    missing = order.jobs - done
    latency = {}
    for way in (NOTIFIED, POLLING):
        waits = one.pick_up(
            place, pauses(order), poll_seconds=order.poll_seconds, listen=way == NOTIFIED
        )
        missing += abs(order.picked - len(waits))
        latency[way] = _latency(waits)
    return Figures(rate=rate, missing=missing, latency=latency)


def _latency(waits: Sequence[float]) -> Latency:
    ordered = sorted(waits)

    def at(share: float) -> float:
        return 1000 * ordered[max(0, math.ceil(share * len(ordered)) - 1)]

    return Latency(p50=at(0.5), p99=at(0.99))


def _median(figures: Sequence[Figures]) -> Figures:
    def of(value: Callable[[Figures], float]) -> float:
        values = sorted(map(value, figures))
        return values[len(values) // 2]

    return Figures(
        rate=of(lambda one: one.rate),
        missing=sum(one.missing for one in figures),
        latency={
            way: Latency(
                p50=of(lambda one: one.latency[way].p50),  # noqa: B023 - used at once
                p99=of(lambda one: one.latency[way].p99),  # noqa: B023
            )
            for way in (NOTIFIED, POLLING)
        },
    )
