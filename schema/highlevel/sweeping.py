"""Bounded walks over all recordings, which find what the queue was not told of."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, TextClause, text

from schema.highlevel.values import Pass

__all__ = ["backfill", "sweep"]

# Below every id there may be.
BEFORE_ALL = -(2**31)

BACKGROUND = 1  # the priority of what was found, behind what was submitted just now

# One worker sweeps, the others go on with their work.
CURSOR = text("""
    SELECT after FROM worker.highlevel_sweep
     WHERE after IS NOT NULL OR ended IS NULL OR ended < now() - CAST(:pause AS interval)
       FOR UPDATE SKIP LOCKED
""")

# The chunk is cut first, by the primary key alone; then one look into an index for each id, a
# scalar subquery so that no statistics can make a join over all of history out of it. A recording
# that failed has its row in highlevel; where somebody took that away, it is to be tried again. In
# an UPDATE of its own: ON CONFLICT DO UPDATE would wait for the recordings that are being computed.
SWEEP = text("""
    WITH chunk AS MATERIALIZED (
        SELECT id FROM lowlevel_json WHERE id > :after ORDER BY id LIMIT :limit
    ), missed AS MATERIALIZED (
        SELECT id FROM chunk
         WHERE (SELECT h.id FROM highlevel h WHERE h.id = chunk.id) IS NULL
    ), found AS (
        INSERT INTO worker.highlevel_queue (id, priority)
        SELECT id, :priority FROM missed
            ON CONFLICT (id) DO NOTHING
     RETURNING id
    ), taken_back AS (
        UPDATE worker.highlevel_queue q
           SET attempts = 0, interruptions = 0, retry_at = NULL, failed = NULL, error = NULL,
               priority = :priority, models = NULL
          FROM missed
         WHERE q.id = missed.id AND q.failed IS NOT NULL
     RETURNING q.id
    )
    SELECT (SELECT count(*) FROM chunk) AS looked, (SELECT max(id) FROM chunk) AS last,
           (SELECT count(*) FROM found) + (SELECT count(*) FROM taken_back) AS enqueued
""")

MOVE_CURSOR = text("""
    UPDATE worker.highlevel_sweep
       SET after = :after,
           began = CASE WHEN after IS NULL THEN now() ELSE began END,
           ended = CASE WHEN CAST(:after AS integer) IS NULL THEN now() ELSE ended END
""")

LAST = text("SELECT max(id) FROM lowlevel_json")

# A backfill that is through begins anew when it is asked for again.
BEGIN_BACKFILL = text("""
    INSERT INTO worker.highlevel_backfills AS old (models) VALUES (CAST(:models AS integer[]))
        ON CONFLICT (models) DO UPDATE
       SET after = CASE WHEN old.ended IS NULL THEN old.after END,
           looked = CASE WHEN old.ended IS NULL THEN old.looked ELSE 0 END,
           enqueued = CASE WHEN old.ended IS NULL THEN old.enqueued ELSE 0 END,
           began = CASE WHEN old.ended IS NULL THEN old.began ELSE now() END,
           ended = NULL
""")

BACKFILL_CURSOR = text("""
    SELECT after FROM worker.highlevel_backfills
     WHERE models = CAST(:models AS integer[])
       FOR UPDATE
