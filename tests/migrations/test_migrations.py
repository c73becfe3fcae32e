import socket
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from sqlalchemy import create_engine, make_url, text

import migrations
from migrations import MigrationError

Step = Callable[..., Any]  # a fixture that does one thing to the database


SCHEMA_4 = (Path(__file__).parent / "schema4.sql").read_text(encoding="utf-8")
RUNNING = "e0000000-0000-4000-8000-000000000002"
SNAPSHOT = "50000000-0000-4000-8000-000000000001"


def test_an_empty_database_gets_acousticbrainz_tables_and_ours(
    empty_database_url: str, sql: Step
) -> None:
    migrations.upgrade(empty_database_url)

    tables = {name for (name,) in sql("SELECT tablename FROM pg_tables WHERE schemaname='public'")}
    assert {"lowlevel", "lowlevel_json", "highlevel", "highlevel_meta", "highlevel_model"} < tables
    assert {"model", "version", "user", "dataset", "dataset_class"} < tables
    assert {"dataset_class_member", "dataset_snapshot", "dataset_eval_jobs"} < tables
    assert sql("SELECT count(*) FROM worker.evaluation_attempts") == [(0,)]
    assert migrations.current(empty_database_url) == migrations.head()


def test_the_tables_made_are_those_of_schema_4(empty_database_url: str, sql: Step) -> None:
    described = """
        SELECT format('%s %s %s %s %s', table_name, column_name, data_type, udt_name,
                      character_maximum_length), is_nullable, column_default
          FROM information_schema.columns
         WHERE table_schema = 'public'
           AND table_name NOT IN ('api_key', 'feedback', 'acoustic_workers_revision')
    """
    constraints = """
        SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint
         WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
           AND conrelid::regclass::text NOT IN ('api_key', 'feedback', 'acoustic_workers_revision')
    """
    indexes = r"""
        SELECT regexp_replace(indexdef, 'INDEX \S+ ON', 'INDEX ON') FROM pg_indexes
         WHERE tablename NOT IN ('api_key', 'feedback', 'acoustic_workers_revision')
           AND schemaname = 'public'
    """
    migrations.upgrade(empty_database_url, "0001")
    ours = [sorted(map(tuple, sql(query))) for query in (described, constraints, indexes)]
    migrations.downgrade(empty_database_url, "base")

    sql(SCHEMA_4)
    theirs = [sorted(map(tuple, sql(query))) for query in (described, constraints, indexes)]

    assert ours == theirs


def test_downgrading_a_database_that_was_empty_leaves_nothing(
    empty_database_url: str, catalog: Step
) -> None:
    before = catalog()

    migrations.upgrade(empty_database_url)
    assert catalog() != before
    migrations.downgrade(empty_database_url, "base")

    assert catalog() == before
    assert migrations.current(empty_database_url) is None


def test_upgrading_twice_changes_nothing(empty_database_url: str, catalog: Step) -> None:
    migrations.upgrade(empty_database_url)
    once = catalog()

    migrations.upgrade(empty_database_url)

    assert catalog() == once


def test_upgrading_after_a_downgrade_gives_the_same_again(
    empty_database_url: str, catalog: Step
) -> None:
    migrations.upgrade(empty_database_url)
    first = catalog()

    migrations.downgrade(empty_database_url, "base")
    migrations.upgrade(empty_database_url)

    assert catalog() == first


def test_one_step_back_and_forth_gives_the_same_again(
    empty_database_url: str, catalog: Step
) -> None:
    migrations.upgrade(empty_database_url, "0001")
    first = catalog()

    migrations.upgrade(empty_database_url)
    migrations.downgrade(empty_database_url, "0001")

    assert catalog() == first


def test_acousticbrainz_keeps_its_rows(acousticbrainz_url: str, contents: Step) -> None:
    before = contents()

    migrations.upgrade(acousticbrainz_url)
    upgraded = contents()
    migrations.downgrade(acousticbrainz_url, "base")

    assert len(before["dataset_eval_jobs"]) == 3
    assert upgraded == before
    assert contents() == before


def test_acousticbrainz_is_left_exactly_as_it_was(acousticbrainz_url: str, catalog: Step) -> None:
    before = catalog()

    migrations.upgrade(acousticbrainz_url)
    migrations.downgrade(acousticbrainz_url, "base")

    assert catalog() == before


