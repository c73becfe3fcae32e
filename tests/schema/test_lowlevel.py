import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, event, text

from schema import lowlevel
from schema.errors import InvalidDocument
from schema.lowlevel import Stored, Submission
from schema.versions import version_id

Step = Callable[..., Any]  # a fixture that does one thing to the database


def document(number: int = 0, **metadata: Any) -> Any:
    return {"lowlevel": {"average_loudness": number}, "metadata": metadata}


@pytest.fixture
def insert(engine: Engine) -> Step:
    def insert(*documents: Any) -> Any:
        with engine.begin() as connection:
            return lowlevel.insert(connection, documents)

    return insert


@pytest.fixture
def read(engine: Engine) -> Step:
    def read(*mbids: UUID) -> Any:
        with engine.connect() as connection:
            rows = list(lowlevel.read_many(connection, mbids))
        assert len(rows) == len({mbid for mbid, _ in rows})
        return {mbid: json.loads(document) for mbid, document in rows}

    return read


def test_documents_come_back_under_their_mbids(insert: Step, read: Step) -> None:
    stored = {uuid4(): document(number) for number in range(3)}
    insert(*stored.items())

    assert read(*stored) == stored


def test_a_recording_without_a_document_is_left_out(insert: Step, read: Step) -> None:
    mbid = uuid4()
    insert((mbid, document()))

    assert set(read(mbid, uuid4())) == {mbid}


def test_nothing_is_read_for_no_recordings(read: Step) -> None:
    assert read() == {}


def test_the_first_submission_is_read_and_not_a_later_one(insert: Step, read: Step) -> None:
    mbid = uuid4()
    insert((mbid, document(1)), (mbid, document(2)))
    insert((mbid, document(3)))

    assert read(mbid) == {mbid: document(1)}


def test_the_first_submission_is_read_also_where_it_was_stored_last(
    insert: Step, read: Step, execute: Step
) -> None:
    mbid = uuid4()
    insert((mbid, document(1)), (mbid, document(2)))
    execute("UPDATE lowlevel SET submission_offset = 1 - submission_offset")

    assert read(mbid) == {mbid: document(2)}


def test_a_recording_whose_first_submission_is_gone_is_left_out(
    insert: Step, read: Step, execute: Step
) -> None:
    mbid = uuid4()
    insert((mbid, document(1)))
    execute("UPDATE lowlevel SET submission_offset = 1")

    assert read(mbid) == {}


def test_a_recording_that_is_asked_for_twice_comes_once(insert: Step, read: Step) -> None:
    mbid = uuid4()
    insert((mbid, document()))

    assert read(mbid, mbid) == {mbid: document()}


def test_of_two_first_submissions_the_older_is_read(
    insert: Step, read: Step, execute: Step
) -> None:
    mbid = uuid4()
    insert((mbid, document(1)), (mbid, document(2)))
    execute("UPDATE lowlevel SET submission_offset = 0")

    assert read(mbid) == {mbid: document(1)}


def test_a_thousand_documents_take_one_query_and_are_streamed(engine: Engine, insert: Step) -> None:
    mbids = [uuid4() for _ in range(1000)]
    insert(*((mbid, document(number)) for number, mbid in enumerate(mbids)))
    statements = []
    event.listen(
        engine, "after_cursor_execute", lambda *arguments: statements.append(arguments[1].name)
    )

    with engine.connect() as connection:
        rows = lowlevel.read_many(connection, mbids)
        assert next(rows)[0] in mbids
        assert len(list(rows)) == 999

    [server_side_cursor] = statements
    assert server_side_cursor


@pytest.mark.parametrize("malformed", [None, [], "text", 3, {"metadata": None}, {"metadata": [1]}])
def test_a_malformed_document_is_stored_and_read_as_it_is(
    insert: Step, read: Step, malformed: Any
) -> None:
    mbid = uuid4()

    assert insert((mbid, malformed)) == 1
    assert read(mbid) == {mbid: malformed}


def test_submissions_are_numbered_from_zero_for_each_recording(insert: Step, execute: Step) -> None:
    one, other = uuid4(), uuid4()
    insert((one, document(1)), (other, document(2)), (one, document(3)))
    insert((one, document(4)))

    offsets = "SELECT array_agg(submission_offset ORDER BY id) FROM lowlevel WHERE gid = :m"
    assert execute(offsets, m=one) == [0, 1, 2]
    assert execute(offsets, m=other) == [0]


def test_a_document_that_its_recording_has_already_is_passed_over(insert: Step) -> None:
    mbid = uuid4()

    assert insert((mbid, document(1)), (mbid, document(1)), (mbid, document(2))) == 2
    assert insert((mbid, document(1)), (mbid, document(3))) == 1


