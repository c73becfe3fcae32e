"""On noise every estimate is at chance, and what sounds like its album fools only plain folds.

These are invariants of the whole: a leak of test recordings into the training, wherever it is,
lifts one of these figures.
"""

from typing import Any

import numpy as np
import pytest

from trainer.dataset import Dataset, prepare
from trainer.descriptors import LowLevel
from trainer.grid.project import Project
from trainer.ground_truth import GroundTruth
from trainer.judgement import judge
from trainer.options import JobOptions
from trainer.training import train

COUNT, WIDTH = 240, 12
CHANCE = 50.0
# Two and a half deviations of the accuracy of 240 tosses of a coin. Seeds are fixed: what is within
# this once is so always, until the code changes.
NEAR = 8.0

GRID = Project(("basic", "gaussianized"), ("rbf", "poly"), (-1, 3, 7), (-3, -5))


def document(values: Any, **tags: str) -> LowLevel:
    return LowLevel({".lowlevel.noise": np.asarray(values, dtype=np.float32)}, {}, **tags)


def dataset(values: Any, groups: Any = None, *, classes: int = 2) -> Dataset:
    """Classes take turns, group by group where recordings are grouped."""
    documents, members = {}, {f"class-{label}": [] for label in range(classes)}
    for row, each in enumerate(values):
        group = row if groups is None else groups[row]
        recording = f"r{row:04}"
        documents[recording] = document(each, artist=f"artist-{group}")
        members[f"class-{group % classes}"].append(recording)
    ground_truth = GroundTruth.from_classes("noise", members.items())
    return prepare(ground_truth, documents, JobOptions.parse(None))


def noise(seed: int, count: int = COUNT) -> Any:
    return np.random.default_rng(seed).normal(size=(count, WIDTH))


@pytest.fixture(scope="module", params=[1, 2])
def evaluated(request: pytest.FixtureRequest) -> Any:
    """Pure noise, evaluated in every way that there is."""
    project = Project(
        *(GRID.preprocessings, GRID.kernels, GRID.c_exponents, GRID.gamma_exponents),
        nested=True,
        repeats=6,
        learning_curve=True,
    )
    return train(dataset(noise(request.param)), project, 1, jobs=2)


@pytest.fixture(scope="module")
def report(evaluated: Any) -> Any:
    return evaluated.report()


def test_the_corrected_estimate_of_noise_is_at_chance(report: Any) -> None:
    balanced = report["corrected"]["balanced_accuracy"]

    assert balanced["low"] < CHANCE < balanced["high"]
    assert abs(balanced["value"] - CHANCE) < NEAR
    # By as much as choosing the best of many on noise flatters.
    assert report["corrected"]["accuracy"]["value"] < report["accuracy"] - 1
    assert "chance" in [finding["kind"] for finding in report["findings"]]


def test_the_nested_estimate_of_noise_is_at_chance(report: Any) -> None:
    assert abs(report["nested"]["accuracy"] - CHANCE) < NEAR


def test_repeats_on_noise_are_at_chance_within_their_deviation(report: Any) -> None:
    repeats = report["repeats"]
    others = repeats["balanced_accuracies"][1:]  # the first chose the combination

    assert abs(np.mean(others) - CHANCE) < NEAR
    assert repeats["balanced_std"] < NEAR
    assert abs(repeats["balanced_mean"] - CHANCE) < 3 * max(repeats["balanced_std"], 2.0)


def test_a_learning_curve_on_noise_does_not_rise(report: Any) -> None:
    *parts, _ = report["learning_curve"]  # the last is the optimistic figure itself

    assert all(abs(point["balanced_accuracy"] - CHANCE) < NEAR for point in parts)


def test_a_model_of_noise_is_at_chance_on_new_noise(evaluated: Any) -> None:
    new = dataset(noise(77))
    documents = {
        recording: document(values)
        for recording, values in zip(new.recordings, new.values, strict=True)
    }
    # Ids of their own, for the model knows the others.
    renamed = {f"new-{recording}": known for recording, known in documents.items()}
    members: dict[str, list[str]] = {}
    for recording, label in new.training.items():
        members.setdefault(label, []).append(f"new-{recording}")

    ground_truth = GroundTruth.from_classes("noise", members.items())
    judged = judge(evaluated.model, ground_truth, renamed.items())

    assert judged.seen == ()
    assert abs(judged.report()["balanced_accuracy"] - CHANCE) < NEAR


