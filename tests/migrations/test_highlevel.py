from collections.abc import Callable
from typing import Any

import migrations

Step = Callable[..., Any]


def test_documents_that_were_there_are_not_touched(acousticbrainz_url: str, sql: Step) -> None:
    there = sql("SELECT count(*) FROM lowlevel_json")

    migrations.upgrade(acousticbrainz_url)

    assert there > [(0,)]
    assert sql("SELECT count(*) FROM worker.highlevel_queue") == [(0,)]


def test_on_acousticbrainz_a_new_document_is_enqueued(acousticbrainz_url: str, sql: Step) -> None:
    migrations.upgrade(acousticbrainz_url)

    [(added,)] = sql("""
        WITH l AS (INSERT INTO lowlevel (gid, build_sha1, gid_type, submission_offset)
                   VALUES (gen_random_uuid(), 'x', 'mbid', 0) RETURNING id)
        INSERT INTO lowlevel_json (id, data, data_sha256, version)
        SELECT l.id, '{}', 'new', (SELECT min(id) FROM version) FROM l RETURNING id""")

    assert sql("SELECT id, attempts FROM worker.highlevel_queue") == [(added, 0)]


def test_a_web_server_needs_no_rights_in_our_schema_to_submit(
    acousticbrainz_url: str, sql: Step
) -> None:
    migrations.upgrade(acousticbrainz_url)
    sql("CREATE ROLE web")
    try:
        sql("GRANT INSERT, SELECT ON lowlevel_json, lowlevel, version TO web")
        sql("GRANT USAGE ON SEQUENCE lowlevel_id_seq TO web")
        sql("""SET ROLE web;
            WITH l AS (INSERT INTO lowlevel (gid, build_sha1, gid_type, submission_offset)
                       VALUES (gen_random_uuid(), 'x', 'mbid', 0) RETURNING id)
            SELECT id FROM l""")
        sql("""SET ROLE web;
            INSERT INTO lowlevel_json (id, data, data_sha256, version)
            SELECT max(l.id), '{}', 'new', min(v.id) FROM lowlevel l, version v""")
    finally:
        sql("DROP OWNED BY web; DROP ROLE web")

    assert sql("SELECT count(*) FROM worker.highlevel_queue") == [(1,)]


def test_going_back_takes_the_queue_and_the_triggers_away(
    acousticbrainz_url: str, sql: Step
) -> None:
    migrations.upgrade(acousticbrainz_url)
    sql("INSERT INTO worker.highlevel_queue (id) SELECT id FROM lowlevel_json")

    migrations.downgrade(acousticbrainz_url, "0002")

    ours = "SELECT tgname FROM pg_trigger WHERE tgname LIKE 'acoustic_workers_%'"
    on_documents = f"{ours} AND tgrelid = 'lowlevel_json'::regclass"
    assert sql(on_documents) == []
    assert sql("SELECT to_regclass('worker.highlevel_queue')") == [(None,)]
