"""The ways in which a recording leaves the queue: with outputs, with a reason, or as it came."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, text

from schema.documents import json_text, storable
from schema.highlevel.claiming import MESSAGE_LENGTH, NAME_LENGTH, PATIENCE
from schema.highlevel.values import Outputs, Recording

__all__ = ["dismiss", "exhaust", "fail", "leave", "put_off", "write"]

# Only here does a row of highlevel come to be; a second writer finds it and leaves it. One without
# metadata is AcousticBrainz's mark of a failed document, and gives way to a success.
HIGHLEVEL = text("""
    INSERT INTO highlevel AS old (id, mbid, build_sha1)
    SELECT id, mbid, :build
      FROM unnest(CAST(:ids AS integer[]), CAST(:mbids AS uuid[])) AS new (id, mbid)
        ON CONFLICT (id) DO UPDATE
       SET build_sha1 = excluded.build_sha1, submitted = now()
     WHERE NOT EXISTS (SELECT FROM highlevel_meta m WHERE m.id = old.id)
""")

META = text("""
    INSERT INTO highlevel_meta (id, data, data_sha256)
    SELECT id, CAST(data AS jsonb), hash
      FROM unnest(CAST(:ids AS integer[]), CAST(:data AS text[]), CAST(:hashes AS text[]))
           AS new (id, data, hash)
        ON CONFLICT (id) DO NOTHING
""")

# What conflicts is the same output of the same model for the same recording, from a writer that
# knows nothing of the queue. Other outputs of the same model cannot come from two of our workers:
# which models a recording lacks was read under the lock of its row in the queue.
MODELS = text("""
    INSERT INTO highlevel_model (highlevel, data, data_sha256, model, version)
    SELECT id, CAST(data AS jsonb), hash, model, :version
      FROM unnest(CAST(:ids AS integer[]), CAST(:data AS text[]), CAST(:hashes AS text[]),
                  CAST(:models AS integer[])) AS new (id, data, hash, model)
        ON CONFLICT DO NOTHING
""")

DISMISS = text("""
    DELETE FROM worker.highlevel_queue
     WHERE id = ANY(CAST(:ids AS integer[])) AND worker = :worker AND failed IS NULL
 RETURNING id
""")

LEAVE = text("""
    UPDATE worker.highlevel_queue
       SET attempts = 0, interruptions = 0, worker = NULL, retry_at = NULL, error = NULL,
           models = CAST(:models AS integer[])
     WHERE id = ANY(CAST(:ids AS integer[])) AND worker = :worker AND failed IS NULL
""")

FAIL = text("""
    WITH spent AS (
        UPDATE worker.highlevel_queue q
           SET failed = now(), error = new.error, worker = NULL, retry_at = NULL,
               refused_by = CAST(new.refused_by AS integer[])
          FROM unnest(CAST(:ids AS integer[]), CAST(:errors AS text[]), CAST(:refused_by AS text[]))
               AS new (id, error, refused_by)
         WHERE q.id = new.id AND q.worker = :worker AND q.failed IS NULL
     RETURNING q.id
    ), marked AS (
        INSERT INTO highlevel (id, mbid, build_sha1)
        SELECT l.id, l.gid, :build FROM spent JOIN lowlevel l USING (id)
            ON CONFLICT (id) DO NOTHING
    )
    SELECT id FROM spent
""")

PUT_OFF = text("""
    UPDATE worker.highlevel_queue
       SET worker = NULL, error = :error,
           retry_at = now() + CASE WHEN :alone THEN worker.backoff(attempts - 1, :patience)
                                   ELSE interval '0' END
     WHERE id = ANY(CAST(:ids AS integer[])) AND worker = :worker AND failed IS NULL
       AND attempts < :max_attempts
 RETURNING id
""")

# Nobody holds the lock of a row at the limit whose time has come: its last worker is gone.
EXHAUST = text("""
    WITH chosen AS (
        SELECT id FROM worker.highlevel_queue
         WHERE attempts >= :max_attempts AND failed IS NULL AND retry_at <= now()
      ORDER BY retry_at
         LIMIT :limit
           FOR UPDATE SKIP LOCKED
    ), spent AS (
        UPDATE worker.highlevel_queue q
           SET failed = now(), worker = NULL, retry_at = NULL, refused_by = NULL,
               error = CASE WHEN q.worker IS NULL AND q.error IS NOT NULL THEN q.error
                            ELSE worker.highlevel_lost(q) END
          FROM chosen
         WHERE q.id = chosen.id
     RETURNING q.id, q.error
    ), marked AS (
        INSERT INTO highlevel (id, mbid, build_sha1)
        SELECT l.id, l.gid, :build FROM spent JOIN lowlevel l USING (id)
            ON CONFLICT (id) DO NOTHING
    )
    SELECT id, error FROM spent
