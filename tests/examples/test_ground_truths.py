"""The ground truths name AcousticBrainz's classes and follow from the attributes."""

import json
from collections import Counter
from pathlib import Path

import pytest

import examples
from examples.attributes import stream
from examples.corpus import recording_id, write_ground_truths
from examples.draw import draw
from examples.labels import TASKS, Named, Scored, ground_truth

CLASSES = {
    "danceability": "danceable not_danceable",
    "gender": "female male",
    "genre_dortmund": "alternative blues electronic folkcountry funksoulrnb jazz pop raphiphop "
    "rock",
    "genre_electronic": "ambient dnb house techno trance",
    "genre_rosamerica": "cla dan hip jaz pop rhy roc spe",
    "genre_tzanetakis": "blu cla cou dis hip jaz met pop reg roc",
    "ismir04_rhythm": "ChaChaCha Jive Quickstep Rumba-American Rumba-International Rumba-Misc "
    "Samba Tango VienneseWaltz Waltz",
    "mood_acoustic": "acoustic not_acoustic",
    "mood_aggressive": "aggressive not_aggressive",
    "mood_electronic": "electronic not_electronic",
    "mood_happy": "happy not_happy",
    "mood_party": "not_party party",
    "mood_relaxed": "not_relaxed relaxed",
    "mood_sad": "not_sad sad",
    "moods_mirex": "Cluster1 Cluster2 Cluster3 Cluster4 Cluster5",
    "timbre": "bright dark",
    "tonal_atonal": "atonal tonal",
    "voice_instrumental": "instrumental voice",
}


def classes(task: str) -> dict[str, list[str]]:
    return json.loads(examples.ground_truth(task).read_text())["classes"]


def test_there_is_one_for_each_of_the_18_tasks() -> None:
    assert set(examples.tasks()) == set(TASKS) == set(CLASSES)


@pytest.mark.parametrize("task", CLASSES)
def test_classes_are_acousticbrainzs(task: str) -> None:
    assert list(classes(task)) == CLASSES[task].split()


def test_the_classes_above_are_those_that_acousticbrainz_published(shared_data: Path) -> None:
    file = shared_data / "figures" / "acousticbrainz_18_models_accuracy.json"
    models = json.loads(file.read_text())["models"]
    assert {name: set(model["class_counts"]) for name, model in models.items()} == {
        task: set(names.split()) for task, names in CLASSES.items()
    }


@pytest.mark.parametrize("task", CLASSES)
def test_every_class_has_ten_or_more_recordings_of_the_corpus_and_none_is_in_two(task: str) -> None:
    corpus = {recording_id(1, index) for index in range(240)}
    labelled = Counter(identifier for ids in classes(task).values() for identifier in ids)
    assert set(labelled) <= corpus
    assert set(labelled.values()) == {1}
    assert min(map(len, classes(task).values())) >= 10


def test_they_follow_from_seed_and_count(tmp_path: Path) -> None:
    write_ground_truths(tmp_path, 1, 240)
    for task in CLASSES:
        assert (tmp_path / f"{task}.json").read_text() == examples.ground_truth(task).read_text()


def test_a_task_that_does_not_exist_is_named() -> None:
    with pytest.raises(KeyError, match=r"'mood_hungry'.*mood_happy"):
        examples.ground_truth("mood_hungry")


def test_clips_between_the_limits_of_a_scored_task_have_no_label() -> None:
    rule = Scored(
        positive="yes", negative="no", score=lambda clip: clip.index, low=1, high=3, error=0.0
    )
    labels = [rule.label(draw(index, 1), stream(1, index, "test")) for index in range(5)]
    assert labels == ["no", None, None, None, "yes"]


def test_the_errors_of_a_named_task_go_to_the_class_that_sounds_alike() -> None:
    rule = Named(name=lambda _: "jazz", alike={"jazz": "blues"}, error=0.25)
    labels = Counter(rule.label(draw(0, 1), stream(1, index, "test")) for index in range(400))
    assert labels.keys() == {"jazz", "blues"}
    assert labels["blues"] == pytest.approx(100, abs=30)


def test_classes_with_one_clip_are_left_out() -> None:
    clips = [draw(index, 1) for index in range(40)]
    assert all(len(found) > 1 for task in TASKS for found in ground_truth(task, clips).values())
