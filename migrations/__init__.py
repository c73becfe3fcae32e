"""
The database's migrations, run from Python (Alembic, without an alembic.ini).

They are additive. The first makes AcousticBrainz's tables where they are missing, the others make
what is ours, in the Postgres schema `worker`; on AcousticBrainz's tables they add defaults, indexes
and triggers only. `downgrade(url, "base")` takes away what they made and nothing else: what they
made outside schema `worker` is listed in the table `worker.created`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from migrations.address import masked_url, psycopg2_url

# Alembic is imported where it is used: it takes a fifth of a second, and who only reads an address
# or trains what somebody else claimed has no use for it.
if TYPE_CHECKING:
    from alembic.config import Config

__all__ = [
    "DEADLINES",
    "VERSION_TABLE",
    "VERSION_TABLE_SCHEMA",
    "MigrationError",
    "current",
    "downgrade",
    "grant_roles",
    "head",
    "known",
    "masked_url",
    "psycopg2_url",
    "revision_of",
    "revoke_roles",
    "roles_sql",
    "run_sql",
    "script",
    "upgrade",
]

# Not Alembic's default name: the server, or another program on this database, may use Alembic too.
# Not in schema worker: the first migration makes and unmakes that.
VERSION_TABLE = "acoustic_workers_revision"
VERSION_TABLE_SCHEMA = "public"

# Two `acoustic migrate` at once (two containers that start together) run one after the other. Any
# number does as long as it stays the same.
ADVISORY_LOCK = 0x61636F7573746963

LOCK_TIMEOUT = "10s"

# libpq's parameters. Without them a call on a link that broke silently (a pulled cable, a frozen
# host, a router that forgot the connection) blocks until the kernel gives up, after two hours.
DEADLINES = {
    # A server that does not answer: try again later rather than sit in connect().
    "connect_timeout": 10,
    # An idle connection whose other end is gone: noticed within 10 + 3 * 5 s; a lease lasts 60.
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    # Bytes that we sent and nobody acknowledged (keepalives do not run then), in milliseconds.
    "tcp_user_timeout": 20_000,
}

FOLDER = Path(__file__).parent

# Whether somebody asked for the roles on this database: they may be there for another one.
HAS_ROLES = text("""
    SELECT EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a
                    WHERE n.nspname = 'worker' AND a.grantee = to_regrole('acoustic_worker'))
""")

# SQLSTATEs of what a person can mend; anything else is our mistake, or the network's.
REMEDIES = {
    "P0001": "",  # raised by a migration, with its own hint
    "2BP01": "Drop or change first what depends on it.",
    "42501": "Do it as the owner of the tables, and roles as one who may create them.",
    "55P03": "Somebody uses the tables: try again when they are less busy.",
}


class MigrationError(Exception):
    """The database is in a state that a person has to change; `str(error)` says which and how."""


def upgrade(url: str, revision: str = "head") -> None:
    """
    Bring the database at `url` up to `revision`, in one transaction; doing it twice is fine.

    Raises
    ------
    MigrationError
        The database cannot be migrated as it is. Nothing was changed.
    """
    from alembic import command  # noqa: PLC0415

    with _transaction(url) as connection:
        command.upgrade(_config(connection), revision)
        if revision == "head" and connection.execute(HAS_ROLES).scalar():
            _run(connection, roles_sql())  # what is new has rights, too


def downgrade(url: str, revision: str) -> None:
    """
    Take the database at `url` back to `revision` ("base": as it was before the first).

    Raises
    ------
    MigrationError
        Something of somebody else's depends on what would be dropped. Nothing was changed.
    """
    from alembic import command  # noqa: PLC0415

    with _transaction(url) as connection:
        command.downgrade(_config(connection), revision)
        if revision_of(connection) is None:
            # Alembic would leave it behind, empty.
            connection.execute(text(f"DROP TABLE {VERSION_TABLE_SCHEMA}.{VERSION_TABLE}"))


def current(url: str) -> str | None:
    """Return the revision of the database at `url`; None where no migration ran."""
    with _transaction(url) as connection:
        return revision_of(connection)


def revision_of(connection: Connection) -> str | None:
    """Return the revision of the database behind `connection`; None where no migration ran."""
    from alembic.migration import MigrationContext  # noqa: PLC0415

    options = {"version_table": VERSION_TABLE, "version_table_schema": VERSION_TABLE_SCHEMA}
    return MigrationContext.configure(connection, opts=options).get_current_revision()


def head() -> str:
    """Return the newest revision that this version of the program knows."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    return ScriptDirectory.from_config(_config(None)).get_heads()[0]


def known() -> frozenset[str]:
    """Return every revision that this version of the program knows."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    walk = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return frozenset(step.revision for step in walk)


def script(revision: str = "head") -> str:
    """Return the SQL of an upgrade from nothing to `revision`, for applying it by hand."""
    from alembic import command  # noqa: PLC0415

    config = _config(None)
    config.output_buffer = StringIO()
    command.upgrade(config, revision, sql=True)
    return config.output_buffer.getvalue()


def grant_roles(url: str) -> None:
    """
    Make the roles of least privilege where the server lacks them, and give them their rights.

    Only when asked: a role belongs to all databases of a server. Later upgrades keep the rights
    up to date.

    Raises
    ------
    MigrationError
        The user may not make roles or does not own the tables, or the database is not migrated.
    """
    with _transaction(url) as connection:
        if revision_of(connection) != head():
            raise MigrationError("The database has to be migrated first: run `acoustic migrate`.")
        _run(connection, roles_sql())


def revoke_roles(url: str) -> None:
    """Take from the roles all that they may do on this database; the roles themselves stay."""
    with _transaction(url) as connection:
        if revision_of(connection) is not None:
            _run(connection, _sql("roles_revoke"))


def roles_sql() -> str:
    """Return the SQL of `grant_roles`, for reading it and for applying it by hand."""
    return _sql("roles_grant")


def run_sql(*names: str) -> None:
    """Run files of the folder `sql`, inside a migration."""
    from alembic import op  # noqa: PLC0415

    for name in names:
        op.execute(_sql(name))


def _run(connection: Connection, statements: str) -> None:
    # Else every percent sign would be a parameter's.
    connection.execution_options(no_parameters=True).exec_driver_sql(statements)


def _sql(name: str) -> str:
    return (FOLDER / "sql" / f"{name}.sql").read_text(encoding="utf-8")


@contextmanager
def _transaction(url: str) -> Iterator[Connection]:
    address = psycopg2_url(url)
    # What the URL says wins, as everywhere.
    arguments = {key: value for key, value in DEADLINES.items() if key not in address.query}
    engine = create_engine(address, poolclass=NullPool, connect_args=arguments)
    with _told_in_words(), engine.begin() as connection:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        # A migration that waits for a lock makes all who come after it wait too.
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        yield connection


@contextmanager
def _told_in_words() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        diagnostics = getattr(error.orig, "diag", None)
        remedy = REMEDIES.get(getattr(diagnostics, "sqlstate", None) or "")
        if diagnostics is None or remedy is None:
            raise
        said = (diagnostics.message_primary, diagnostics.message_detail)
        told = (*map(_sentence, said), remedy or diagnostics.message_hint)
        raise MigrationError(" ".join(filter(None, told))) from error


def _sentence(message: str | None) -> str:
    return "" if not message else message[0].upper() + message[1:].rstrip(".") + "."


def _config(connection: Connection | None) -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    # A percent sign means interpolation to the parser behind Config.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config