""")


def write(
    connection: Connection,
    outputs: Iterable[Outputs],
    *,
    build_sha1: str,
    version: int,
) -> None:
    """
    Write outputs as AcousticBrainz's server writes them; `dismiss` or `leave` the recordings next.

    To be called in the transaction that locked them; a few statements, however many they are.

    Parameters
    ----------
    connection : Connection
    outputs : iterable of Outputs
    build_sha1 : str
        Of the set of models, for `highlevel`.
    version : int
        Id in `version` of the software and models that made these outputs.
    """
    made = list(outputs)
    new = [one for one in made if not one.recording.complete]
    if new:
        _write_recordings(connection, new, build_sha1)
    rows = [
        (one.recording.id, *_hashed(output), model)
        for one in made
        for model, output in one.models.items()
    ]
    if rows:
        ids, data, hashes, models = map(list, zip(*rows, strict=True))
        columns = {"ids": ids, "data": data, "hashes": hashes, "models": models}
        connection.execute(MODELS, {**columns, "version": version})


def dismiss(connection: Connection, recordings: Sequence[Recording], *, worker: str) -> None:
    """Take recordings off the queue that lack nothing, or that are not there any more."""
    if recordings:
        ids = [recording.id for recording in recordings]
        connection.execute(DISMISS, {"ids": ids, "worker": _name(worker)})


def leave(
    connection: Connection, recordings: Sequence[Recording], models: Sequence[int], *, worker: str
) -> None:
    """Have recordings stay in the queue, for a worker that computes all of these models."""
    if recordings:
        ids = [recording.id for recording in recordings]
        values = {"ids": ids, "models": sorted(models), "worker": _name(worker)}
        connection.execute(LEAVE, values)


def fail(
    connection: Connection,
    reasons: Mapping[int, str],
    *,
    worker: str,
    build_sha1: str,
    refused_by: Mapping[int, Collection[int]] | None = None,
) -> None:
    """
    Mark recordings as failed: in the queue with a reason, in `highlevel` by a row without metadata.

    That row is how AcousticBrainz's server knows a document that could not be used; a recording
    that has outputs of other models keeps what it has.

    Parameters
    ----------
    connection : Connection
    reasons : mapping of int to str
        Id to one sentence.
    worker : str
    build_sha1 : str
        Of the set of models, for the mark.
    refused_by : mapping of int to collection of int, optional
        Id to ids in `model` of what could not use its document, where that is the reason.
    """
    if reasons:
        refused = refused_by or {}
        values = {
            "ids": list(reasons),
            "errors": [storable(reason, most=MESSAGE_LENGTH) for reason in reasons.values()],
            # Arrays of several lengths cannot be one array, and texts can.
            "refused_by": [_array(refused.get(identifier, ())) for identifier in reasons],
            "worker": _name(worker),
            "build": build_sha1,
        }
        connection.execute(FAIL, values)


def put_off(
    connection: Connection,
    ids: Sequence[int],
    *,
    worker: str,
    error: str,
    max_attempts: int,
    build_sha1: str,
    backoff: timedelta = PATIENCE,
) -> None:
    """
    End an attempt at recordings that ended in an unforeseen error; nothing of it was written.

    Of a batch each is tried again alone, at once: one of them is to blame. One that was alone waits
    for `backoff`, longer each time, and at its last attempt it is marked as failed.
    """
    values = {
        "ids": list(ids),
        "worker": _name(worker),
        "error": storable(error, most=MESSAGE_LENGTH),
        "alone": len(ids) == 1,
        "max_attempts": max_attempts,
        "patience": backoff,
    }
    waiting = set(connection.execute(PUT_OFF, values).scalars())
    spent = {identifier: error for identifier in ids if identifier not in waiting}
    fail(connection, spent, worker=worker, build_sha1=build_sha1)


def exhaust(
    connection: Connection, *, max_attempts: int, build_sha1: str, limit: int = 100
) -> dict[int, str]:
    """
    Mark as failed what was tried often enough by workers that did not live to say so.

    Returns
    -------
    dict of int to str
        Ids and reasons.
    """
    values = {"max_attempts": max_attempts, "build": build_sha1, "limit": limit}
    return {row.id: row.error for row in connection.execute(EXHAUST, values)}


def _write_recordings(connection: Connection, new: Sequence[Outputs], build_sha1: str) -> None:
    ids = [one.recording.id for one in new]
    mbids = [str(one.recording.mbid) for one in new]
    connection.execute(HIGHLEVEL, {"ids": ids, "mbids": mbids, "build": build_sha1})
    data, hashes = map(list, zip(*(_hashed(one.metadata) for one in new), strict=True))
    connection.execute(META, {"ids": ids, "data": data, "hashes": hashes})


def _hashed(value: Mapping[str, Any]) -> tuple[str, str]:
    """Give AcousticBrainz's one way to write an object, and its hash."""
    written = json_text(value, canonical=True)
    return written, sha256(written.encode("ascii")).hexdigest()


def _array(ids: Collection[int]) -> str | None:
    return "{" + ",".join(map(str, sorted(ids))) + "}" if ids else None


def _name(worker: str) -> str:
    return storable(worker, most=NAME_LENGTH)
