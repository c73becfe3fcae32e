"""What workers with a profile compute: listed as what is published is, and never mixed up."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from schema import highlevel, models
from schema.errors import SchemaError
from schema.models import PublishedModel, Status
from tests.highlevel.mirror import Mirror, Start, trained
from tests.trainer.history_writer import history_of
from trainer.models.gaia_history import load_history
from worker.publishing import publish
from worker.settings import SettingsError

Work = Callable[..., int]
Until = Callable[..., Any]


def profile(mirror: Mirror, seeds: Mapping[str, int], version: str = "v1") -> Path:
    """Write a profile, and a bundle for each model: its name and the seed of its training."""
    files = []
    for name, seed in seeds.items():
        path = mirror.folder / f"{seed}" / f"{name}.model"
        trained(name, seed).save(path)
        files.append(str(path))
    written = mirror.folder / "profile.yaml"
    merged = f"{{metadata: {{version: {{highlevel: {{models_essentia_git_sha: {version}}}}}}}}}"
    written.write_text(f"highlevel: {{svm_models: {files}}}\nmergeValues: {merged}\n")
    return written


def listed(mirror: Mirror) -> dict[str, PublishedModel]:
    with mirror.engine.connect() as connection:
        found = models.list_published(connection)
    return {f"{one.name} {one.version}": one for one in found}


def test_what_a_profile_computes_is_listed(mirror: Mirror, work: Work) -> None:
    mirror.recordings(2)

    work(profile=profile(mirror, {"gender": 1, "mood": 1}))

    found = listed(mirror)
    assert {name: one.status for name, one in found.items()} == {
        "gender v1": "hidden",
        "mood v1": "hidden",
    }
    assert found["mood v1"].content == trained("mood").content
    assert found["mood v1"].path is None


def test_a_changed_version_of_a_profile_is_backfilled(mirror: Mirror, work: Work) -> None:
    ids = mirror.recordings(3)
    work(profile=profile(mirror, {"gender": 1}))
    changed = profile(mirror, {"gender": 2}, version="v2")
    work(profile=changed)
    assert mirror.counts() == dict.fromkeys(ids, 1)

    with mirror.engine.begin() as connection:
        new = [one.id for one in models.published_files(connection) if one.version == "v2"]
        highlevel.backfill(connection, new, limit=10, first=True)
    work(profile=changed)

    assert mirror.counts() == dict.fromkeys(ids, 2)


def test_a_profile_with_another_model_of_a_version_is_refused(mirror: Mirror, work: Work) -> None:
    mirror.publish("gender")
    mirror.recordings(1)

    with pytest.raises(SettingsError) as refused:
        work(profile=profile(mirror, {"mood": 1, "gender": 2}))

    for part in ("gender v1", trained("gender").content, trained("gender", 2).content):
        assert part in str(refused.value)
    assert list(listed(mirror)) == ["gender v1"]  # not mood either
    assert mirror.counts() == {}


def test_nothing_else_is_published_as_what_a_profile_computed(mirror: Mirror, work: Work) -> None:
    mirror.recordings(1)
    work(profile=profile(mirror, {"gender": 1}))

    with pytest.raises(SchemaError, match="gender v1 is published already, and is another model"):
        mirror.publish("gender", seed=2)

    made = mirror.publish("gender").model
    assert (made.id, made.status) == (listed(mirror)["gender v1"].id, "show")


def test_a_published_model_stays_what_it_is_when_a_profile_names_it(
    mirror: Mirror, work: Work
) -> None:
    published = mirror.publish("gender").model
    [identifier] = mirror.recordings(1)

    work(profile=profile(mirror, {"gender": 1}))

    assert listed(mirror)["gender v1"] == published
    assert mirror.counts() == {identifier: 1}


def test_models_of_profiles_are_not_computed_without_them(mirror: Mirror, work: Work) -> None:
    mirror.publish("mood")
    mirror.recordings(1)
    work(profile=profile(mirror, {"gender": 1}))
    [identifier] = mirror.recordings(1)

    work()

    assert mirror.rows(
        "SELECT m.model FROM highlevel_model o JOIN model m ON m.id = o.model"
        " WHERE o.highlevel = :i",
        i=identifier,
    ) == [("mood",)]


def test_a_history_and_its_import_are_one_model(mirror: Mirror) -> None:
    history, bundle = (mirror.folder / name for name in ("gender.history", "gender.model"))
    history.write_bytes(history_of(trained("gender"), c=2.0).content())
    load_history(history, name="another", version="v7").save(bundle)
    given: Any = {"name": "gender", "version": "v1", "status": Status.SHOW}

    first = publish(mirror.engine, mirror.models, history, **given).model
    second = publish(mirror.engine, mirror.models, bundle, **given).model

    assert second == first
    assert first.path is not None
    assert Path(first.path).suffix == ".history"


def test_a_model_whose_file_is_not_there_yet_does_not_end_a_worker_in_service(
    mirror: Mirror, start: Start, until: Until
) -> None:
    mirror.publish("gender")
    worker = start()
    until(lambda: "high-level worker started" in worker.events())
    elsewhere, file = mirror.folder / "elsewhere", mirror.folder / "mood.model"
    trained("mood").save(file)
    given: Any = {"name": "mood", "version": "v1", "status": Status.SHOW}
    made = publish(mirror.engine, elsewhere, file, **given).model
    assert made.path is not None

    until(lambda: [one for one in worker.log() if one["level"] == "error"])
    first = mirror.recordings(2)
    until(lambda: mirror.counts() == dict.fromkeys(first, 1))
    (mirror.models / made.path).parent.mkdir(exist_ok=True)
    (elsewhere / made.path).rename(mirror.models / made.path)
    until(lambda: "models changed" in worker.events())
    second = mirror.recordings(2)
    until(lambda: mirror.counts() == {**dict.fromkeys(first, 1), **dict.fromkeys(second, 2)})

    [told] = [one for one in worker.log() if one["level"] == "error"]
    assert "model mood v1 cannot be loaded" in told["problems"][0]


def test_a_model_that_was_retired_stops_a_worker_whose_profile_names_it(
    mirror: Mirror, work: Work
) -> None:
    named = profile(mirror, {"gender": 1, "mood": 1})
    mirror.recordings(1)
    work(profile=named)
    with mirror.engine.begin() as connection:
        models.retire(connection, name="mood")
    mirror.recordings(1)

    with pytest.raises(SettingsError, match="model mood v1 was retired: leave it out") as refused:
        work(profile=named)

    assert "gender" not in str(refused.value)
    assert len(mirror.queue()) == 1


def test_a_model_that_is_retired_in_service_ends_a_worker_whose_profile_names_it(
    mirror: Mirror, start: Start, until: Until
) -> None:
    worker = start("--profile", str(profile(mirror, {"gender": 1, "mood": 1})))
    until(lambda: "high-level worker started" in worker.events())

    with mirror.engine.begin() as connection:
        models.retire(connection, name="mood")

    assert worker.exit_code() == 2
    assert "model mood v1 was retired" in worker.printed.read_text()


def test_what_a_profile_lacks_is_left_to_workers_that_have_it(mirror: Mirror, work: Work) -> None:
    mirror.publish("danceability")
    named = profile(mirror, {"gender": 1})
    [identifier] = mirror.recordings(1)

    work(profile=named)
    work(profile=named)
    [left] = mirror.queue().values()
    computed = mirror.counts()
    work()

    assert left["models"] == [mirror.value("SELECT id FROM model WHERE model = 'danceability'")]
    assert (left["attempts"], left["worker"]) == (0, None)
    assert computed == {identifier: 1}
    assert mirror.counts() == {identifier: 2}
    assert mirror.queue() == {}


def test_a_backfill_for_a_profile_waits_for_a_worker_that_has_it(
    mirror: Mirror, work: Work
) -> None:
    named = profile(mirror, {"gender": 1})
    work(profile=named)
    mirror.publish("danceability")
    [identifier] = mirror.recordings(1)
    work()
    gender = mirror.value("SELECT id FROM model WHERE model = 'gender'")
    with mirror.engine.begin() as connection:
        highlevel.backfill(connection, [gender], limit=10, first=True, of_profile=True)

    work()
    waiting = [row["models"] for row in mirror.queue().values()]
    work(profile=named)

    assert waiting == [[gender]]
    assert mirror.counts() == {identifier: 2}
    assert mirror.queue() == {}


def test_what_is_left_for_others_and_was_interrupted_is_theirs_too(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish("danceability")
    named = profile(mirror, {"gender": 1})
    [identifier] = mirror.recordings(1)
    work(profile=named)
    with mirror.engine.begin() as connection:
        known = [one.id for one in models.published_files(connection)]
        assert highlevel.claim_new(connection, worker="gone", limit=1, models=known)
    mirror.rows("UPDATE worker.highlevel_queue SET retry_at = now()")

    work(profile=named)
    assert mirror.queue()[identifier]["worker"] == "gone"
    work()

    assert mirror.counts() == {identifier: 2}
