"""Connections that end, what stands between worker and server, and clocks."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, text

from tests.conftest import Recovery
from tests.highlevel.mirror import CLASSES, Mirror
from worker.account import choose_account

Start = Callable[..., Any]
Until = Callable[..., Any]

ALL = len(CLASSES)

END_ALL = """
    SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name LIKE 'acoustic %'
"""


@pytest.mark.slow
@pytest.mark.fault("F15")
@pytest.mark.timeout(200)
def test_connections_that_are_ended_again_and_again_cost_no_job_and_no_second_result(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    snapshot = service.snapshot(service.classes())
    jobs = [service.job(snapshot) for _ in range(6)]
    evaluators = [start_evaluator(lease_seconds=2) for _ in range(2)]
    ended = 0
    # Each time they have connected anew they are ended, until that has come to a good number.
    while ended < 40 and not all(service.status(job) == "done" for job in jobs):
        ended += until(lambda: service.execute(END_ALL))
        service.execute("UPDATE worker.evaluation_attempts SET retry_at = NULL")
    until(lambda: all(service.status(job) in ("done", "failed") for job in jobs), 100)

    outcomes = [service.outcomes(job) for job in jobs]
    assert [one.count("done") for one in outcomes] == [1] * len(jobs)
    assert service.execute("SELECT count(*) FROM dataset_eval_sets") == 2 * len(jobs)
    assert ended >= 10
    assert [one.process.poll() for one in evaluators] == [None, None]
    assert len(list(service.models.rglob("*.model"))) == len(jobs)


@contextmanager
def pgbouncer(url: str, folder: Path) -> Iterator[str]:
    """Put a pgbouncer in transaction mode before a database; its address for clients."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("no pgbouncer here: apt install pgbouncer")
    address = make_url(url)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    users = folder / "users.txt"
    users.write_text('"postgres" ""\n')
    settings = folder / "pgbouncer.ini"
    host, server_port = address.query["host"], address.query["port"]
    settings.write_text(f"""
[databases]
{address.database} = host={host} port={server_port} dbname={address.database} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
auth_file = {users}
pool_mode = transaction
ignore_startup_parameters = extra_float_digits,options
logfile = {folder / "pgbouncer.log"}
""")
    # It refuses to be root, as the server does.
    account = choose_account(Path(program), settings)
    process = subprocess.Popen(
        account.command([program, str(settings)], dies_by="TERM"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield str(address.set(query={}, host="127.0.0.1", port=port))
    finally:
        process.terminate()
        process.wait()


@pytest.mark.slow
@pytest.mark.fault("F16")
def test_behind_a_pgbouncer_that_swallows_listen_jobs_are_found_by_polling(
    service: Any, evaluators: Any, until: Until, recovery: Recovery
) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="acoustic-pgbouncer-") as folder,
        pgbouncer(service.database_url, Path(folder)) as url,
    ):
        behind = replace(service, database_url=url)
        behind.engine = service.engine
        with evaluators(behind) as start_evaluator:
            evaluator = start_evaluator(poll_seconds=0.5)
            until(lambda: "evaluator started" in evaluator.events())
            job = service.job()
            with recovery():
                until(lambda: service.outcomes(job))
            service.wait_for(job, "done", "failed")
            assert service.outcomes(job) == ["done"]
            cancelled = service.job()
            with service.documents_locked():
                service.wait_until_blocked()
                service.execute("SELECT worker.cancel_evaluation(:job)", job=cancelled)
                until(lambda: not evaluator.children())
    assert service.outcomes(cancelled) == ["cancelled"]


def faketime() -> str:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        pytest.skip("no libfaketime here: apt install libfaketime")
    return str(found[0])


