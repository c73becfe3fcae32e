"""The one way a database URL is read, and shown."""

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

PLAIN = "postgresql"
DRIVER = f"{PLAIN}+psycopg2"

# What may be shown of a URL's query. Of the rest some are secrets (password, sslpassword), and more
# would be if they were misspelt.
_SHOWN = frozenset({"host", "port", "sslmode", "connect_timeout", "target_session_attrs"})


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
    if "@" in (parsed.host or ""):
        # What stands before it is the rest of a password: every message would show it as a host.
        raise ValueError(
            "The database URL has more than one @: write those of the password as %40, in "
            "postgresql://user:password@host/database."
        )
    return parsed.set(drivername=DRIVER)


def masked_url(url: str) -> str:
    """
    Show the address of a database without its password, wherever in it that stands.

    Without the driver, too: what is shown can be given to psql.

    Examples
    --------
    >>> masked_url("postgresql://ann:secret@db.example/acoustic?password=x&sslmode=require")
    'postgresql://ann:***@db.example/acoustic?sslmode=require'
    """
    parsed = make_url(url)
    hidden = [key for key in parsed.query if key not in _SHOWN]
    shown = parsed.difference_update_query(hidden).set(drivername=PLAIN)
    return shown.render_as_string(hide_password=True)
