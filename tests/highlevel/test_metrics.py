"""Metrics, probes and log of a real high-level worker."""

import json
import socket
from collections.abc import Callable
from http.client import HTTPConnection
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.highlevel.mirror import CLASSES, Mirror, Start

Until = Callable[..., Any]


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def ask(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionError:
        return 0, ""
    finally:
        connection.close()


def samples(port: int) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(ask(port, "/metrics")[1])
        for sample in family.samples
    }


def test_recordings_and_the_queue_are_told_and_the_worker_is_ready(
    mirror: Mirror, start: Start, port: int, until: Until
) -> None:
    mirror.publish_all()
    mirror.recordings(7)
    [damaged] = mirror.store([{"no": "document of any layout"}])
    worker = start(ACOUSTIC_METRICS_PORT=str(port))

    done = ("acoustic_highlevel_recordings_total", "written")
    until(lambda: samples(port).get(done) == 7)
    found = samples(port)

    assert found["acoustic_highlevel_recordings_total", "failed"] == 1
    assert found["acoustic_highlevel_models",] == len(CLASSES)
    assert found["acoustic_database_up",] == found["acoustic_schema_fits",] == 1
    assert ask(port, "/healthz") == ask(port, "/readyz") == (200, "ok\n")
    (failed,) = (line for line in worker.log() if line["event"] == "a recording has failed")
    assert failed["recording"] == damaged
    assert failed["batch"] >= 1


def test_every_line_has_the_keys_of_a_high_level_worker_and_is_json(
    mirror: Mirror, start: Start
) -> None:
    mirror.publish_all()
    mirror.recordings(3)
    mirror.store([{"title\x1b": "\u2028\n{"}])
    worker = start("--once")
    assert worker.exit_code() == 0

    lines = worker.printed.read_text().splitlines()
    assert lines
    for line in map(json.loads, lines):
        assert {"worker", "batch", "recording"} <= line.keys()


def test_a_port_that_is_taken_ends_the_worker_with_a_sentence(mirror: Mirror, start: Start) -> None:
    mirror.publish_all()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        worker = start("--once", ACOUSTIC_METRICS_PORT=str(taken.getsockname()[1]))
        assert worker.exit_code() == 2

    assert "a port of its own" in worker.printed.read_text()


def test_a_pause_of_the_queue_is_told_and_its_end(
    mirror: Mirror, start: Start, port: int, until: Until
) -> None:
    mirror.publish_all()
    mirror.recordings(2)
    mirror.rows("SELECT worker.pause_highlevel('disks')")
    paused = ("acoustic_highlevel_queue_paused",)

    first = start(ACOUSTIC_METRICS_PORT=str(port))
    until(lambda: samples(port).get(paused) == 1)
    assert samples(port)["acoustic_highlevel_queue_waiting",] == 2
    first.process.kill()

    mirror.rows("SELECT worker.resume_highlevel()")
    start(ACOUSTIC_METRICS_PORT=str(port))
    until(lambda: samples(port).get(("acoustic_highlevel_queue_waiting",)) is not None)
    assert samples(port)[paused] == 0
