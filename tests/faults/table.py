"""Plugin of pytest that writes the table of faults from what a run observed.

python -m pytest -m fault -p tests.faults.table                 all of it
python -m pytest -m fault -p tests.faults.table --only F25      this row; the others stay
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.matrix import FAULTS, NOT_INJECTED, PARTS_NOT_INJECTED

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- {}: begin -->", "<!-- {}: end -->"

WORST_LAST = ("passed", "skipped", "failed")


@dataclass(frozen=True)
class Observed:
    """What one test saw."""

    test: str
    outcome: str  # passed, failed, skipped
    reason: str
    recovery: float | None

    @property
    def behaviour(self) -> str:
        name = self.test.rpartition("::")[2].partition("[")[0]
        return name.removeprefix("test_").replace("_", " ")


class Recorder:
    """Collects reports; with pytest-xdist those of all processes come here."""

    def __init__(self, only: Collection[str]) -> None:
        self.only = only
        self.seen: dict[str, dict[str, Observed]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.outcome == "passed" and report.when != "call":
            return
        properties = list(report.user_properties)
        recoveries = [value for name, value in properties if name == "recovery"]
        observed = Observed(
            test=report.nodeid,
            outcome=report.outcome,
            reason=_reason(report),
            recovery=max(map(float, recoveries), default=None),
        )
        for name, number in properties:
            if name == "fault":
                self.seen.setdefault(str(number), {})[report.nodeid] = observed

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not hasattr(session.config, "workerinput") and self.seen:
            rows = list(table(self.seen))
            if self.only:
                rows = [row if _number(row) in self.only else old for row, old in _beside(rows)]
            replace_part(PAGE, "faults", "\n".join(rows))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--only", action="append", default=[], choices=list(FAULTS), metavar="FAULT")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Recorder(config.getoption("--only")), "fault table")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep all tests of the faults that are asked for, so that their rows are whole."""
    only = set(config.getoption("--only"))
    if only:
        chosen = [item for item in items if only & {*_faults(item)}]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen


def _faults(item: pytest.Item) -> Iterator[str]:
    for marker in item.iter_markers("fault"):
        yield from marker.args


def _number(row: str) -> str:
    return row.split("|")[1].strip()


def _beside(rows: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give each row with the one that the page has."""
    name = "faults"
    text = PAGE.read_text().split(BEGIN.format(name))[1].split(END.format(name))[0]
    old = {_number(row): row for row in text.strip().splitlines()}
    for row in rows:
        yield row, old[_number(row)]


def replace_part(page: Path, name: str, content: str) -> None:
    """Replace what stands between two markers of a page."""
    begin, end = BEGIN.format(name), END.format(name)
    text = page.read_text()
    assert text.count(begin) == text.count(end) == 1, f"{page} has no part {name!r}"
    before, rest = text.split(begin)
    page.write_text(f"{before}{begin}\n{content}\n{end}{rest.split(end)[1]}")


def table(seen: Mapping[str, Mapping[str, Observed]]) -> Iterator[str]:
    yield "| # | fault | expected | observed | recovery |"
    yield "|---|---|---|---|---|"
    for number, fault in FAULTS.items():
        tests = list(seen.get(number, {}).values())
        cells = [number, fault.made, fault.expected, _observed(number, tests), _recovery(tests)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _observed(number: str, tests: Sequence[Observed]) -> str:
    if not tests:
        return f"**not injected**: {NOT_INJECTED.get(number, 'no test ran')}"
    said = []
    for outcome in WORST_LAST:
        behaviours = dict.fromkeys(one.behaviour for one in tests if one.outcome == outcome)
        count = sum(one.outcome == outcome for one in tests)
        if behaviours:
            word = outcome if outcome == "passed" else f"**{outcome}**"
            said.append(f"{word} ({count}): {'; '.join(behaviours)}")
        if outcome == "skipped":
            said += dict.fromkeys(one.reason for one in tests if one.outcome == outcome)
    if number in PARTS_NOT_INJECTED:
        said.append(f"not injected: {PARTS_NOT_INJECTED[number]}")
    return "<br>".join(said)


def _recovery(tests: Sequence[Observed]) -> str:
    times = [one.recovery for one in tests if one.recovery is not None and one.outcome == "passed"]
    return f"{max(times):.1f} s" if times else ""


def _reason(report: pytest.TestReport) -> str:
    if report.outcome == "skipped" and isinstance(report.longrepr, tuple):
        return re.sub(r"\s+", " ", report.longrepr[2].removeprefix("Skipped: "))
    return ""
