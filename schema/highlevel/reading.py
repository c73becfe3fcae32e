"""The high-level document of a recording, read as AcousticBrainz's server reads it."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from schema.errors import NotFound

__all__ = ["document_of"]

# The submission, whether or not it has outputs yet.
SUBMISSION = text("""
    SELECT l.id, m.data AS metadata
      FROM lowlevel l LEFT JOIN highlevel_meta m USING (id)
     WHERE l.gid = :mbid
  ORDER BY l.submission_offset, l.id
    OFFSET :offset
     LIMIT 1
""")

OUTPUTS = text("""
    SELECT m.model AS name, o.data, v.data AS version
      FROM highlevel_model o
      JOIN model m ON m.id = o.model
      JOIN version v ON v.id = o.version
     WHERE o.highlevel = :id AND (m.status = 'show' OR :hidden)
  ORDER BY m.model, m.id
""")


def document_of(
    connection: Connection, mbid: UUID, *, offset: int = 0, hidden: bool = False
) -> dict[str, Any]:
    """Read the high-level document of a submission.

    Parameters
    ----------
    connection
        Of the database.
    mbid
        The recording.
    offset
        Which of its submissions, from 0.
    hidden
        Also outputs of models that are not shown.

    Returns
    -------
    dict
        ``metadata``, ``highlevel`` by model; an output's version is told with it. Where two
        versions of a name are asked for, the later one stands.

    Raises
    ------
    NotFound
        There is no such submission, or it has no outputs yet.
    """
    submission = connection.execute(SUBMISSION, {"mbid": mbid, "offset": offset}).one_or_none()
    if submission is None:
        raise NotFound(f"There is no low-level document {mbid}:{offset}.")
    if submission.metadata is None:
        raise NotFound(
            f"The recording {mbid}:{offset} has no outputs: it waits, or its document could not be "
            "used (acoustic highlevel failed lists those)."
        )
    rows = connection.execute(OUTPUTS, {"id": submission.id, "hidden": hidden})
    return {
        "metadata": submission.metadata,
        "highlevel": {row.name: {**row.data, "version": row.version} for row in rows},
    }
