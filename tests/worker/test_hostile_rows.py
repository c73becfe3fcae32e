"""Rows that no program of ours wrote: each ends its own job in a sentence, and stops no other."""

import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from schema import evaluation_jobs, lowlevel
from schema.database import connect
from schema.documents import MAX_DEPTH, MAX_TEXT, json_value
from trainer import parsing

pytestmark = pytest.mark.timeout(120)

DEEP = "[" * 2_000 + "]" * 2_000
# Deep enough for the encoder to fail where the decoder did not.
DEEPER_THAN_READ = "[" * 900 + "]" * 900
DIGITS = "9" * 5_000


def insert(service: Any, snapshot: UUID, options: str) -> UUID:
    made: UUID = service.execute(
        "INSERT INTO dataset_eval_jobs (snapshot_id, options)"
        " VALUES (:snapshot, CAST(:options AS jsonb)) RETURNING id",
        snapshot=snapshot,
        options=options,
    )
    return made


@pytest.fixture(scope="module")
def done(module_service: Any, module_start: Any, until: Any) -> dict[str, Any]:
    """Jobs with rows that are hard to read, the oldest first; then a sound one. All were run."""
    service = module_service
    sound = service.snapshot(service.classes())
    jobs = {
        "levels": insert(service, sound, f'{{"x": {DEEP}}}'),
        "some levels": insert(service, sound, f'{{"x": {DEEPER_THAN_READ}}}'),
        "digits": insert(service, sound, f'{{"seed": {DIGITS}}}'),
        "size": insert(service, sound, json.dumps({"note": "x" * 100_000})),
        "huge": insert(service, sound, json.dumps({"x": [[]] * 200_000})),
        "snapshot": insert(service, snapshot_of(service, f'{{"name": {DEEP}}}'), "{}"),
        "recordings": insert(service, snapshot_of(service, many_recordings()), "{}"),
        "document": insert(service, service.snapshot(classes_with_a_huge_document(service)), "{}"),
        "sound": service.job(sound),
    }
    module_start()
    until(lambda: service.status(jobs["sound"]) in ("done", "failed"), 100)
    engine = connect(service.database_url)
    with engine.connect() as connection:
        shown = {name: evaluation_jobs.show(connection, job) for name, job in jobs.items()}
    engine.dispose()
    return shown


def snapshot_of(service: Any, data: str) -> UUID:
    made: UUID = service.execute(
        "INSERT INTO dataset_snapshot (id, data)"
        " VALUES (gen_random_uuid(), CAST(:data AS jsonb)) RETURNING id",
        data=data,
    )
    return made


def many_recordings() -> str:
    classes = [
        {"name": name, "recordings": [str(UUID(int=first + n)) for n in range(130_000)]}
        for name, first in (("a", 0), ("b", 10**6))
    ]
    return json.dumps({"name": "many", "classes": classes})


def classes_with_a_huge_document(service: Any) -> Any:
    (label, mbids), *others = service.classes()
    huge = service.recordings(1, 0.0)[0]
    service.execute(
        "UPDATE lowlevel_json SET data = jsonb_build_object('x', repeat('x', 20 * 1024 * 1024))"
        " WHERE id = (SELECT id FROM lowlevel WHERE gid = :mbid)",
        mbid=huge,
    )
    return [(label, [*mbids, huge]), *others]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("levels", "nested too deep"),
        ("some levels", "nested too deep"),
        ("digits", "number of thousands of digits"),
        ("size", "more than the 65,536 that are possible"),
        ("huge", "is more than the 65,536 bytes of JSON that are possible"),
        ("snapshot", "$ must be an object"),
        ("recordings", "dataset 'many' has 260,000 recordings; at most 250,000 can be trained on"),
        ("document", "larger than 16 MiB"),
    ],
)
def test_what_cannot_be_read_fails_its_job_at_once_with_the_limit(
    done: dict[str, Any], name: str, sentence: str
) -> None:
    job = done[name]

    assert job.status.status == "failed"
    assert sentence in job.status.reason
    assert len(job.attempts) == 1


def test_the_job_behind_them_is_done(done: dict[str, Any]) -> None:
    assert done["sound"].status.status == "done"


def test_a_document_is_cut_on_the_server_where_no_reader_takes_it(module_service: Any) -> None:
    mbid = module_service.recordings(1, 0.0)[0]
    module_service.execute(
        "UPDATE lowlevel_json SET data = to_jsonb(repeat('é', 17 * 1024 * 1024))"
        " WHERE id = (SELECT id FROM lowlevel WHERE gid = :mbid)",
        mbid=mbid,
    )
    with module_service.engine.connect() as connection:
        ((_, document),) = lowlevel.read_many(connection, [mbid])

    assert len(document) == MAX_TEXT > parsing.MAX_BYTES


def test_json_of_a_column_that_cannot_be_walked_through_stays_text() -> None:
    deepest = "[" * MAX_DEPTH + "]" * MAX_DEPTH

    assert json_value(deepest) == json.loads(deepest)
    assert json_value(f"[{deepest}]") == f"[{deepest}]"
    assert json_value(DIGITS) == DIGITS


def test_every_column_of_json_is_read_so(database_url: str) -> None:
    engine = connect(database_url)
    with engine.connect() as connection:
        for kind in ("json", "jsonb"):
            read = connection.execute(text(f"SELECT CAST(:deep AS {kind})"), {"deep": DEEP})
            assert isinstance(read.scalar(), str)
    engine.dispose()
