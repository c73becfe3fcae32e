"""Evaluation workers of which one is killed all the time, and the protocol alone on many jobs.

    python -m tests.faults.soak --minutes 10 --workers 8 --jobs 300

At the end the promises are looked at: every job is done, or failed with a reason; a result for each
job that is done, a whole model file for each result; attempts without a gap and none open; no job
failed that was not tried as often as allowed; nothing is left of what was killed.
"""

import argparse
import hashlib
import os
import random
import signal
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import click

import migrations
from tests.faults.race import race
from tests.worker.conftest import Service, evaluators
from worker.embedded import EmbeddedPostgres

MAX_ATTEMPTS = 3
# A worker that starts takes two seconds; a kill before that says nothing.
KILL_SECONDS = (1.0, 4.0)
LEASE_SECONDS = 2
OVER = "SELECT count(*) FROM dataset_eval_jobs WHERE status IN ('pending', 'running')"


@dataclass(frozen=True)
class Soaked:
    """What came of it."""

    seconds: float
    killed: int
    done: int
    failed: int
    outcomes: dict[str, int]


def soak(service: Service, *, minutes: float, workers: int, jobs: int) -> Soaked:
    """Run jobs and kill workers for as long; then let them end in peace, and look."""
    snapshot = service.snapshot(service.classes())
    ids = [service.job(snapshot) for _ in range(jobs)]
    randomness = random.Random(1)
    settings = {"lease_seconds": LEASE_SECONDS, "max_attempts": MAX_ATTEMPTS}
    began = time.monotonic()
    killed = 0
    with evaluators(service) as start:
        running = [start(**settings) for _ in range(workers)]
        while time.monotonic() - began < 60 * minutes and service.execute(OVER):
            time.sleep(randomness.uniform(*KILL_SECONDS))
            victim = randomness.randrange(workers)
            # Now the worker, now its training.
            one = running[victim]
            children = one.children()
            if children and randomness.random() < 0.3:
                kill(children[0])
            else:
                one.process.kill()
                one.process.wait()
                running[victim] = start(**settings)
            killed += 1
            hasten(service)
            if killed % 20 == 0:
                click.echo(f"{service.execute(OVER)} jobs left, {killed} killed", err=True)
        while service.execute(OVER):
            hasten(service)
            time.sleep(0.5)
        for one in running:
            one.process.send_signal(signal.SIGTERM)
        # Who was told before its interpreter could listen had begun nothing.
        ends = [(one.exit_code(), one.events()) for one in running]
        assert all(not code or (code == -signal.SIGTERM and not said) for code, said in ends), ends
    return look(service, ids, killed=killed, seconds=time.monotonic() - began)


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def hasten(service: Service) -> None:
    """Let nobody wait for a backoff: it is tested elsewhere."""
    service.execute("UPDATE worker.evaluation_attempts SET retry_at = now() WHERE retry_at > now()")


def look(service: Service, ids: list[UUID], *, killed: int, seconds: float) -> Soaked:
    outcomes: dict[str, int] = {}
    done = failed = 0
    bundles = set()
    for identity in ids:
        details = service.show(identity)
        names = [attempt.outcome and attempt.outcome.value for attempt in details.attempts]
        assert None not in names, "an attempt is open"
        for name in names:
            outcomes[str(name)] = outcomes.get(str(name), 0) + 1
        numbers = [attempt.attempt for attempt in details.attempts]
        assert numbers == list(range(1, len(numbers) + 1))
        counted = sum(attempt.counted for attempt in details.attempts)
        assert counted <= MAX_ATTEMPTS
        if details.status.status == "done":
            done += 1
            assert names.count("done") == 1
            assert names[-1] == "done"
            bundles.add(whole_bundle(details.result))
        else:
            failed += 1
            assert details.status.status == "failed"
            assert details.status.reason
            assert counted == MAX_ATTEMPTS
            assert details.result is None
    assert service.execute("SELECT count(*) FROM dataset_eval_sets") == 2 * done
    assert set(service.models.rglob("*.model")) >= bundles
    assert service.leftovers() == []
    return Soaked(seconds=seconds, killed=killed, done=done, failed=failed, outcomes=outcomes)


def whole_bundle(result: Any) -> Path:
    path = Path(result["model"]["path"])
    assert hashlib.sha256(path.read_bytes()).hexdigest() == result["model"]["sha256"]
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--race", type=int, default=10_000, help="jobs of the protocol alone")
    order = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acoustic-soak-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "data", durable=False) as server:
            migrations.upgrade(server.url())
            if order.race:
                raced = race(server.url(), jobs=order.race)
                assert raced.results == raced.done == raced.attempts == order.race
                share = " and ".join(map(str, raced.shares))
                click.echo(f"race: {raced.done} results of {order.race} jobs, {share}, none twice")
            (folder / "service").mkdir()
            service = Service(server.url(), folder / "service")
            service.execute(
                "TRUNCATE dataset_eval_jobs, dataset_eval_sets, worker.evaluation_attempts"
            )
            soaked = soak(service, minutes=order.minutes, workers=order.workers, jobs=order.jobs)
            service.engine.dispose()
    click.echo(
        f"soak: {soaked.seconds:.0f} s, {soaked.killed} killed; {soaked.done} jobs done, "
        f"{soaked.failed} failed; attempts {soaked.outcomes}"
    )


if __name__ == "__main__":
    main()
