"""Workers that race for jobs, with a training that takes no time: the protocol alone."""

import multiprocessing
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import create_engine, text

from schema.evaluation_jobs import CHANNEL, EvaluationJob, Outcome
from worker.conclusion import Conclusion
from worker.database_link import DatabaseLink
from worker.job_queue import JobQueue
from worker.settings import Settings

FILL = """
    INSERT INTO dataset_snapshot (id, data) VALUES (gen_random_uuid(), '{}');
    INSERT INTO dataset_eval_jobs (snapshot_id)
        SELECT id FROM dataset_snapshot, generate_series(1, :jobs);
"""


@dataclass(frozen=True)
class Race:
    """What came of it."""

    seconds: float
    shares: list[int]  # jobs done by each worker
    results: int
    attempts: int
    done: int


def train(job: EvaluationJob) -> Conclusion:
    """Stand for a training: a result that says whose it is."""
    return Conclusion(outcome=Outcome.DONE, result={"of": [str(job.id), job.attempt]})


def work(url: str) -> list[str]:
    """Claim, train and write until there is nothing left; the jobs that were accepted."""
    settings = Settings.from_environment({"DATABASE_URL": url})
    link = DatabaseLink(url, channel=CHANNEL, deadline=timedelta(seconds=30))
    queue = JobQueue(link, settings)
    done = []
    while (job := queue.claim()) is not None:
        assert queue.renew(job, progress=None)
        if queue.write(job, train(job)) == "done":
            done.append(str(job.id))
    link.close()
    return done


def race(url: str, *, jobs: int, workers: int = 2) -> Race:
    """Have workers, each a process of its own, do as many jobs; every job has one result."""
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(FILL), {"jobs": jobs})
    began = time.monotonic()
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=spawned) as processes:
        shares = list(processes.map(work, [url] * workers))
    seconds = time.monotonic() - began
    counts = Counter(job for share in shares for job in share)
    assert set(counts.values()) <= {1}, "a result was accepted twice"
    with engine.connect() as connection:
        results, done, attempts = (
            connection.execute(text(query)).scalar_one()
            for query in (
                "SELECT count(DISTINCT result) FROM dataset_eval_jobs",
                "SELECT count(*) FROM dataset_eval_jobs WHERE status = 'done'",
                "SELECT count(*) FROM worker.evaluation_attempts",
            )
        )
    engine.dispose()
    return Race(
        seconds=seconds,
        shares=[len(share) for share in shares],
        results=results,
        attempts=attempts,
        done=done,
    )