def test_on_acousticbrainz_only_a_default_indexes_and_triggers_are_added(
    acousticbrainz_url: str, catalog: Step
) -> None:
    before = set(catalog())

    migrations.upgrade(acousticbrainz_url)

    after = set(catalog())
    [replaced] = before - after
    assert replaced.startswith("column dataset_eval_jobs.id uuid")
    added = {line for line in after - before if "worker" not in line}
    assert added == {f"{replaced}gen_random_uuid()"}
    outside = {line for line in after - before if not line.startswith("CREATE OR REPLACE FUNCTION")}
    assert all("acoustic_workers_" in line for line in outside if " public." in line)


def test_nothing_of_acousticbrainz_is_taken_for_ours(acousticbrainz_url: str, sql: Step) -> None:
    migrations.upgrade(acousticbrainz_url)

    assert sql("SELECT kind, name FROM worker.created") == [("default", "dataset_eval_jobs.id")]


def test_a_default_that_somebody_set_is_kept_on_the_way_up_and_down(
    acousticbrainz_url: str, sql: Step, catalog: Step
) -> None:
    sql("ALTER TABLE dataset_eval_jobs ALTER id SET DEFAULT gen_random_uuid()")
    before = catalog()

    migrations.upgrade(acousticbrainz_url)
    migrations.downgrade(acousticbrainz_url, "base")

    assert catalog() == before


def test_where_some_tables_are_missing_only_those_are_made_and_dropped(
    acousticbrainz_url: str, sql: Step, catalog: Step
) -> None:
    sql("DROP TABLE highlevel_meta, highlevel_model; DROP TYPE model_status CASCADE")
    sql("ALTER TABLE model ADD COLUMN status text; DROP TABLE feedback")
    before = catalog()

    migrations.upgrade(acousticbrainz_url)
    made = set(sql("SELECT kind, name FROM worker.created"))
    migrations.downgrade(acousticbrainz_url, "base")

    assert made == {
        ("default", "dataset_eval_jobs.id"),
        ("table", "highlevel_meta"),
        ("table", "highlevel_model"),
        ("type", "model_status"),
    }
    assert catalog() == before


def test_an_acousticbrainz_that_is_too_old_is_refused_and_left_alone(
    acousticbrainz_url: str, sql: Step, catalog: Step
) -> None:
    sql("ALTER TABLE lowlevel RENAME gid TO mbid")
    sql("ALTER TABLE dataset_eval_jobs DROP eval_location")
    before = catalog()

    with pytest.raises(
        MigrationError, match=r"schema 4: lowlevel\.gid, dataset_eval_jobs\.eval_location missing"
    ):
        migrations.upgrade(acousticbrainz_url)

    assert catalog() == before


def test_somebody_elses_schema_of_our_name_is_refused_and_left_alone(
    empty_database_url: str, sql: Step, catalog: Step
) -> None:
    sql("CREATE SCHEMA worker")
    before = catalog()

    with pytest.raises(MigrationError, match=r"schema named worker .* Rename it"):
        migrations.upgrade(empty_database_url)

    assert catalog() == before


def test_a_role_without_the_rights_is_told_whose_rights_it_takes(
    empty_database_url: str, sql: Step
) -> None:
    sql("CREATE ROLE visitor")

    try:
        with pytest.raises(MigrationError, match=r"ermission denied.*as the owner"):
            migrations.upgrade(f"{empty_database_url}&options=-c%20role%3Dvisitor")
    finally:
        sql("DROP ROLE visitor")


def test_a_downgrade_stops_where_somebody_elses_table_refers_to_ours(
    empty_database_url: str, sql: Step, catalog: Step
) -> None:
    migrations.upgrade(empty_database_url)
    sql("CREATE TABLE theirs (job uuid REFERENCES dataset_eval_jobs)")
    before = catalog()

    with pytest.raises(MigrationError, match=r"theirs.*Drop or change first"):
        migrations.downgrade(empty_database_url, "base")

    assert catalog() == before


def test_a_job_that_an_older_evaluator_left_running_stays_so(
    acousticbrainz_url: str, sql: Step
) -> None:
    migrations.upgrade(acousticbrainz_url)

    rows = sql("SELECT status::text FROM dataset_eval_jobs WHERE id = :job", job=RUNNING)
    assert rows == [("running",)]


