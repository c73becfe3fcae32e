"""Low-level documents: what Essentia extracted from recordings."""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from schema.documents import MAX_TEXT, json_text
from schema.errors import InvalidDocument
from schema.versions import version_id

__all__ = ["insert", "read_many"]

# Documents held in memory at once, on either way; one is about 50 to 100 kB of JSON.
CHUNK = 100

# One query for all recordings; one each was the evaluator's way before, and took longer than the
# parsing. DISTINCT ON works on ids alone, before any document is touched: nothing in the schema
# forbids two submissions with offset 0, and two workers must read the same one of them. OFFSET 0:
# each document is made text once.
READ = (
    text("""
    SELECT chosen.mbid,
           CASE WHEN octet_length(document.data) <= :most THEN document.data
                ELSE left(document.data, :most) END AS data
      FROM (SELECT DISTINCT ON (l.gid) l.gid AS mbid, l.id
              FROM unnest(CAST(:mbids AS uuid[])) AS wanted (mbid)
              JOIN lowlevel l ON l.gid = wanted.mbid AND l.submission_offset = 0
          ORDER BY l.gid, l.id) AS chosen
      JOIN LATERAL (SELECT d.data::text AS data FROM lowlevel_json d
                     WHERE d.id = chosen.id OFFSET 0) document ON true
""")
    .bindparams(most=MAX_TEXT)
    .execution_options(yield_per=CHUNK)
)

# `fresh` leaves out what is stored under the same recording already, as the server does when a
# client submits twice; ids come first so that both tables can be filled in one statement.
INSERT = text("""
    WITH incoming AS (
        SELECT * FROM unnest(CAST(:mbids AS uuid[]), CAST(:builds AS text[]),
                             CAST(:lossless AS boolean[]), CAST(:documents AS text[]),
                             CAST(:hashes AS text[]), CAST(:versions AS integer[]))
                 WITH ORDINALITY AS t (gid, build, lossless, document, hash, version, place)
    ), fresh AS (
        SELECT DISTINCT ON (gid, hash) * FROM incoming
         WHERE NOT EXISTS (SELECT FROM lowlevel_json d JOIN lowlevel l USING (id)
                            WHERE d.data_sha256 = incoming.hash AND l.gid = incoming.gid)
      ORDER BY gid, hash, place
    ), numbered AS (
        SELECT fresh.*, nextval(pg_get_serial_sequence('lowlevel', 'id')) AS id,
               (SELECT coalesce(max(l.submission_offset) + 1, 0)
                  FROM lowlevel l WHERE l.gid = fresh.gid)
               + row_number() OVER (PARTITION BY gid ORDER BY place) - 1 AS submission_offset
          FROM fresh
    ), submissions AS (
        INSERT INTO lowlevel (id, gid, build_sha1, lossless, gid_type, submission_offset)
        SELECT id, gid, build, lossless, 'mbid', submission_offset FROM numbered
    )
    INSERT INTO lowlevel_json (id, data, data_sha256, version)
    SELECT id, CAST(document AS jsonb), hash, version FROM numbered
""")


def read_many(connection: Connection, mbids: Iterable[UUID]) -> Iterator[tuple[UUID, str]]:
    """
    Read the first submission (offset 0) of each recording, in no particular order.

    Recordings that have none are left out. The rows come through a server-side cursor, in chunks,
    so memory does not grow with their number; the connection must stay in its transaction
    meanwhile (no autocommit).

    Yields
    ------
    (UUID, str)
        MBID and document, as JSON text cut at `schema.documents.MAX_TEXT`: parsing is the
        caller's business, and JSONB parses in the driver would use the slowest parser there is.
    """
    rows = connection.execute(READ, {"mbids": [str(mbid) for mbid in mbids]})
    for row in rows:
        yield row.mbid, row.data


def insert(connection: Connection, documents: Iterable[tuple[UUID, Any]]) -> int:
    """
    Store documents as the server stores submissions, and return how many were new.

    Each becomes the next submission of its recording. A document that its recording has already is
    passed over. Documents are taken as they are: whether they are sound is found out by who uses
    them, as with those that clients submitted.

    Raises
    ------
    InvalidDocument
        A document is stored under another recording already (AcousticBrainz allows it once).
    """
    versions: dict[str, int] = {}
    inserted = 0
    remaining = iter(documents)
    while chunk := list(islice(remaining, CHUNK)):
        inserted += _insert_chunk(connection, chunk, versions)
    return inserted


def _insert_chunk(
    connection: Connection, chunk: list[tuple[UUID, Any]], versions: dict[str, int]
) -> int:
    texts = [json_text(document, canonical=True) for _, document in chunk]
    values = {
        "mbids": [str(mbid) for mbid, _ in chunk],
        "builds": [str(_version(document).get("essentia_build_sha", "")) for _, document in chunk],
        "lossless": [_lossless(document) for _, document in chunk],
        "documents": texts,
        "hashes": [_hash(document) for document in texts],
        "versions": [_version_id(connection, _version(item), versions) for _, item in chunk],
    }
    try:
        return connection.execute(INSERT, values).rowcount
    except IntegrityError as error:
        raise InvalidDocument(
            f"One of {len(chunk)} low-level documents is stored under another recording already: "
            f"{error.orig}"
        ) from error


def _version_id(connection: Connection, version: Mapping[str, Any], known: dict[str, int]) -> int:
    key = json_text(version, canonical=True)
    if key not in known:
        known[key] = version_id(connection, version, "lowlevel")
    return known[key]


def _hash(document: str) -> str:
    return sha256(document.encode("ascii")).hexdigest()


def _version(document: Any) -> Mapping[str, Any]:
    return _child(_child(document, "metadata"), "version")


def _lossless(document: Any) -> bool:
    return _child(_child(document, "metadata"), "audio_properties").get("lossless") is True


def _child(document: Any, key: str) -> Mapping[str, Any]:
    child = document.get(key) if isinstance(document, Mapping) else None
    return child if isinstance(child, Mapping) else {}
