"""Rows of models that somebody edited by SQL: told by the daemon, `models list` and the doctor."""

import json
import shlex
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner, Result

from schema.models import Status
from tests.highlevel.mirror import Mirror, Start
from worker.commands import main
from worker.settings import SettingsError

Command = Callable[..., Result]
Work = Callable[..., int]

UNMAPPED = (
    "gender v1 has a class mapping in the table model that does not have each of its classes "
    "(female, male) with a text"
)
EDITS = {
    "classes": (
        "UPDATE worker.models SET classes = '{female,other}' WHERE name = 'gender'",
        "gender v1 has the classes female, other in worker.models, and female, male in its file",
    ),
    "class mapping": (
        """UPDATE model SET class_mapping = '{"female": "Female"}' WHERE model = 'gender'""",
        UNMAPPED,
    ),
    "class mapping that is none": (
        """UPDATE model SET class_mapping = '[1]' WHERE model = 'gender'""",
        UNMAPPED,
    ),
    "name": (
        "UPDATE model SET model = 'sex', model_version = 'v9' WHERE model = 'gender'",
        "gender v1 is called sex v9 in the table model, and answers call it so",
    ),
}


@pytest.fixture
def acoustic(mirror: Mirror) -> Command:
    def acoustic(*arguments: str) -> Result:
        return CliRunner(env=mirror.environment()).invoke(main, arguments)

    return acoustic


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("edited", EDITS.values(), ids=EDITS)
def test_a_row_that_contradicts_its_model_is_told_by_all_and_mended_by_publishing_again(
    mirror: Mirror, work: Work, acoustic: Command, capsys: Any, edited: tuple[str, str]
) -> None:
    edit, sentence = edited
    path = mirror.models / str(mirror.publish("gender").model.path)
    mirror.publish("mood")
    mirror.recordings(2)
    mirror.rows(edit)

    listed, doctor = acoustic("models", "list"), acoustic("doctor")
    assert work() == 0
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    again = acoustic(
        *("models", "publish", str(path), "--name", "gender", "--version", "v1"),
        *("--status", "show"),
    )

    assert listed.exit_code == 0
    assert sentence in listed.stderr
    assert listed.stderr.count("gender v1") == 1
    assert sentence in flat(doctor.stdout)
    [told] = [line for line in logged if line["level"] == "warning"]
    assert told["problem"] == sentence
    assert "publish" in told["remedy"]
    assert again.exit_code == 0
    assert acoustic("models", "list").stderr == ""
    assert sentence not in flat(acoustic("doctor").stdout)


def test_the_remedy_is_a_command_that_can_be_pasted(mirror: Mirror, acoustic: Command) -> None:
    mirror.publish("gender", "it's v 1", Status.EVALUATION)
    mirror.rows("UPDATE worker.models SET classes = '{a,b}'")

    found, _, remedy = acoustic("models", "list").stderr.partition(": acoustic ")
    command, _, _ = remedy.partition(" sets that right")
    done = acoustic(*shlex.split(command))

    assert "it's v 1" in found
    assert done.exit_code == 0, done.stderr
    assert acoustic("models", "list").stderr == ""
    assert mirror.value("SELECT status::text FROM model") == "evaluation"


def test_rows_that_nobody_edited_are_told_by_nobody(
    mirror: Mirror, work: Work, acoustic: Command, capsys: Any
) -> None:
    mirror.publish_all()
    mirror.recordings(1)

    work()

    assert "contradicts" not in capsys.readouterr().err
    assert acoustic("models", "list").stderr == ""


def test_acousticbrainz_own_row_without_a_mapping_is_no_contradiction(
    mirror: Mirror, acoustic: Command
) -> None:
    mirror.publish("gender")
    mirror.rows("UPDATE model SET class_mapping = NULL")

    assert acoustic("models", "list").stderr == ""


def test_another_file_under_the_version_of_a_model_stops_the_worker(
    mirror: Mirror, work: Work, acoustic: Command
) -> None:
    mirror.publish("gender")
    mirror.publish("gender", "v2", Status.HIDDEN, seed=2)
    mirror.recordings(1)
    mirror.rows("""UPDATE worker.models one SET path = other.path, sha256 = other.sha256
                     FROM worker.models other WHERE one.version = 'v1' AND other.version = 'v2'""")

    with pytest.raises(SettingsError, match=r"gender v1 has the content .* publish another model"):
        work()
    doctor = acoustic("doctor")

    assert doctor.exit_code == 1
    assert "gender v1 has the content" in flat(doctor.stdout)
    assert mirror.counts() == {}


def test_two_shown_versions_are_told_at_the_start_and_by_the_list(
    mirror: Mirror, work: Work, acoustic: Command, capsys: Any
) -> None:
    mirror.publish("gender")
    mirror.publish("gender", "v2", seed=2)
    mirror.recordings(1)
    mirror.rows("UPDATE model SET status = 'show'")

    work()

    sentence = "gender is shown in several versions at once, v1, v2"
    assert sentence in capsys.readouterr().err
    assert sentence in acoustic("models", "list").stderr
    assert sentence in flat(acoustic("doctor").stdout)


def test_a_retired_model_that_is_shown_is_told(mirror: Mirror, acoustic: Command) -> None:
    mirror.publish("gender")
    assert acoustic("models", "retire", "gender").exit_code == 0
    assert acoustic("models", "list").stderr == ""

    mirror.rows("UPDATE model SET status = 'show'")

    assert "gender v1 is retired, and shown all the same" in acoustic("models", "list").stderr
    assert "gender v1 is retired, and shown" in flat(acoustic("doctor").stdout)


def test_a_row_that_is_edited_while_a_worker_runs_does_not_end_it(
    mirror: Mirror, start: Start, until: Callable[..., Any]
) -> None:
    mirror.publish("gender")
    worker = start()
    until(lambda: "high-level worker started" in worker.events())

    mirror.rows("UPDATE worker.models SET content = repeat('0', 64)")
    until(lambda: "models cannot be loaded; those of before are computed" in worker.events())
    ids = mirror.recordings(2)

    until(lambda: mirror.counts() == dict.fromkeys(ids, 1))


def test_what_a_superseded_version_costs_is_told_with_the_command_that_ends_it(
    mirror: Mirror, acoustic: Command
) -> None:
    mirror.publish("mood")
    mirror.publish("gender", "v 1")
    assert acoustic("models", "list").stderr == ""
    mirror.publish("gender", "v2", seed=2)

    listed, status = (acoustic(*words) for words in (("models", "list"), ("highlevel", "status")))

    for told in (listed, status):
        assert "A later version is shown of gender v 1" in told.stderr
        assert "their outputs too, 1 of 3." in told.stderr
    command = listed.stderr.partition("If nobody needs them: acoustic ")[2]
    assert acoustic(*shlex.split(command)).exit_code == 0
    assert acoustic("models", "list").stderr == acoustic("highlevel", "status").stderr == ""


def test_a_hidden_version_that_is_later_than_the_shown_one_is_being_tried(
    mirror: Mirror, acoustic: Command
) -> None:
    mirror.publish("gender")
    mirror.publish("gender", "v2", Status.HIDDEN, seed=2)

    assert acoustic("models", "list").stderr == ""
