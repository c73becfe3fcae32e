"""The high-level worker as a user who is in the role acoustic_worker and no more."""

from collections.abc import Callable
from dataclasses import replace

from tests.highlevel.mirror import CLASSES, Mirror
from worker.highlevel import run


def test_it_gives_recordings_their_outputs_fails_a_document_and_sweeps(
    mirror: Mirror, login_url: Callable[[str], str]
) -> None:
    mirror.publish_all()
    ids = mirror.recordings(5)
    [bad] = mirror.store([{"lowlevel": {}}])
    mirror.rows("DELETE FROM worker.highlevel_queue WHERE id = :id", id=ids[0])  # for the sweep
    stranger = replace(mirror, database_url=login_url("acoustic_worker"))

    assert run(stranger.settings(), once=True) == 0
    stranger.engine.dispose()

    assert mirror.counts() == {**dict.fromkeys(ids, len(CLASSES)), bad: 0}
    assert "no numeric descriptor" in mirror.queue()[bad]["error"]


def test_a_profile_names_models_that_are_not_published(
    mirror: Mirror, login_url: Callable[[str], str]
) -> None:
    ids = mirror.recordings(2)
    model = mirror.folder / "danceability.model"
    from tests.highlevel.mirror import trained  # noqa: PLC0415

    trained("danceability").save(model)
    profile = mirror.folder / "profile.yaml"
    profile.write_text(
        "highlevel:\n    svm_models: [danceability.model]\n"
        "mergeValues: {metadata: {version: {highlevel: {models_essentia_git_sha: v1}}}}\n"
    )
    stranger = replace(mirror, database_url=login_url("acoustic_worker"))

    assert run(stranger.settings(), once=True, profile=profile) == 0
    stranger.engine.dispose()

    assert mirror.counts() == dict.fromkeys(ids, 1)
