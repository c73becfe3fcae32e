"""``acoustic jobs watch``: jobs change under it, in a real database."""

import io
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from click.testing import Result
from rich.console import Console
from sqlalchemy import Engine, NullPool, create_engine, text

from schema import evaluation_jobs
from schema.evaluation_jobs import EvaluationJob, Outcome, Usage
from worker.commands import watching
from worker.commands.job_status import status_table
from worker.embedded import EmbeddedPostgres

Acoustic = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]

HOUR = timedelta(hours=1)
USAGE = Usage(exit_code=0, signal=None, peak_memory=None, cpu_seconds=None)


@pytest.fixture
def claim(engine: Engine) -> Callable[[], EvaluationJob]:
    def take() -> EvaluationJob:
        with engine.begin() as connection:
            job = evaluation_jobs.claim(connection, worker="w", host="h", lease=HOUR)
        assert job is not None
        return job

    return take


def finish(engine: Engine, claimed: EvaluationJob) -> None:
    with engine.begin() as connection:
        assert evaluation_jobs.finish(
            connection,
            claimed,
            result={"accuracy": 90},
            training_set={},
            testing_set={},
            usage=USAGE,
        )


def fail(engine: Engine, claimed: EvaluationJob) -> None:
    with engine.begin() as connection:
        evaluation_jobs.end(
            connection,
            claimed,
            outcome=Outcome.ERROR,
            message="It broke.",
            terminal=True,
            max_attempts=3,
        )


def test_each_change_of_a_job_is_one_line_until_it_ends(
    started: Start,
    database_url: str,
    engine: Engine,
    job: Callable[..., UUID],
    claim: Callable[[], EvaluationJob],
) -> None:
    stored = job()
    process = started("jobs", "watch", str(stored)[:8], DATABASE_URL=database_url)
    assert process.stdout is not None

    lines = [process.stdout.readline()]
    claimed = claim()
    lines.append(process.stdout.readline())
    with engine.begin() as connection:
        progress = {"stage": "grid", "done": 3, "total": 12, "started": "2020-01-01T00:00:00Z"}
        evaluation_jobs.renew(connection, claimed, lease=HOUR, progress=progress)
    lines.append(process.stdout.readline())
    finish(engine, claimed)
    lines.append(process.stdout.readline())

    assert process.wait(20) == 0
    assert process.stdout.read() == ""
    assert "pending  number 1 in the queue" in lines[0]
    assert "running  attempt 1" in lines[1]
    assert "grid 3/12 25 %" in lines[2]
    assert lines[3].split() == [str(stored), "moods", "done"]


def test_a_job_that_did_not_change_is_not_written_again(
    engine: Engine, job: Callable[..., UUID]
) -> None:
    job()
    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=200)

    with watching._view(console, json=False) as show_jobs:
        show_jobs(jobs)
        show_jobs(jobs)

    assert isinstance(console.file, io.StringIO)
    assert len(console.file.getvalue().splitlines()) == 1


def test_a_watched_job_that_fails_gives_exit_code_4(
    on_database: Acoustic,
    engine: Engine,
    job: Callable[..., UUID],
    claim: Callable[[], EvaluationJob],
) -> None:
    stored = job()
    fail(engine, claim())

    result = on_database("jobs", "watch", stored)

    assert result.exit_code == 4
    assert "failed  It broke." in result.stdout


def test_all_jobs_are_watched_until_the_last_has_ended(
    started: Start,
    database_url: str,
    engine: Engine,
    job: Callable[..., UUID],
    claim: Callable[[], EvaluationJob],
) -> None:
    job("moods")
    job("genres")
    process = started("jobs", "watch", "--json", DATABASE_URL=database_url)
    assert process.stdout is not None
    first = [process.stdout.readline(), process.stdout.readline()]

    fail(engine, claim())
    finish(engine, claim())
    rest = process.stdout.readlines()

    assert process.wait(20) == 0
    assert [json.loads(line)["status"] for line in first] == ["pending", "pending"]
    last = {found["dataset"]: found["status"] for found in map(json.loads, rest)}
    assert last == {"moods": "failed", "genres": "done"}


def test_nothing_to_watch_is_no_error(on_database: Acoustic) -> None:
    result = on_database("jobs", "watch")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert "No job is pending or running." in result.stderr


@pytest.mark.parametrize("state", ["eval_location = 'remote'", "status = 'running'"])
def test_jobs_that_no_worker_will_do_are_named_and_not_waited_for(
    process: Callable[..., subprocess.CompletedProcess[str]],
    database_url: str,
    engine: Engine,
    job: Callable[..., UUID],
    state: str,
) -> None:
    stored = job()
    with engine.begin() as connection:
        connection.execute(text(f"UPDATE dataset_eval_jobs SET {state}"))

    done = process("jobs", "watch", DATABASE_URL=database_url)

    assert done.returncode == 0
    assert done.stderr.count("\n") == 1
    assert f"no worker of this database does them: {stored}." in done.stderr


def test_a_reason_stays_legible_on_a_narrow_terminal(
    engine: Engine, job: Callable[..., UUID], claim: Callable[[], EvaluationJob]
) -> None:
    job("a dataset with a rather long name, as people give them")
    fail(engine, claim())
    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=60)

    console.print(status_table(jobs, short=True))

    assert isinstance(console.file, io.StringIO)
    assert "It broke." in console.file.getvalue()


def test_a_terminal_gets_a_table(
    on_terminal: Callable[..., str],
    database_url: str,
    engine: Engine,
    job: Callable[..., UUID],
    claim: Callable[[], EvaluationJob],
) -> None:
    stored = job()
    finish(engine, claim())

    written = on_terminal("jobs", "watch", stored, DATABASE_URL=database_url)

    assert str(stored)[:8] in written
    assert "dataset" in written
    assert "\x1b[" in written


def test_an_interrupted_watch_ends_with_130(
    started: Start, database_url: str, job: Callable[..., UUID]
) -> None:
    job()
    process = started("jobs", "watch", DATABASE_URL=database_url)
    assert process.stdout is not None
    process.stdout.readline()

    process.send_signal(2)

    assert process.wait(20) == 130
    assert process.stderr is not None
    assert process.stderr.read().strip() == "Interrupted."


def test_a_database_that_goes_away_for_a_while_does_not_end_the_watch(
    started: Start,
    engine: Engine,
    postgres_server: EmbeddedPostgres,
    job: Callable[..., UUID],
    claim: Callable[[], EvaluationJob],
) -> None:
    job()
    process = started("jobs", "watch", DATABASE_URL=str(engine.url))
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()

    with _away(postgres_server, engine):
        assert "cannot be used" in process.stderr.readline()
    finish(engine, claim())

    assert process.wait(30) == 0
    assert process.stdout.readlines()[-1].split()[1:] == ["moods", "done"]


@contextmanager
def _away(server: EmbeddedPostgres, engine: Engine) -> Iterator[None]:
    """Let nobody connect to a database, as if its server were down."""
    administration = create_engine(server.url(), isolation_level="AUTOCOMMIT", poolclass=NullPool)
    name = engine.url.database
    engine.dispose()
    with administration.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        ending = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"
        connection.execute(text(ending), {"name": name})
        yield
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
