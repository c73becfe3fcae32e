"""Hostile names go through the whole worker: dataset, job, files, log, and what commands show."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.hostile_text import NASTY, acting
from worker.commands import main

pytestmark = pytest.mark.timeout(300)

SEARCH = {"preprocessing_values": ["basic"], "c_values": [1], "gamma_values": [-3]}
HARMLESS_NAME = re.compile(r"[A-Za-z0-9._-]{1,160}")
# The first of each group is the name of the dataset too.
NAMES = sorted(NASTY)
GROUPS = [NAMES[start::5] for start in range(5)]
IN_REASONS = ("escape", "line", "carriage return")


@dataclass(frozen=True)
class Ran:
    """What an evaluator did with the jobs of `GROUPS` and `IN_REASONS`."""

    service: Any
    done: dict[str, UUID]  # the job in which a name is a class
    failed: dict[str, UUID]
    log: str


@pytest.fixture(scope="module")
def ran(module_service: Any, module_start: Any, until: Any) -> Ran:
    """Evaluate datasets with the names: of the dataset, of its classes, and in its options."""
    service = module_service
    members = [tuple(service.recordings(4, float(centre))) for centre, _ in enumerate(GROUPS[0])]
    done, failed = {}, {}
    for group in GROUPS:
        texts = [NASTY[name] for name in group]
        job = service.job(
            service.snapshot(list(zip(texts, members, strict=True)), name=texts[0]),
            {**SEARCH, "note": texts, **{text: text for text in texts}},
        )
        done |= dict.fromkeys(group, job)
    for name in IN_REASONS:
        one_class = [(NASTY[name], members[0])]
        failed[name] = service.job(service.snapshot(one_class, name=NASTY[name]))
    evaluator = module_start(log_format="console")
    until(lambda: service.status(failed[IN_REASONS[-1]]) == "failed", 240)
    evaluator.process.terminate()
    evaluator.exit_code()
    return Ran(service, done, failed, evaluator.printed.read_bytes().decode())


def acoustic(service: Any, *arguments: object) -> Result:
    settings = {
        "DATABASE_URL": service.database_url,
        "ACOUSTIC_MODEL_DIR": str(service.models),
        "ACOUSTIC_PROJECT_DIR": str(service.projects),
    }
    return CliRunner().invoke(main, [str(part) for part in arguments], env=settings)


@pytest.mark.parametrize("name", NASTY)
def test_a_job_is_done_and_shown_without_a_character_that_acts(ran: Ran, name: str) -> None:
    service, job = ran.service, ran.done[name]
    (bundle,) = service.bundles(job)

    shown = [
        acoustic(service, "jobs", "show", job, "--all", "--traceback"),
        acoustic(service, "jobs", "show", job, "--json"),
        acoustic(service, "jobs", "watch", job),
        acoustic(service, "models", "inspect", bundle),
        acoustic(service, "models", "inspect", bundle, "--json"),
    ]

    assert service.status(job) == "done"
    assert [result.exit_code for result in shown] == [0] * 5
    assert acting("".join(result.output for result in shown)) == set()


@pytest.mark.parametrize("name", NASTY)
def test_its_project_folder_is_data_and_says_what_the_dataset_said(ran: Ran, name: str) -> None:
    folder = ran.service.projects / str(ran.done[name])

    # The loader knows no tag but those of YAML itself: no object, no call.
    truth = yaml.safe_load((folder / "groundtruth.yaml").read_bytes())["groundTruth"]
    project = yaml.safe_load((folder / "project.yaml").read_bytes())

    group = next(group for group in GROUPS if name in group)
    assert set(truth.values()) == {NASTY[one] for one in group}
    assert Path(project["groundtruth"]) == folder / "groundtruth.yaml"


def test_no_file_has_a_name_that_somebody_chose(ran: Ran) -> None:
    service = ran.service
    made = [path.relative_to(service.folder) for path in service.folder.rglob("*")]

    assert {path.parts[0] for path in made} == {"models", "projects", "evaluator-0.log"}
    assert [path for path in made if not all(map(HARMLESS_NAME.fullmatch, path.parts))] == []
    assert not any(path.is_symlink() for path in service.folder.rglob("*"))
    assert not Path("/tmp/escaped-by-name").exists()


def test_every_line_of_the_log_is_one_of_the_workers(ran: Ran) -> None:
    lines = ran.log.split("\n")

    assert acting(ran.log) == set()
    assert [line for line in lines if line and not re.match(r"\d{4}-\d\d-\d\dT\S+ +\[", line)] == []
    assert sum("attempt failed" in line for line in lines) == len(IN_REASONS)
    assert sum(re.match(r"\S+ \[info +\] job done ", line) is not None for line in lines) == len(
        GROUPS
    )


@pytest.mark.parametrize("arguments", [("list",), ("list", "--json"), ("watch",)])
def test_all_jobs_are_listed_without_a_character_that_acts(
    ran: Ran, arguments: tuple[str, ...]
) -> None:
    result = acoustic(ran.service, "jobs", *arguments)

    assert result.exit_code == 0
    # Between the fields of a list, and nowhere else.
    tabs = {"\t"} if arguments == ("list",) else set()
    assert acting(result.output) == tabs
    assert {line.count("\t") for line in result.stdout.splitlines()} <= ({8} if tabs else {0})


def test_what_the_view_for_people_shows_is_one_line_a_job(ran: Ran) -> None:
    service = ran.service
    listed = acoustic(service, "jobs", "list").output.splitlines()

    for job in {*ran.done.values(), *ran.failed.values()}:
        assert sum(line.startswith(str(job)) for line in listed) == 1


@pytest.mark.parametrize("group", GROUPS)
def test_a_model_is_published_and_listed_whatever_its_classes_are_called(
    ran: Ran, group: list[str]
) -> None:
    job, named = ran.done[group[0]], f"model{GROUPS.index(group)}"
    as_what = ("--name", named, "--version", "v1", "--status", "show")

    published = acoustic(ran.service, "models", "publish", job, *as_what)
    listed = acoustic(ran.service, "models", "list")
    as_json = acoustic(ran.service, "models", "list", "--json")

    assert published.exit_code == listed.exit_code == as_json.exit_code == 0, published.output
    assert acting(published.output + listed.output + as_json.output) == set()
    lines = [json.loads(line) for line in as_json.output.splitlines()]
    (one,) = [line for line in lines if line["name"] == named]
    assert set(one["classes"]) == {NASTY[name] for name in group}


@pytest.mark.parametrize("option", ["--name", "--version"])
@pytest.mark.parametrize("name", IN_REASONS)
def test_a_model_is_not_published_under_a_name_that_acts(ran: Ran, name: str, option: str) -> None:
    given = {"--name": "x", "--version": "y", option: NASTY[name]}
    service, job = ran.service, ran.done[name]

    result = acoustic(
        service,
        "models",
        "publish",
        job,
        "--status",
        "show",
        *(part for pair in given.items() for part in pair),
    )

    assert result.exit_code == 2
    assert acting(result.output) == set()
