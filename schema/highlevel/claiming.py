"""Taking recordings, holding them, and giving them back."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection, text

from schema.documents import MAX_TEXT, storable
from schema.highlevel.values import Recording

__all__ = ["CHANNEL", "claim_again", "claim_new", "give_back", "lock", "read", "set_aside"]

# A trigger notifies it when documents are inserted; commands do when they fill the queue.
CHANNEL = "acoustic_highlevel"

# Between the commit of an attempt and the lock lie milliseconds. For this long, about, nobody else
# takes the recording; after it nobody can as long as it is locked. It doubles with every attempt.
PATIENCE = timedelta(seconds=10)

# Before the next try of a recording that took the database too long alone. A try may take a minute.
ASIDE = timedelta(minutes=5)

MESSAGE_LENGTH = 4_000  # characters of an error

# Attempts that a recording is forgiven, because its worker was stopped or lost the database. One
# that is interrupted more often (it may be the cause) must come to an end too.
FORGIVEN_INTERRUPTIONS = 20

NAME_LENGTH = 200

# Documents that the driver holds beside those it gave. The largest are 16 MB, real ones 80 kB.
FETCHED_AT_ONCE = 10

CLAIM_NEW = text("""
    WITH chosen AS (
        SELECT id FROM worker.highlevel_queue
         WHERE attempts = 0 AND failed IS NULL AND models IS NULL
           AND NOT EXISTS (SELECT FROM worker.pauses WHERE queue = 'highlevel')
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

# The same for what was left for workers that compute certain models. There are few sets of them:
# each is one step in the index, however many recordings wait for it.
CLAIM_LEFT = text("""
    WITH RECURSIVE sets (models) AS (
        (SELECT models FROM worker.highlevel_queue
          WHERE attempts = 0 AND failed IS NULL AND models IS NOT NULL
       ORDER BY models LIMIT 1)
        UNION ALL
        SELECT (SELECT q.models FROM worker.highlevel_queue q
                 WHERE q.attempts = 0 AND q.failed IS NULL AND q.models > sets.models
              ORDER BY q.models LIMIT 1)
          FROM sets WHERE sets.models IS NOT NULL
    ), chosen AS (
        SELECT one.id
          FROM sets CROSS JOIN LATERAL (
                SELECT q.id FROM worker.highlevel_queue q
                 WHERE q.attempts = 0 AND q.failed IS NULL AND q.models = sets.models
              ORDER BY q.priority, q.id
                 LIMIT :limit
                   FOR UPDATE SKIP LOCKED) one
         WHERE sets.models <@ CAST(:models AS integer[])
           AND NOT EXISTS (SELECT FROM worker.pauses WHERE queue = 'highlevel')
         LIMIT :limit
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
           AND (models IS NULL OR models <@ CAST(:models AS integer[]))
           AND NOT EXISTS (SELECT FROM worker.pauses WHERE queue = 'highlevel')
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

# It waits, and passes over nothing: a claim that looked before ours was committed locks our rows,
# finds that it must not have them, and keeps their locks until it is committed, milliseconds later.
# Passed over, they would wait for their next attempt, with `--once` for the next worker.
LOCK = text("""
    SELECT id, attempts FROM worker.highlevel_queue
     WHERE id = ANY(CAST(:ids AS integer[])) AND worker = :worker AND failed IS NULL
  ORDER BY id
       FOR UPDATE
""")

# Scalar subqueries, not joins: whatever the statistics say, each is one look into an index. And
# nothing is put in order with documents in it: rows come as they are fetched.
READ = (
    text("""
    SELECT wanted.id, (SELECT l.gid FROM lowlevel l WHERE l.id = wanted.id) AS mbid,
           (SELECT CASE WHEN octet_length(d.data) <= :most THEN d.data
                        ELSE left(d.data, :most) END
              FROM (SELECT data::text AS data FROM lowlevel_json
                     WHERE id = wanted.id OFFSET 0) d) AS document,
           EXISTS (SELECT FROM highlevel_meta m WHERE m.id = wanted.id) AS complete,
           ARRAY(SELECT o.model FROM highlevel_model o
                  WHERE o.highlevel = wanted.id
                    AND o.model = ANY(CAST(:models AS integer[]))) AS present
      FROM (SELECT id FROM unnest(CAST(:ids AS integer[])) AS t (id) ORDER BY id) AS wanted
""")
    .bindparams(most=MAX_TEXT)
    .execution_options(yield_per=FETCHED_AT_ONCE)
)

# The attempt is taken back as long as that may be the host's or the network's fault.
GIVE_BACK = text("""
    WITH held AS (
        SELECT id, attempts - CAST(:innocent OR interruptions < :forgiven AS integer) AS attempts
          FROM worker.highlevel_queue
         WHERE attempts > 0 AND failed IS NULL AND worker = :worker
           FOR UPDATE
    )
    UPDATE worker.highlevel_queue q
       SET worker = NULL, attempts = held.attempts, error = coalesce(:error, q.error),
           interruptions = q.interruptions + CAST(NOT :innocent AS integer),
           retry_at = CASE WHEN held.attempts > 0 THEN now() END
      FROM held
     WHERE q.id = held.id
""")


def claim_new(
    connection: Connection,
    *,
    worker: str,
    limit: int,
    models: Sequence[int] = (),
    patience: timedelta = PATIENCE,
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
    models : sequence of int
        Ids in `model` of what it computes: it also gets what was left for such a worker.
    patience : timedelta
        For how long, about, nobody else takes them although they are not locked yet.

    Returns
    -------
    list of int
        Their ids.
    """
    values = {"worker": _name(worker), "limit": limit, "patience": patience}
    found = list(connection.execute(CLAIM_NEW, values).scalars())
    if not found:
        found += connection.execute(CLAIM_LEFT, {**values, "models": list(models)}).scalars()
    return found


def claim_again(
    connection: Connection,
    *,
    worker: str,
    max_attempts: int,
    models: Sequence[int] = (),
    patience: timedelta = PATIENCE,
) -> list[int]:
    """
    Count an attempt at one recording that was tried before, and whose time has come.

    It is taken alone, for it may be one that ends the process. Otherwise as `claim_new`.
    """
    values = {
        "worker": _name(worker),
        "max_attempts": max_attempts,
        "models": list(models),
        "patience": patience,
    }
    return list(connection.execute(CLAIM_AGAIN, values).scalars())


def lock(connection: Connection, ids: Sequence[int], *, worker: str) -> dict[int, int]:
    """
    Lock recordings for this transaction; return ids and attempts of those that are ours.

    Another worker has the others by now, or somebody took them off the queue. What another session
    holds a lock on, and is ours, is waited for.
    """
    values = {"ids": list(ids), "worker": _name(worker)}
    return {row.id: row.attempts for row in connection.execute(LOCK, values)}


def read(
    connection: Connection, held: Mapping[int, int], *, models: Sequence[int]
) -> Iterator[Recording]:
    """
    Read recordings that this transaction locked, in order of ids, a few at a time.

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
    for row in connection.execute(READ, values):
        yield Recording(
            id=row.id,
            attempt=held[row.id],
            mbid=row.mbid,
            document=row.document,
            complete=row.complete,
            present=frozenset(row.present),
        )


# What took too long may be one recording's fault, as when somebody holds a lock on its rows, or
# nobody's. Each is tried alone, and alone it is in nobody's way for long.
SET_ASIDE = text("""
    UPDATE worker.highlevel_queue
       SET worker = NULL, error = :error,
           attempts = greatest(1, attempts - CAST(interruptions < :forgiven AS integer)),
           interruptions = interruptions + CAST(:alone AS integer),
           retry_at = now() + CASE WHEN :alone THEN CAST(:pause AS interval) ELSE interval '0' END
     WHERE id = ANY(CAST(:ids AS integer[])) AND worker = :worker AND failed IS NULL
""")


def give_back(
    connection: Connection, *, worker: str, innocent: bool = False, error: str | None = None
) -> int:
    """
    Let others take all that this worker claimed and did nothing with; return how many.

    For a worker that lost the database, also in the middle of a claim whose reply never came. The
    attempt does not count, the first 20 times; where the recordings are `innocent` of it, never.
    `error` is the reason of those that are given back for the last time.
    """
    values = {
        "worker": _name(worker),
        "forgiven": FORGIVEN_INTERRUPTIONS,
        "innocent": innocent,
        "error": None if error is None else storable(error, most=MESSAGE_LENGTH),
    }
    return connection.execute(GIVE_BACK, values).rowcount


def set_aside(
    connection: Connection,
    ids: Sequence[int],
    *,
    worker: str,
    error: str,
    pause: timedelta = ASIDE,
) -> None:
    """
    Let recordings of an attempt that took the database too long be tried alone.

    Those of a batch at once; one that was alone after a pause, and after 20 of these the attempt
    counts.
    """
    values = {
        "ids": list(ids),
        "worker": _name(worker),
        "error": storable(error, most=MESSAGE_LENGTH),
        "alone": len(ids) == 1,
        "forgiven": FORGIVEN_INTERRUPTIONS,
        "pause": pause,
    }
    connection.execute(SET_ASIDE, values)


def _name(worker: str) -> str:
    return storable(worker, most=NAME_LENGTH)
