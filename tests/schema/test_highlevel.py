import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text

from schema import highlevel
from schema.documents import MAX_TEXT
from schema.errors import NotFound
from schema.highlevel import Outputs, Recording, claiming, sweeping, writing

Execute = Callable[..., Any]

NOW = timedelta(0)
HOUR = timedelta(hours=1)


@pytest.fixture
def documents(engine: Engine) -> Callable[[int], list[int]]:
    """Store documents as the server does; ids of lowlevel."""

    def store(count: int) -> list[int]:
        with engine.begin() as connection:
            return list(
                connection.execute(
                    text("""
            WITH v AS (INSERT INTO version (data, data_sha256, type)
                       VALUES ('{}', 'x', 'lowlevel') RETURNING id),
                 l AS (INSERT INTO lowlevel (gid, build_sha1, gid_type, submission_offset)
                       SELECT gen_random_uuid(), '', 'mbid', 0
                         FROM generate_series(1, :count) RETURNING id)
            INSERT INTO lowlevel_json (id, data, data_sha256, version)
            SELECT l.id, '{}', gen_random_uuid()::text, v.id FROM l, v RETURNING id"""),
                    {"count": count},
                ).scalars()
            )

    return store


@pytest.fixture
def model(execute: Execute) -> int:
    added: int = execute(
        "INSERT INTO model (model, model_version) VALUES ('mood', 'v1') RETURNING id"
    )
    return added


@pytest.fixture
def queue(engine: Engine) -> Callable[[], dict[int, Any]]:
    def queue() -> dict[int, Any]:
        with engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM worker.highlevel_queue ORDER BY id"))
            return {row.id: row for row in rows}

    return queue


@pytest.fixture
def claim(engine: Engine) -> Callable[..., list[int]]:
    """Claim in a transaction of its own, without the time that others stay away."""

    def claim(limit: int = 100, worker: str = "one", *, again: bool = False) -> list[int]:
        with engine.begin() as connection:
            if again:
                return highlevel.claim_again(
                    connection, worker=worker, max_attempts=3, patience=NOW
                )
            return highlevel.claim_new(connection, worker=worker, limit=limit, patience=NOW)

    return claim


def test_a_document_is_enqueued_by_a_plain_insert(
    documents: Callable[[int], list[int]], queue: Any
) -> None:
    ids = documents(3)

    assert list(queue()) == ids
    assert {row.priority for row in queue().values()} == {0}


def test_a_bulk_load_by_copy_is_enqueued(
    engine: Engine, documents: Callable[[int], list[int]], execute: Execute, queue: Any
) -> None:
    ids = documents(50)
    execute("CREATE TABLE dump AS SELECT * FROM lowlevel_json")
    execute("DELETE FROM lowlevel_json")
    execute("DELETE FROM worker.highlevel_queue")

    connection = engine.raw_connection()
    cursor = connection.cursor()
    cursor.execute("SELECT id || E'\\t{}\\t' || data_sha256 || E'\\t' || version FROM dump")
    lines = "".join(f"{line.strip()}\n" for (line,) in cursor)
    cursor.copy_expert("COPY lowlevel_json FROM STDIN", StringIO(lines))
    connection.commit()
    connection.close()

    assert list(queue()) == ids


def test_what_was_submitted_comes_before_what_was_found(
    documents: Callable[[int], list[int]], execute: Execute, claim: Any
) -> None:
    old = documents(2)
    execute("UPDATE worker.highlevel_queue SET priority = 1")
    new = documents(2)

    assert sorted(claim(2)) == new
    assert sorted(claim(2)) == old


def test_an_attempt_is_counted_before_anything_is_done(
    documents: Callable[[int], list[int]], claim: Any, queue: Any
) -> None:
    [identifier] = documents(1)

    claim()

    row = queue()[identifier]
    assert (row.attempts, row.worker) == (1, "one")


def test_two_workers_claim_different_recordings(
    engine: Engine, documents: Callable[[int], list[int]]
) -> None:
    ids = documents(6)

    with engine.connect() as first, engine.connect() as second:
        one = highlevel.claim_new(first, worker="one", limit=4)
        two = highlevel.claim_new(second, worker="two", limit=4)

    assert (len(one), len(two)) == (4, 2)
    assert sorted(one + two) == ids


def test_what_was_claimed_is_left_alone_for_a_while(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any
) -> None:
    documents(1)
    with engine.begin() as connection:
        highlevel.claim_new(connection, worker="one", limit=1)

    assert claim(again=True, worker="two") == []


