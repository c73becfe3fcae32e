"""The chosen combination over other folds, on parts of the recordings, over grouped folds."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.dataset import Dataset
from trainer.grid.learning_curve import _ranks
from trainer.grid.project import Project
from trainer.report_page import report_page
from trainer.report_page.content import content_of
from trainer.training import Progress, train

TWO = Project(("basic",), ("rbf",), (-1, 3), (-3,))
MORE = replace(TWO, repeats=3, learning_curve=True)


@pytest.fixture(scope="module")
def dataset(make_dataset: Any) -> Dataset:
    return make_dataset(classes=3, size=16, lean=0.5)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def evaluation(dataset: Dataset) -> Any:
    return train(dataset, MORE, 1, jobs=1)


@pytest.fixture(scope="module")
def report(evaluation: Any) -> Any:
    return evaluation.report()


def test_nothing_of_it_is_made_unless_asked_for(dataset: Dataset) -> None:
    report = train(dataset, TWO, 1, jobs=1).report()

    assert (report["repeats"], report["learning_curve"]) == (None, None)


def test_asking_for_more_changes_nothing_else(dataset: Dataset, evaluation: Any) -> None:
    plain = train(dataset, TWO, 1, jobs=1)

    assert plain.model.to_bytes() == evaluation.model.to_bytes()
    assert plain.report()["predicted"] == evaluation.report()["predicted"]


def test_repeats_are_what_other_seeds_give_the_chosen_combination(
    dataset: Dataset, evaluation: Any, report: Any
) -> None:
    chosen = TWO.only(evaluation.best.combination)
    others = [train(dataset, chosen, seed, jobs=1).report() for seed in (2, 3)]

    repeats = report["repeats"]
    assert repeats["seeds"] == [1, 2, 3]
    assert repeats["accuracies"] == [report["accuracy"], *(one["accuracy"] for one in others)]
    assert repeats["balanced_accuracies"][1:] == [one["balanced_accuracy"] for one in others]


def test_mean_and_deviation_are_those_of_a_sample(report: Any) -> None:
    repeats = report["repeats"]

    assert repeats["mean"] == pytest.approx(np.mean(repeats["accuracies"]), abs=0.01)
    assert repeats["std"] == pytest.approx(np.std(repeats["accuracies"], ddof=1), abs=0.01)
    assert repeats["balanced_std"] == pytest.approx(
        np.std(repeats["balanced_accuracies"], ddof=1), abs=0.01
    )


def test_the_learning_curve_grows_to_the_cross_validation_itself(report: Any) -> None:
    curve = report["learning_curve"]

    sizes = [point["recordings"] for point in curve]
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == round(48 * 0.75)  # classes of 16 in slices of 4: 4 folds
    assert sizes[0] == 6  # two of the twelve of each class
    assert curve[-1]["accuracy"] == report["accuracy"]
    assert curve[-1]["balanced_accuracy"] == report["balanced_accuracy"]


def test_more_recordings_are_of_use_where_there_is_something_to_learn(make_dataset: Any) -> None:
    dataset = make_dataset(classes=2, size=60, lean=0.5)

    curve = train(dataset, replace(TWO, learning_curve=True), 1, jobs=1).learning_curve

    assert curve is not None
    assert curve[0].scores.accuracy < curve[-1].scores.accuracy - 3


def test_parts_are_stratified_hold_those_before_and_nothing_of_the_fold() -> None:
    labels = np.repeat([0, 1, 2], [40, 20, 3])
    fold_of = np.arange(63) % 3

    ranks = _ranks(labels, fold_of, 1, seed=1)

    assert np.isinf(ranks[fold_of == 1]).all()
    halves = [int(((ranks < 0.5) & (labels == label)).sum()) for label in range(3)]
    sizes = [int(((fold_of != 1) & (labels == label)).sum()) for label in range(3)]
    assert halves == [-(-size // 2) for size in sizes]
    assert (ranks < 0.01).sum() == 3  # one of each class, however small the part
    assert ranks.tolist() != _ranks(labels, fold_of, 1, seed=2).tolist()


def test_progress_is_told_of_each_stage(dataset: Dataset) -> None:
    told: list[Progress] = []

    train(dataset, MORE, 1, jobs=1, progress=told.append)

    ends = {step.stage: (step.done, step.total) for step in told}
    assert ends["repeats"] == (2, 2)
    assert ends["learning curve"] == (5, 5)


def test_the_page_shows_both(report: Any) -> None:
    page = content_of(report)

    assert [bar.value for bar in page.repeats] == report["repeats"]["accuracies"]
    assert [bar.value for bar in page.curve] == [
        point["accuracy"] for point in report["learning_curve"]
    ]
    facts = dict(page.facts)
    assert facts["cross-validation"] == "4 folds, stratified by class"
    assert facts["over other folds"].endswith("in 3 assignments")


def test_grouped_folds_are_named_in_report_and_page(dataset: Dataset) -> None:
    groups = tuple(None if row < 2 else f"g{row // 3}" for row in range(48))
    grouped = replace(dataset, artists=groups)

    report = train(grouped, replace(TWO, group_by="artist", nested=True), 1, jobs=1).report()

    folds = np.array(report["folds"])
    assert all(len(set(folds[row : row + 3])) == 1 for row in range(3, 48, 3))
    assert report["cross_validation"] == {
        "folds": 5,
        "group_by": "artist",
        "groups": 16,
        "ungrouped": 2,
        "given": False,
    }
    assert dict(content_of(report).facts)["cross-validation"] == (
        "5 folds, no artist in two of them (16, and of 2 recordings unknown)"
    )
    assert "those of corrected figures only artists" in report_page(report)
    assert report["nested"]["accuracy"] > 0
