"""``acoustic jobs watch``: jobs change under it, in a real database."""

import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest
from click.testing import Result
from rich.console import Console
from sqlalchemy import Engine, NullPool, create_engine, text

from schema import evaluation_jobs, pauses
from schema.evaluation_jobs import EvaluationJob, JobStatus, Outcome, Usage, operating
from worker.commands import watching
from worker.commands.invocation import Invocation
from worker.commands.job_table import JobTable
from worker.embedded import EmbeddedPostgres

Acoustic = Callable[..., Result]
Start = Callable[..., subprocess.Popen[str]]

HOUR = timedelta(hours=1)
EVALUATION = {"queue": "evaluation"}
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


def piped(out: Console) -> Invocation:
    """An invocation whose results go to `out` and whose remarks to nobody."""
    return Invocation(out, Console(file=io.StringIO()), {})


def sight(jobs: list[JobStatus]) -> watching.Sight:
    return watching.Sight(jobs=jobs, totals=Counter(job.status for job in jobs), paused=None)


def enqueue_further(engine: Engine, stored: UUID, jobs: int) -> None:
    """Enqueue so many copies of a job."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dataset_eval_jobs (snapshot_id) SELECT snapshot_id"
                " FROM dataset_eval_jobs, generate_series(1, :jobs) WHERE id = :job"
            ),
            {"jobs": jobs, "job": stored},
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

    with watching._view(piped(console), json=False, positions=True) as show:
        show(sight(jobs))
        show(sight(jobs))

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

    console.print(JobTable(jobs))

    assert isinstance(console.file, io.StringIO)
    assert "It broke." in console.file.getvalue()


def test_of_many_jobs_only_what_happens_to_them_is_a_line(
    engine: Engine, job: Callable[..., UUID], claim: Callable[[], EvaluationJob]
) -> None:
    for number in range(5):
        job(f"dataset {number}")
    console = Console(file=io.StringIO(), width=200)
    look = watching._all(None)

    with watching._view(piped(console), json=False, positions=False) as show:
        show(look(engine))
        finish(engine, claim())
        show(look(engine))

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 6
    assert lines[-1].endswith("dataset 0  done")


def test_a_screen_shows_as_many_jobs_as_it_has_room_for_and_counts_the_others(
    engine: Engine, job: Callable[..., UUID], claim: Callable[[], EvaluationJob]
) -> None:
    for number in range(30):
        job(f"dataset {number}")
    claim()
    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=80, height=20)

    console.print(watching.screen(sight(jobs), lines=20))

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) < 20
    assert lines[-1].strip() == "1 running, 29 pending"
    assert lines[-2].strip() == "… and 15 more"


def test_a_job_whose_reason_does_not_fit_a_small_screen_is_there_without_it(
    engine: Engine, job: Callable[..., UUID], claim: Callable[[], EvaluationJob]
) -> None:
    stored = job("a dataset with a rather long name, as people give them")
    fail(engine, claim())
    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=20, height=6)

    console.print(watching.screen(watching.Sight(jobs=jobs, totals={}, paused=None), lines=6))

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert len(lines) < 6
    assert lines[2].split() == [str(stored)[:8], "failed"]
    assert lines[-1].strip() == "1 failed"


def test_a_screen_and_a_pipe_tell_how_deep_the_queue_is(
    engine: Engine, job: Callable[..., UUID], claim: Callable[[], EvaluationJob]
) -> None:
    enqueue_further(engine, job(), 999)
    claim()
    seen = watching._all(None)(engine)
    terminal = Console(file=io.StringIO(), width=80, height=20)
    invocation = piped(Console(file=io.StringIO(), width=200))

    terminal.print(watching.screen(seen, lines=20))
    with watching._view(invocation, json=False, positions=False) as show:
        show(seen)
        show(seen)

    assert isinstance(terminal.file, io.StringIO)
    assert isinstance(invocation.notes.file, io.StringIO)
    assert terminal.file.getvalue().splitlines()[-2:] == [
        "… and 985 more",
        "1 running, 999 pending",
    ]
    assert invocation.notes.file.getvalue().replace("\n", " ").strip() == (
        "800 further jobs (1 running, 999 pending in all) follow as these end."
    )


def test_a_watch_tells_that_the_queue_is_paused_and_that_it_goes_on(
    engine: Engine, job: Callable[..., UUID]
) -> None:
    job()
    look = watching._all(None)
    invocation = piped(Console(file=io.StringIO(), width=200))
    terminal = Console(file=io.StringIO(), width=60)
    with engine.begin() as connection:
        evaluation_jobs.pause(connection, reason="new disks, " * 30)

    with watching._view(invocation, json=True, positions=False) as show:
        paused = look(engine)
        show(paused)
        show(paused)
        terminal.print(watching.screen(paused, lines=20))
        with engine.begin() as connection:
            evaluation_jobs.resume(connection)
        show(look(engine))

    assert isinstance(terminal.file, io.StringIO)
    assert isinstance(invocation.notes.file, io.StringIO)
    said = " ".join(invocation.notes.file.getvalue().split())
    assert said.count("has been paused for") == 1
    assert "resume ends that." in said
    assert said.endswith("The queue is not paused any more.")
    assert terminal.file.getvalue().splitlines()[-1].startswith("The queue has been paused for")


def test_a_pause_is_no_news_of_a_job_that_runs(
    engine: Engine, job: Callable[..., UUID], claim: Callable[[], EvaluationJob]
) -> None:
    stored = job()
    claim()
    with engine.begin() as connection:
        evaluation_jobs.pause(connection)

    assert watching._one(stored)(engine).paused is None
    assert watching._all(None)(engine).paused is None


def test_jobs_of_a_dataset_are_watched_alone(
    on_database: Acoustic,
    engine: Engine,
    job: Callable[..., UUID],
    claim: Callable[[], EvaluationJob],
) -> None:
    job("moods")
    fail(engine, claim())
    job("genres")

    nothing = on_database("jobs", "watch", "--dataset", "moods")
    both = on_database("jobs", "watch", str(UUID(int=1)), "--dataset", "moods")

    assert nothing.exit_code == 0
    assert "No job is pending or running." in nothing.stderr
    assert both.exit_code == 2


def milliseconds(engine: Engine, jobs: int) -> float:
    """Give what the server takes for one look at so many jobs: planning and execution."""
    values = {"statuses": ["running", "pending"], "ended": [], "limit": watching._MOST_JOBS}
    taken = 0.0
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM dataset_eval_jobs")) == jobs
        asked = (operating.LIST, values), (operating.COUNT, values), (pauses.PAUSED, EVALUATION)
        for statement, bound in asked:
            explain = text(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement.text}")
            (plan,) = connection.execute(explain, bound).scalar_one()
            taken += plan["Planning Time"] + plan["Execution Time"]
    return taken


def test_a_watch_of_a_thousand_jobs_costs_the_database_less_than_ten_milliseconds_a_second(
    engine: Engine,
    dataset: Callable[..., UUID],
    claim: Callable[[], EvaluationJob],
    record_property: Callable[[str, object], None],
) -> None:
    stored = dataset()
    with engine.begin() as connection:
        first = evaluation_jobs.enqueue(connection, stored, None)
    enqueue_further(engine, first, 999)
    with engine.begin() as connection:
        connection.execute(text("ANALYZE"))
    claim()

    taken = min(milliseconds(engine, 1000) for _ in range(10))
    pauses = [watching.seconds_after(taken / 1000), watching.seconds_after(1.0)]

    record_property("milliseconds of a look at 1,000 jobs", taken)
    sys.stdout.write(f"a look at 1,000 jobs takes the server {taken:.1f} ms\n")
    assert taken / pauses[0] < 10
    assert pauses[1] > 100, "a look that takes a second is followed by a long pause"


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


@pytest.mark.parametrize("how", [(), ("--json",)])
def test_a_reader_that_has_enough_ends_it_though_nothing_happens(
    started: Start, database_url: str, job: Callable[..., UUID], how: tuple[str, ...]
) -> None:
    job()
    process = started("jobs", "watch", *how, DATABASE_URL=database_url)
    assert process.stdout is not None
    assert process.stdout.readline()

    process.stdout.close()

    assert process.wait(60) == 141


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
