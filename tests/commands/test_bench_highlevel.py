import json
from collections.abc import Callable
from typing import Any

SMALL = ("--recordings", 24, "--models", 2, "--vectors", 40, "--d", 30, "--sample", 4)


def test_the_daemon_is_measured_from_postgres_to_postgres(process: Callable[..., Any]) -> None:
    done = process("bench", "highlevel", *SMALL, "--batch", 10, "--json")

    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    figures = document["figures"]
    assert figures["rows"] == 24 * 2
    assert (document["mismatches"], figures["compared"]) == (0, (4 + 1) * 2)  # one to warm up
    assert document["ratio"]["sklearn"] > 0
    assert {"claim", "read", "parse", "predict", "write", "commit"} <= figures["stages"].keys()


def test_several_daemons_share_the_work(process: Callable[..., Any]) -> None:
    done = process("bench", "highlevel", *SMALL, "--batch", 3, "--processes", 2)

    assert done.returncode == 0, done.stderr
    assert "in 2 processes" in done.stdout