def test_a_document_of_another_recording_is_refused(insert: Step) -> None:
    insert((uuid4(), document()))

    with pytest.raises(InvalidDocument, match="another recording"):
        insert((uuid4(), document()))


def test_the_columns_beside_a_document_are_those_that_acousticbrainz_writes(
    engine: Engine, insert: Step
) -> None:
    mbid = uuid4()
    version = {"essentia_build_sha": "abc", "extractor": "music 1.0", "essentia": "2.1-é"}
    stored = document(1, version=version, audio_properties={"lossless": True})
    insert((mbid, stored))

    with engine.connect() as connection:
        row = connection.execute(
            text("""SELECT l.build_sha1, l.lossless, l.gid_type::text, d.data_sha256,
                           v.data_sha256 AS version_sha256, v.data AS version, v.type::text
                      FROM lowlevel l JOIN lowlevel_json d USING (id)
                      JOIN version v ON v.id = d.version""")
        ).one()

    assert (row.build_sha1, row.lossless, row.gid_type) == ("abc", True, "mbid")
    assert (row.version, row.type) == (version, "lowlevel")
    assert row.data_sha256 == acousticbrainz_hash(stored)
    assert row.version_sha256 == acousticbrainz_hash(version)


@pytest.mark.parametrize("lossless", [1, True, "yes", 0, False, None, ""])
def test_a_recording_is_lossless_as_the_server_reads_it(
    insert: Step, execute: Step, lossless: Any
) -> None:
    insert((uuid4(), document(audio_properties={"lossless": lossless})))

    assert execute("SELECT lossless FROM lowlevel") == bool(lossless)


def test_a_document_is_looked_up_by_the_index_of_its_hash(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        one = Submission.of(uuid4(), document())
        values = {
            "mbids": [str(one.mbid)],
            "offsets": [None],
            "builds": [""],
            "lossless": [False],
            "documents": [one.text],
            "hashes": [one.sha256],
            "versions": [1],
        }
        plan = "\n".join(
            connection.execute(text(f"EXPLAIN {lowlevel.STORE.text}"), values).scalars()
        )

    assert "Index Cond: (data_sha256 = " in plan
    assert "Seq Scan on lowlevel" not in plan


def test_a_document_that_another_writer_stores_at_the_same_time_is_passed_over(
    engine: Engine, execute: Step
) -> None:
    one = Submission.of(uuid4(), document())

    def store() -> list[Stored]:
        with engine.begin() as connection:
            return lowlevel.store(connection, [one])

    with ThreadPoolExecutor(1) as thread:
        with engine.begin() as connection:
            # Its version is there: what the other waits for below is the hash of the document.
            version_id(connection, one.version, "lowlevel")
        with engine.begin() as connection:
            lowlevel.store(connection, [one])
            other = thread.submit(store)
            waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not execute(waiting):
                assert not other.done()
        assert other.result(30) == [Stored(is_new=False, holder=one.mbid)]

    assert execute("SELECT count(*) FROM lowlevel") == 1


def acousticbrainz_hash(value: Any) -> Any:
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def test_equal_versions_share_a_row(insert: Step, execute: Step) -> None:
    for number in range(3):
        insert((uuid4(), document(number, version={"essentia": "2.1"})))
    insert((uuid4(), document(9, version={"essentia": "2.2"})))

    assert execute("SELECT count(*) FROM version") == 2


def test_a_version_that_somebody_edited_is_not_taken_for_the_one_that_it_was(
    insert: Step, execute: Step
) -> None:
    insert((uuid4(), document(1, version={"essentia": "2.1"})))
    execute("UPDATE version SET data = '{}'")

    insert((uuid4(), document(2, version={"essentia": "2.1"})))

    assert execute("SELECT data FROM version ORDER BY id DESC LIMIT 1") == {"essentia": "2.1"}


def test_two_writers_of_a_new_version_make_one_row(
    engine: Engine, insert: Step, execute: Step
) -> None:
    with engine.begin() as one, engine.begin() as other:
        lowlevel.insert(one, [(uuid4(), document(1))])
        other.execute(text("SET LOCAL lock_timeout = '100ms'"))
        with pytest.raises(Exception, match="lock timeout"), other.begin_nested():
            lowlevel.insert(other, [(uuid4(), document(2))])
    insert((uuid4(), document(3)))

    assert execute("SELECT count(*) FROM version") == 1


def test_a_document_that_postgres_would_refuse_is_stored_without_what_it_refuses(
    insert: Step, read: Step
) -> None:
    mbid = UUID(int=1)
    insert((mbid, {"tags": "a\x00\ud800", "gain": float("-inf")}))

    assert read(mbid) == {mbid: {"tags": "a��", "gain": None}}
