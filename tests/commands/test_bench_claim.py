"""``acoustic bench claim``, on few jobs."""

import json
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest

from worker.bench.claim_peers import MissingPeer, peer

SMALL = ("bench", "claim", "--jobs", "20", "--picked", "5", "--poll-seconds", "0.1")


def test_it_does_every_job_once_and_tells_rate_and_latency(acoustic: Callable[..., Any]) -> None:
    done = acoustic(*SMALL, "--json")

    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["mismatches"] == 0
    assert document["ratio"] == {}
    ours = document["figures"]["ours"]
    assert ours["rate"] > 0
    assert 0 < ours["latency"]["notified"]["p50"] <= ours["latency"]["notified"]["p99"]
    assert ours["latency"]["polling"]["p99"] > 0


def test_an_alternative_that_nobody_knows_is_named(acoustic: Callable[..., Any]) -> None:
    done = acoustic(*SMALL, "--against", "carrier-pigeon")

    assert done.exit_code == 2
    assert "there is no alternative 'carrier-pigeon'" in done.stderr


@pytest.mark.skipif(find_spec("procrastinate") is not None, reason="it is installed here")
def test_an_alternative_that_is_not_installed_is_told_with_the_remedy() -> None:
    with pytest.raises(MissingPeer, match="benchmark"):
        peer("procrastinate")


@pytest.mark.skipif(
    find_spec("procrastinate") is None or find_spec("pgqueuer") is None,
    reason="pip install 'acoustic-workers[benchmark]'",
)
def test_the_alternatives_do_the_same_jobs(acoustic: Callable[..., Any]) -> None:
    done = acoustic(*SMALL, "--against", "procrastinate,pgqueuer", "--json")

    document = json.loads(done.stdout)
    assert document["mismatches"] == 0
    assert document["ratio"].keys() == {"procrastinate", "pgqueuer"}
