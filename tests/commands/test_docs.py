"""The documentation: what it tells people to type runs, what it names exists."""

import doctest
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import Engine, text

import examples
import trainer
from trainer.findings import find
from trainer.options import TAKES
from worker import settings
from worker.commands import main

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in BLOCK.findall(page.read_text()) if language in languages]


def calls(page: Path) -> Iterator[list[str]]:
    """Every call of the program, in blocks and in running text."""
    lines = "\n".join(blocks(page, "sh", "console")).replace("\\\n", " ").splitlines()
    prose = BLOCK.sub("", page.read_text())
    lines += [" ".join(code.split()) for code in re.findall(r"`(acoustic [^`]+)`", prose)]
    for line in (line.strip().removeprefix("$ ") for line in lines):
        if line.startswith("acoustic "):
            yield shlex.split(line.split(" > ")[0], comments=True)[1:]


def command_of(call: list[str]) -> click.Command:
    command: click.Command = main
    for word in call:
        if not isinstance(command, click.Group) or word.startswith("-"):
            break
        found = command.get_command(click.Context(command), word)
        assert found is not None, f"there is no command {word} in acoustic {' '.join(call)}"
        command = found
    return command


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_and_flag_that_is_named_exists(page: Path) -> None:
    for call in calls(page):
        known = {flag for option in command_of(call).params for flag in option.opts}
        assert {word for word in call if word.startswith("--")} <= known | {"--help"}, call


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_setting_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bACOUSTIC_[A-Z_]+\b", page.read_text()))

    assert named <= set(settings._known()) | {"ACOUSTIC_REQUIRE_SHARED_DATA"}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_is_called_for_make_is_in_the_makefile(page: Path) -> None:
    makefile = (ROOT / "Makefile").read_text()

    for target in re.findall(r"`make\s+(\w+)", page.read_text()):
        assert f"\n{target}:" in makefile


def test_options_that_the_reading_of_evaluations_names_exist() -> None:
    page = (ROOT / "docs" / "explanation" / "evaluation.md").read_text()

    assert set(re.findall(r"options? `(\w+)`", page)) <= set(TAKES)


def test_every_key_of_a_report_is_explained() -> None:
    dataset = trainer.Dataset.prepare(examples.ground_truth("gender"), examples.documents())
    project = trainer.Project(("basic",), ("rbf",), (1,), (-3,))
    report = trainer.train(dataset, project).report()
    page = (ROOT / "docs" / "reference" / "report.md").read_text()
    explained = re.findall(r"^(`.*`)\n: ", page, re.MULTILINE)

    assert set(re.findall(r"`(\w+)`", " ".join(explained))) == set(report)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_is_typed_into_python_says_what_it_is_shown_to_say(page: Path, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    shown = "".join(blocks(page, "pycon"))
    example = doctest.DocTestParser().get_doctest(shown, {}, page.name, str(page), 0)
    said = io.StringIO()

    with chdir(tmp_path):
        result = doctest.DocTestRunner().run(example, out=said.write)

    assert result.attempted == len(re.findall(r"^>>> ", shown, re.MULTILINE))
    assert not result.failed, said.getvalue()


def test_every_kind_of_finding_is_explained() -> None:
    source = Path(sys.modules[find.__module__].__file__ or "").read_text()
    kinds = set(re.findall(r'Finding\(\s*f?"([^"]+)"', source))
    page = (ROOT / "docs" / "explanation" / "evaluation.md").read_text()

    spelled = {kind.replace("{noun}", noun) for kind in kinds for noun in ("artist", "album")}
    assert len(kinds) > 5
    assert {kind for kind in spelled if f"*{kind}*" not in page} == set()


@pytest.mark.timeout(300)
def test_the_tutorial_runs_and_says_what_it_is_shown_to_say(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text()
    steps = re.findall(
        r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```)?", page, re.MULTILINE | re.DOTALL
    )
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    environment = {"PATH": path, "HOME": str(tmp_path), "PYTHONPATH": str(ROOT), "COLUMNS": "100"}

    assert len(steps) > 5
    for script, shown in steps:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        said = {line.strip() for line in done.stdout.splitlines()}
        assert {line.strip() for line in shown.splitlines()} <= said, done.stdout
    assert (tmp_path / "timbre.html").exists()


def sql(page: str) -> list[str]:
    body = "\n".join(blocks(ROOT / "docs" / "how-to" / page, "sql"))
    return [statement.strip() for statement in body.split(";") if statement.strip()]


@pytest.mark.parametrize("statement", sql("sql.md"))
def test_sql_that_is_shown_runs(engine: Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement.replace("%", "%%")).all()


def test_roles_that_are_given_to_users_are_there(
    on_database: Callable[..., Any], engine: Engine
) -> None:
    assert on_database("roles").exit_code == 0
    with engine.connect() as connection:
        there = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())

    given = re.findall(r"IN ROLE (\w+)", "\n".join(sql("adopt-acousticbrainz.md")))
    assert given
    assert set(given) <= there


@pytest.mark.parametrize("page", ["add-a-model.md", "several-hosts.md"])
def test_what_works_on_a_database_runs_as_it_stands(
    page: str, on_database: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for block in blocks(ROOT / "docs" / "how-to" / page, "sh"):
        for line in block.splitlines():
            result = on_database(*shlex.split(line)[1:])
            assert result.exit_code == 0, result.stderr
