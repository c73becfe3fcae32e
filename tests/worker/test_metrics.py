"""Metrics and probes of a real evaluator, asked as Prometheus and a container platform ask."""

import select
import shutil
import socket
import subprocess
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schema import evaluation_jobs
from worker.heartbeat import LONGEST_SECONDS, Heartbeat
from worker.metrics import Aging
from worker.settings import Settings, SettingsError

Start = Callable[..., Any]
Until = Callable[..., Any]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def ask(port: int, path: str, *, method: str = "GET") -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()


def samples(port: int) -> dict[tuple[str, ...], float]:
    """Each value by its name and the values of its labels."""
    status, body = ask(port, "/metrics")
    assert status in (0, 200)
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


@pytest.fixture
def watched(start_evaluator: Start, port: int, until: Until) -> Any:
    """An evaluator that is ready."""
    evaluator = start_evaluator(metrics_port=port)
    until(lambda: ask(port, "/readyz") == (200, "ok\n"))
    return evaluator


def test_a_job_that_was_done_is_counted_with_what_it_took(
    watched: Any, service: Any, port: int, until: Until
) -> None:
    service.wait_for(service.job(), "done")

    done = ("acoustic_evaluation_attempts_total", "done", "done")
    until(lambda: samples(port)[done] == 1)
    found = samples(port)
    assert found["acoustic_evaluation_attempt_seconds_count", "done"] == 1
    assert found["acoustic_evaluation_attempt_seconds_sum", "done"] > 0
    assert found["acoustic_evaluation_cpu_seconds_total",] > 0
    assert found["acoustic_evaluation_peak_memory_bytes",] > 1e6
    assert found["acoustic_evaluation_attempts_total", "crashed", "failed"] == 0
    assert found["acoustic_evaluator_busy",] == 0
    assert found["acoustic_database_up",] == found["acoustic_schema_fits",] == 1
    assert found["acoustic_notify_listening",] == 1
    assert found["acoustic_notify_received_total",] > 0
    assert found["acoustic_loop_age_seconds",] < LONGEST_SECONDS
    assert {"evaluator", watched.log()[0]["worker"]} < set(
        next(key for key in found if key[0] == "acoustic_worker_info")
    )


def test_the_queue_and_the_lease_are_told_while_a_job_runs(
    watched: Any, service: Any, port: int, until: Until
) -> None:
    snapshot = service.snapshot(service.classes())
    with service.documents_locked():
        service.job(snapshot)
        service.wait_until_blocked()
        service.job(snapshot)
        until(lambda: samples(port)["acoustic_evaluation_jobs_pending",] == 1)
        until(lambda: samples(port)["acoustic_lease_renewal_lag_seconds_count",] > 0)
        found = samples(port)
        age = "acoustic_evaluation_oldest_pending_age_seconds"
        until(lambda: samples(port)[age,] > found[age,])

    assert found["acoustic_evaluation_jobs_running",] == found["acoustic_evaluator_busy",] == 1
    assert found["acoustic_evaluation_leases_expired",] == 0
    assert found["acoustic_evaluation_queue_paused",] == 0
    assert found["acoustic_lease_seconds",] == 4
    assert 0 < found["acoustic_lease_age_seconds",] < 4
    assert watched.process.poll() is None


def test_a_job_that_is_taken_away_is_a_fenced_write(
    watched: Any, service: Any, port: int, until: Until
) -> None:
    snapshot = service.snapshot(service.classes())
    with service.documents_locked():
        job = service.job(snapshot)
        service.wait_until_blocked()
        service.execute("SELECT worker.cancel_evaluation(:job)", job=job)
        until(lambda: samples(port)["acoustic_fenced_writes_total",] == 1)

    assert samples(port)["acoustic_evaluation_attempts_total", "lost", "unknown"] == 1
    assert watched.process.poll() is None


def test_without_the_database_a_scrape_answers_at_once_and_the_worker_is_not_ready(
    watched: Any, service: Any, port: int, until: Until
) -> None:
    with service.closed():
        until(lambda: ask(port, "/readyz")[0] == 503)
        assert "cannot be used" in ask(port, "/readyz")[1]
        assert ask(port, "/healthz") == (200, "ok\n")
        until(lambda: samples(port)["acoustic_notify_listening",] == 0)
        found = samples(port)

    assert found["acoustic_database_up",] == 0
    assert found["acoustic_database_errors_total", "outage"] > 0
    until(lambda: ask(port, "/readyz")[0] == 200)
    assert watched.process.poll() is None


