import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from schema import highlevel, pauses
from tests.busy_processes import catches
from tests.highlevel.mirror import CLASSES, Mirror, Start, document
from trainer.inference import ModelSet
from trainer.reading import Document
from worker.settings import SettingsError

Work = Callable[..., int]
Until = Callable[..., Any]

ALL = len(CLASSES)

# A worker whose prediction does something first: {do}.
PROGRAM = """
import os, re, signal, sys, time
from pathlib import Path
from trainer.inference import ModelSet
from trainer.reading import Document
from worker import highlevel_batch
from worker.highlevel import run
from worker.settings import Settings

folder = Path(sys.argv[1])
highlevel_batch.PATIENCE_SECONDS = {patience}

def hold():
    (folder / "held").touch()
    while not (folder / "go").exists():
        time.sleep(0.01)

def predict(models, documents):
    titles = [document["metadata"]["tags"]["title"][0] for document in documents]
    {do}
    return models.predict(documents)

sys.exit(run(Settings.from_environment(os.environ), once={once}, predict=predict))
"""
KILLED_BY_ONE = 'if "killer" in titles: os.kill(os.getpid(), signal.SIGKILL)'
# A pattern that takes for ever, in C and without giving up the interpreter's lock.
STUCK = 'if "killer" in titles: re.match("(a+)+$", "a" * 64 + "b")'


def program(do: str, *, once: bool = True, patience: float = 60) -> list[str]:
    given = {"{do}": do, "{once}": str(once), "{patience}": str(patience)}
    source = PROGRAM
    for name, value in given.items():
        source = source.replace(name, value)
    return ["-c", source]


def titled(mirror: Mirror, title: str) -> dict[str, Any]:
    made = document(mirror.randomness, 0.0)
    made["metadata"]["tags"]["title"] = [title]
    return made


def skip_waiting(mirror: Mirror) -> None:
    mirror.rows("UPDATE worker.highlevel_queue SET retry_at = now() WHERE retry_at > now()")


@pytest.fixture
def published(mirror: Mirror) -> list[int]:
    return mirror.publish_all()


@pytest.mark.fault("F7")
@pytest.mark.usefixtures("published")
def test_a_document_that_kills_the_process_is_tried_alone_and_marked_at_the_limit(
    mirror: Mirror, start: Start
) -> None:
    good = mirror.recordings(30)
    [killer] = mirror.store([titled(mirror, "killer")])
    good += mirror.recordings(10)

    codes = []
    while len(codes) < 10 and codes[-1:] != [0]:
        codes.append(start(str(mirror.folder), command=program(KILLED_BY_ONE)).exit_code())
        skip_waiting(mirror)

    assert codes == [-signal.SIGKILL] * 3 + [0]
    [row] = mirror.queue().values()
    assert (row["id"], row["attempts"], row["failed"] is not None) == (killer, 3, True)
    assert "Attempt 3 ended with its worker" in row["error"]
    assert mirror.counts() == {**dict.fromkeys(good, ALL), killer: 0}
    assert mirror.duplicates() == []


@pytest.mark.usefixtures("published")
def test_a_native_call_that_never_ends_ends_its_process(
    mirror: Mirror, start: Start, until: Until
) -> None:
    [killer] = mirror.store([titled(mirror, "killer")])

    stuck = start(str(mirror.folder), command=program(STUCK, patience=0.5))

    assert stuck.exit_code() == 1
    assert "Timeout" in stuck.printed.read_text()
    until(lambda: unlocked(mirror) == [killer])
    assert mirror.queue()[killer]["attempts"] == 1


@pytest.mark.usefixtures("published")
def test_an_unforeseen_error_costs_only_the_document_that_has_it(
    mirror: Mirror, work: Work
) -> None:
    good = mirror.recordings(20)
    [bad] = mirror.store([titled(mirror, "odd")])

    def predict(models: ModelSet, documents: Sequence[Any]) -> Any:
        if any(one["metadata"]["tags"]["title"] == ["odd"] for one in documents):
            raise RuntimeError("division by cucumber")
        return models.predict(documents)

    tries = []
    while not tries or mirror.queue()[bad]["failed"] is None:
        assert work(predict=predict) == 0
        skip_waiting(mirror)
        tries.append(mirror.queue()[bad]["attempts"])

    assert tries == [2, 3]
    assert mirror.queue()[bad]["error"] == "unexpected error: RuntimeError: division by cucumber"
    assert mirror.counts() == {**dict.fromkeys(good, ALL), bad: 0}


