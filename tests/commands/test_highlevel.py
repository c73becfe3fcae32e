import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from schema import lowlevel

Command = Callable[..., Any]

MBID = UUID("0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e")


@pytest.fixture
def recordings(engine: Engine, corpus: dict[str, Any]) -> int:
    """Store ten examples; how many there are."""
    chosen = list(corpus.values())[:10]
    with engine.begin() as connection:
        return lowlevel.insert(connection, [(UUID(int=n), d) for n, d in enumerate(chosen, 1)])


@pytest.fixture
def bad(engine: Engine) -> int:
    """Store a document that no model can use; its id."""
    with engine.begin() as connection:
        lowlevel.insert(connection, [(MBID, {"lowlevel": {"a": "text"}})])
        found = connection.execute(text("SELECT id FROM lowlevel WHERE gid = :m"), {"m": MBID})
        identifier: int = found.scalar_one()
        return identifier


PUBLISH = ("models", "publish")
AS = ("--name", "danceability", "--version", "v1", "--status", "show")


@pytest.mark.usefixtures("recordings")
def test_published_models_are_computed_by_the_daemon(
    on_database: Command, model: Path, engine: Engine
) -> None:
    published = on_database(*PUBLISH, model, *AS)
    run = on_database("highlevel", "run", "--once", "--batch", "3")

    assert published.exit_code == run.exit_code == 0
    assert "danceability v1 is published as show." in published.output
    assert "acoustic highlevel backfill --model danceability:v1" in published.output
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM highlevel_model")).scalar() == 10


def test_a_document_that_fails_is_listed_and_retried(
    on_database: Command, model: Path, bad: int
) -> None:
    on_database(*PUBLISH, model, *AS)
    on_database("highlevel", "run", "--once")

    listed = on_database("highlevel", "failed")
    as_json = json.loads(on_database("highlevel", "failed", "--json").stdout)
    retried = on_database("highlevel", "retry", bad)
    again = on_database("highlevel", "failed")

    assert f"{MBID}:0" in listed.stdout
    assert as_json["id"] == bad
    assert "numeric descriptor" in as_json["error"]
    assert retried.stdout == "1 recording will be looked at again.\n"
    assert "No recording has failed." in again.stderr


@pytest.mark.usefixtures("bad")
@pytest.mark.parametrize("which", [("--all",), (str(MBID),), (str(MBID).upper(),)])
def test_a_recording_is_retried_by_its_mbid_or_with_all(
    on_database: Command, model: Path, which: tuple[str, ...]
) -> None:
    on_database(*PUBLISH, model, *AS)
    on_database("highlevel", "run", "--once")

    retried = on_database("highlevel", "retry", *which)

    assert retried.stdout == "1 recording will be looked at again.\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "Give either ids or --all."),
        (("--all", "1"), "Give either ids or --all."),
        (("x1",), "neither the id of a low-level document nor an MBID"),
        (("7",), "There is no low-level document with id 7."),
        ((str(UUID(int=7)),), "There is no low-level document of recording"),
    ],
)
def test_a_retry_says_what_it_does_not_understand(
    on_database: Command, arguments: tuple[str, ...], problem: str
) -> None:
    done = on_database("highlevel", "retry", *arguments)

    assert done.exit_code == 2
    assert problem in done.stderr


@pytest.mark.usefixtures("recordings")
def test_a_backfill_in_parts_reaches_every_recording(
    on_database: Command, model: Path, engine: Engine
) -> None:
    on_database(*PUBLISH, model, *AS)
    on_database("highlevel", "run", "--once")
    on_database(*PUBLISH, model, "--name", "other", "--version", "v2", "--status", "hidden")

    first = on_database("highlevel", "backfill", "--model", "other:v2", "--limit", "4")
    second = on_database("highlevel", "backfill", "--model", "other")
    on_database("highlevel", "run", "--once")

    assert "Not all were looked at yet: 4 recordings put into the queue." in first.stdout
    assert "All were looked at: 6 recordings put into the queue." in second.stdout
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM highlevel_model")).scalar() == 20


@pytest.mark.usefixtures("recordings")
def test_a_backfill_of_nothing_lacking_enqueues_nothing(on_database: Command, model: Path) -> None:
    on_database(*PUBLISH, model, *AS)
    on_database("highlevel", "run", "--once")

    done = on_database("highlevel", "backfill")

    assert "All were looked at: 0 recordings put into the queue." in done.stdout


@pytest.mark.parametrize("model_name", [None, "mood", "mood:v1"])
def test_a_backfill_of_a_model_that_is_not_published_says_so(
    on_database: Command, model_name: str | None
) -> None:
    chosen = () if model_name is None else ("--model", model_name)

    done = on_database("highlevel", "backfill", *chosen)

    assert done.exit_code == 2
    assert "is published; see acoustic models list." in done.stderr