def test_a_schema_that_changes_under_a_worker_makes_it_not_ready(
    watched: Any, service: Any, port: int, until: Until
) -> None:
    service.execute("UPDATE acoustic_workers_revision SET version_num = '9999'")

    until(lambda: ask(port, "/readyz")[0] == 503)

    assert "newer than this program" in ask(port, "/readyz")[1]
    assert samples(port)["acoustic_schema_fits",] == 0
    assert watched.process.poll() is None


def test_clients_that_never_say_or_read_anything_hold_up_no_job(
    watched: Any, service: Any, port: int, until: Until
) -> None:
    place = ("127.0.0.1", port)
    with ExitStack() as opened:
        silent = [opened.enter_context(socket.create_connection(place)) for _ in range(20)]
        # Beyond a few, they are turned away: the end of a connection can be read.
        until(lambda: len(select.select(silent, [], [], 0)[0]) >= 12)
        service.wait_for(service.job(), "done")

    assert watched.process.poll() is None


def test_what_is_not_there_is_told_and_a_head_has_no_body(watched: Any, port: int) -> None:
    status, body = ask(port, "/secrets?x=1")

    assert (status, "/readyz" in body) == (404, True)
    assert ask(port, "/metrics", method="HEAD") == (200, "")
    assert ask(port, "/metrics", method="POST")[0] == 501
    assert watched.process.poll() is None


def test_promtool_has_nothing_against_the_metrics(watched: Any, service: Any, port: int) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    service.wait_for(service.job(), "done")

    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=ask(port, "/metrics")[1],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert watched.process.poll() is None


def test_a_port_that_is_taken_is_an_error_that_names_it(start_evaluator: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        evaluator = start_evaluator(metrics_port=port)

        assert evaluator.exit_code() == 2

    said = evaluator.printed.read_text()
    assert f"ACOUSTIC_METRICS_PORT is {port}" in said
    assert "a port of its own" in said
    assert "Traceback" not in said


def test_without_a_port_nothing_listens(start_evaluator: Start, until: Until) -> None:
    evaluator = start_evaluator()
    until(evaluator.log)
    inodes = {
        link.readlink().name
        for link in Path(f"/proc/{evaluator.process.pid}/fd").iterdir()
        if link.is_symlink()
    }
    listening = {
        f"socket:[{line.split()[9]}]"
        for family in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{family}").read_text().splitlines()[1:]
        if line.split()[3] == "0A"
    }

    assert inodes & listening == set()


def test_a_loop_that_stands_still_is_told() -> None:
    heartbeat = Heartbeat(None)
    assert heartbeat.stuck() is None

    heartbeat._last -= LONGEST_SECONDS + 1

    assert "stood still" in str(heartbeat.stuck())
    heartbeat.beat()
    assert heartbeat.stuck() is None


def test_an_age_grows_between_two_measurements() -> None:
    age = Aging()
    age.measured(100)
    first = age()

    assert 100 <= first <= age()
    age.measured(None)
    assert age() == 0


def test_jobs_that_wait_after_a_failure_are_not_those_that_could_be_begun(service: Any) -> None:
    def measured() -> evaluation_jobs.QueueLoad:
        with service.engine.connect() as connection:
            return evaluation_jobs.measure(connection)

    assert (measured().pending, measured().oldest) == (0, None)
    job = service.job()
    service.execute("UPDATE dataset_eval_jobs SET created = now() - interval '1 h'")
    assert measured().pending == 1
    assert (measured().oldest or 0) < 60, "it waits since it became pending"

    service.execute("UPDATE dataset_eval_jobs SET updated = created")
    assert 3600 <= (measured().oldest or 0) < 3660
    service.execute(
        "INSERT INTO worker.evaluation_attempts"
        " (job_id, attempt, worker, host, lease_until, ended, outcome, counted, retry_at)"
        " VALUES (:job, 1, 'w', 'h', now(), now(), 'error', true, now() + interval '1 h')",
        job=job,
    )

    found = measured()
    assert (found.pending, found.deferred, found.oldest) == (0, 1, None)
    service.execute("SELECT worker.pause_evaluation('test')")
    assert measured().paused


def test_the_queue_is_measured_though_a_job_waits_since_before_all_time(service: Any) -> None:
    service.job()
    service.execute("UPDATE dataset_eval_jobs SET created = '-infinity', updated = '-infinity'")

    with service.engine.connect() as connection:
        found = evaluation_jobs.measure(connection)

    assert (found.pending, found.oldest) == (1, float("inf"))


def test_an_address_is_a_number() -> None:
    environment = {"DATABASE_URL": "postgresql://x/y", "ACOUSTIC_METRICS_ADDRESS": "everywhere"}

    with pytest.raises(SettingsError, match="has to be an IP address of this host"):
        Settings.from_environment(environment)