def test_what_was_tried_is_taken_one_at_a_time(
    documents: Callable[[int], list[int]], claim: Any
) -> None:
    ids = documents(2)
    claim()

    [first], [second] = (claim(again=True, worker="two") for _ in range(2))

    assert sorted([first, second]) == ids


def test_a_lock_is_for_who_claimed_last(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any
) -> None:
    ids = documents(1)
    claim(worker="one")
    claim(worker="two", again=True)

    with engine.connect() as connection:
        assert highlevel.lock(connection, ids, worker="one") == {}
        assert highlevel.lock(connection, ids, worker="two") == {ids[0]: 2}


def test_a_lock_waits_for_a_claim_that_looked_too_early_and_loses_nothing_to_it(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any, wait_for_blocked: Any
) -> None:
    ids = documents(2)
    claim()

    def lock() -> dict[int, int]:
        with engine.connect() as connection:
            return highlevel.lock(connection, ids, worker="one")

    # What such a claim leaves until its transaction ends: locks of rows that it does not get.
    with ThreadPoolExecutor(1) as thread, engine.connect() as early:
        early.execute(text("SELECT FROM worker.highlevel_queue FOR UPDATE"))
        locked = thread.submit(lock)
        wait_for_blocked()
        early.rollback()
        assert locked.result(timeout=5) == dict.fromkeys(ids, 1)


def test_what_is_locked_is_nobody_elses_however_long_it_takes(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any
) -> None:
    ids = documents(2)
    claim()

    with engine.connect() as connection:
        highlevel.lock(connection, ids, worker="one")
        assert claim(again=True, worker="two") == []
        with engine.connect() as other:
            assert highlevel.exhaust(other, max_attempts=1, build_sha1="b") == {}


def test_what_is_at_the_limit_fails_with_what_is_known(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any, queue: Any, execute: Execute
) -> None:
    [identifier] = documents(1)
    claim()
    claim(again=True, worker="two")
    claim(again=True, worker="three")
    assert claim(again=True) == []

    with engine.begin() as connection:
        spent = highlevel.exhaust(connection, max_attempts=3, build_sha1="build")

    reason = "Attempt 3 ended with its worker, three, which was killed or lost the database."
    assert spent == {identifier: reason}
    row = queue()[identifier]
    assert (row.error, row.attempts, row.worker) == (reason, 3, None)
    assert execute("SELECT build_sha1 FROM highlevel") == "build"


def test_what_is_given_back_is_new_again_twenty_times(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any, queue: Any
) -> None:
    [identifier] = documents(1)

    attempts = []
    for _ in range(22):
        assert claim() or claim(again=True)
        with engine.begin() as connection:
            assert highlevel.give_back(connection, worker="one") == 1
        attempts.append(queue()[identifier].attempts)

    assert attempts == [0] * 20 + [1, 2]


def test_what_was_given_back_too_often_fails_with_the_reason_it_was_last_given_back_for(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any
) -> None:
    [identifier] = documents(1)
    for _ in range(23):
        assert claim() or claim(again=True)
        with engine.begin() as connection:
            highlevel.give_back(connection, worker="one", error="The disk went away.")

    with engine.begin() as connection:
        spent = highlevel.exhaust(connection, max_attempts=3, build_sha1="build")

    assert spent == {identifier: "The disk went away."}


def test_an_unforeseen_error_of_a_batch_has_each_tried_alone_at_once(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any, queue: Any
) -> None:
    ids = documents(2)
    claim()

    with engine.begin() as connection:
        highlevel.put_off(
            connection, ids, worker="one", error="odd", max_attempts=3, build_sha1="b"
        )
    [alone] = claim(again=True)
    with engine.begin() as connection:
        highlevel.put_off(
            connection, [alone], worker="one", error="odd", max_attempts=3, build_sha1="b"
        )

    assert claim(again=True) == [ids[1] if alone == ids[0] else ids[0]]
    assert {row.error for row in queue().values()} == {"odd"}


