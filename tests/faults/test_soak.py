"""Short forms of `make soak`, and that no row of the table is forgotten."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.faults.matrix import FAULTS, NOT_INJECTED
from tests.faults.race import race
from tests.faults.soak import soak
from tests.faults.table import PAGE

TESTS = Path(__file__).parents[1]


@pytest.mark.fault("F19")
def test_two_workers_race_and_every_job_has_one_result(database_url: str) -> None:
    raced = race(database_url, jobs=300)

    assert raced.results == raced.done == raced.attempts == 300
    assert sum(raced.shares) == 300


@pytest.mark.slow
@pytest.mark.fault("F20")
@pytest.mark.timeout(400)
def test_workers_that_are_killed_at_random_lose_no_job_and_leave_no_second_result(
    service: Any,
) -> None:
    soaked = soak(service, minutes=0.5, workers=3, jobs=12)

    assert soaked.done + soaked.failed == 12
    assert soaked.killed > 3


def test_every_fault_is_tested_or_said_not_to_be() -> None:
    marked = re.compile(r"mark\.fault\(([^)]*)\)")
    tested = {
        number
        for path in TESTS.rglob("test_*.py")
        for arguments in marked.findall(path.read_text())
        for number in re.findall(r"F\d+", arguments)
    }

    assert tested | NOT_INJECTED.keys() == FAULTS.keys()
    assert not tested & NOT_INJECTED.keys()


def test_the_page_has_a_row_for_every_fault_and_none_that_failed() -> None:
    rows = re.findall(r"^\| (F\d+) \|(.*)$", PAGE.read_text(), re.MULTILINE)

    assert [number for number, _ in rows] == list(FAULTS)
    assert [number for number, row in rows if "**failed**" in row] == []


def test_every_test_that_the_page_names_is_there() -> None:
    named = re.findall(r"`(test_\w+)`", PAGE.read_text())
    defined = {
        name
        for path in TESTS.rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }

    assert set(named) <= defined
    assert named
