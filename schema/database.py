"""The connection: its driver, its deadlines, and whether the database fits the program."""

from datetime import timedelta
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event

import migrations
from schema.documents import json_value
from schema.errors import SchemaError, SchemaMismatch
from schema.timestamps import read_all_moments
from schema.watched_connection import connection_factory

__all__ = ["check_revision", "connect"]

STATEMENT_TIMEOUT = timedelta(seconds=60)

# How much longer than the server's timeout the client waits, at least, before it cuts a call off.
SERVER_FIRST = timedelta(seconds=1)

# The server's side of `migrations.DEADLINES`. It holds the row locks, so a client host that died
# must be noticed there too; until then its job can be neither claimed nor rescued.
SERVER_SETTINGS = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # A client that is alive and stuck in the middle of a transaction.
    "idle_in_transaction_session_timeout": "300s",
}


def connect(
    url: str,
    *,
    application_name: str = "acoustic",
    statement_timeout: timedelta = STATEMENT_TIMEOUT,
) -> Engine:
    """
    Give an engine on the database at `url`, by psycopg2, on which no call waits for ever.

    Parameters
    ----------
    url : str
        `postgresql://user:password@host/database`; a driver named in it is replaced by psycopg2.
        What its query says about the deadlines below (`?connect_timeout=3`) wins over them.
    application_name : str
        What `pg_stat_activity` shows for the connections.
    statement_timeout : timedelta
        No single statement takes longer. Every statement here is a matter of milliseconds, the
        largest write and each chunk of a bulk read of seconds; one that takes a minute waits for a
        lock that somebody forgot, and its caller has a lease to renew. A little later a call is cut
        off also where nothing comes back, not even that.

    Raises
    ------
    SchemaError
        `url` cannot be read or names another kind of database.
    """
    try:
        address = migrations.psycopg2_url(url)
    except ValueError as error:
        raise SchemaError(str(error)) from None
    engine = create_engine(
        address,
        connect_args=_arguments(address, application_name, statement_timeout),
        # The statements of the queue are written for it: a row that changed while we waited for
        # its lock is looked at again. A database may have another default.
        isolation_level="READ COMMITTED",
        json_deserializer=json_value,
        # Errors end in logs, and parameters are documents, results, and what users wrote.
        hide_parameters=True,
        # A server that restarted would otherwise cost every pooled connection one failed call.
        pool_pre_ping=True,
    )
    event.listen(engine, "connect", read_all_moments)
    return engine


def check_revision(connection: Connection) -> None:
    """
    Check that the migrations of this program, all of them and no others, ran on the database.

    Raises
    ------
    SchemaMismatch
        They did not; the message says which way round, and what to do.
    """
    found, wanted = migrations.revision_of(connection), migrations.head()
    if found == wanted:
        return
    if found is None:
        raise SchemaMismatch(
            "The database has not been set up for acoustic-workers: run `acoustic migrate`."
        )
    if found in migrations.known():
        raise SchemaMismatch(
            f"The database is at revision {found}, this program needs {wanted}: "
            "run `acoustic migrate`."
        )
    raise SchemaMismatch(
        f"The database is at revision {found}, newer than this program, which knows {wanted}: "
        "install the newer acoustic-workers."
    )


def _arguments(address: URL, name: str, statement_timeout: timedelta) -> dict[str, Any]:
    settings = {
        **SERVER_SETTINGS,
        "statement_timeout": f"{statement_timeout // timedelta(milliseconds=1)}ms",
    }
    options = [f"-c {setting}={value}" for setting, value in settings.items()]
    # Last, for the server takes the last value of a setting.
    options += address.normalized_query.get("options", ())
    arguments = {**migrations.DEADLINES, "application_name": name}
    chosen = {key: value for key, value in arguments.items() if key not in address.query}
    # The server is asked first: where it answers, it says why.
    deadline = statement_timeout + max(SERVER_FIRST, statement_timeout / 4)
    return {
        **chosen,
        "options": " ".join(options),
        "connection_factory": connection_factory(deadline),
    }
