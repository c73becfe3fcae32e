"""Moments that Postgres can hold and Python cannot: years before 1, after 9999, and infinity.

Rows can be written by others than us, and one that cannot be read would take every list away that
it is in. Such a moment is read as the first or the last that Python knows.
"""

from datetime import UTC, datetime
from typing import Any

from psycopg2.extensions import PYDATETIMETZ, cursor, new_type, register_type

__all__ = ["EARLIEST", "LATEST", "read_all_moments"]

EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)

TIMESTAMPTZ = 1184  # its number in pg_type, the same in every database


def _moment(value: str | None, connection: cursor) -> datetime | None:
    """Read what the server sends, in ISO's style; infinity the driver knows."""
    try:
        moment: datetime | None = PYDATETIMETZ(value, connection)
    except ValueError:
        return EARLIEST if value is not None and value.endswith("BC") else LATEST
    return moment


_MOMENT = new_type((TIMESTAMPTZ,), "MOMENT", _moment)


def read_all_moments(connection: Any, _record: object = None) -> None:
    """Have a connection of psycopg2 read every `timestamptz` as some `datetime`."""
    register_type(_MOMENT, connection)
