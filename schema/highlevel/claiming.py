"""Taking recordings, holding them, and giving them back."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from schema.documents import MAX_TEXT, storable
from schema.highlevel.values import Recording

__all__ = ["CHANNEL", "claim_again", "claim_new", "give_back", "lock", "read"]

# A trigger notifies it when documents are inserted; commands do when they fill the queue.
CHANNEL = "acoustic_highlevel"

# Between the commit of an attempt and the lock lie milliseconds. For this long, about, nobody else
# takes the recording; after it nobody can as long as it is locked. It doubles with every attempt.
PATIENCE = timedelta(seconds=10)

# Attempts that a recording is forgiven, because its worker was stopped or lost the database. One
# that is interrupted more often (it may be the cause) must come to an end too.
FORGIVEN_INTERRUPTIONS = 20

NAME_LENGTH = 200

CLAIM_NEW = text("""
    WITH chosen AS (
        SELECT id FROM worker.highlevel_queue
         WHERE attempts = 0 AND failed IS NULL
      ORDER BY priority, id
         LIMIT :limit
           FOR UPDATE SKIP LOCKED
    )
    UPDATE worker.highlevel_queue q
       SET attempts = 1, worker = :worker, retry_at = now() + worker.backoff(0, :patience)
      FROM chosen
     WHERE q.id = chosen.id
 RETURNING q.id
""")

# `worker` is still set only where an attempt neither ended nor failed nor was given back.
CLAIM_AGAIN = text("""
    WITH chosen AS (
        SELECT id FROM worker.highlevel_queue
         WHERE attempts > 0 AND attempts < :max_attempts AND failed IS NULL AND retry_at <= now()
      ORDER BY retry_at
         LIMIT 1
           FOR UPDATE SKIP LOCKED
    )
    UPDATE worker.highlevel_queue q
       SET attempts = q.attempts + 1, worker = :worker,
           retry_at = now() + worker.backoff(q.attempts, :patience),
           error = CASE WHEN q.worker IS NULL THEN q.error ELSE worker.highlevel_lost(q) END
      FROM chosen
     WHERE q.id = chosen.id
 RETURNING q.id
""")

LOCK = text("""
    SELECT id, attempts FROM worker.highlevel_queue
     WHERE id = ANY(CAST(:ids AS integer[])) AND worker = :worker AND failed IS NULL
  ORDER BY id
       FOR UPDATE SKIP LOCKED
""")

# Scalar subqueries, not joins: whatever the statistics say, each is one look into an index.
READ = text("""
    SELECT wanted.id, l.gid AS mbid,
           (SELECT CASE WHEN octet_length(d.data) <= :most THEN d.data
                        ELSE left(d.data, :most) END
              FROM (SELECT data::text AS data FROM lowlevel_json
                     WHERE id = wanted.id OFFSET 0) d) AS document,
           EXISTS (SELECT FROM highlevel_meta m WHERE m.id = wanted.id) AS complete,
           ARRAY(SELECT o.model FROM highlevel_model o
                  WHERE o.highlevel = wanted.id
                    AND o.model = ANY(CAST(:models AS integer[]))) AS present
      FROM unnest(CAST(:ids AS integer[])) AS wanted (id) LEFT JOIN lowlevel l USING (id)
  ORDER BY wanted.id
""").bindparams(most=MAX_TEXT)

# The attempt is taken back as long as that may be the host's or the network's fault.
GIVE_BACK = text("""
    WITH held AS (
        SELECT id, attempts - CAST(interruptions < :forgiven AS integer) AS attempts
          FROM worker.highlevel_queue
         WHERE attempts > 0 AND failed IS NULL AND worker = :worker
           FOR UPDATE
    )
    UPDATE worker.highlevel_queue q
       SET worker = NULL, interruptions = q.interruptions + 1, attempts = held.attempts,
           retry_at = CASE WHEN held.attempts > 0 THEN now() END
      FROM held
     WHERE q.id = held.id
""")


def claim_new(
    connection: Connection, *, worker: str, limit: int, patience: timedelta = PATIENCE
) -> list[int]:
    """
    Count an attempt at recordings that nobody tried, the most urgent ones first.

    To be committed before anything is done with them: an attempt that ends the process counts only
    so.

    Parameters
    ----------
    connection : Connection
    worker : str
        Name of the worker, different from that of any other, also of an earlier one.
    limit : int
        At most so many.
    patience : timedelta
        For how long, about, nobody else takes them although they are not locked yet.

    Returns
    -------
    list of int
        Their ids.
    """
    values = {"worker": _name(worker), "limit": limit, "patience": patience}
    return list(connection.execute(CLAIM_NEW, values).scalars())


def claim_again(
    connection: Connection, *, worker: str, max_attempts: int, patience: timedelta = PATIENCE
) -> list[int]:
    """
    Count an attempt at one recording that was tried before, and whose time has come.

    It is taken alone, for it may be one that ends the process. Otherwise as `claim_new`.
    """
    values = {"worker": _name(worker), "max_attempts": max_attempts, "patience": patience}
    return list(connection.execute(CLAIM_AGAIN, values).scalars())


def lock(connection: Connection, ids: Sequence[int], *, worker: str) -> dict[int, int]:
    """
    Lock recordings for this transaction; return ids and attempts of those that are ours.

    Another worker has the others by now, or somebody took them off the queue.
    """
    values = {"ids": list(ids), "worker": _name(worker)}
    return {row.id: row.attempts for row in connection.execute(LOCK, values)}


def read(
    connection: Connection, held: Mapping[int, int], *, models: Sequence[int]
) -> list[Recording]:
    """
    Read recordings that this transaction locked, in order of ids.

    What a recording has already is read after its lock, by a statement that sees all that was
    committed by then: two workers never compute the same.

    Parameters
    ----------
    connection : Connection
    held : mapping of int to int
        What `lock` gave, or some of it.
    models : sequence of int
        Ids in `model` of the outputs that a recording should have.
    """
    values = {"ids": list(held), "models": list(models)}
    return [
        Recording(
            id=row.id,
            attempt=held[row.id],
            mbid=row.mbid,
            document=row.document,
            complete=row.complete,
            present=frozenset(row.present),
        )
        for row in connection.execute(READ, values)
    ]


def give_back(connection: Connection, *, worker: str) -> int:
    """
    Let others take all that this worker claimed and did nothing with; return how many.

    For a worker that lost the database, also in the middle of a claim whose reply never came. The
    attempt does not count, the first 20 times.
    """
    values = {"worker": _name(worker), "forgiven": FORGIVEN_INTERRUPTIONS}
    return connection.execute(GIVE_BACK, values).rowcount


def _name(worker: str) -> str:
    return storable(worker, most=NAME_LENGTH)