@pytest.mark.usefixtures("published")
def test_with_one_attempt_allowed_no_recording_fails_for_another(
    mirror: Mirror, work: Work
) -> None:
    good = mirror.recordings(5)
    [bad] = mirror.store([titled(mirror, "odd")])

    def predict(models: ModelSet, documents: Sequence[Any]) -> Any:
        if any(one["metadata"]["tags"]["title"] == ["odd"] for one in documents):
            raise RuntimeError("odd")
        return models.predict(documents)

    assert work(predict=predict, max_attempts=1) == 0

    assert mirror.counts() == {**dict.fromkeys(good, ALL), bad: 0}


@pytest.mark.fault("F31")
@pytest.mark.usefixtures("published")
def test_four_workers_give_each_recording_its_outputs_once(mirror: Mirror, start: Start) -> None:
    ids = mirror.recordings(400)

    started = [start("--once", "--batch", "7") for _ in range(4)]

    assert [one.exit_code() for one in started] == [0] * 4
    assert mirror.counts() == dict.fromkeys(ids, ALL)
    assert mirror.duplicates() == []
    assert mirror.queue() == {}
    assert mirror.value("SELECT count(*) FROM version WHERE type = 'highlevel'") == 1


@pytest.mark.fault("F17")
@pytest.mark.usefixtures("published")
def test_a_high_level_worker_that_is_still_getting_ready_stops_at_once(
    start: Start, until: Until
) -> None:
    worker = start()
    until(lambda: catches(worker.process.pid, signal.SIGTERM))

    worker.process.send_signal(signal.SIGTERM)

    assert worker.exit_code() == 0
    assert worker.events() == []


@pytest.mark.fault("F17")
@pytest.mark.usefixtures("published")
def test_told_to_stop_it_finishes_its_batch(mirror: Mirror, start: Start, until: Until) -> None:
    ids = mirror.recordings(5)
    held = start(str(mirror.folder), command=program("hold()", once=False))
    until((mirror.folder / "held").exists)

    held.process.send_signal(signal.SIGTERM)
    until(lambda: "told to stop; the batch is finished first" in held.events())
    (mirror.folder / "go").touch()

    assert held.exit_code() == 0
    assert mirror.counts() == dict.fromkeys(ids, ALL)


@pytest.mark.fault("F17", "F30")
@pytest.mark.usefixtures("published")
def test_a_batch_that_does_not_end_in_time_is_rolled_back(
    mirror: Mirror, start: Start, until: Until
) -> None:
    ids = mirror.recordings(5)
    command = program("hold()", once=False)
    held = start(str(mirror.folder), command=command, ACOUSTIC_DRAIN_SECONDS="0.2")
    until((mirror.folder / "held").exists)

    held.process.send_signal(signal.SIGTERM)

    assert held.exit_code() == 1
    assert mirror.counts() == {}
    until(lambda: unlocked(mirror) == sorted(ids))


