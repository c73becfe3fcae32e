"""The README: what it names exists, what exists it names, and what it tells people to type runs."""

import doctest
import io
import json
import re
import shlex
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from uuid import UUID

import click
import pytest
import yaml
from click.testing import Result
from sqlalchemy import Engine

from trainer.options import TAKES, JobOptions
from worker import settings
from worker.commands import main

Acoustic = Callable[..., Result]

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def section(title: str) -> str:
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def calls() -> list[list[str]]:
    """Every call of the program in a shell block."""
    lines = "\n".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("acoustic ")]


def commands(group: click.Group, prefix: str = "acoustic") -> Iterator[str]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}"


def first_cells(title: str) -> set[str]:
    return set(re.findall(r"^\| `([^`]+)` \|", section(title), re.MULTILINE))


WITH_DATABASE = {"doctor", "highlevel", "jobs", "lowlevel", "migrate", "train"}
ON_FILES = {"train", "models", "predict", "evaluate", "compare", "export"}
DUMP = "acousticbrainz-lowlevel-json-20220623-0.tar.zst"
PUBLISH = ["models", "publish"]


def needs_nothing(call: list[str]) -> bool:
    """Whether it needs neither a database nor files that only the reader has."""
    of_the_reader = {"histories/", "imported/*.model", "imported/", "high/"}
    return call[:2] != PUBLISH and not of_the_reader & set(call)


def test_every_command_is_named_and_no_other() -> None:
    assert first_cells("Commands") == set(commands(main))


def test_every_setting_is_named_and_no_other() -> None:
    known = set(settings._known())

    assert first_cells("Settings") == known
    assert set(re.findall(r"\bACOUSTIC_[A-Z_]+\b", README)) <= known


def test_the_defaults_of_settings_are_those_of_the_code() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| `([^`]+)` \|", section("Settings"), re.MULTILINE)

    assert {name: settings._known()[name]["default"] for name, _ in rows} == dict(rows)


def test_every_option_of_a_job_is_named_with_its_default() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section("Options of a job"), re.MULTILINE)
    )
    defaults = JobOptions.parse(None)

    assert set(rows) == set(JobOptions.model_fields) - {"given"}
    for name, said in rows.items():
        default = getattr(defaults, name)
        value = json.loads(said)
        assert default == (tuple(value) if isinstance(value, list) else value) or default == (
            value,
        )


def test_what_every_option_of_a_job_takes_is_said_as_in_the_code() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| [^|]+ \| ([^|]+) \|", section("Options of a job"), re.MULTILINE
    )

    assert dict(rows) == TAKES


def test_every_flag_that_is_named_exists(acoustic: Acoustic) -> None:
    for call in calls():
        path = call[: 2 if call[0] in {"compare", "highlevel", "jobs", "lowlevel", "models"} else 1]
        known = acoustic(*path, "--help").stdout
        assert {word for word in call if word.startswith("--")} <= set(
            re.findall(r"--[\w-]+", known)
        )


def test_what_works_on_files_runs_as_it_stands(acoustic: Acoustic, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")

    with chdir(tmp_path):
        for call in calls():
            if call[0] in ON_FILES and needs_nothing(call):
                result = acoustic(*call)
                assert result.exit_code == 0, result.stderr

    assert (tmp_path / "danceability.model").exists()
    assert (tmp_path / "danceability.json").exists()


def test_what_works_in_python_says_what_it_is_shown_to_say(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (shown,) = blocks("pycon")
    example = doctest.DocTestParser().get_doctest(shown, {}, "README.md", "README.md", 0)
    said = io.StringIO()

    with chdir(tmp_path):
        result = doctest.DocTestRunner().run(example, out=said.write)

    assert result.attempted == len(re.findall(r"^>>> ", shown, re.MULTILINE))
    assert not result.failed, said.getvalue()


def test_what_works_on_a_database_runs_as_it_stands(
    on_database: Acoustic,
    database_url: str,
    engine: Engine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database_url)
    for call in [call for call in calls() if call[0] in WITH_DATABASE or call[:2] == PUBLISH]:
        # Not what lasts until somebody ends it, and what only the reader has.
        if call[:2] != ["jobs", "watch"] and DUMP not in call:
            result = on_database(*call)
            assert result.exit_code == 0, result.stderr
    job = UUID(on_database("jobs", "list", "--json").stdout.split('"')[3])
    assert on_database("jobs", "cancel", job).exit_code == 0
    (sql,) = blocks("sql")
    with engine.begin() as connection:
        for statement in sql.split("\n"):
            told_sql = statement.split("\\watch")[0]
            assert not told_sql or connection.exec_driver_sql(told_sql).all()


def test_what_is_called_for_make_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text()

    for target in re.findall(
        r"\bmake (\w+)", "\n".join([*blocks("sh"), *re.findall(r"`(.*?)`", README)])
    ):
        assert f"\n{target}:" in makefile


def test_paths_that_are_named_are_there() -> None:
    for path in re.findall(r"`((?:examples|LICENSE)[\w./]*)`", README):
        assert (ROOT / path).exists()


def test_links_lead_to_files_that_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_services_that_are_named_are_in_the_compose_file() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    named = re.findall(r"docker compose (?:run --rm|exec) (\w+)", README)

    assert named
    assert set(named) <= set(services)
