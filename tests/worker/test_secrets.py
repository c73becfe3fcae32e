"""The password of the database: nowhere but where it was put, whatever goes wrong."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import make_url, text

from worker.commands import main

pytestmark = pytest.mark.timeout(200)

# The server of the tests lets everybody in, with a password or without.
SECRET = "hunter2-geheim"


def with_secret(url: str) -> str:
    return make_url(url).set(password=SECRET).render_as_string(hide_password=False)


@pytest.fixture
def confided(service: Any) -> Any:
    """The service, reached by an address that has a password in it."""
    return replace(service, database_url=with_secret(service.database_url))


@pytest.fixture
def start(confided: Any, evaluators: Any) -> Iterator[Any]:
    with evaluators(confided) as start:
        yield start
    confided.engine.dispose()


def rows(service: Any) -> str:
    """Every row of every table, as text."""
    with service.engine.connect() as connection:
        names = connection.execute(
            text("""
                SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'v')
                   AND relnamespace IN ('public'::regnamespace, 'worker'::regnamespace)
            """)
        ).scalars()
        return "\n".join(
            str(row[0])
            for name in names
            for row in connection.execute(text(f"SELECT t::text FROM {name} t"))
        )


def holding(folder: Path, secret: str) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if secret.encode() in path.read_bytes()]


def process_file(process: int, name: str) -> bytes:
    return Path(f"/proc/{process}/{name}").read_bytes()


def test_no_row_file_or_log_has_it_after_everything_went_wrong(
    service: Any, start: Any, until: Any
) -> None:
    done = service.job()
    one_class = service.job(service.snapshot(service.classes()[:1]))
    wrong = service.job(options={"seed": "x"})
    evaluator = start(max_attempts=1)
    for job in (done, one_class, wrong):
        service.wait_for(job, "done", "failed")

    # An error that nobody foresaw, in the training: with its traceback in the history.
    service.execute("ALTER TABLE lowlevel_json RENAME COLUMN data TO gone")
    unforeseen = service.job(snapshot=service.show(done).snapshot_id)
    service.wait_for(unforeseen, "failed")
    service.execute("ALTER TABLE lowlevel_json RENAME COLUMN gone TO data")
    assert "psycopg2.errors.UndefinedColumn" in service.show(unforeseen).attempts[0].traceback

    # One that is killed, and while it runs: what others see of the processes.
    killed = service.job(snapshot=service.show(done).snapshot_id)
    with service.documents_locked():
        service.wait_until_blocked()
        child = evaluator.child()
        seen = {name: process_file(child, name) for name in ("cmdline", "environ")}
        parent = process_file(evaluator.process.pid, "cmdline")
        os.kill(child, signal.SIGKILL)
        service.wait_for(killed, "failed")

    # One whose connection is cut off, and an evaluator that cannot reach the database any more.
    cut = service.job(snapshot=service.show(done).snapshot_id)
    with service.documents_locked():
        service.wait_until_blocked()
        service.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND application_name LIKE 'acoustic%'"
        )
    service.wait_for(cut, "done", "failed")
    with service.closed():
        until(lambda: "the database cannot be used" in evaluator.events())

    assert [name for name, content in seen.items() if SECRET.encode() in content] == []
    assert SECRET.encode() not in parent
    assert SECRET not in rows(service)
    assert holding(service.folder, SECRET) == []


COMMANDS = [
    ("doctor",),
    ("migrate",),
    ("roles", "--revoke"),
    ("evaluator", "--once"),
    ("highlevel", "run", "--once"),
    ("highlevel", "status"),
    ("jobs", "list"),
    ("models", "list"),
    ("--debug", "jobs", "list"),
    ("--debug", "jobs", "show", "00000000-0000-0000-0000-000000000000"),
]

AWAY = "postgresql://ann:{}@127.0.0.1:1/music"
ADDRESSES = {
    "away": AWAY.format(SECRET),
    "in the query": f"postgresql://127.0.0.1:1/music?password={SECRET}",
    "of a key": f"postgresql://127.0.0.1:1/music?sslpassword={SECRET}",
    "misspelt": f"postgresql://127.0.0.1:1/music?passwd={SECRET}",
    "with an @": AWAY.format(f"x@{SECRET}"),
    "with a slash": AWAY.format(f"x/{SECRET}"),
    "with a question mark": AWAY.format(f"x?{SECRET}"),
    "as a port": f"postgresql://ann@127.0.0.1:{SECRET}/music",
    "of another database": f"mysql://ann:{SECRET}@127.0.0.1:1/music",
    "nothing but": SECRET,
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_command_shows_it_when_the_database_cannot_be_used(tmp_path: Path, address: str) -> None:
    settings = {
        "DATABASE_URL": ADDRESSES[address],
        "ACOUSTIC_MODEL_DIR": str(tmp_path / "models"),
        "ACOUSTIC_PROJECT_DIR": str(tmp_path / "projects"),
    }

    for command in COMMANDS:
        result = CliRunner().invoke(main, command, env=settings)
        assert result.exit_code in {1, 2}, command
        assert SECRET not in result.output, command


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_it_on_a_database_that_answers(
    service: Any, command: tuple[str, ...]
) -> None:
    settings = {
        "DATABASE_URL": with_secret(service.database_url),
        "ACOUSTIC_MODEL_DIR": str(service.models),
        "ACOUSTIC_PROJECT_DIR": str(service.projects),
        "ACOUSTIC_LOG_LEVEL": "debug",
    }

    result = CliRunner().invoke(main, command, env=settings)

    assert SECRET not in result.output