@pytest.mark.slow
@pytest.mark.fault("F24")
@pytest.mark.parametrize("skew", ["+1h", "-1h"])
def test_a_worker_whose_clock_is_wrong_takes_nobodys_job_and_keeps_its_own(
    service: Any, start_evaluator: Start, until: Until, skew: str
) -> None:
    clock = {"LD_PRELOAD": faketime(), "FAKETIME": skew, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    snapshot = service.snapshot(service.classes())
    jobs = [service.job(snapshot) for _ in range(2)]
    with service.documents_locked():
        start_evaluator(lease_seconds=1)
        until(lambda: [service.outcomes(job) for job in jobs] == [[None], []])
        skewed = start_evaluator(lease_seconds=1, surroundings=clock)
        until(lambda: [service.outcomes(job) for job in jobs] == [[None], [None]])
        leases: set[Any] = set()

        def renewed() -> bool:
            leases.add(tuple(service.show(job).attempts[0].lease_until for job in jobs))
            return len(leases) > 24  # both, for three leases

        until(renewed)
    until(lambda: [service.outcomes(job) for job in jobs] == [["done"], ["done"]])
    stamps = {line["timestamp"][:13] for line in skewed.log()}
    now = str(service.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24')"))
    assert now not in stamps  # the clock was wrong indeed


@pytest.mark.slow
@pytest.mark.fault("F24")
def test_after_a_step_of_the_databases_clock_there_is_one_result_all_the_same(
    service: Any, start_evaluator: Start, until: Until
) -> None:
    job = service.job()
    with service.documents_locked():
        start_evaluator(lease_seconds=2)
        service.wait_until_blocked()
        rival = start_evaluator(lease_seconds=2)
        until(lambda: "evaluator started" in rival.events())
        # An hour forward: all that the database remembers is an hour older.
        while service.outcomes(job)[0] is None:
            service.execute(
                "UPDATE worker.evaluation_attempts SET lease_until = lease_until - INTERVAL '1 h'"
                " WHERE ended IS NULL"
            )
        service.skip_backoff(job)
    service.wait_for(job, "done")
    assert service.outcomes(job) == ["lost", "done"]
    assert service.execute("SELECT count(*) FROM dataset_eval_sets") == 2
    until(lambda: [path.name for path in service.bundles(job)] == [f"{job}-2.model"])


@pytest.mark.fault("F30")
def test_a_connection_that_is_lost_between_two_outputs_leaves_all_or_none(
    mirror: Mirror, work: Callable[..., int]
) -> None:
    mirror.publish_all()
    ids = mirror.recordings(5)
    # The connection ends once, when outputs of the third recording have been inserted in part.
    mirror.rows("CREATE SEQUENCE inserted")
    mirror.rows("""
        CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('inserted') = 8 THEN
                PERFORM pg_terminate_backend(pg_backend_pid());
            END IF;
            RETURN NULL;
        END $$""")
    mirror.rows(
        "CREATE TRIGGER lose AFTER INSERT ON highlevel_model FOR EACH ROW EXECUTE FUNCTION lose()"
    )

    assert work() == 1
    assert mirror.counts() == {}
    assert mirror.value("SELECT last_value FROM inserted") == 8
    mirror.rows("UPDATE worker.highlevel_queue SET retry_at = now()")
    while mirror.queue():
        assert work() == 0
    assert mirror.counts() == dict.fromkeys(ids, ALL)
    assert mirror.duplicates() == []


@pytest.mark.slow
@pytest.mark.fault("F35")
@pytest.mark.timeout(400)
def test_a_transaction_that_is_held_open_slows_the_high_level_worker_within_bounds(
    mirror: Mirror, work: Callable[..., int], record_property: Callable[[str, object], None]
) -> None:
    mirror.publish_all()
    rates = []
    with mirror.engine.connect() as holder:
        for held in (False, True):
            if held:
                holder.execution_options(isolation_level="REPEATABLE READ")
                holder.execute(text("SELECT count(*) FROM worker.highlevel_queue"))
            ids: list[int] = []
            for _ in range(6):
                ids += mirror.recordings(500)
                tallies: list[Any] = []
                assert work(report=tallies.append) == 0
                [tally] = tallies
                rates.append((held, tally.recordings / (tally.ended - tally.began)))
            counts = mirror.counts()
            assert all(counts[one] == ALL for one in ids)
    free, bound = (max(rate for held, rate in rates if held is one) for one in (False, True))
    record_property("rates", f"{free:.0f} and {bound:.0f} recordings a second")
    assert bound > free / 4


@pytest.mark.fault("F33")
def test_a_worker_does_not_start_on_a_schema_that_is_not_its_own(
    service: Any, start_evaluator: Start
) -> None:
    job = service.job()
    service.execute("UPDATE acoustic_workers_revision SET version_num = '9999'")

    evaluator = start_evaluator()

    assert evaluator.exit_code() == 3
    assert "install the newer acoustic-workers" in evaluator.printed.read_text()
    assert service.outcomes(job) == []