@pytest.mark.usefixtures("recordings")
def test_the_status_counts_what_waits(on_database: Command, model: Path) -> None:
    on_database(*PUBLISH, model, *AS)

    shown = on_database("highlevel", "status")
    as_json = json.loads(on_database("highlevel", "status", "--json").stdout)

    assert "danceability v1" in shown.stdout
    assert (as_json["waiting"], as_json["again"], as_json["failed"]) == (10, 0, 0)


def test_once_without_models_ends_with_what_to_do(on_database: Command) -> None:
    done = on_database("highlevel", "run", "--once")

    assert done.exit_code == 2
    assert "acoustic models publish" in done.stderr


def test_a_profile_lists_the_models(
    on_database: Command, model: Path, recordings: int, engine: Engine, tmp_path: Path
) -> None:
    profile = tmp_path / "profile.yaml"
    profile.write_text(
        f"highlevel: {{svm_models: [{model}]}}\n"
        "mergeValues: {metadata: {version: {highlevel: {models_essentia_git_sha: v2.1_beta1}}}}\n"
    )

    done = on_database("highlevel", "run", "--once", "--profile", profile)

    assert done.exit_code == 0
    with engine.connect() as connection:
        rows = connection.execute(
            text("""SELECT m.model, m.model_version, m.status::text, count(*),
                           min(v.data ->> 'models_essentia_git_sha')
                      FROM highlevel_model o JOIN model m ON m.id = o.model
                      JOIN version v ON v.id = o.version GROUP BY 1, 2, 3""")
        ).all()
    assert rows == [("danceability", "v2.1_beta1", "hidden", recordings, "v2.1_beta1")]


def test_published_models_are_listed_and_retired(on_database: Command, model: Path) -> None:
    on_database(*PUBLISH, model, *AS)

    listed = on_database("models", "list")
    as_json = json.loads(on_database("models", "list", "--json").stdout)
    retired = on_database("models", "retire", "danceability:v1")
    after = json.loads(on_database("models", "list", "--json").stdout)

    assert "danceability" in listed.stdout
    assert as_json["class_mapping"] == {
        "danceable": "Danceable",
        "not_danceable": "Not danceable",
    }
    assert retired.stdout == (
        "danceability v1 is retired.\nNo version of danceability is shown now.\n"
    )
    assert after["status"] == "retired"


def test_a_file_that_is_no_model_is_called_so(on_database: Command, tmp_path: Path) -> None:
    (tmp_path / "profile.yaml").write_text("highlevel: {svm_models: [a.history]}\n")

    done = on_database(*PUBLISH, tmp_path / "profile.yaml", *AS)

    assert done.exit_code == 2
    assert "it does not begin as a bundle does, nor as a Gaia .history" in done.stderr


def test_two_shown_versions_are_told(
    on_database: Command, model: Path, recordings: int, engine: Engine
) -> None:
    on_database(*PUBLISH, model, *AS)
    on_database(*PUBLISH, model, "--name", "danceability", "--version", "v2", "--status", "hidden")
    on_database("highlevel", "run", "--once")
    with engine.begin() as connection:
        connection.execute(text("UPDATE model SET status = 'show'"))

    doctor = on_database("doctor")
    shown = on_database("highlevel", "show", UUID(int=recordings))

    assert "danceability is shown in several versions at once, v1, v2" in " ".join(
        doctor.output.split()
    )
    assert "shown in several versions (v1, v2)" in shown.stderr


def test_a_backfill_in_work_is_shown_with_its_models(
    on_database: Command, model: Path, recordings: int
) -> None:
    on_database(*PUBLISH, model, *AS)
    on_database("highlevel", "backfill", "--limit", recordings - 1)

    shown = on_database("highlevel", "status")

    assert f"danceability v1: {recordings - 1} looked at" in " ".join(shown.stdout.split())


def test_the_suggested_command_can_be_pasted(on_database: Command, model: Path) -> None:
    named = ("--name", "it's; mood", "--version", "v 1", "--status", "hidden")

    published = on_database(*PUBLISH, model, *named)

    suggested = published.stderr.partition("acoustic highlevel ")[2]
    assert shlex.split(suggested) == ["backfill", "--model", "it's; mood:v 1"]