def test_the_sweep_goes_round_in_bounded_steps(
    engine: Engine, documents: Callable[[int], list[int]], execute: Execute, queue: Any
) -> None:
    ids = documents(7)
    execute("DELETE FROM worker.highlevel_queue")
    execute("INSERT INTO highlevel (id, mbid, build_sha1) SELECT id, gid, '' FROM lowlevel LIMIT 2")

    steps = []
    for _ in range(5):
        with engine.begin() as connection:
            steps.append(highlevel.sweep(connection, limit=3, pause=HOUR))

    looked = [step and (step.looked, step.enqueued, step.after) for step in steps]
    assert looked == [(3, 1, ids[2]), (3, 3, ids[5]), (1, 1, None), None, None]
    assert list(queue()) == ids[2:]
    assert {row.priority for row in queue().values()} == {1}


def test_after_its_pause_the_sweep_begins_anew(
    engine: Engine, documents: Callable[[int], list[int]], execute: Execute
) -> None:
    [first, *_] = documents(2)
    with engine.begin() as connection:
        assert highlevel.sweep(connection, limit=9, pause=HOUR)
    execute("DELETE FROM worker.highlevel_queue WHERE id = :i", i=first)

    with engine.begin() as connection:
        again = highlevel.sweep(connection, limit=9, pause=NOW)

    assert again is not None
    assert (again.looked, again.enqueued) == (2, 1)


def test_one_worker_sweeps_at_a_time(engine: Engine, documents: Callable[[int], list[int]]) -> None:
    documents(2)

    with engine.connect() as one, engine.connect() as two:
        assert highlevel.sweep(one, limit=1, pause=HOUR)
        assert highlevel.sweep(two, limit=1, pause=HOUR) is None


def test_the_sweep_waits_for_nobody_who_computes(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any
) -> None:
    ids = documents(2)
    claim()

    with engine.connect() as one, engine.begin() as two:
        highlevel.lock(one, ids, worker="one")
        two.execute(text("SET LOCAL lock_timeout = '500ms'"))
        step = highlevel.sweep(two, limit=9, pause=HOUR)

    assert step is not None
    assert step.enqueued == 0


def test_a_backfill_enqueues_who_lacks_a_model_and_goes_on_where_it_was(
    engine: Engine, documents: Callable[[int], list[int]], model: int, execute: Execute, queue: Any
) -> None:
    ids = documents(5)
    execute("DELETE FROM worker.highlevel_queue")
    write(engine, ids[0], {model: {"value": "a"}})

    with engine.begin() as connection:
        first = highlevel.backfill(connection, [model], limit=2, first=True)
    with engine.begin() as connection:
        second = highlevel.backfill(connection, [model], limit=9, first=True)

    assert (first.looked, first.enqueued, first.after) == (2, 1, ids[1])
    assert (second.looked, second.enqueued, second.after) == (3, 3, None)
    assert list(queue()) == ids[1:]


def test_a_backfill_that_was_through_begins_anew(
    engine: Engine, documents: Callable[[int], list[int]], model: int
) -> None:
    documents(3)

    def step() -> int:
        with engine.begin() as connection:
            return highlevel.backfill(connection, [model], limit=9, first=True).looked

    assert [step(), step()] == [3, 3]


def test_outputs_that_a_stranger_wrote_meanwhile_are_no_error(
    engine: Engine, documents: Callable[[int], list[int]], model: int, execute: Execute
) -> None:
    [identifier] = documents(1)

    write(engine, identifier, {model: {"value": "a"}})
    write(engine, identifier, {model: {"value": "a"}})

    assert execute("SELECT count(*) FROM highlevel_model") == 1


def test_a_success_that_a_stranger_wrote_meanwhile_stays_as_it_is(
    engine: Engine, documents: Callable[[int], list[int]], execute: Execute
) -> None:
    [identifier] = documents(1)

    write(engine, identifier, {}, build="theirs", metadata={"a": 1})
    write(engine, identifier, {}, build="ours", metadata={"a": 2})

    assert execute("SELECT build_sha1 FROM highlevel") == "theirs"
    assert execute("SELECT data FROM highlevel_meta") == {"a": 1}


@pytest.mark.parametrize(
    "value", [{"a": "\x00"}, {"a": "\ud800"}, {"a": float("nan")}, {"a": "\U0001d11e"}]
)
def test_whatever_metadata_holds_it_can_be_written(
    engine: Engine, documents: Callable[[int], list[int]], execute: Execute, value: Any
) -> None:
    [identifier] = documents(1)

    write(engine, identifier, {}, metadata=value)

    assert execute("SELECT count(*) FROM highlevel_meta") == 1


