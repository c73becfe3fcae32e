"""``acoustic evaluator --once``: its exit codes; what it does is tested with the worker."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from schema.evaluation_jobs import JobDetails

Process = Callable[..., subprocess.CompletedProcess[str]]


def test_nothing_to_do_is_success(process: Process, database_url: str, tmp_path: Path) -> None:
    done = process("evaluator", "--once", **_settings(database_url, tmp_path))

    assert done.returncode == 0, done.stderr


def test_a_job_that_fails_gives_exit_code_4(
    process: Process,
    database_url: str,
    tmp_path: Path,
    job: Callable[..., UUID],
    details: Callable[[UUID], JobDetails],
) -> None:
    without_documents = job()

    done = process("evaluator", "--once", **_settings(database_url, tmp_path))

    assert done.returncode == 4, done.stderr
    found = details(without_documents)
    assert found.status.status == "failed"
    assert len(found.attempts) == 1


def test_a_database_without_our_schema_gives_exit_code_3(
    process: Process, empty_database_url: str, tmp_path: Path
) -> None:
    done = process("evaluator", "--once", **_settings(empty_database_url, tmp_path))

    assert done.returncode == 3
    assert "acoustic migrate" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_setting_gives_exit_code_2(process: Process) -> None:
    done = process("evaluator", DATABASE_URL="mysql://localhost/x", ACOUSTIC_LEASE_SECOND="3")

    assert done.returncode == 2
    assert "DATABASE_URL has to be a Postgres address" in done.stderr
    assert "ACOUSTIC_LEASE_SECONDS" in done.stderr


def test_a_user_without_rights_is_told_in_a_sentence(
    process: Process, engine: Engine, tmp_path: Path
) -> None:
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS nobody_here"))
        connection.execute(text("CREATE ROLE nobody_here LOGIN"))
    url = engine.url.set(username="nobody_here").render_as_string(hide_password=False)

    done = process("evaluator", "--once", **_settings(url, tmp_path))

    assert done.returncode == 1
    assert "The database refuses: permission denied" in done.stderr
    assert "Traceback" not in done.stderr


def test_logs_can_be_json(process: Process, database_url: str, tmp_path: Path) -> None:
    settings = _settings(database_url, tmp_path) | {"ACOUSTIC_LOG_FORMAT": "json"}

    done = process("evaluator", "--once", **settings)

    lines = (done.stdout + done.stderr).splitlines()
    assert lines
    assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("daemon", [("evaluator", "--once"), ("highlevel", "run", "--once")])
def test_wrong_settings_are_told_as_the_log_is(process: Process, daemon: tuple[str, ...]) -> None:
    wrong = {"DATABASE_URL": "", "ACOUSTIC_POLL_SECONDS": "x"}

    plain = process(*daemon, **wrong)
    objects = process(*daemon, **wrong, ACOUSTIC_LOG_FORMAT="json")
    unknown = process(*daemon, **wrong, ACOUSTIC_LOG_FORMAT="xml")

    assert plain.returncode == objects.returncode == unknown.returncode == 2
    lines = [json.loads(line) for line in objects.stderr.splitlines()]
    assert [line["event"].split()[0] for line in lines] == ["DATABASE_URL", "ACOUSTIC_POLL_SECONDS"]
    assert all(line["level"] == "error" and line["worker"] is None for line in lines)
    assert plain.stderr.startswith("Error: DATABASE_URL is not set")
    assert "ACOUSTIC_LOG_FORMAT is 'xml'" in unknown.stderr


def _settings(url: str, folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "ACOUSTIC_MODEL_DIR": str(folder / "models"),
        "ACOUSTIC_PROJECT_DIR": str(folder / "projects"),
    }
