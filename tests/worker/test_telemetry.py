import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile_text import NASTY, acting

LOG = """
import logging, structlog, sys
from worker import telemetry
telemetry.configure(sys.argv[1], sys.argv[2])
structlog.contextvars.bind_contextvars(worker="me")
log = structlog.get_logger("worker.test")
log.debug("chatter")
with structlog.contextvars.bound_contextvars(job="j", attempt=2):
    log.info("claimed")
    try:
        password = "sec" + "ret"
        raise ValueError("no")
    except ValueError:
        log.exception("broke")
logging.getLogger("alembic").info("told by a library")
logging.getLogger("alembic").warning("%s by a library", "warned")
log.info("idle")
"""


def printed(log_format: str, log_level: str = "info") -> list[str]:
    """Logging is a matter of a whole process, so it has one of its own here."""
    command = [sys.executable, "-c", LOG, log_format, log_level]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.fixture(scope="module")
def lines() -> list[dict[str, object]]:
    return [json.loads(line) for line in printed("json")]


def test_every_line_says_which_worker_job_and_attempt(lines: list[dict[str, object]]) -> None:
    assert all(line["worker"] == "me" for line in lines)
    assert [(line["job"], line["attempt"]) for line in lines] == [
        ("j", 2),
        ("j", 2),
        (None, None),
        (None, None),
    ]


def test_lines_of_libraries_take_the_same_way_from_warnings_on(
    lines: list[dict[str, object]],
) -> None:
    assert [line["event"] for line in lines] == ["claimed", "broke", "warned by a library", "idle"]


def test_an_exception_is_one_line_of_json(lines: list[dict[str, object]]) -> None:
    assert "ValueError" in json.dumps(lines[1]["exception"])


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_traceback_shows_no_values_of_variables(log_format: str) -> None:
    assert "secret" not in "".join(printed(log_format))


def test_chatter_is_shown_when_asked_for() -> None:
    assert any("chatter" in line for line in printed("json", "debug"))


def test_people_get_lines_without_braces() -> None:
    lines = printed("console")

    assert any("claimed" in line and "job=j" in line for line in lines)
    assert not any(line.startswith("{") for line in lines)


HOSTILE = """
import logging, structlog, sys, warnings
from tests.hostile_text import NASTY
from worker import telemetry
telemetry.configure(sys.argv[1], sys.argv[2])
log = structlog.get_logger("worker.test")
for text in NASTY.values():
    log.info(text, **{text: text, "told": text})
    logging.getLogger("library").warning("%s", text)
    warnings.warn(text, stacklevel=1)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("broke")
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_what_strangers_wrote_neither_acts_nor_passes_for_a_line(log_format: str) -> None:
    command = [sys.executable, "-c", HOSTILE, log_format, "info"]
    done = subprocess.run(
        command, check=True, capture_output=True, cwd=Path(__file__).parents[2]
    ).stderr.decode()

    lines = [line for line in done.split("\n") if line]
    beginnings = [line for line in lines if not line.startswith("  | ")]
    assert acting(done) == set()
    assert len(beginnings) == 4 * len(NASTY)
    assert not any(line.startswith("2026-01-01") for line in lines)
