"""Low-level documents: what Essentia extracted from recordings."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from schema.documents import MAX_TEXT, json_text, storable
from schema.errors import InvalidDocument
from schema.versions import version_id

__all__ = ["Stored", "Submission", "insert", "read_many", "store"]

BUILD_LENGTH = 1_000  # characters; a SHA-1 has 40

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

# A document that is stored already is passed over, as the server does when a client submits twice;
# one that another recording has cannot be stored at all: the hash is unique there. Each is looked
# up by the index, whatever the statistics say, and hashes are bpchar as their column is: compared
# as text they would be sought in the whole table. Ids come first so that both tables can be filled
# in one statement.
STORE = text("""
    WITH incoming AS MATERIALIZED (
        SELECT *, row_number() OVER (PARTITION BY hash ORDER BY place) = 1 AS is_first
          FROM unnest(CAST(:mbids AS uuid[]), CAST(:offsets AS integer[]), CAST(:builds AS text[]),
                      CAST(:lossless AS boolean[]), CAST(:documents AS text[]),
                      CAST(:hashes AS bpchar[]), CAST(:versions AS integer[]))
               WITH ORDINALITY AS t (gid, stated, build, lossless, document, hash, version, place)
    ), known AS MATERIALIZED (
        SELECT incoming.*, (SELECT l.gid FROM lowlevel_json d JOIN lowlevel l USING (id)
                             WHERE d.data_sha256 = incoming.hash) AS holder
          FROM incoming
    ), fresh AS (
        SELECT known.*,
               (SELECT max(l.submission_offset) FROM lowlevel l WHERE l.gid = known.gid) AS highest,
               stated IS NOT NULL
               AND row_number() OVER (PARTITION BY gid, stated ORDER BY place) = 1
               AND NOT EXISTS (SELECT FROM lowlevel l
                                WHERE l.gid = known.gid AND l.submission_offset = stated)
               AS as_stated
          FROM known
         WHERE holder IS NULL AND is_first
    ), numbered AS MATERIALIZED (
        SELECT fresh.*, nextval(pg_get_serial_sequence('lowlevel', 'id')) AS id,
               CASE WHEN as_stated THEN stated ELSE
               greatest(coalesce(highest, -1),
                        coalesce(max(stated) FILTER (WHERE as_stated) OVER (PARTITION BY gid), -1))
               + row_number() OVER (PARTITION BY gid, as_stated ORDER BY place) END
               AS submission_offset
          FROM fresh
    ), submissions AS (
        INSERT INTO lowlevel (id, gid, build_sha1, lossless, gid_type, submission_offset)
        SELECT id, gid, build, lossless, 'mbid', submission_offset FROM numbered ORDER BY place
    ), documents AS (
        INSERT INTO lowlevel_json (id, data, data_sha256, version)
        SELECT id, CAST(document AS jsonb), hash, version FROM numbered ORDER BY place
    )
    SELECT k.gid, k.holder IS NULL AND k.is_first AS is_new, coalesce(k.holder, first.gid) AS holder
      FROM known k JOIN incoming first ON first.hash = k.hash AND first.is_first
  ORDER BY k.place
""")

# Another writer, a server perhaps, may store the same document between our look and our write.
_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Submission:
    """A document as it is stored, and what the columns beside it say.

    Attributes
    ----------
    mbid
        The recording.
    offset
        Which submission of the recording it is, if that is known: the place that it gets where it
        is free. Otherwise it becomes the next one.
    build_sha1, lossless, version
        What the document says of itself.
    text
        The document, in AcousticBrainz's form for hashing.
    sha256
        Of `text`.
    """

    mbid: UUID
    offset: int | None
    build_sha1: str
    lossless: bool
    version: Mapping[str, Any]
    text: str
    sha256: str

    @classmethod
    def of(cls, mbid: UUID, document: Any, offset: int | None = None) -> "Submission":
        """Take a document as it is: whether it is sound is found out by who uses it."""
        written = json_text(document, canonical=True)
        version = _child(_child(document, "metadata"), "version")
        properties = _child(_child(document, "metadata"), "audio_properties")
        return cls(
            mbid=mbid,
            offset=offset,
            build_sha1=str(version.get("essentia_build_sha", "")),
            lossless=bool(properties.get("lossless")),
            version=version,
            text=written,
            sha256=sha256(written.encode("ascii")).hexdigest(),
        )


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What became of a submission.

    Attributes
    ----------
    is_new
        It is stored now, and was not before.
    holder
        The recording that has the document. AcousticBrainz stores a document once: where this is
        another recording than the submission's, it was refused.
    """

    is_new: bool
    holder: UUID


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
    Store documents, and return how many were new; each becomes the next submission.

    Raises
    ------
    InvalidDocument
        A document is stored under another recording already (AcousticBrainz allows it once).
    """
    inserted = 0
    remaining = iter(documents)
    while chunk := list(islice(remaining, CHUNK)):
        mbids = [mbid for mbid, _ in chunk]
        stored = store(connection, [Submission.of(mbid, document) for mbid, document in chunk])
        for mbid, one in zip(mbids, stored, strict=True):
            if one.holder != mbid:
                raise InvalidDocument(
                    f"The low-level document of {mbid} is stored under another recording already, "
                    f"{one.holder}."
                )
            inserted += one.is_new
    return inserted


def store(connection: Connection, submissions: Sequence[Submission]) -> list[Stored]:
    """
    Store documents as the server stores submissions, in a few statements; say what became of each.

    A document that its recording has already is passed over, one that another recording has is
    refused; the others are stored all the same.
    """
    if not submissions:
        return []
    versions: dict[str, int] = {}
    values = {
        "mbids": [str(one.mbid) for one in submissions],
        "offsets": [one.offset for one in submissions],
        "builds": [storable(one.build_sha1, most=BUILD_LENGTH) for one in submissions],
        "lossless": [one.lossless for one in submissions],
        "documents": [one.text for one in submissions],
        "hashes": [one.sha256 for one in submissions],
        "versions": [_version_id(connection, one.version, versions) for one in submissions],
    }
    for tries_left in reversed(range(_TRIES)):
        try:
            with connection.begin_nested():
                rows = connection.execute(STORE, values)
                return [Stored(is_new=row.is_new, holder=row.holder) for row in rows]
        except IntegrityError:
            if not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _version_id(connection: Connection, version: Mapping[str, Any], known: dict[str, int]) -> int:
    key = json_text(version, canonical=True)
    if key not in known:
        known[key] = version_id(connection, version, "lowlevel")
    return known[key]


def _child(document: Any, key: str) -> Mapping[str, Any]:
    child = document.get(key) if isinstance(document, Mapping) else None
    return child if isinstance(child, Mapping) else {}
