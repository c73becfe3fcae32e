"""AcousticBrainz's table `version`: which software wrote a document, once for each software."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Literal

from sqlalchemy import Connection, text

from schema.documents import json_text

__all__ = ["version_id"]

# A row that somebody has edited still has its hash, and says something else.
FIND = text("""
    SELECT min(id) FROM version
     WHERE data_sha256 = :hash AND type = CAST(:type AS version_type)
       AND data = CAST(:document AS jsonb)
""")

INSERT = text("""
    INSERT INTO version (data, data_sha256, type)
    VALUES (CAST(:document AS jsonb), :hash, CAST(:type AS version_type))
 RETURNING id
""")

# Nothing in the table is unique, so two writers could both find nothing and both insert.
LOCK = text("SELECT pg_advisory_xact_lock(hashtext('acoustic-workers version'))")


def version_id(
    connection: Connection, version: Mapping[str, Any], kind: Literal["lowlevel", "highlevel"]
) -> int:
    """Give the id of a version's row, which is inserted if there is none.

    A version that is new is locked until the transaction ends, so it should end soon.
    """
    document = json_text(version, canonical=True)
    row = {
        "hash": sha256(document.encode("ascii")).hexdigest(),
        "type": kind,
        "document": document,
    }
    found: int | None = connection.execute(FIND, row).scalar()
    if found is None:
        connection.execute(LOCK)
        # Who had the lock before us may have inserted it.
        found = connection.execute(FIND, row).scalar()
    if found is None:
        found = connection.execute(INSERT, row).scalar_one()
    return found
