import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from schema import highlevel, models
from schema.models import Status
from tests.highlevel.mirror import CLASSES, UNUSABLE, Mirror, document, trained
from trainer.highlevel import high_level_document, version_block
from trainer.inference import ModelSet

Work = Callable[..., int]


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def of_files(mirror: Mirror, identifier: int, names: tuple[str, ...] = tuple(CLASSES)) -> Any:
    """The document that the file mode writes, with the version at each model as the server adds."""
    models = ModelSet(tuple(trained(name) for name in names))
    low_level = mirror.lowlevel_document(identifier)
    [predicted] = models.predict([low_level])
    version = version_block(models, {"models_essentia_git_sha": "v1"})
    made = high_level_document(low_level, predicted, version)
    return {
        "metadata": made["metadata"],
        "highlevel": {k: {**v, "version": version} for k, v in made["highlevel"].items()},
    }


def test_the_server_reads_the_document_that_the_file_mode_writes(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish_all()
    ids = mirror.recordings(5)

    assert work() == 0

    for identifier in ids:
        assert mirror.served(identifier) == of_files(mirror, identifier)


def test_rows_are_hashed_as_the_server_hashes_them(mirror: Mirror, work: Work) -> None:
    mirror.publish_all()
    mirror.recordings(3)

    work()

    rows = [
        *mirror.rows("SELECT data, data_sha256 FROM highlevel_model"),
        *mirror.rows("SELECT data, data_sha256 FROM highlevel_meta"),
        *mirror.rows("SELECT data, data_sha256 FROM version WHERE type = 'highlevel'"),
    ]
    assert len(rows) == 3 * 3 + 3 + 1
    for data, digest in rows:
        assert digest == hashlib.sha256(canonical(data).encode()).hexdigest()


def test_a_row_of_highlevel_names_the_recording_and_the_set_of_models(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish_all()
    [identifier] = mirror.recordings(1)

    work()

    [row] = mirror.rows("SELECT h.*, l.gid FROM highlevel h JOIN lowlevel l USING (id)")
    digest = ModelSet(tuple(trained(name) for name in CLASSES)).digest
    assert (row.id, row.mbid, row.build_sha1) == (identifier, row.gid, digest)


def test_each_recording_gets_each_model_once_and_leaves_the_queue(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish_all()
    ids = mirror.recordings(25)

    assert work(batch=10) == 0
    assert work(batch=10) == 0

    assert mirror.counts() == dict.fromkeys(ids, len(CLASSES))
    assert mirror.duplicates() == []
    assert mirror.queue() == {}


def test_a_batch_whose_worker_comes_twice_is_written_once(mirror: Mirror, work: Work) -> None:
    mirror.publish_all()
    [identifier] = mirror.recordings(1)
    work()

    mirror.rows("INSERT INTO worker.highlevel_queue (id) VALUES (:i)", i=identifier)
    work()

    assert mirror.counts() == {identifier: len(CLASSES)}
    assert mirror.queue() == {}


@pytest.mark.fault("F27")
def test_a_document_that_cannot_be_used_fails_alone_and_at_once(mirror: Mirror, work: Work) -> None:
    mirror.publish_all()
    good = mirror.recordings(50)
    [bad] = mirror.store([UNUSABLE])
    more = mirror.recordings(49)

    assert work(batch=100) == 0

    [row] = mirror.queue().values()
    assert (row["id"], row["attempts"]) == (bad, 1)
    assert row["failed"] is not None
    assert row["error"] == "the document holds no numeric descriptor"
    assert mirror.counts() == {**dict.fromkeys(good + more, len(CLASSES)), bad: 0}


@pytest.mark.fault("F27")
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "null"),
        ([1, 2], "a list"),
        ("text", "text"),
        ({}, "no numeric descriptor"),
        ({"lowlevel": {"average_loudness": 1.0}}, "model 'danceability' cannot use it"),
        ({"lowlevel": None}, "lowlevel"),
    ],
)
def test_whatever_a_document_is_it_gets_a_reason(
    mirror: Mirror, work: Work, content: Any, reason: str
) -> None:
    mirror.publish("danceability")
    [bad] = mirror.store([document(mirror.randomness, 0.0)])
    mirror.rows(
        "UPDATE lowlevel_json SET data = CAST(:d AS jsonb) WHERE id = :i",
        d=json.dumps(content),
        i=bad,
    )

    assert work() == 0

    assert reason in mirror.queue()[bad]["error"]


