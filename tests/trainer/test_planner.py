"""Which combinations are one problem, and when they are not."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.grid.engines import choose_engine
from trainer.grid.folds import Split, assign_folds
from trainer.grid.planner import group, problem_of, same_experiment, scales_freely
from trainer.grid.project import GAMMA_EXPONENTS, Combination, Project
from trainer.grid.search import search, splits_of
from trainer.preprocessing.chain import fit_recipe

GAMMAS = tuple(2.0**exponent for exponent in GAMMA_EXPONENTS)
POLY = Project(preprocessings=("basic",), kernels=("poly",))
RBF = Project(preprocessings=("basic",), kernels=("rbf",))


def test_72_polynomial_pairs_are_30_problems() -> None:
    groups = group(POLY.combinations(), collapse_polynomial=True)

    assert len(groups) == 30
    assert {c for members in groups for c in members} == set(POLY.combinations())
    for members in groups:
        assert len({c.c_exponent + 3 * c.gamma_exponent for c in members}) == 1


def test_the_first_in_grid_order_stands_for_its_group() -> None:
    order = POLY.combinations()

    for members in group(order, collapse_polynomial=True):
        assert list(members) == sorted(members, key=order.index)


@pytest.mark.parametrize(("project", "collapse"), [(POLY, False), (RBF, True), (RBF, False)])
def test_nothing_else_is_one_problem(project: Any, collapse: Any) -> None:
    groups = group(project.combinations(), collapse_polynomial=collapse)

    assert len(groups) == 72


def test_balanced_and_unbalanced_are_two_problems() -> None:
    project = replace(POLY, balance_classes=(False, True))

    assert len(group(project.combinations(), collapse_polynomial=True)) == 60


def test_exponents_become_powers_of_two() -> None:
    problem = problem_of(Combination("basic", "rbf", -5, 3, balance_classes=True))

    assert (problem.C, problem.gamma, problem.balance_classes) == (2.0**-5, 8.0, True)


def split_of(training: Any, testing: Any = None) -> Any:
    training = np.asarray(training, dtype=float)
    rows = np.arange(len(training))
    testing = training if testing is None else np.asarray(testing, dtype=float)
    return Split(training, testing, rows % 2, np.array([0, 1]), rows[: len(testing)])


def random_rows(count: int = 12, width: Any = 6) -> Any:
    return np.random.default_rng(0).random((count, width))


def test_ordinary_rows_scale_freely() -> None:
    assert scales_freely([split_of(random_rows())], GAMMAS)


def test_more_ordinary_rows_than_a_block_scale_freely() -> None:
    assert scales_freely([split_of(random_rows(600, 20))], GAMMAS)


def test_two_equal_rows_do_not() -> None:
    rows = random_rows()
    rows[7] = rows[2]

    assert not scales_freely([split_of(random_rows()), split_of(rows)], GAMMAS)


def test_two_rows_that_differ_by_less_than_float32_resolves_do_not() -> None:
    rows = random_rows()
    rows[7] = rows[2] + 1e-8

    assert not scales_freely([split_of(rows)], GAMMAS)


def test_a_row_of_zeros_does_not_scale_freely_beside_another() -> None:
    rows = random_rows()
    rows[[2, 7]] = 0

    assert not scales_freely([split_of(rows)], GAMMAS)


@pytest.mark.parametrize("factor", [1e8, 1e-5])
def test_kernel_values_that_leave_float32_do_not_scale_freely(factor: Any) -> None:
    assert not scales_freely([split_of(factor * random_rows())], GAMMAS)


def test_two_rows_are_found_equal_however_far_they_lie_apart() -> None:
    rows = random_rows(3000, 3)
    rows[2999] = rows[0]

    assert not scales_freely([split_of(rows)], [1.0])


def test_the_check_of_many_rows_fits_into_memory() -> None:
    rows = random_rows(3000, 3)
    tracemalloc.start()

    scales_freely([split_of(rows)], [1.0])

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3000 * 3000 * 8  # one whole matrix


def solved(dataset: Any, project: Any, *, collapse: Any) -> Any:
    fold_of = assign_folds(dataset.recordings, dataset.labels, project.folds, seed=1)
    return search(dataset, project, fold_of, choose_engine("sklearn", jobs=2), collapse=collapse)


EVERYTHING = Project(
    c_exponents=(-5, 1, 7), gamma_exponents=(3, 1, -3, -5), balance_classes=(False, True)
)


def test_equal_problems_solved_once_predict_as_if_each_were_solved(make_dataset: Any) -> None:
    dataset = make_dataset(classes=3, size=9, lean=0.4)

    once = solved(dataset, EVERYTHING, collapse=True)
    each = solved(dataset, EVERYTHING, collapse=False)

    assert sum(result.same_as is not None for result in once) > len(once) // 3
    assert not any(result.same_as for result in each)
    assert differing(once, each) == []


def differing(once: Any, each: Any) -> Any:
    return [
        a.combination
        for a, b in zip(once, each, strict=True)
        if a.predicted.tolist() != b.predicted.tolist() or a.combination != b.combination
    ]


def test_what_stands_for_a_combination_is_an_equal_problem(make_dataset: Any) -> None:
    by_combination = {
        result.combination: result
        for result in solved(make_dataset(classes=3), EVERYTHING, collapse=True)
    }

    for combination, result in by_combination.items():
        original = result.same_as
        if original is None:
            continue
        assert by_combination[original].same_as is None or (
            combination.preprocessing != original.preprocessing
        )
        assert {combination.preprocessing, original.preprocessing} <= {"basic", "normalized"} or (
            combination.preprocessing == original.preprocessing
        )
        assert by_combination[original].predicted.tolist() == result.predicted.tolist()


def test_duplicate_recordings_are_solved_one_by_one_and_right(make_dataset: Any) -> None:
    dataset = make_dataset(classes=2, size=8, lean=0.4)
    values = dataset.values.copy()
    values[5] = values[0]
    dataset = replace(dataset, values=values)
    project = replace(EVERYTHING, preprocessings=("basic",), kernels=("poly",))

    once, each = (solved(dataset, project, collapse=collapse) for collapse in (True, False))

    assert not any(result.same_as for result in once)
    assert differing(once, each) == []


def five_splits(dataset: Any, name: str) -> Any:
    fold_of = assign_folds(dataset.recordings, dataset.labels, 5, seed=1)
    return splits_of(dataset, name, fold_of)


def test_basic_and_normalized_are_one_experiment(make_dataset: Any) -> None:
    dataset = make_dataset()

    assert same_experiment(five_splits(dataset, "basic"), five_splits(dataset, "normalized"))


@pytest.mark.parametrize("name", ["lowlevel", "nobands", "gaussianized"])
def test_no_other_is_one_experiment_with_basic(make_dataset: Any, name: str) -> None:
    dataset = make_dataset()

    assert not same_experiment(five_splits(dataset, "basic"), five_splits(dataset, name))


def small_unit(dataset: Any) -> Any:
    """Make one descriptor vary by less than the absolute threshold of the inner cleaner.

    It passes the merge by a single recording, and is constant in the fold that holds it out.
    """
    column = int(
        np.flatnonzero(dataset.layout.descriptor_of == dataset.layout.names.index(".rhythm.bpm"))[0]
    )
    values = dataset.values.copy()
    values[:, column] = np.random.default_rng(0).random(len(values)).astype(np.float32) * 5e-8
    values[3, column] = 2e-7
    return replace(dataset, values=values)


def test_a_descriptor_that_is_constant_only_in_its_own_unit_makes_them_two(
    make_dataset: Any,
) -> None:
    dataset = small_unit(make_dataset())

    basic, normalized = five_splits(dataset, "basic"), five_splits(dataset, "normalized")

    assert any(b.training.shape != n.training.shape for b, n in zip(basic, normalized, strict=True))
    assert not same_experiment(basic, normalized)
    project = Project(("basic", "normalized"), ("rbf",), (1,), (-3,))
    assert not any(result.same_as for result in solved(dataset, project, collapse=True))


def test_held_out_values_that_differ_make_two_experiments() -> None:
    rows = random_rows()

    assert same_experiment([split_of(rows)], [split_of(rows + 1e-6)])
    assert not same_experiment([split_of(rows)], [split_of(rows, rows + 1e-2)])
    assert not same_experiment([split_of(rows)], [split_of(rows + 1e-2, rows)])


def test_far_held_out_values_may_round_more() -> None:
    rows = random_rows()

    assert same_experiment([split_of(rows, 1e6 * rows + 1)], [split_of(rows, 1e6 * rows + 1.01)])


def test_the_order_of_preprocessings_decides_which_stands_for_which(make_dataset: Any) -> None:
    project = Project(("normalized", "basic"), ("rbf",), (1,), (-3,))

    first, second = solved(make_dataset(), project, collapse=True)

    assert first.same_as is None
    assert second.same_as == first.combination


def test_the_scale_of_a_recipe_is_that_of_the_whole_dataset(make_dataset: Any) -> None:
    dataset = make_dataset()

    chain, matrix = fit_recipe(dataset.values, dataset.layout, "normalized")

    real = matrix[:, chain.layout.real_columns]
    assert (real.min(), real.max()) == pytest.approx((0, 1), abs=1e-6)
