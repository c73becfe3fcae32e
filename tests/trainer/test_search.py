"""Every combination cross-validated, and the best of them chosen."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.dataset import prepare
from trainer.descriptors import flatten
from trainer.errors import DatasetError
from trainer.grid.engines import choose_engine
from trainer.grid.fold_plan import FoldPlan
from trainer.grid.folds import assign_folds
from trainer.grid.nested import check_nestable, nest
from trainer.grid.project import Combination, Project
from trainer.grid.scores import Scores, confusion, score
from trainer.grid.search import CombinationResult, best_of, search
from trainer.grid.sklearn_engine import SklearnEngine
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions

SMALL = Project(c_exponents=(-1, 3), gamma_exponents=(-3, -5))


def searched(dataset: Any, project: Any = SMALL, engine: Any = None, **more: Any) -> Any:
    fold_of = assign_folds(dataset.recordings, dataset.labels, project.folds, seed=1)
    return search(dataset, project, fold_of, engine or choose_engine("sklearn", jobs=2), **more)


def result(accuracy: Any, *, c: Any = 1, converged: Any = True, error: Any = None) -> Any:
    scores = None if accuracy is None else Scores(accuracy, (), 0.0, 0.0, 0.0)
    combination = Combination("basic", "rbf", c, -3)
    return CombinationResult(combination, np.array([0]), scores, converged, error)


def test_the_default_grid_is_720_combinations_in_the_order_of_its_axes() -> None:
    combinations = Project().combinations()

    assert len(combinations) == len(set(combinations)) == 720
    assert combinations[0] == Combination("basic", "poly", -5, 3)
    assert combinations[1] == Combination("basic", "poly", -5, 1)
    assert combinations[72] == Combination("basic", "rbf", -5, 3)
    assert combinations[-1] == Combination("gaussianized", "rbf", 11, -11)


def test_results_are_in_grid_order_one_for_each_combination(make_dataset: Any) -> None:
    results = searched(make_dataset())

    assert [found.combination for found in results] == SMALL.combinations()


def test_the_most_accurate_wins() -> None:
    assert best_of([result(70), result(80, c=3), result(75)]).combination.c_exponent == 3


def test_ties_go_to_the_first() -> None:
    assert best_of([result(70), result(80, c=3), result(80, c=5)]).combination.c_exponent == 3


def test_accuracies_that_differ_in_their_last_bits_are_a_tie() -> None:
    results = [result(80.0, c=3), result(80.0 + 1e-12, c=5)]

    assert best_of(results).combination.c_exponent == 3


def test_one_that_did_not_converge_ranks_behind_equal_ones_that_did() -> None:
    results = [result(80, c=3, converged=False), result(80, c=5), result(79, c=7)]

    assert best_of(results).combination.c_exponent == 5


def test_one_that_did_not_converge_still_beats_the_less_accurate() -> None:
    assert best_of([result(79), result(80, c=3, converged=False)]).combination.c_exponent == 3


def test_one_that_failed_never_wins() -> None:
    results = [result(None, error="overflow"), result(0.0, c=3, converged=False)]

    assert best_of(results).combination.c_exponent == 3


def test_a_search_that_fails_altogether_says_why() -> None:
    with pytest.raises(DatasetError, match=r"none of the 2 combinations.*overflow"):
        best_of([result(None, error="overflow"), result(None, error="other")])


def test_the_iteration_cap_reaches_the_results(make_dataset: Any) -> None:
    dataset = make_dataset(lean=0.1)

    results = searched(dataset, engine=SklearnEngine(jobs=2, max_iterations=1))

    assert not any(found.converged for found in results)
    assert all(found.scores for found in results)


def test_progress_counts_every_combination_once_and_never_goes_back(make_dataset: Any) -> None:
    told = []

    searched(make_dataset(), solved=told.append)

    assert told == sorted(told)
    assert told[-1] == len(SMALL.combinations()) == 40


def only_rhythm(count: int = 12) -> Any:
    rng = np.random.default_rng(0)
    documents = {
        f"r{number:02}": flatten(
            {"rhythm": {"bpm": 60 + number + 40 * (number % 2), "x": rng.random(2).tolist()}}
        )
        for number in range(count)
    }
    classes = {label: [r for r in documents if int(r[1:]) % 2 == label] for label in (0, 1)}
    ground_truth = GroundTruth.from_classes("made", ((f"c{k}", ids) for k, ids in classes.items()))
    return prepare(ground_truth, documents, JobOptions.parse(None))


def test_a_preprocessing_that_finds_nothing_is_reported_and_the_others_go_on() -> None:
    told = []

    results = searched(only_rhythm(), solved=told.append)

    for found in results:
        if found.combination.preprocessing == "lowlevel":
            assert found.error == "preprocessing 'lowlevel' leaves no descriptor of these documents"
            assert set(found.predicted) == {-1}
        else:
            assert found.error is None
    assert told[-1] == len(results)
    assert best_of(results).scores.accuracy == 100


def test_a_preprocessing_without_descriptors_in_one_fold_is_reported_and_the_others_go_on() -> None:
    dataset = only_rhythm()
    fold_of = assign_folds(dataset.recordings, dataset.labels, 5, seed=1)
    values = dataset.values.copy()
    values[:] = 1
    values[fold_of == 0] = np.arange(3)
    dataset = replace(dataset, values=values)

    results = searched(dataset, Project(("basic",), ("rbf",), (1,), (-3,)))

    assert [found.error for found in results] == [
        "preprocessing 'basic' leaves a fold no descriptor that varies in it"
    ]


def test_a_constant_dimension_in_one_fold_costs_no_combination(make_dataset: Any) -> None:
    dataset = make_dataset()
    values = dataset.values.copy()
    column = int(dataset.layout.starts[dataset.layout.names.index(".lowlevel.mfcc.mean")])
    values[:, column] = 0
    values[0, column] = 1  # as a chord that one recording has
    dataset = replace(dataset, values=values)

    results = searched(dataset)

    assert not any(found.error for found in results)


def test_scores_are_pooled_over_folds_and_not_their_mean() -> None:
    labels = np.array([0, 0, 0, 1])
    predicted = np.array([0, 0, 1, 0])

    scores = score(labels, predicted, np.array([0, 0, 0, 1]))

    assert scores.accuracy == 50
    assert scores.fold_accuracies == pytest.approx((200 / 3, 0))
    assert scores.std == pytest.approx(100 / 3)


def test_the_normalized_accuracy_is_the_mean_of_the_recalls_in_each_fold() -> None:
    labels = np.array([0, 0, 0, 1, 1, 1])
    predicted = np.array([0, 0, 1, 1, 0, 0])

    scores = score(labels, predicted, np.array([0, 0, 0, 0, 1, 1]))

    assert scores.normalized_accuracy == pytest.approx((100 * (2 / 3 + 1) / 2 + 0) / 2)
    assert scores.normalized_std == pytest.approx(100 * (2 / 3 + 1) / 4)


def test_no_prediction_counts_as_wrong_and_is_in_no_cell() -> None:
    labels, predicted = np.array([0, 1, 1]), np.array([0, -1, 0])

    assert score(labels, predicted, np.zeros(3)).accuracy == pytest.approx(100 / 3)
    assert confusion(labels, predicted, 2).tolist() == [[1, 0], [1, 0]]


def test_rows_of_the_confusion_matrix_are_actual_and_columns_predicted() -> None:
    counts = confusion(np.array([0, 0, 0, 1]), np.array([0, 1, 1, 1]), 3)

    assert counts.tolist() == [[1, 2, 0], [0, 1, 0], [0, 0, 0]]


def test_a_nested_fold_is_predicted_by_a_search_that_never_saw_it(make_dataset: Any) -> None:
    project = replace(SMALL, preprocessings=("basic",))
    dataset = make_dataset(size=10)
    fold_of = assign_folds(dataset.recordings, dataset.labels, 5, seed=1)
    engine = choose_engine("sklearn", jobs=2)
    first = nest(dataset, project, fold_of, engine, plan=FoldPlan(5, 1))
    values = dataset.values.copy()
    values[fold_of == 0] = values[fold_of == 0][::-1] * 3

    second = nest(replace(dataset, values=values), project, fold_of, engine, plan=FoldPlan(5, 1))

    # What fold 0 holds can change its own prediction, and the choice of the others, but not its
    # own choice.
    assert first.chosen[0] == second.chosen[0]
    assert len(first.chosen) == 5
    assert (first.predicted >= 0).all()


def test_nested_progress_counts_all_outer_folds(make_dataset: Any) -> None:
    project = Project(("basic",), ("rbf",), (1, 3), (-3,))
    dataset = make_dataset()
    fold_of = assign_folds(dataset.recordings, dataset.labels, 5, seed=1)
    told = []

    nest(
        dataset,
        project,
        fold_of,
        choose_engine("sklearn", jobs=1),
        plan=FoldPlan(5, 1),
        solved=told.append,
    )

    assert told == sorted(told)
    assert told[-1] == 2 * len(np.unique(fold_of))


@pytest.mark.parametrize(("size", "folds"), [(2, 5), (2, 2), (3, 2)])
def test_classes_too_small_to_nest_are_refused_by_name(
    make_dataset: Any, size: int, folds: int
) -> None:
    dataset = make_dataset(size=size)
    fold_of = assign_folds(dataset.recordings, dataset.labels, folds, seed=1)

    with pytest.raises(DatasetError, match="leaves 1 recording of class 'class-0'"):
        check_nestable(dataset, fold_of, FoldPlan(folds, 1))


@pytest.mark.parametrize(("size", "folds"), [(3, 3), (3, 5), (4, 2), (5, 2)])
def test_the_smallest_classes_that_can_be_nested_are(
    make_dataset: Any, size: int, folds: int
) -> None:
    dataset = make_dataset(size=size)
    fold_of = assign_folds(dataset.recordings, dataset.labels, folds, seed=1)
    project = Project(("basic",), ("rbf",), (1,), (-3,), folds=folds)

    check_nestable(dataset, fold_of, FoldPlan(folds, 1))

    nested = nest(dataset, project, fold_of, choose_engine("sklearn", jobs=1), plan=FoldPlan(5, 1))
    assert (nested.predicted >= 0).all()
