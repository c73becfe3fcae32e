"""``acoustic migrate``, ``acoustic roles`` and ``acoustic doctor``."""

import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from click.testing import Result
from sqlalchemy import Engine, create_engine, text

import migrations
from trainer.grid.engines import why_no_native

Acoustic = Callable[..., Result]


def test_an_empty_database_is_migrated_and_then_left_alone(
    acoustic: Acoustic, empty_database_url: str
) -> None:
    first = acoustic("migrate", DATABASE_URL=empty_database_url)
    second = acoustic("migrate", DATABASE_URL=empty_database_url)

    assert first.exit_code == second.exit_code == 0
    assert f"from nothing to {migrations.head()}" in first.stdout
    assert "nothing to do" in second.stdout


def test_check_changes_nothing_and_tells_by_its_exit_code(
    acoustic: Acoustic, empty_database_url: str
) -> None:
    result = acoustic("migrate", "--check", DATABASE_URL=empty_database_url)

    assert result.exit_code == 3
    assert migrations.current(empty_database_url) is None


def test_check_is_content_with_a_migrated_database(on_database: Acoustic) -> None:
    assert on_database("migrate", "--check").exit_code == 0


def test_a_database_newer_than_the_program_is_refused(
    on_database: Acoustic, engine: Engine
) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE acoustic_workers_revision SET version_num = '9999'"))

    result = on_database("migrate")

    assert result.exit_code == 3
    assert "9999" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_database_that_cannot_be_migrated_is_a_sentence(
    acoustic: Acoustic, empty_database_url: str
) -> None:
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.execute(text("DROP ROLE IF EXISTS stranger"))
        connection.execute(text("CREATE ROLE stranger LOGIN"))
    url = engine.url.set(username="stranger").render_as_string(hide_password=False)
    engine.dispose()

    result = acoustic("migrate", DATABASE_URL=url)

    assert result.exit_code == 1
    assert "Do it as the owner of the tables" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_doctor_finds_nothing_wrong_with_a_sound_installation(on_database: Acoustic) -> None:
    result = on_database("doctor")

    assert result.exit_code == 0, result.stdout
    for about in (
        *("settings", "database", "schema", "clock", "rights", "models", "projects", "engine"),
    ):
        assert about in result.stdout
    assert "trouble" not in result.stdout
    assert "warning" not in result.stdout


def test_the_doctor_lists_every_wrong_setting(acoustic: Acoustic) -> None:
    result = acoustic("doctor", DATABASE_URL=None, ACOUSTIC_LEASE_SECONDS="long")

    assert result.exit_code == 2
    assert "DATABASE_URL" in result.stdout
    assert "ACOUSTIC_LEASE_SECONDS" in result.stdout


def test_each_wrong_setting_has_a_remedy_that_can_be_typed(acoustic: Acoustic) -> None:
    wrong = {"ACOUSTIC_LEASE_SECONDS": "long", "ACOUSTIC_METRICS_PORT": "x", "ACOUSTIC_LEASE": "1"}

    told = acoustic("doctor", DATABASE_URL=None, **wrong).stdout

    remedies = re.findall(r"→ ((?:export|unset) \S+)", told)
    assert remedies == [
        "export DATABASE_URL=postgresql://acoustic@localhost/acoustic",
        "export ACOUSTIC_LEASE_SECONDS=60",
        "unset ACOUSTIC_METRICS_PORT",
        "unset ACOUSTIC_LEASE",
    ]