def test_a_class_mapping_is_read_from_a_file(
    on_database: Command, model: Path, tmp_path: Path
) -> None:
    mapping = tmp_path / "mapping.json"
    mapping.write_text('{"danceable": "Yes", "not_danceable": "No"}')

    on_database(*PUBLISH, model, *AS, "--class-mapping", mapping)

    [listed] = on_database("models", "list", "--json").stdout.splitlines()
    assert json.loads(listed)["class_mapping"] == {"danceable": "Yes", "not_danceable": "No"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("missing", *AS), "is neither a file that is there nor the id of a job"),
        (("x", "--name", "a", "--version", "v" * 201, "--status", "show"), "more than 200"),
        (("0000", *AS), "No job begins with"),
        (("x", "--name", " ", "--version", "v1", "--status", "show"), "--name"),
        (("x", "--name", "a:b", "--version", "v1", "--status", "show"), "without a colon"),
        (("x", "--name", "../a", "--version", "v1", "--status", "show"), "without slashes"),
        (("x", "--name", "a", "--version", "\x1b[2J", "--status", "show"), "--version"),
        (("x", "--name", "a", "--version", "v1", "--status", "shown"), "'shown'"),
    ],
)
def test_publishing_says_what_it_does_not_understand(
    on_database: Command, arguments: tuple[str, ...], problem: str
) -> None:
    done = on_database(*PUBLISH, *arguments)

    assert done.exit_code == 2
    assert problem in done.stderr


def test_the_doctor_tells_of_the_wrong_folder_first_and_of_its_models_once(
    on_database: Command, model: Path
) -> None:
    for name in ("danceability", "mood_happy", "mood_sad"):
        on_database(*PUBLISH, model, "--name", name, "--version", "v1", "--status", "show")

    # Nobody can write there, not even root.
    told = on_database("doctor", ACOUSTIC_MODEL_DIR="/proc/models")

    assert told.exit_code == 1
    troubles = [line for line in told.stdout.splitlines() if line.startswith("trouble")]
    assert len(troubles) == 2
    assert "/proc/models cannot be written" in troubles[0]
    assert "3 of 3 published models: No such file or directory" in troubles[1]
    assert "set ACOUSTIC_MODEL_DIR to the folder that they were published in" in told.stdout


def test_the_doctor_looks_at_the_files_of_published_models(
    on_database: Command, model: Path, tmp_path: Path
) -> None:
    on_database(*PUBLISH, model, *AS)
    sound = on_database("doctor")
    [published] = (tmp_path / "models").rglob("*.model")
    published.write_bytes(b"damaged")
    damaged = on_database("doctor")
    published.unlink()
    missing = on_database("doctor")

    assert "1 published, whose files are as they were" in sound.output
    assert damaged.exit_code == missing.exit_code == 1
    assert "danceability v1" in damaged.output
    assert "is not the file that was published" in damaged.output
    assert "cannot be read: No such file" in missing.output


def test_a_backfill_without_a_model_leaves_earlier_versions_of_profiles_alone(
    on_database: Command, model: Path, recordings: int, tmp_path: Path
) -> None:
    merged = "{metadata: {version: {highlevel: {models_essentia_git_sha: old}}}}"
    given = tmp_path / "profile.yaml"
    given.write_text(f"highlevel: {{svm_models: [{model}]}}\nmergeValues: {merged}\n")
    on_database("highlevel", "run", "--once", "--profile", given)

    nothing = on_database("highlevel", "backfill")
    on_database(*PUBLISH, model, *AS)
    all_published = on_database("highlevel", "backfill")
    of_profile = on_database("highlevel", "backfill", "--model", "danceability:old")

    assert nothing.exit_code == 2
    assert "say which by --model, danceability:old" in nothing.stderr
    assert "recordings that lack danceability v1." in all_published.stderr
    assert f"{recordings} recordings put into the queue" in all_published.stdout
    assert "0 recordings put into the queue" in of_profile.stdout
    assert f"wait for a worker whose profile has danceability old ({given})" in " ".join(
        of_profile.stderr.split()
    )


def test_the_queue_is_paused_and_resumed(on_database: Command) -> None:
    paused = on_database("highlevel", "pause", "--reason", "the disk is full")
    again = on_database("highlevel", "pause")
    status = on_database("highlevel", "status")
    health = on_database("doctor")
    resumed = on_database("highlevel", "resume")

    assert "batches that run are finished, no other is begun" in paused.stdout
    assert "is paused already" in again.stdout
    for told in (status.stderr, health.stdout):
        assert "the disk is full; acoustic highlevel resume ends that" in " ".join(told.split())
    assert "goes on" in resumed.stdout
    assert "paused" not in on_database("highlevel", "status").output


def test_lines_that_go_into_a_pipe_end_with_their_text(on_database: Command, model: Path) -> None:
    on_database(*PUBLISH, model, *AS)

    for words in (("models", "list"), ("models", "inspect", model), ("highlevel", "status")):
        lines = on_database(*words).stdout.splitlines()
        assert lines
        assert [line for line in lines if line != line.rstrip()] == []
