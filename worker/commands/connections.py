"""The database of a command: connected, of the right schema, its failures in words."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, ProgrammingError

from migrations import masked_url
from schema.database import check_revision, connect
from worker.commands.failures import CommandError
from worker.commands.invocation import Invocation

INSUFFICIENT_PRIVILEGE = "42501"
_READ_ONLY = "25006"

# Deadlock, lock timeout, statement timeout.
_IN_VAIN = {"40P01", "55P03", "57014"}


@contextmanager
def database(invocation: Invocation) -> Iterator[Engine]:
    """Connect as the settings say, check the schema's revision, give the engine.

    Raises
    ------
    CommandError
        The database cannot be reached, or refuses.
    schema.errors.SchemaMismatch
        The database is older or newer than this version.
    """
    url = invocation.settings().database_url
    with in_words(url):
        engine = connect(url, application_name="acoustic")
        try:
            with engine.connect() as connection:
                check_revision(connection)
            yield engine
        finally:
            engine.dispose()


@contextmanager
def transaction(invocation: Invocation) -> Iterator[Connection]:
    """Give a connection whose transaction is committed at the end; errors as of `database`."""
    with database(invocation) as engine, engine.begin() as connection:
        yield connection


@contextmanager
def in_words(url: str) -> Iterator[None]:
    """Turn what the driver says about a database that cannot be used into a sentence."""
    try:
        yield
    except DBAPIError as error:
        sentence = explained(error, url)
        if sentence is None:
            raise
        raise CommandError(sentence) from error


def explained(error: DBAPIError, url: str) -> str | None:
    """Say what an operator can do about a driver's error, or None where it is a defect of ours."""
    said = _first_line(error.orig)
    code = getattr(error.orig, "pgcode", None)
    if code == INSUFFICIENT_PRIVILEGE:
        return (
            f"The database refuses: {said}. The user of DATABASE_URL lacks this right: take one of "
            "the role acoustic_worker, or ask in SQL, by worker.enqueue_evaluation and its like."
        )
    if code == _READ_ONLY:
        return (
            f"The database takes no changes: {said}. It is a standby, or its setting "
            "default_transaction_read_only is on: connect to the server that takes them."
        )
    if code in _IN_VAIN:
        return f"The database gave up: {said}. Somebody holds a lock; try again later."
    # An option that libpq does not know is found before any statement, and has no code.
    misread = isinstance(error, ProgrammingError) and code is None and error.statement is None
    if misread or isinstance(error, OperationalError | InterfaceError):
        return (
            f"The database at {masked_url(url)} cannot be used: {said}. "
            "Check that the server runs and that DATABASE_URL is right."
        )
    return None


def _first_line(error: BaseException | None) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else "no reason given"