def test_the_doctor_checks_without_a_database_all_that_needs_none(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    result = acoustic(
        "doctor",
        DATABASE_URL=None,
        ACOUSTIC_ENGINE="sklearn",
        ACOUSTIC_MODEL_DIR=str(tmp_path / "models"),
        ACOUSTIC_PORT_80_TCP="x",
    )

    assert result.exit_code == 2
    assert "DATABASE_URL is not set" in result.stdout
    assert "sklearn (ACOUSTIC_ENGINE is sklearn)" in result.stdout
    assert "model folder" in result.stdout
    assert "models will be made" in result.stdout
    assert "ACOUSTIC_PORT_80_TCP is no setting" in result.stdout


def test_the_doctor_looks_at_the_database_though_another_setting_is_wrong(
    on_database: Acoustic,
) -> None:
    result = on_database("doctor", ACOUSTIC_LEASE_SECONDS="long")

    assert result.exit_code == 2
    assert "is that of this version" in result.stdout


def test_the_doctor_warns_of_names_that_are_no_settings(on_database: Acoustic) -> None:
    result = on_database("doctor", ACOUSTIC_PORT_80_TCP="x")

    assert result.exit_code == 0
    assert "ACOUSTIC_PORT_80_TCP is no setting" in result.stdout


def test_the_doctor_tells_of_a_database_that_does_not_answer(acoustic: Acoustic) -> None:
    result = acoustic("doctor", DATABASE_URL="postgresql://ann:s3cret@127.0.0.1:1/x?password=pw9")

    assert result.exit_code == 1
    assert "127.0.0.1:1" in result.stdout
    assert "s3cret" not in result.output
    assert "pw9" not in result.output


def test_the_doctor_says_to_migrate(acoustic: Acoustic, empty_database_url: str) -> None:
    result = acoustic("doctor", DATABASE_URL=empty_database_url)

    assert result.exit_code == 3
    assert "acoustic migrate" in result.stdout


@pytest.fixture
def poor_url(engine: Engine) -> str:
    """The database as a user who may read and not write sees it."""
    with engine.begin() as connection:
        for statement in (
            "DROP ROLE IF EXISTS poor",
            "CREATE ROLE poor LOGIN",
            "GRANT USAGE ON SCHEMA worker, public TO poor",
            "GRANT SELECT ON ALL TABLES IN SCHEMA worker, public TO poor",
        ):
            connection.execute(text(statement))
    return engine.url.set(username="poor").render_as_string(hide_password=False)


def test_the_doctor_names_rights_that_are_missing(acoustic: Acoustic, poor_url: str) -> None:
    result = acoustic("doctor", DATABASE_URL=poor_url)

    assert result.exit_code == 1
    assert "GRANT SELECT, UPDATE ON public.dataset_eval_jobs TO poor;" in result.stdout
    assert "TO poor;" in result.stdout
    assert "ON public.lowlevel TO" not in result.stdout
    assert "may do all" not in result.stdout


def test_a_right_that_is_missing_is_a_sentence(
    acoustic: Acoustic, poor_url: str, job: Callable[..., UUID]
) -> None:
    result = acoustic("jobs", "cancel", job(), DATABASE_URL=poor_url)

    assert result.exit_code == 1
    assert "The database refuses: permission denied" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_doctor_tells_of_a_folder_that_cannot_be_written(
    on_database: Acoustic, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()

    result = on_database("doctor", ACOUSTIC_MODEL_DIR=str(tmp_path / "file" / "models"))

    assert result.exit_code == 1
    assert "ACOUSTIC_MODEL_DIR" in result.stdout


@pytest.mark.parametrize(
    ("free", "code", "state"), [(2**40, 0, "ok"), (2**30, 0, "warning"), (2**20, 1, "trouble")]
)
def test_the_doctor_tells_of_a_disk_that_is_nearly_full(
    on_database: Acoustic, monkeypatch: pytest.MonkeyPatch, free: int, code: int, state: str
) -> None:
    usage = type(shutil.disk_usage("/"))(2**41, 2**41 - free, free)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)

    result = on_database("doctor")

    (line,) = (one for one in result.stdout.splitlines() if "GiB free" in one and "models" in one)
    assert result.exit_code == code
    assert line.startswith(state)
    assert ("Make room there" in result.stdout) == (state != "ok")


@pytest.mark.parametrize(("ahead", "state"), [(0, "ok"), (3600, "warning"), (-3600, "warning")])
def test_the_doctor_tells_of_clocks_that_differ(
    on_database: Acoustic, monkeypatch: pytest.MonkeyPatch, ahead: int, state: str
) -> None:
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + ahead)

    result = on_database("doctor")

    (line,) = (one for one in result.stdout.splitlines() if "from that of the database" in one)
    assert line.startswith(state)
    assert ("NTP" in result.stdout) == bool(ahead)
    assert result.exit_code == 0


