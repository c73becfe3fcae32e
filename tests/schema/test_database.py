from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, Table, inspect, text
from sqlalchemy.exc import DBAPIError

import migrations
from schema import database, tables
from schema.errors import SchemaError, SchemaMismatch

Step = Callable[..., Any]  # a fixture that does one thing to the database


@pytest.fixture
def connect() -> Iterator[Step]:
    """Connect, and disconnect at the end."""
    engines = []

    def connect(url: str, **options: Any) -> Any:
        engines.append(database.connect(url, **options))
        return engines[-1]

    yield connect
    for engine in engines:
        engine.dispose()


@pytest.mark.parametrize(
    "scheme",
    [
        *("postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"),
        *("postgresql+asyncpg", "postgresql+pg8000"),
    ],
)
def test_whatever_driver_a_url_names_psycopg2_is_used(
    connect: Step, database_url: str, scheme: str
) -> None:
    engine = connect(database_url.replace("postgresql+psycopg2", scheme))

    assert (engine.dialect.driver, engine.dialect.name) == ("psycopg2", "postgresql")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar() == 1


@pytest.mark.parametrize("url", ["sqlite://", "mysql://u:secret@h/d", "", "nonsense", "a://b:c:d"])
def test_what_is_no_postgres_url_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(SchemaError, match="postgresql://user:password@host/database") as refused:
        database.connect(url)

    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("-infinity", datetime.min.replace(tzinfo=UTC)),
        ("4713-01-01 BC", datetime.min.replace(tzinfo=UTC)),
        ("0044-03-15 12:00:00.5 BC", datetime.min.replace(tzinfo=UTC)),
        ("0001-01-01 00:00:00+00", datetime.min.replace(tzinfo=UTC)),
        ("2022-07-06 12:00:00.25+00", datetime(2022, 7, 6, 12, 0, 0, 250_000, UTC)),
        ("9999-12-31 23:59:59.999999+00", datetime.max.replace(tzinfo=UTC)),
        ("20000-01-01", datetime.max.replace(tzinfo=UTC)),
        ("294276-12-31", datetime.max.replace(tzinfo=UTC)),
        ("infinity", datetime.max.replace(tzinfo=UTC)),
        (None, None),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York"])
def test_every_moment_is_read_though_python_knows_fewer_than_postgres(
    connect: Step, database_url: str, zone: str, written: str | None, read: datetime | None
) -> None:
    engine = connect(database_url)

    with engine.connect() as connection:
        connection.execute(text("SELECT set_config('TimeZone', :zone, false)"), {"zone": zone})
        moment = text("SELECT CAST(:written AS timestamptz)")
        assert connection.execute(moment, {"written": written}).scalar() == read


def test_no_statement_waits_for_ever(connect: Step, database_url: str) -> None:
    engine = connect(database_url, statement_timeout=timedelta(seconds=2.5))

    with engine.connect() as connection:
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "2500ms"
        show = text("SHOW idle_in_transaction_session_timeout")
        assert connection.execute(show).scalar() == "5min"


def test_a_broken_link_is_noticed_well_within_a_lease(connect: Step, database_url: str) -> None:
    with connect(database_url).connect() as connection:
        parameters = connection.connection.dbapi_connection.info.dsn_parameters

    idle, interval, count = (
        int(parameters[f"keepalives_{name}"]) for name in ("idle", "interval", "count")
    )
    assert idle + interval * count < 60
    assert int(parameters["tcp_user_timeout"]) < 60_000  # milliseconds
    assert int(parameters["connect_timeout"]) < 60


def test_connections_are_named(connect: Step, database_url: str) -> None:
    with connect(database_url, application_name="acoustic evaluator").connect() as connection:
        name = connection.execute(text("SHOW application_name")).scalar()

    assert name == "acoustic evaluator"


def test_what_a_url_says_wins_over_the_defaults(connect: Step, database_url: str) -> None:
    url = f"{database_url}&connect_timeout=3&options=-c%20statement_timeout%3D7s"

    with connect(url).connect() as connection:
        parameters = connection.connection.dbapi_connection.info.dsn_parameters
        assert parameters["connect_timeout"] == "3"
        assert connection.execute(text("SHOW statement_timeout")).scalar() == "7s"
        assert connection.execute(text("SHOW tcp_keepalives_idle")).scalar() is not None


def test_transactions_look_again_at_rows_that_changed_whatever_the_default(
    connect: Step, database_url: str
) -> None:
    url = f"{database_url}&options=-c%20default_transaction_isolation%3Dserializable"

    with connect(url).connect() as connection:
        shown = connection.execute(text("SHOW transaction_isolation")).scalar()

    assert shown == "read committed"


def test_a_migrated_database_fits(engine: Engine) -> None:
    with engine.connect() as connection:
        database.check_revision(connection)


def test_an_empty_database_is_refused_with_the_remedy(
    connect: Step, empty_database_url: str
) -> None:
    with (
        connect(empty_database_url).connect() as connection,
        pytest.raises(SchemaMismatch, match="run `acoustic migrate`"),
    ):
        database.check_revision(connection)


@pytest.mark.fault("F33")
def test_an_older_database_is_refused_with_the_remedy(engine: Engine, database_url: str) -> None:
    migrations.downgrade(database_url, "0001")

    with (
        engine.connect() as connection,
        pytest.raises(SchemaMismatch, match=r"revision 0001.*run `acoustic migrate`"),
    ):
        database.check_revision(connection)


@pytest.mark.fault("F33")
def test_a_newer_database_is_refused_with_the_remedy(engine: Engine, execute: Step) -> None:
    execute("UPDATE acoustic_workers_revision SET version_num = '9999'")

    with (
        engine.connect() as connection,
        pytest.raises(SchemaMismatch, match=r"revision 9999, newer.*install"),
    ):
        database.check_revision(connection)


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=str)
def test_the_tables_are_described_as_the_migrations_make_them(engine: Engine, table: Table) -> None:
    def described(column: Any) -> Any:
        return column["type"].compile(engine.dialect), column["nullable"]

    found = inspect(engine).get_columns(table.name, schema=table.schema)

    assert {column["name"]: described(column) for column in found} == {
        column.name: described({"type": column.type, "nullable": column.nullable})
        for column in table.columns
    }


def test_an_error_shows_no_values_of_its_statement(connect: Step, database_url: str) -> None:
    engine = connect(database_url)

    # Postgres itself quotes the line that is wrong; the value is on another one.
    statement = text("SELECT *\nFROM missing\nWHERE a = :a")
    with engine.connect() as connection, pytest.raises(DBAPIError) as raised:
        connection.execute(statement, {"a": "of a document"})

    assert "of a document" not in str(raised.value)