def test_grouped_folds_of_noise_without_any_effect_are_at_chance() -> None:
    groups = np.arange(COUNT) // 6
    project = Project(
        *(GRID.preprocessings, GRID.kernels, GRID.c_exponents, GRID.gamma_exponents),
        group_by="artist",
        nested=True,
    )

    report = train(dataset(noise(3), groups), project, 1, jobs=2).report()

    assert abs(report["nested"]["accuracy"] - CHANCE) < NEAR
    assert abs(report["corrected"]["balanced_accuracy"]["value"] - CHANCE) < NEAR


@pytest.fixture(scope="module")
def albums() -> Dataset:
    """Noise in which each of 40 albums has a sound of its own, which is in no way its class's."""
    groups = np.arange(COUNT) // 6
    sounds = np.random.default_rng(5).normal(size=(40, WIDTH))
    return dataset(0.3 * noise(4) + sounds[groups], groups)


def test_plain_folds_take_the_sound_of_an_album_for_its_class(albums: Dataset) -> None:
    report = train(albums, GRID, 1, jobs=2).report()

    assert report["accuracy"] > 90
    assert report["corrected"]["balanced_accuracy"]["low"] > 85
    assert "artist in several folds" in [finding["kind"] for finding in report["findings"]]


def test_grouped_folds_do_not_and_the_same_data_fall_to_chance(albums: Dataset) -> None:
    project = Project(
        *(GRID.preprocessings, GRID.kernels, GRID.c_exponents, GRID.gamma_exponents),
        group_by="artist",
        nested=True,
    )

    report = train(albums, project, 1, jobs=2).report()

    corrected = report["corrected"]["balanced_accuracy"]
    assert corrected["low"] < CHANCE < corrected["high"]
    # 40 albums are 40 tosses of a coin and not 240, whose interval would be 13 wide.
    assert corrected["high"] - corrected["low"] > 22
    assert abs(report["nested"]["accuracy"] - CHANCE) < 16
    assert "chance" in [finding["kind"] for finding in report["findings"]]
    assert "artist in several folds" not in [finding["kind"] for finding in report["findings"]]


def test_classes_that_do_differ_are_told_apart_by_grouped_folds_too() -> None:
    groups = np.arange(COUNT) // 6
    sounds = np.random.default_rng(5).normal(size=(40, WIDTH))
    values = 0.3 * noise(4) + 0.3 * sounds[groups] + 2.0 * (groups % 2)[:, None]
    project = Project(("basic",), ("rbf",), (1,), (-3,), group_by="artist")

    assert train(dataset(values, groups), project, 1, jobs=2).accuracy > 90


@pytest.fixture(scope="module", params=["native", "sklearn"])
def sure_of_strangers(request: pytest.FixtureRequest) -> Any:
    """By grouping: accuracy, mean probability and log loss of a model on albums it never heard."""
    generator = np.random.default_rng(1)
    album, strange = np.arange(COUNT) // 6, np.arange(600) // 6

    def values(albums: Any) -> Any:
        sounds = generator.normal(size=(albums.max() + 1, WIDTH))
        made = 0.3 * generator.normal(size=(len(albums), WIDTH)) + sounds[albums]
        made[:, 0] += 2 * (albums % 2)  # the classes do differ
        return made

    known, new = values(album), values(strange)
    labels = [f"class-{one % 2}" for one in strange]
    found = {}
    for group_by in (None, "artist"):
        project = Project(("basic",), ("rbf",), (3,), (-3,), group_by=group_by)  # type: ignore[arg-type]
        made = train(dataset(known, album), project, 1, engine=request.param, jobs=2)
        answers = made.model.predict([document(one) for one in new])
        right = [answer.value == label for answer, label in zip(answers, labels, strict=True)]
        of_label = [answer.all[label] for answer, label in zip(answers, labels, strict=True)]
        found[group_by] = (
            float(np.mean(right)),
            float(np.mean([answer.probability for answer in answers])),
            float(-np.log(of_label).mean()),
        )
    return found


def test_a_model_of_grouped_folds_is_no_surer_of_strangers_than_it_may_be(
    sure_of_strangers: Any,
) -> None:
    accuracy, sure, loss = sure_of_strangers["artist"]
    plain_accuracy, plain_sure, plain_loss = sure_of_strangers[None]

    assert abs(accuracy - plain_accuracy) < 0.03  # the machine itself is the same
    assert plain_sure > plain_accuracy + 0.08
    assert abs(sure - accuracy) < 0.05
    assert loss < plain_loss
