"""The three roles: what each may do, and that it may do nothing else."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import ProgrammingError

import migrations
from schema import datasets, evaluation_jobs, highlevel, models
from schema.database import check_revision
from schema.evaluation_jobs import EvaluationJob, Outcome, Usage

ROLES = ("acoustic_worker", "acoustic_enqueuer", "acoustic_reader")
DENIED = "permission denied"

As = Callable[[str], Any]


@pytest.fixture
def login(login_url: Callable[[str], str]) -> Iterator[As]:
    """Connect as a user who is in one role."""
    engines = []

    def connect(role: str) -> Engine:
        engines.append(create_engine(login_url(role)))
        return engines[-1]

    yield connect
    for engine in engines:
        engine.dispose()


@pytest.fixture
def dataset(engine: Engine) -> UUID:
    classes = {"happy": [uuid4(), uuid4()], "sad": [uuid4(), uuid4()]}
    with engine.begin() as connection:
        return datasets.create(
            connection, name="moods", description="", classes=classes, author="tester"
        )


def denied(engine: Engine, statement: str) -> None:
    with engine.connect() as connection, pytest.raises(ProgrammingError, match=DENIED):
        connection.execute(text(statement))


def relations(connection: Connection, *kinds: str) -> list[str]:
    rows = connection.execute(
        text("""
            SELECT oid::regclass::text FROM pg_class
             WHERE relnamespace IN ('public'::regnamespace, to_regnamespace('worker'))
               AND relkind = ANY(:kinds) ORDER BY 1
        """),
        {"kinds": list(kinds)},
    )
    return list(rows.scalars())


def rights(engine: Engine, role: str) -> set[tuple[str, str]]:
    """Give relation and right of all that a role may do to tables and views, also to columns."""
    every = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    by_column = {"SELECT", "INSERT", "UPDATE", "REFERENCES"}
    found = set()
    with engine.connect() as connection:
        for name in relations(connection, "r", "v"):
            for right in every:
                asked = "has_any_column_privilege" if right in by_column else "has_table_privilege"
                query = text(f"SELECT {asked}(:role, :name, :right)")
                given = {"role": role, "name": name, "right": right}
                if connection.execute(query, given).scalar():
                    found.add((name, right))
    return found


def test_a_migration_makes_no_role_and_gives_none_any_right(engine: Engine) -> None:
    query = "SELECT count(*) FROM pg_namespace WHERE nspname = 'worker' AND nspacl IS NOT NULL"
    with engine.connect() as connection:
        assert connection.execute(text(query)).scalar() == 0


def test_no_role_can_log_in_or_do_more_than_it_is_given(granted: str, engine: Engine) -> None:
    query = """
        SELECT rolname FROM pg_roles WHERE rolname LIKE 'acoustic%'
           AND NOT (rolcanlogin OR rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls)
    """
    with engine.connect() as connection:
        assert set(connection.execute(text(query)).scalars()) == set(ROLES)
    migrations.grant_roles(granted)  # once more


@pytest.mark.usefixtures("granted")
def test_the_enqueuer_may_look_at_the_queue_and_at_nothing_else(engine: Engine) -> None:
    assert rights(engine, "acoustic_enqueuer") == {
        ("acoustic_workers_revision", "SELECT"),
        ("dataset_eval_jobs", "SELECT"),  # of five columns, which the view shows too
        ("worker.evaluation_jobs", "SELECT"),
        ("worker.job_status", "SELECT"),
        ("worker.pauses", "SELECT"),
    }


@pytest.mark.usefixtures("granted")
def test_the_reader_may_look_at_all_but_user_accounts_and_write_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        names = set(relations(connection, "r", "v")) - {'"user"'}

    assert rights(engine, "acoustic_reader") == {(name, "SELECT") for name in names}


@pytest.mark.usefixtures("granted")
def test_the_worker_may_write_what_it_computes_and_nothing_else(engine: Engine) -> None:
    written = {(name, right) for name, right in rights(engine, ROLES[0]) if right != "SELECT"}

    assert written == {
        ("dataset_eval_jobs", "UPDATE"),
        ("dataset_eval_sets", "INSERT"),
        ("highlevel", "INSERT"),
        ("highlevel", "UPDATE"),
        ("highlevel_meta", "INSERT"),
        ("highlevel_model", "INSERT"),
        ("model", "INSERT"),
        ("version", "INSERT"),
        ("worker.evaluation_attempts", "INSERT"),
        ("worker.evaluation_attempts", "UPDATE"),
        ("worker.evaluation_checkpoints", "INSERT"),
        ("worker.highlevel_queue", "DELETE"),
        ("worker.highlevel_queue", "INSERT"),
        ("worker.highlevel_queue", "UPDATE"),
        ("worker.highlevel_sweep", "INSERT"),
        ("worker.highlevel_sweep", "UPDATE"),
        ("worker.models", "INSERT"),
    }


def test_an_enqueuer_asks_looks_and_cancels(login: As, dataset: UUID) -> None:
    engine = login("acoustic_enqueuer")

    with engine.begin() as connection:
        check_revision(connection)
        job = evaluation_jobs.enqueue(connection, dataset, {"seed": 2})
    with engine.connect() as connection:
        (listed,) = evaluation_jobs.list_jobs(connection)
        assert connection.execute(text("SELECT job FROM worker.job_status")).scalar() == job
    with engine.begin() as connection:
        said = evaluation_jobs.cancel(connection, job)

    assert (listed.id, listed.dataset, listed.status) == (job, "moods", "pending")
    assert said == f"Job {job} is cancelled; it was pending."


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT options FROM dataset_eval_jobs",
        "SELECT result FROM dataset_eval_jobs",
        "SELECT snapshot_id FROM dataset_eval_jobs",
        "SELECT id FROM dataset_eval_jobs FOR UPDATE",
        "INSERT INTO dataset_eval_jobs (snapshot_id) VALUES (gen_random_uuid())",
        "UPDATE dataset_eval_jobs SET status = 'done'",
        "DELETE FROM dataset_eval_jobs",
        "SELECT * FROM dataset_snapshot",
        "SELECT * FROM lowlevel_json",
        "SELECT * FROM worker.evaluation_attempts",
        "SELECT * FROM worker.models",
        "SELECT worker.retry_evaluation(gen_random_uuid())",
        "SELECT worker.pause_evaluation('mine')",
    ],
)
def test_an_enqueuer_can_do_nothing_else(login: As, statement: str) -> None:
    denied(login("acoustic_enqueuer"), statement)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT worker.enqueue_evaluation(gen_random_uuid())",
        "SELECT worker.cancel_evaluation(gen_random_uuid())",
        "SELECT worker.retry_evaluation(gen_random_uuid())",
        "SELECT worker.resume_evaluation()",
        "DELETE FROM worker.highlevel_queue",
        "UPDATE model SET status = 'show'",
        'SELECT * FROM "user"',
        "SELECT * FROM dataset_eval_jobs FOR UPDATE",
    ],
)
def test_a_reader_changes_nothing(login: As, statement: str) -> None:
    denied(login("acoustic_reader"), statement)


def test_a_reader_sees_jobs_recordings_and_models(login: As, engine: Engine, dataset: UUID) -> None:
    with engine.begin() as connection:
        job = evaluation_jobs.enqueue(connection, dataset, None)

    with login("acoustic_reader").connect() as connection:
        check_revision(connection)
        assert evaluation_jobs.show(connection, job).status.dataset == "moods"
        assert highlevel.backlog(connection).waiting == 0
        assert models.list_published(connection) == []


def test_a_worker_does_all_that_the_queue_of_jobs_asks_of_it(
    login: As, engine: Engine, make_job: Callable[..., UUID]
) -> None:
    lost, failed, done = (make_job() for _ in range(3))
    worker = login("acoustic_worker")

    def claim(lease: timedelta) -> EvaluationJob:
        with worker.begin() as connection:
            job = evaluation_jobs.claim(connection, worker="w", host="h", lease=lease)
            assert job is not None
            return job

    hour = timedelta(hours=1)
    usage = Usage(exit_code=0, signal=None, peak_memory=1, cpu_seconds=1.0)
    jobs = {job.id: job for job in (claim(hour), claim(hour), claim(hour))}
    with worker.begin() as connection:
        check_revision(connection)
        assert evaluation_jobs.renew(connection, jobs[done], lease=hour, progress={"stage": "x"})
        assert evaluation_jobs.renew(connection, jobs[lost], lease=timedelta(seconds=-1))
        assert evaluation_jobs.open_attempt(connection, worker="w") is not None
        assert evaluation_jobs.rescue(connection, lease=timedelta(0), max_attempts=3) == [
            (lost, "pending")
        ]
        end = {"outcome": Outcome.ERROR, "message": "It broke.", "max_attempts": 1}
        assert evaluation_jobs.end(connection, jobs[failed], **end) == "failed"
        sets = {"training_set": {"a": "b"}, "testing_set": {}}
        assert evaluation_jobs.finish(
            connection, jobs[done], result={"accuracy": 1}, usage=usage, **sets
        )

    with engine.connect() as connection:
        found = {job: evaluation_jobs.show(connection, job).status.status for job in jobs}
    assert found == {lost: "pending", failed: "failed", done: "done"}


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE dataset_eval_jobs SET options = '{}'",
        "UPDATE dataset_eval_jobs SET snapshot_id = gen_random_uuid()",
        "DELETE FROM dataset_eval_jobs",
        "INSERT INTO lowlevel_json VALUES (1, '{}', '', 1)",
        "UPDATE model SET status = 'show'",
        "UPDATE worker.models SET path = '/etc/passwd'",
        "DELETE FROM worker.evaluation_attempts",
        "SELECT worker.enqueue_evaluation(gen_random_uuid())",
        'SELECT * FROM "user"',
        "TRUNCATE worker.highlevel_queue",
    ],
)
def test_a_worker_can_not_change_what_was_asked_for(login: As, statement: str) -> None:
    denied(login("acoustic_worker"), statement)


@pytest.mark.parametrize("role", ROLES)
def test_no_function_of_a_trigger_can_be_put_on_a_table_of_ones_own(login: As, role: str) -> None:
    engine = login(role)
    with engine.connect() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE mine (id integer)"))
        with pytest.raises(ProgrammingError, match=DENIED):
            connection.execute(
                text("""
                    CREATE TRIGGER abuse AFTER TRUNCATE ON mine
                    FOR EACH STATEMENT EXECUTE FUNCTION worker.close_all_attempts()
                """)
            )


def test_what_runs_with_its_owners_rights_is_nobodys_and_looks_nowhere_else(
    engine: Engine,
) -> None:
    query = text("""
        SELECT oid::regprocedure::text,
               has_function_privilege('public', oid, 'EXECUTE') AS everybody, proconfig
          FROM pg_proc WHERE pronamespace = 'worker'::regnamespace AND prosecdef
    """)
    with engine.connect() as connection:
        functions = connection.execute(query).all()

    assert len(functions) > 5
    assert [name for name, everybody, _ in functions if everybody] == []
    assert {tuple(config) for *_, config in functions} == {("search_path=pg_catalog, pg_temp",)}


def test_every_function_has_a_fixed_search_path(engine: Engine) -> None:
    query = text("""
        SELECT oid::regprocedure::text FROM pg_proc
         WHERE pronamespace = 'worker'::regnamespace
           AND coalesce(array_to_string(proconfig, ','), '') NOT LIKE 'search_path=pg_catalog%'
    """)
    with engine.connect() as connection:
        assert connection.execute(query).scalars().all() == []


def test_a_function_of_a_better_fit_in_public_is_not_called(
    engine: Engine, dataset: UUID, login: As
) -> None:
    trap = """
        CREATE FUNCTION public.jsonb_build_object(
            text, uuid, text, varchar, text, text, text, jsonb)
        RETURNS jsonb LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
        CREATE FUNCTION public.format(text, uuid, public.eval_job_status)
        RETURNS text LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'trapped'; END $$;
    """
    with engine.begin() as connection:
        connection.exec_driver_sql(trap)

    with login("acoustic_enqueuer").begin() as connection:
        job = evaluation_jobs.enqueue(connection, dataset, None)
        assert "cancelled" in evaluation_jobs.cancel(connection, job)


def test_options_have_a_size(login: As, dataset: UUID) -> None:
    from schema.errors import SchemaError  # noqa: PLC0415

    engine = login("acoustic_enqueuer")
    with engine.begin() as connection, pytest.raises(SchemaError, match="at most 65536"):
        evaluation_jobs.enqueue(connection, dataset, {"note": "x" * 70_000})


def test_what_is_granted_can_be_taken_back(granted: str, engine: Engine) -> None:
    migrations.revoke_roles(granted)

    assert {role: rights(engine, role) for role in ROLES} == {role: set() for role in ROLES}


def test_a_downgrade_takes_the_rights_along_and_leaves_the_roles(
    empty_database_url: str,
) -> None:
    tables = Path(__file__).parents[1] / "migrations" / "schema4.sql"
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql(tables.read_text())  # they outlive the downgrade
    migrations.upgrade(empty_database_url)
    migrations.grant_roles(empty_database_url)

    migrations.downgrade(empty_database_url, "base")

    assert {role: rights(engine, role) for role in ROLES} == {role: set() for role in ROLES}
    migrations.upgrade(empty_database_url)
    assert rights(engine, "acoustic_worker") == set()
    engine.dispose()


def test_an_upgrade_gives_the_roles_what_is_new(empty_database_url: str) -> None:
    migrations.upgrade(empty_database_url)
    migrations.grant_roles(empty_database_url)
    engine = create_engine(empty_database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("REVOKE ALL ON worker.pauses FROM acoustic_worker")

    migrations.upgrade(empty_database_url)

    assert ("worker.pauses", "SELECT") in rights(engine, "acoustic_worker")
    engine.dispose()


def test_a_database_that_is_not_migrated_gets_no_roles(empty_database_url: str) -> None:
    with pytest.raises(migrations.MigrationError, match="migrated first"):
        migrations.grant_roles(empty_database_url)
