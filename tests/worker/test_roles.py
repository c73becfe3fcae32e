"""The evaluator as a user who is in the role acoustic_worker and no more."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner

from worker.commands import main

MINE = "acoustic_worker"


@pytest.fixture
def start(service: Any, login_url: Callable[[str], str], evaluators: Any) -> Iterator[Any]:
    """Start evaluators as that user."""
    stranger = replace(service, database_url=login_url(MINE))
    with evaluators(stranger) as start:
        yield start
    stranger.engine.dispose()


@pytest.mark.timeout(120)
def test_it_completes_a_job_and_fails_a_wrong_one(service: Any, start: Any) -> None:
    classes = service.classes()
    wrong = service.job(service.snapshot(classes[:1]))
    sound = service.job(service.snapshot(classes))

    evaluator = start()
    service.wait_for(sound, "done", "failed")
    evaluator.process.terminate()

    assert evaluator.exit_code() == 0
    assert service.status(sound) == "done"
    assert "only one class" in service.show(wrong).status.reason
    assert [line for line in evaluator.log() if "unforeseen" in line["event"]] == []
    assert service.bundles(sound)


def test_the_doctor_finds_nothing_wrong_with_its_rights(
    login_url: Callable[[str], str], service: Any
) -> None:
    settings = {
        "DATABASE_URL": login_url(MINE),
        "ACOUSTIC_MODEL_DIR": str(service.models),
        "ACOUSTIC_PROJECT_DIR": str(service.projects),
    }

    result = CliRunner().invoke(main, ["doctor"], env=settings)

    assert "the user may do all that the daemons do" in result.output
    assert "refuses" not in result.output


def test_the_doctor_says_that_a_database_takes_no_changes(
    login_url: Callable[[str], str], service: Any
) -> None:
    separator = "&" if "?" in login_url(MINE) else "?"
    settings = {
        "DATABASE_URL": login_url(MINE)
        + separator
        + "options=-c%20default_transaction_read_only%3Don",
        "ACOUSTIC_MODEL_DIR": str(service.models),
        "ACOUSTIC_PROJECT_DIR": str(service.projects),
    }

    result = CliRunner().invoke(main, ["doctor"], env=settings)

    assert result.exit_code == 1
    assert "takes no changes: it is read-only" in " ".join(result.output.split())


def test_the_doctor_of_an_enqueuer_names_what_it_lacks(
    login_url: Callable[[str], str], service: Any
) -> None:
    settings = {
        "DATABASE_URL": login_url("acoustic_enqueuer"),
        "ACOUSTIC_MODEL_DIR": str(service.models),
        "ACOUSTIC_PROJECT_DIR": str(service.projects),
    }

    result = CliRunner().invoke(main, ["doctor"], env=settings)

    assert "not all of SELECT, UPDATE on public.dataset_eval_jobs" in result.output
    assert "on worker.highlevel_queue" in result.output
    assert "Traceback" not in result.output


def test_an_enqueuer_uses_the_commands(login_url: Callable[[str], str], service: Any) -> None:
    settings = {"DATABASE_URL": login_url("acoustic_enqueuer")}
    dataset = service.execute(
        """
        WITH someone AS (INSERT INTO "user" (musicbrainz_id) VALUES ('someone') RETURNING id)
        INSERT INTO dataset (id, name, description, author, public)
        SELECT gen_random_uuid(), 'moods', '', id, true FROM someone RETURNING id
        """
    )

    def acoustic(*arguments: str) -> Any:
        return CliRunner().invoke(main, ["jobs", *arguments], env=settings)

    job = acoustic("enqueue", str(dataset)).output.strip()
    listed = acoustic("list", "--json").output
    cancelled = acoustic("cancel", job)
    refused = acoustic("show", job)

    assert json.loads(listed)["id"] == job
    assert "is cancelled" in cancelled.output
    assert refused.exit_code == 1
    assert "The database refuses: permission denied" in refused.output