def test_a_mark_gives_way_to_a_success_and_never_the_other_way(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any, execute: Execute
) -> None:
    [identifier] = documents(1)
    claim()
    with engine.begin() as connection:
        highlevel.fail(connection, {identifier: "bad"}, worker="one", build_sha1="old")
        highlevel.retry(connection, [identifier])
    write(engine, identifier, {}, build="new")
    with engine.begin() as connection:
        highlevel.retry(connection, [identifier])
    claim()
    with engine.begin() as connection:
        highlevel.fail(connection, {identifier: "bad"}, worker="one", build_sha1="newest")

    assert execute("SELECT build_sha1 FROM highlevel") == "new"
    assert execute("SELECT count(*) FROM highlevel_meta") == 1


def test_a_retry_names_what_is_not_there(
    engine: Engine, documents: Callable[[int], list[int]]
) -> None:
    [identifier] = documents(1)

    with engine.connect() as connection:
        with pytest.raises(NotFound, match="no low-level document with id 77, 99"):
            highlevel.retry(connection, [99, identifier, 77])
        with pytest.raises(NotFound, match=f"no low-level document of recording {UUID(int=3)}"):
            highlevel.submissions(connection, UUID(int=3))


def test_a_retry_leaves_alone_what_is_being_computed(
    engine: Engine, documents: Callable[[int], list[int]], claim: Any, queue: Any
) -> None:
    [identifier] = documents(1)
    claim()

    with engine.begin() as connection:
        assert highlevel.retry(connection, [identifier]) == 0

    assert queue()[identifier].worker == "one"


@pytest.fixture(scope="module")
def histories(_new_database: Any, _migrated_template: str) -> Iterator[list[Engine]]:
    """Databases with a thousand and with a million processed recordings, and as long a queue."""
    with _new_database(_migrated_template) as small, _new_database(_migrated_template) as large:
        engines = [create_engine(url) for url in (small, large)]
        for engine, size in zip(engines, (1_000, 1_000_000), strict=True):
            _process(engine, size)
        yield engines
        for engine in engines:
            engine.dispose()


def _process(engine: Engine, size: int) -> None:
    fill = """
        SET LOCAL session_replication_role = replica;
        INSERT INTO version (data, data_sha256, type) VALUES ('{}', 'x', 'lowlevel');
        INSERT INTO model (model, model_version) VALUES ('mood', 'v1');
        INSERT INTO lowlevel SELECT n, ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid,
            '', false, now(), 'mbid', 0 FROM generate_series(1, {size}) n;
        INSERT INTO lowlevel_json SELECT n, '{}', '', 1 FROM generate_series(1, {size}) n;
        INSERT INTO highlevel SELECT id, gid, '' FROM lowlevel;
        INSERT INTO highlevel_meta SELECT id, '{}', 'x' FROM lowlevel;
        INSERT INTO highlevel_model (highlevel, data, data_sha256, model, version)
            SELECT id, '{}', 'x', 1, 1 FROM lowlevel;
        -- A fifth of all wait, a fifth failed, a fifth is to be tried later, a tenth is left for
        -- others: in front of what the statements are about, by id.
        INSERT INTO worker.highlevel_queue (id, priority)
            SELECT n, 1 FROM generate_series({size} - {size} / 5 + 1, {size}) n;
        INSERT INTO worker.highlevel_queue (id, attempts, failed, error)
            SELECT n, 1, now(), 'no' FROM generate_series(11, {size} / 5) n;
        INSERT INTO worker.highlevel_queue (id, attempts, retry_at)
            SELECT n, 1, now() + interval '1 day'
              FROM generate_series({size} / 5 + 1, {size} / 5 * 2) n;
        INSERT INTO worker.highlevel_queue (id, models)
            SELECT n, ARRAY[2 + mod(n, 2)] FROM generate_series({size} / 2 + 1, {size} / 10 * 6) n;
        INSERT INTO worker.highlevel_queue (id, attempts, retry_at)
            SELECT n, 1, now() FROM generate_series(1, 10) n;
    """
    # Secondary indexes that none of the statements needs take most of the time to fill.
    needless = """
        SELECT format('DROP INDEX %s', indexrelid::regclass) FROM pg_index
          JOIN pg_attribute a ON a.attrelid = indrelid AND a.attnum = indkey[0]
         WHERE NOT indisprimary AND attname NOT IN ('highlevel', 'model')
           AND indrelid IN ('lowlevel'::regclass, 'lowlevel_json'::regclass, 'highlevel'::regclass,
                            'highlevel_meta'::regclass, 'highlevel_model'::regclass)
    """
    with engine.begin() as connection:
        for statement in list(connection.execute(text(needless)).scalars()):
            connection.execute(text(statement))
        connection.exec_driver_sql(fill.replace("{size}", str(size)))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")