""")

# A recording that lacks one of the models. What failed stays so: the same document would fail again
# at the models that it could not be used with. One that has its outputs of all shown models and was
# refused by others is looked at again, if it lacks a model that did not refuse it.
BACKFILL = text("""
    WITH chunk AS MATERIALIZED (
        SELECT id FROM lowlevel_json WHERE id > :after ORDER BY id LIMIT :limit
    ), lacking AS MATERIALIZED (
        SELECT chunk.id FROM chunk
         WHERE (SELECT count(DISTINCT o.model) FROM highlevel_model o
                 WHERE o.highlevel = chunk.id AND o.model = ANY(CAST(:models AS integer[])))
               < cardinality(CAST(:models AS integer[]))
    ), found AS (
        INSERT INTO worker.highlevel_queue (id, priority, models)
        SELECT id, :priority, CAST(:only AS integer[]) FROM lacking
            ON CONFLICT (id) DO NOTHING
     RETURNING id
    ), taken_back AS (
        UPDATE worker.highlevel_queue q
           SET attempts = 0, interruptions = 0, retry_at = NULL, failed = NULL, error = NULL,
               refused_by = NULL, priority = :priority, models = CAST(:only AS integer[])
          FROM lacking
         WHERE q.id = lacking.id AND q.failed IS NOT NULL AND q.refused_by IS NOT NULL
           AND (SELECT m.id FROM highlevel_meta m WHERE m.id = q.id) IS NOT NULL
           AND EXISTS (SELECT FROM unnest(CAST(:models AS integer[])) AS wanted (model)
                        WHERE wanted.model <> ALL (q.refused_by)
                          AND NOT EXISTS (SELECT FROM highlevel_model o
                                           WHERE o.highlevel = q.id AND o.model = wanted.model))
     RETURNING q.id
    )
    SELECT (SELECT count(*) FROM chunk) AS looked, (SELECT max(id) FROM chunk) AS last,
           (SELECT count(*) FROM found) + (SELECT count(*) FROM taken_back) AS enqueued
""")

MOVE_BACKFILL = text("""
    UPDATE worker.highlevel_backfills
       SET after = :after, looked = looked + :looked, enqueued = enqueued + :enqueued,
           ended = CASE WHEN CAST(:after AS integer) IS NULL THEN now() END
     WHERE models = CAST(:models AS integer[])
""")

NOTIFY = text("SELECT pg_notify('acoustic_highlevel', '')")


def sweep(connection: Connection, *, limit: int, pause: timedelta) -> Pass | None:
    """
    Look at the next recordings, and put those into the queue that have no row in `highlevel`.

    Parameters
    ----------
    connection : Connection
    limit : int
        Look at so many.
    pause : timedelta
        Least time between the end of a round and the beginning of the next.

    Returns
    -------
    Pass or None
        None: another worker sweeps at this moment, or the next round has not come yet.
    """
    cursor = connection.execute(CURSOR, {"pause": pause}).one_or_none()
    if cursor is None:
        return None
    found = _step(connection, SWEEP, cursor.after, {"limit": limit})
    connection.execute(MOVE_CURSOR, {"after": found.after})
    return found


def backfill(
    connection: Connection,
    models: Sequence[int],
    *,
    limit: int,
    first: bool,
    of_profile: bool = False,
) -> Pass:
    """
    Look at the next recordings, and put those into the queue that lack outputs of a model.

    How far a backfill of these models is stands in the database, so that one which was interrupted
    goes on where it was.

    Parameters
    ----------
    connection : Connection
    models : sequence of int
        Ids in `model`.
    limit : int
        Look at so many.
    first : bool
        Whether this is the first step of a call: one that was through begins anew.
    of_profile : bool
        Whether only workers with a certain profile compute all of these models. Others leave the
        recordings alone.
    """
    wanted = {"models": sorted(set(models))}
    if first:
        connection.execute(BEGIN_BACKFILL, wanted)
    after = connection.execute(BACKFILL_CURSOR, wanted).scalar()
    only = wanted["models"] if of_profile else None
    found = _step(connection, BACKFILL, after, {**wanted, "limit": limit, "only": only})
    moved = {"after": found.after, "looked": found.looked, "enqueued": found.enqueued}
    connection.execute(MOVE_BACKFILL, {**wanted, **moved})
    if found.enqueued:
        connection.execute(NOTIFY)
    return found


def _step(
    connection: Connection, statement: TextClause, after: int | None, values: Mapping[str, Any]
) -> Pass:
    begin = BEFORE_ALL if after is None else after
    found = connection.execute(statement, {**values, "after": begin, "priority": BACKGROUND}).one()
    through = found.looked < values["limit"]
    return Pass(
        looked=found.looked,
        enqueued=found.enqueued,
        before=after,
        after=None if through else found.last,
        last=connection.execute(LAST).scalar(),
    )