@pytest.mark.fault("F12")
@pytest.mark.usefixtures("published")
def test_an_outage_costs_no_attempt(mirror: Mirror, start: Start, until: Until) -> None:
    ids = mirror.recordings(5)
    held = start(str(mirror.folder), command=program("hold()", once=False))
    until((mirror.folder / "held").exists)

    mirror.rows("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'acoustic highlevel'
                """)
    (mirror.folder / "go").touch()

    until(lambda: mirror.counts() == dict.fromkeys(ids, ALL))
    assert "gave back what the outage interrupted" in held.events()
    held.process.send_signal(signal.SIGTERM)
    assert held.exit_code() == 0


@pytest.mark.usefixtures("published")
def test_a_database_that_refuses_outputs_blames_no_recording(
    mirror: Mirror, start: Start, until: Until
) -> None:
    mirror.rows("ALTER TABLE highlevel_model RENAME TO elsewhere")
    ids = mirror.recordings(5)
    worker = start()
    refused = "the database refuses outputs, which an operator has to mend"
    until(lambda: worker.events().count(refused) >= 2)

    left = mirror.rows("SELECT failed FROM worker.highlevel_queue WHERE interruptions = 0")
    assert left == [(None,)] * len(ids)
    mirror.rows("ALTER TABLE elsewhere RENAME TO highlevel_model")

    until(lambda: mirror.counts() == dict.fromkeys(ids, ALL))


@pytest.mark.fault("F1")
@pytest.mark.usefixtures("published")
def test_what_a_worker_claimed_before_it_died_is_taken_over(mirror: Mirror, work: Work) -> None:
    [identifier] = mirror.recordings(1)
    with mirror.engine.begin() as connection:
        assert highlevel.claim_new(connection, worker="dead", limit=10) == [identifier]

    work()
    assert mirror.counts() == {}  # its time has not come
    skip_waiting(mirror)
    work()

    assert mirror.counts() == {identifier: ALL}


@pytest.mark.fault("F9", "F31")
@pytest.mark.usefixtures("published")
def test_who_comes_late_leaves_a_recording_to_whom_has_it_now(mirror: Mirror, work: Work) -> None:
    [identifier] = mirror.recordings(1)
    other: list[Any] = []

    def overtaken(models: ModelSet, documents: Sequence[Any]) -> Any:
        # Another worker, while the first is in its transaction: finds the row locked.
        with mirror.engine.begin() as connection:
            connection.execute(text("SET LOCAL lock_timeout = '1s'"))
            other.append(highlevel.claim_again(connection, worker="other", max_attempts=3))
            other.append(highlevel.lock(connection, [identifier], worker="other"))
        return models.predict(documents)

    work(predict=overtaken)

    assert other == [[], {}]
    assert mirror.counts() == {identifier: ALL}


def test_it_waits_for_a_model_and_takes_up_new_ones(
    mirror: Mirror, start: Start, until: Until
) -> None:
    [first] = mirror.recordings(1)
    worker = start(ACOUSTIC_POLL_SECONDS="0.05")
    until(lambda: "no model is published; waiting for one" in worker.events())

    mirror.publish("danceability")
    until(lambda: mirror.counts() == {first: 1})
    # Said once, and not with every look.
    assert worker.events().count("no model is published; waiting for one") == 1
    mirror.publish("gender")
    [second] = mirror.recordings(1)

    until(lambda: mirror.counts() == {first: 1, second: 2})


@pytest.mark.usefixtures("published")
def test_a_new_recording_is_taken_up_without_polling(
    mirror: Mirror, start: Start, until: Until
) -> None:
    worker = start(ACOUSTIC_POLL_SECONDS="3600")
    until(lambda: "high-level worker started" in worker.events())
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN acoustic_highlevel'"
    until(lambda: mirror.value(listening))

    [identifier] = mirror.recordings(1)

    until(lambda: mirror.counts() == {identifier: ALL})


def test_once_without_a_model_says_what_to_do(work: Work) -> None:
    with pytest.raises(SettingsError, match="No model is published: acoustic models publish"):
        work()


@pytest.mark.fault("F29")
@pytest.mark.usefixtures("published")
@pytest.mark.parametrize("damage", ["missing", "damaged", "link"])
def test_a_model_that_is_not_whole_stops_the_worker_with_its_name(
    mirror: Mirror, start: Start, damage: str
) -> None:
    mirror.recordings(1)
    path = mirror.value("SELECT path FROM worker.models WHERE name = 'gender'")
    file = mirror.models / path
    content = file.read_bytes()
    file.unlink()
    if damage == "damaged":
        file.write_bytes(content[:-1] + b"\0")
    if damage == "link":
        Path(mirror.folder / "elsewhere").write_bytes(content)
        file.symlink_to(mirror.folder / "elsewhere")

    worker = start("--once")

    assert worker.exit_code() == 2
    assert "model gender v1 cannot be loaded" in worker.printed.read_text()
    assert mirror.counts() == {}


@pytest.mark.usefixtures("published")
def test_all_models_that_are_not_whole_are_named_at_once(mirror: Mirror, start: Start) -> None:
    names = ("danceability", "gender", "mood")
    link, missing, damaged = (
        mirror.models / mirror.value("SELECT path FROM worker.models WHERE name = :name", name=name)
        for name in names
    )
    link.rename(mirror.folder / "elsewhere")
    link.symlink_to(mirror.folder / "elsewhere")
    missing.unlink()
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")

    worker = start("--once")

    assert worker.exit_code() == 2
    printed = worker.printed.read_text()
    assert [f"model {name} v1 cannot be loaded" in printed for name in names] == [True] * 3


@pytest.mark.usefixtures("published")
def test_what_the_trigger_missed_is_found(mirror: Mirror, work: Work) -> None:
    ids = mirror.recordings(10)
    mirror.rows("DELETE FROM worker.highlevel_queue")

    work()

    assert mirror.counts() == dict.fromkeys(ids, ALL)


@pytest.mark.usefixtures("published")
def test_once_looks_at_all_recordings_wherever_the_sweep_is(mirror: Mirror, work: Work) -> None:
    ids = mirror.recordings(10)
    mirror.rows("DELETE FROM worker.highlevel_queue")
    mirror.rows("UPDATE worker.highlevel_sweep SET after = :i, began = now()", i=sorted(ids)[6])

    work()

    assert mirror.counts() == dict.fromkeys(ids, ALL)


@pytest.mark.usefixtures("published")
def test_a_mark_that_somebody_removed_means_try_again(mirror: Mirror, work: Work) -> None:
    [bad] = mirror.store([{"lowlevel": {"average_loudness": "loud"}}])
    work()
    first = mirror.queue()[bad]["failed"]

    mirror.rows("DELETE FROM highlevel")
    work()

    assert mirror.queue()[bad]["failed"] > first
    assert mirror.counts() == {bad: 0}


def unlocked(mirror: Mirror) -> list[int]:
    found = mirror.rows("SELECT id FROM worker.highlevel_queue ORDER BY id FOR UPDATE SKIP LOCKED")
    return [identifier for (identifier,) in found]


@pytest.mark.usefixtures("published")
def test_nothing_is_computed_while_the_queue_is_paused(
    mirror: Mirror, start: Start, until: Until
) -> None:
    with mirror.engine.begin() as connection:
        pauses.pause(connection, pauses.Queue.HIGHLEVEL, reason="the disk")
    [identifier] = mirror.recordings(1)
    worker = start()
    until(lambda: "the queue is paused" in worker.events())
    listening = "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN acoustic_highlevel'"
    until(lambda: mirror.value(listening))
    assert mirror.queue()[identifier]["attempts"] == 0

    with mirror.engine.begin() as connection:
        pauses.resume(connection, pauses.Queue.HIGHLEVEL)

    until(lambda: mirror.counts() == {identifier: ALL})


@pytest.mark.usefixtures("published")
def test_its_heartbeat_is_there_as_long_as_it_turns(
    start: Start, until: Until, tmp_path: Path
) -> None:
    file = tmp_path / "heartbeat"
    start(ACOUSTIC_HEARTBEAT=str(file))
    first = until(lambda: file.exists() and file.stat().st_mtime_ns)

    until(lambda: file.stat().st_mtime_ns > first)


@pytest.mark.usefixtures("published")
def test_a_batch_of_large_documents_is_done_in_parts(
    mirror: Mirror, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    [first] = mirror.recordings(1)
    large = mirror.lowlevel_document(first)
    large["metadata"]["tags"]["comment"] = ["x" * 1000]
    ids = [first, *mirror.store([large | {"number": number} for number in range(9)])]
    monkeypatch.setattr("worker.highlevel_batch._CHUNK_CHARACTERS", 2500)
    together: list[int] = []

    def predict(models: ModelSet, documents: Sequence[Document]) -> Any:
        together.append(len(documents))
        return models.predict(documents)

    work(predict=predict)

    assert max(together) <= 3
    assert sum(together) == len(ids)
    assert mirror.counts() == dict.fromkeys(ids, ALL)


@pytest.mark.usefixtures("published")
def test_an_error_in_a_later_part_of_a_batch_leaves_nothing_of_the_parts_before(
    mirror: Mirror, work: Work
) -> None:
    ids = mirror.recordings(60)
    parts: list[int] = []
    written: list[int] = []

    def predict(models: ModelSet, documents: Sequence[Document]) -> Any:
        parts.append(len(documents))
        if len(parts) == 2:
            raise ArithmeticError("in the second part")
        if len(parts) == 3:
            written.extend(mirror.counts().values())
        return models.predict(documents)

    work(predict=predict)

    assert parts[:3] == [48, 12, 1]
    assert written == []
    assert mirror.counts() == dict.fromkeys(ids, ALL)


def raising(mirror: Mirror, table: str, event: str, code: str, condition: str = "true") -> None:
    """Have the database raise something where a row is written."""
    mirror.rows(f"""
        CREATE FUNCTION raising() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE 'told so' USING errcode = '{code}'; END $$;
        CREATE TRIGGER raising BEFORE {event} ON {table} FOR EACH ROW
        WHEN ({condition}) EXECUTE FUNCTION raising()
    """)


def calm(mirror: Mirror) -> None:
    mirror.rows("DROP FUNCTION raising CASCADE")


@pytest.mark.usefixtures("published")
def test_a_full_disk_blames_no_recording(mirror: Mirror, work: Work) -> None:
    ids = mirror.recordings(3)
    raising(mirror, "highlevel_model", "INSERT", "53100")

    for _ in range(5):
        assert work() == 1

    assert {(row["attempts"], row["interruptions"]) for row in mirror.queue().values()} == {(0, 0)}
    calm(mirror)
    work()
    assert mirror.counts() == dict.fromkeys(ids, ALL)


@pytest.mark.usefixtures("published")
def test_a_recording_that_takes_the_database_too_long_is_in_nobodys_way(
    mirror: Mirror, work: Work
) -> None:
    ids = mirror.recordings(6)
    slow = ids[2]
    raising(mirror, "highlevel_model", "INSERT", "57014", f"new.highlevel = {slow}")

    assert work() == 1  # together
    assert mirror.counts() == {}
    assert work() == 1  # one by one, up to the slow one
    assert work() == 0

    assert mirror.counts() == dict.fromkeys(set(ids) - {slow}, ALL)
    [row] = mirror.queue().values()
    assert (row["attempts"], row["failed"]) == (1, None)
    assert row["error"] == "The database took too long: told so."
    assert mirror.value("SELECT retry_at > now() + '4 min' FROM worker.highlevel_queue")
    calm(mirror)
    skip_waiting(mirror)
    work()
    assert mirror.counts() == dict.fromkeys(ids, ALL)


@pytest.mark.usefixtures("published")
def test_a_recording_that_always_takes_the_database_too_long_fails_at_last_with_that_reason(
    mirror: Mirror, work: Work
) -> None:
    mirror.recordings(1)
    raising(mirror, "highlevel_model", "INSERT", "57014")

    for _ in range(30):
        work(max_attempts=3)
        skip_waiting(mirror)

    [row] = mirror.queue().values()
    assert row["failed"] is not None
    assert row["error"] == "The database took too long: told so."


@pytest.mark.usefixtures("published")
def test_a_claim_that_the_database_refuses_is_told_in_a_line_now_and_then(
    mirror: Mirror, start: Start, until: Until
) -> None:
    raising(mirror, "worker.highlevel_queue", "UPDATE", "42501")
    ids = mirror.recordings(2)

    worker = start()

    refused = "the database refuses what the worker needs, which an operator has to mend"
    until(lambda: worker.events().count(refused) >= 2)
    assert "unforeseen error at the database" not in worker.events()
    calm(mirror)
    until(lambda: mirror.counts() == dict.fromkeys(ids, ALL))