LOOKED_AT = 200
MODELS_LEFT = (2, 3)  # sets of one model each, for which recordings wait
STATEMENTS = {
    "claim new": (claiming.CLAIM_NEW, {"worker": "w", "limit": 100, "patience": NOW}),
    "claim what is left": (
        claiming.CLAIM_LEFT,
        {"worker": "w", "limit": 30, "patience": NOW, "models": [1, 3]},
    ),
    "claim what is left for others": (
        claiming.CLAIM_LEFT,
        {"worker": "w", "limit": 30, "patience": NOW, "models": [1]},
    ),
    "claim again": (
        claiming.CLAIM_AGAIN,
        {"worker": "w", "max_attempts": 3, "patience": NOW, "models": [1]},
    ),
    "lock": (claiming.LOCK, {"ids": list(range(500, 600)), "worker": "w"}),
    "read": (claiming.READ, {"ids": list(range(500, 600)), "models": [1], "most": MAX_TEXT}),
    "give back": (
        claiming.GIVE_BACK,
        {"worker": "w", "forgiven": 20, "innocent": False, "error": "e"},
    ),
    "set aside": (
        claiming.SET_ASIDE,
        {
            "ids": list(range(500, 600)),
            "worker": "w",
            "forgiven": 20,
            "alone": False,
            "error": "e",
            "pause": NOW,
        },
    ),
    "exhaust": (writing.EXHAUST, {"max_attempts": 1, "build": "b", "limit": 100}),
    "sweep": (sweeping.SWEEP, {"after": 500, "limit": LOOKED_AT, "priority": 1}),
    "last": (sweeping.LAST, {}),
    "backfill": (
        sweeping.BACKFILL,
        {"after": 500, "limit": LOOKED_AT, "priority": 1, "models": [1], "only": None},
    ),
}


@pytest.mark.fault("F34")
@pytest.mark.parametrize("name", STATEMENTS)
def test_the_cost_of_a_statement_does_not_grow_with_history(
    histories: Sequence[Engine], name: str
) -> None:
    statement, values = STATEMENTS[name]

    small, large = (_explained(engine, statement.text, values) for engine in histories)

    scanned = [node["Relation Name"] for node in _nodes(large) if node["Node Type"] == "Seq Scan"]
    assert set(scanned) <= {"highlevel_queue", "pauses"}  # of two rows at most
    # A b-tree over a million keys is a level deeper than one over a thousand, or two.
    assert _pages(large) <= 2.5 * _pages(small) + 20
    assert _pages(large) < 5_000


@pytest.mark.parametrize(
    ("name", "claimed"),
    [
        ("claim new", 100),
        ("claim again", 1),
        ("claim what is left", 30),
        ("claim what is left for others", 0),
    ],
)
def test_a_claim_reads_no_more_of_the_queue_than_it_takes(
    histories: Sequence[Engine], name: str, claimed: int
) -> None:
    statement, values = STATEMENTS[name]

    plan = _explained(histories[1], statement.text, values)

    assert plan["Actual Rows"] == claimed
    scans = [
        node
        for node in _nodes(plan)
        if node.get("Relation Name") == "highlevel_queue" and "Scan" in node["Node Type"]
    ]
    assert scans
    for node in scans:
        assert node["Node Type"] != "Seq Scan"
        read = node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        assert read * node["Actual Loops"] <= claimed + len(MODELS_LEFT)


def _explained(engine: Engine, statement: str, values: dict[str, Any]) -> dict[str, Any]:
    explain = text("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement)
    with engine.connect() as connection:
        found = connection.execute(explain, values).scalar_one()
        connection.rollback()
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _pages(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def write(
    engine: Engine,
    identifier: int,
    models: dict[int, Any],
    *,
    metadata: Any = None,
    build: str = "build",
) -> None:
    """Write outputs in a transaction of its own."""
    recording = Recording(
        id=identifier,
        attempt=1,
        mbid=UUID(int=identifier),
        document="{}",
        complete=False,
        present=frozenset(),
    )
    outputs = Outputs(recording=recording, metadata=metadata or {"tags": {}}, models=models)
    with engine.begin() as connection:
        version = connection.execute(text("SELECT min(id) FROM version")).scalar_one()
        highlevel.write(connection, [outputs], build_sha1=build, version=version)
