"""Daemons on many recordings while one of them is killed all the time; too long for the suite.

    python -m tests.highlevel.soak --recordings 20000 --daemons 4 --kill-seconds 1

At the end every recording has one row for each model, or is marked as failed with a reason.
"""

import argparse
import random
import signal
import tempfile
import time
from pathlib import Path

import click

import migrations
from schema.models import Status
from tests.highlevel.mirror import CLASSES, UNUSABLE, Mirror, document, processes, trained
from trainer.highlevel import ACOUSTICBRAINZ_MODELS
from worker.embedded import EmbeddedPostgres
from worker.publishing import publish

BAD_ONE_IN = 500
CHUNK = 500


def fill(mirror: Mirror, recordings: int) -> set[int]:
    """Store recordings, some of which cannot be used; ids of those."""
    bad: set[int] = set()
    randomness = mirror.randomness
    for start in range(0, recordings, CHUNK):
        documents = [
            UNUSABLE | {"number": number}
            if number % BAD_ONE_IN == 0
            else document(randomness, randomness.choice([0.0, 1.0, 2.0]))
            for number in range(start, min(start + CHUNK, recordings))
        ]
        ids = mirror.store(documents)
        bad |= {i for i, made in zip(ids, documents, strict=True) if "number" in made}
    return bad


def publish_all(mirror: Mirror) -> None:
    """Publish 18 models, small ones under AcousticBrainz's names."""
    made = [trained(name) for name in CLASSES]
    for number, name in enumerate(ACOUSTICBRAINZ_MODELS):
        file = mirror.folder / f"{name}.model"
        made[number % len(made)].save(file)
        publish(mirror.engine, mirror.models, file, name=name, version="v1", status=Status.SHOW)


def soak(mirror: Mirror, *, daemons: int, kill_seconds: float) -> int:
    """Run daemons, and kill one at a time, until nothing is left; how many were killed."""
    left = "SELECT count(*) FROM worker.highlevel_queue WHERE failed IS NULL"
    randomness = random.Random(1)
    killed = 0
    with processes(mirror) as start:
        running = [start() for _ in range(daemons)]
        while waiting := mirror.value(left):
            time.sleep(kill_seconds)
            # Those that wait for their backoff are done by whoever is left in peace.
            if waiting > 1 or killed % 10:
                victim = randomness.randrange(daemons)
                running[victim].process.send_signal(signal.SIGKILL)
                running[victim].process.wait()
                running[victim] = start()
                killed += 1
            if killed % 20 == 0:
                click.echo(f"{waiting} left, {killed} killed", err=True)
        for one in running:
            one.process.send_signal(signal.SIGTERM)
        codes = [one.exit_code() for one in running]
    click.echo(f"exit codes at the end: {codes}")
    return killed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recordings", type=int, default=20_000)
    parser.add_argument("--daemons", type=int, default=4)
    parser.add_argument("--kill-seconds", type=float, default=1.0)
    order = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="acoustic-soak-") as name:
        folder = Path(name)
        with EmbeddedPostgres(folder / "data", durable=False) as server:
            migrations.upgrade(server.url())
            mirror = Mirror(server.url(), folder / "mirror")
            publish_all(mirror)
            bad = fill(mirror, order.recordings)
            began = time.monotonic()
            killed = soak(mirror, daemons=order.daemons, kill_seconds=order.kill_seconds)
            seconds = time.monotonic() - began
            counts, queue = mirror.counts(), mirror.queue()
            complete = sum(number == len(ACOUSTICBRAINZ_MODELS) for number in counts.values())
            tries = [row["attempts"] for row in queue.values()]
            click.echo(f"{order.recordings} recordings, {killed} daemons killed, {seconds:.0f} s")
            click.echo(
                f"complete: {complete}; failed: {len(queue)}, after at most {max(tries)} attempts"
            )
            click.echo(f"duplicates: {len(mirror.duplicates())}")
            assert queue.keys() == bad
            assert all(row["error"] for row in queue.values())
            assert complete == order.recordings - len(bad)
            assert len(counts) == order.recordings
            assert not mirror.duplicates()
            mirror.engine.dispose()


if __name__ == "__main__":
    main()