def test_a_failed_document_has_the_servers_mark(mirror: Mirror, work: Work) -> None:
    mirror.publish_all()
    [bad] = mirror.store([UNUSABLE])

    work()

    failed = mirror.rows("""SELECT h.id FROM highlevel h LEFT JOIN highlevel_meta m USING (id)
                             WHERE m.id IS NULL""")
    assert failed == [(bad,)]
    assert mirror.served(bad) is None


def test_a_document_that_failed_and_now_succeeds_gets_everything(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish_all()
    [bad] = mirror.store([UNUSABLE])
    work()
    mirror.rows(
        "UPDATE lowlevel_json SET data = CAST(:d AS jsonb)",
        d=json.dumps(document(mirror.randomness, 0.0)),
    )

    with mirror.engine.begin() as connection:
        assert highlevel.retry_all(connection) == 1
    work()

    assert mirror.served(bad) == of_files(mirror, bad)
    assert mirror.queue() == {}


def test_a_recording_that_is_gone_leaves_the_queue(mirror: Mirror, work: Work) -> None:
    mirror.publish_all()
    [gone, there] = mirror.recordings(2)
    mirror.rows("DELETE FROM lowlevel_json WHERE id = :i", i=gone)

    work()

    assert mirror.counts() == {there: len(CLASSES)}
    assert mirror.queue() == {}


def test_a_new_model_adds_its_rows_and_touches_no_others(mirror: Mirror, work: Work) -> None:
    mirror.publish("danceability")
    mirror.publish("gender")
    ids = mirror.recordings(12)
    work()
    before = mirror.rows("SELECT * FROM highlevel_model ORDER BY id")
    described = mirror.rows("SELECT * FROM highlevel ORDER BY id")

    added = mirror.publish("mood").model.id
    with mirror.engine.begin() as connection:
        highlevel.backfill(connection, [added], limit=100, first=True)
    work()

    after = mirror.rows("SELECT * FROM highlevel_model ORDER BY id")
    assert after[: len(before)] == before
    assert [(row.highlevel, row.model) for row in after[len(before) :]] == [
        (identifier, added) for identifier in sorted(ids)
    ]
    assert mirror.rows("SELECT * FROM highlevel ORDER BY id") == described


def test_two_versions_of_a_name_are_both_computed(mirror: Mirror, work: Work) -> None:
    shown = mirror.publish("danceability", "v1").model.id
    hidden = mirror.publish("danceability", "v2", Status.HIDDEN, seed=2).model.id
    [identifier] = mirror.recordings(1)

    work()

    rows = mirror.rows("SELECT model, data FROM highlevel_model")
    assert {row.model for row in rows} == {shown, hidden}
    assert len({canonical(row.data) for row in rows}) == 2
    assert set(mirror.served(identifier)["highlevel"]) == {"danceability"}


def test_a_retired_model_is_not_computed(mirror: Mirror, work: Work) -> None:
    kept = mirror.publish("danceability").model.id
    mirror.publish("gender")
    with mirror.engine.begin() as connection:
        models.retire(connection, name="gender")
    mirror.recordings(1)

    work()

    assert mirror.rows("SELECT model FROM highlevel_model") == [(kept,)]


def test_a_table_that_was_empty_when_it_was_analysed_is_not_read_whole_for_each_row(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish_all()
    mirror.recordings(100)
    with mirror.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE highlevel")

    work(batch=50)

    # The checks of foreign keys read it: once for each output.
    [row] = mirror.rows("SELECT pg_stat_get_tuples_returned('highlevel'::regclass) AS read_whole")
    assert row.read_whole == 0
