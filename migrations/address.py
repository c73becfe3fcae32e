"""The one way a database URL is read."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

DRIVER = "postgresql+psycopg2"


def psycopg2_url(url: str) -> URL:
    """
    Read the address of a Postgres database, whatever driver it names.

    `postgres://`, `postgresql://`, `postgresql+psycopg://` and `postgresql+asyncpg://` all become
    `postgresql+psycopg2://`. SQLAlchemy 2.1 would take a plain `postgresql://` for psycopg 3, which
    the tests happen to bring and an installation does not have.

    Raises
    ------
    ValueError
        What is wrong with the URL, in a sentence that does not show its password.

    Examples
    --------
    >>> psycopg2_url("postgres://me@localhost/acoustic").drivername
    'postgresql+psycopg2'
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise ValueError(
            "The database URL cannot be read: write it as postgresql://user:password@host/database."
        ) from None
    if parsed.get_backend_name() not in ("postgres", "postgresql"):
        raise ValueError(
            f"The database URL names {parsed.get_backend_name()}, but only Postgres is supported: "
            "write it as postgresql://user:password@host/database."
        )
    return parsed.set(drivername=DRIVER)