def test_on_acousticbrainz_jobs_are_enqueued_by_a_plain_insert_and_by_the_function(
    acousticbrainz_url: str, sql: Step
) -> None:
    migrations.upgrade(acousticbrainz_url)

    sql("INSERT INTO dataset_eval_jobs (snapshot_id, options) VALUES (:s, '{}')", s=SNAPSHOT)
    sql("UPDATE dataset_eval_jobs SET status = 'done'")
    sql("SELECT worker.enqueue_evaluation(id, '{}') FROM dataset")

    assert sql("SELECT status::text FROM dataset_eval_jobs ORDER BY created DESC LIMIT 1") == [
        ("pending",)
    ]


def test_the_server_goes_on_making_jobs_with_ids_of_its_own(
    acousticbrainz_url: str, sql: Step
) -> None:
    migrations.upgrade(acousticbrainz_url)

    sql(
        """INSERT INTO dataset_eval_jobs (id, snapshot_id, status, options, eval_location)
           VALUES ('e0000000-0000-4000-8000-000000000009', :s, 'pending', NULL, 'local')""",
        s=SNAPSHOT,
    )

    assert sql("SELECT count(*) FROM dataset_eval_jobs") == [(4,)]


def test_two_at_once_migrate_one_after_the_other(empty_database_url: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(migrations.upgrade, empty_database_url) for _ in range(2)]
        for migration in both:
            migration.result(timeout=60)

    assert migrations.current(empty_database_url) == migrations.head()


def test_the_script_for_applying_by_hand_does_the_same(
    empty_database_url: str, catalog: Step
) -> None:
    migrations.upgrade(empty_database_url)
    expected = catalog()
    migrations.downgrade(empty_database_url, "base")

    url = make_url(empty_database_url).set(drivername="postgresql")
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    connection.autocommit = True
    connection.cursor().execute(migrations.script())
    connection.close()

    assert catalog() == expected
    assert migrations.current(empty_database_url) == migrations.head()


def test_migrations_need_no_configuration_in_the_working_folder(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    migrations.upgrade(empty_database_url)

    assert list(tmp_path.iterdir()) == []


def test_migrations_run_whatever_driver_the_url_names(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url.replace("postgresql+psycopg2", "postgres"))

    assert migrations.current(empty_database_url) == migrations.head()


def test_a_database_where_nothing_ran_has_no_revision(acousticbrainz_url: str) -> None:
    assert migrations.current(acousticbrainz_url) is None


def test_another_programs_alembic_is_not_mixed_up_with_ours(
    empty_database_url: str, sql: Step
) -> None:
    sql("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
    sql("INSERT INTO alembic_version VALUES ('theirs')")

    migrations.upgrade(empty_database_url)
    migrations.downgrade(empty_database_url, "base")

    assert sql("SELECT * FROM alembic_version") == [("theirs",)]


def test_functions_do_not_depend_on_the_search_path_of_who_calls_them(
    empty_database_url: str, sql: Step
) -> None:
    migrations.upgrade(empty_database_url)

    loose = sql("""SELECT proname FROM pg_proc
                    WHERE pronamespace = 'worker'::regnamespace
                      AND NOT coalesce(array_to_string(proconfig, ';') LIKE '%search_path=%', false)
                """)
    assert loose == []


def test_a_migration_waits_only_a_moment_for_a_lock(
    acousticbrainz_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "LOCK_TIMEOUT", "100ms")
    engine = create_engine(acousticbrainz_url)

    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE dataset_eval_jobs IN ROW EXCLUSIVE MODE"))
        with pytest.raises(MigrationError, match=r"lock timeout\. Somebody uses"):
            migrations.upgrade(acousticbrainz_url)
    engine.dispose()

    assert migrations.current(acousticbrainz_url) is None


def test_a_server_that_never_answers_is_given_up_at_a_deadline() -> None:
    # In a process of its own, which can be ended where there is no deadline.
    program = "import migrations, sys; migrations.upgrade(sys.argv[1])"
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"postgresql://nobody@127.0.0.1:{deaf.getsockname()[1]}/nothing"
        done = subprocess.run(
            [sys.executable, "-c", program, url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=Path(__file__).parents[2],
        )

    assert "timeout expired" in done.stderr