def test_the_doctor_makes_no_folder(on_database: Acoustic, tmp_path: Path) -> None:
    result = on_database("doctor")

    assert "will be made" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_tells_of_an_engine_that_is_not_there(on_database: Acoustic) -> None:
    result = on_database("doctor", ACOUSTIC_ENGINE="gpu")

    assert result.exit_code == 2
    assert "ACOUSTIC_ENGINE" in result.stdout
    assert "'gpu'" in result.stdout


@pytest.mark.parametrize("wanted", ["auto", "native", "sklearn"])
def test_the_doctor_tells_which_engine_runs_and_why(on_database: Acoustic, wanted: str) -> None:
    result = on_database("doctor", ACOUSTIC_ENGINE=wanted)

    missing = why_no_native()
    if wanted == "sklearn":
        assert "sklearn (ACOUSTIC_ENGINE is sklearn)" in result.stdout
    elif not missing:
        assert f"(ACOUSTIC_ENGINE is {wanted})" in result.stdout
        assert "native (" in result.stdout
    elif wanted == "auto":
        assert f"sklearn (ACOUSTIC_ENGINE is auto): no native one, {missing}" in result.stdout
    assert result.exit_code == (1 if wanted == "native" and missing else 0)


def test_the_doctor_lists_jobs_that_an_older_evaluator_left(
    on_database: Acoustic, engine: Engine, job: Callable[..., UUID]
) -> None:
    left = job()
    with engine.begin() as connection:
        connection.execute(text("UPDATE dataset_eval_jobs SET status = 'running'"))

    result = on_database("doctor")

    assert result.exit_code == 0
    assert str(left) in result.stdout
    assert "acoustic jobs retry" in result.stdout


def test_the_database_is_reached_whatever_driver_its_url_names(
    acoustic: Acoustic, database_url: str
) -> None:
    url = create_engine(database_url).url
    for driver in ("postgresql", "postgres", "postgresql+psycopg"):
        named = url.set(drivername="postgresql").render_as_string(hide_password=False)
        named = named.replace("postgresql", driver, 1)
        assert acoustic("jobs", "list", DATABASE_URL=named).exit_code == 0


def may_look(engine: Engine) -> bool:
    query = """
        SELECT count(*) > 0 FROM pg_class c, aclexplode(c.relacl) a
         WHERE c.oid = 'worker.models'::regclass AND a.grantee = to_regrole('acoustic_reader')
    """
    with engine.connect() as connection:
        found: bool = connection.execute(text(query)).scalar_one()
        return found


def test_roles_are_made_and_their_rights_taken_back(on_database: Acoustic, engine: Engine) -> None:
    made, again = on_database("roles"), on_database("roles")
    before = may_look(engine)
    revoked = on_database("roles", "--revoke")

    assert made.exit_code == again.exit_code == revoked.exit_code == 0
    assert "acoustic_enqueuer" in made.stdout
    assert (before, may_look(engine)) == (True, False)


def test_the_sql_of_the_roles_can_be_read_without_a_database_and_applied_by_hand(
    acoustic: Acoustic, engine: Engine
) -> None:
    printed = acoustic("roles", "--sql").stdout

    with engine.begin() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql(printed)

    assert may_look(engine)


def test_who_may_not_make_roles_is_told_who_may(
    acoustic: Acoustic, login_url: Callable[[str], str]
) -> None:
    result = acoustic("roles", DATABASE_URL=login_url("acoustic_reader"))

    assert result.exit_code == 1
    assert "Do it as the owner of the tables" in result.stderr
    assert "Traceback" not in result.stderr


def test_whether_an_evaluator_is_alive_is_told_without_the_database(
    acoustic: Acoustic, tmp_path: Path
) -> None:
    turns = tmp_path / "turns"
    environment = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x"}

    assert acoustic("doctor", "--alive", **environment).exit_code == 2
    environment["ACOUSTIC_HEARTBEAT"] = str(turns)
    missing = acoustic("doctor", "--alive", **environment)
    assert (missing.exit_code, "is not there" in missing.stderr) == (1, True)
    turns.touch()
    assert acoustic("doctor", "--alive", **environment).exit_code == 0
    os.utime(turns, (0, 0))
    assert "is stuck" in acoustic("doctor", "--alive", **environment).stderr
