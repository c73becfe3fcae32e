"""The compiled engine takes scikit-learn's steps, and predicts what the sklearn engine predicts."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from sklearn.svm import SVC

from tests.trainer.gaia_vectors import read_lines
from trainer.dataset import prepare
from trainer.descriptors import flatten
from trainer.errors import OptionsError
from trainer.grid.engine import Problem, class_weights
from trainer.grid.engines import choose_engine, why_no_native
from trainer.grid.folds import Split, assign_folds, by_first_appearance, split
from trainer.grid.project import C_EXPONENTS, GAMMA_EXPONENTS, Project
from trainer.grid.search import search
from trainer.grid.sklearn_engine import SklearnEngine
from trainer.ground_truth import GroundTruth
from trainer.models.svm import pairs
from trainer.options import JobOptions
from trainer.preprocessing.chain import fit_recipe

MISSING = why_no_native()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

if not MISSING:
    from trainer.grid.native._native import instruction_sets
    from trainer.grid.native_engine import NativeEngine
    from trainer.grid.native_matrices import Rows, multiply

CAP = 200_000  # iterations that a random problem may take
GRID = [
    Problem(kernel, 2.0**c, 2.0**g)
    for kernel in ("poly", "rbf")
    for c in C_EXPONENTS
    for g in GAMMA_EXPONENTS
]


def splits_of(values: Any, labels: Any, folds: int = 5) -> Any:
    """Split rows that need no chain."""
    fold_of = assign_folds([f"r{row:05}" for row in range(len(labels))], labels, folds, 1)
    values = np.asarray(values, dtype=float)
    return [
        Split(
            np.ascontiguousarray(values[fold_of != fold]),
            np.ascontiguousarray(values[fold_of == fold]),
            *by_first_appearance(labels[fold_of != fold]),
            np.flatnonzero(fold_of == fold),
            np.flatnonzero(fold_of != fold),
        )
        for fold in np.unique(fold_of)
    ]


def blobs(count: int, width: int, k: int, *, apart: float = 0.5, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % k
    return rng.random((count, width)) + apart * rng.random((k, width))[labels], labels


def low_rank(count: int, width: int, k: int) -> Any:
    """Rows of rank 3 whose labels are mere noise: what libsvm takes longest for."""
    rng = np.random.default_rng(3)
    values = rng.normal(size=(count, 3)) @ rng.normal(size=(3, width))
    values = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    return values, np.concatenate([np.arange(k), rng.integers(0, k, count - k)])


def solved(engine: Any, problems: Any, splits: Any, **more: Any) -> Any:
    return {solution.problem: solution for solution in engine.solve(problems, splits, **more)}


def machine_of(X: Any, codes: Any, problem: Any, weights: Any, cap: int = CAP) -> Any:
    machine = SVC(
        C=problem.C,
        kernel=problem.kernel,
        gamma=problem.gamma,
        coef0=0.0,
        class_weight=dict(enumerate(weights.tolist())),
        max_iter=cap,
    )
    return machine.fit(X, codes)


def assert_same_steps(X: Any, codes: Any, problem: Any, *, balance: bool = False) -> None:
    weights = class_weights(codes, balance=balance)
    theirs = machine_of(X, codes, problem, weights)
    ours = NativeEngine(jobs=1, max_iterations=CAP).train(
        X, codes, problem=problem, weights=weights
    )

    if theirs.fit_status_:
        assert not ours.converged
        return
    assert ours.iterations.tolist() == theirs.n_iter_.tolist(), problem
    sign = -1 if len(weights) == 2 else 1
    scale = np.abs(theirs.dual_coef_).max()
    np.testing.assert_array_equal(ours.machine.counts, theirs.n_support_)
    np.testing.assert_array_equal(ours.machine.support_vectors, theirs.support_vectors_)
    np.testing.assert_allclose(
        ours.machine.coefficients, sign * theirs.dual_coef_, rtol=1e-9, atol=1e-9 * scale
    )


def assert_same_predictions(problems: Any, splits: Any) -> None:
    theirs = solved(SklearnEngine(2, CAP), problems, splits)
    ours = solved(NativeEngine(2, CAP), problems, splits)

    assert ours.keys() == theirs.keys() == set(problems)
    for problem, solution in theirs.items():
        assert ours[problem].converged == solution.converged, problem
        if solution.converged:
            assert ours[problem].predicted.tolist() == solution.predicted.tolist(), problem


@pytest.fixture(scope="module", params=["vectors", "mood_aggressive", "mood_happy"])
def collection(request: pytest.FixtureRequest, shared_data: Path) -> Any:
    """Each of the recorded sets as a dataset."""
    if request.param == "vectors":
        return request.getfixturevalue("gaia").dataset
    folder = shared_data / "moods"
    documents = {
        row["id"]: flatten(row["document"]) for row in read_lines(folder / "lowlevel.jsonl.gz")
    }
    ground_truth = GroundTruth.read(folder / f"{request.param}.json")
    wanted = {recording: documents[recording] for recording in ground_truth.class_of}
    return prepare(ground_truth, wanted, JobOptions.parse(None))


def recorded_splits(dataset: Any, name: str) -> Any:
    chain, matrix = fit_recipe(dataset.values, dataset.layout, name, dataset.template)
    fold_of = assign_folds(dataset.recordings, dataset.labels, 5, 1)
    return split(matrix, chain.layout, dataset.labels, fold_of)


@pytest.mark.parametrize("name", ["basic", "gaussianized"])
def test_iterations_on_recorded_sets_equal_scikit_learns_pair_by_pair(
    collection: Any, name: str
) -> None:
    part = recorded_splits(collection, name)[0]

    for problem in GRID[::7]:
        assert_same_steps(part.training, part.training_codes, problem)


@pytest.mark.parametrize("name", ["basic", "nobands"])
def test_predictions_on_recorded_sets_equal_the_sklearn_engines(collection: Any, name: str) -> None:
    assert_same_predictions(GRID[::3], recorded_splits(collection, name))


@st.composite
def training_sets(draw: st.DrawFn) -> Any:
    """2 to 12 classes, tiny ones among them, equal rows, equal columns."""
    k = draw(st.integers(2, 12))
    sizes = draw(st.lists(st.integers(1, 14), min_size=k, max_size=k))
    width = draw(st.integers(1, 9))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    codes = rng.permutation(np.repeat(np.arange(k), sizes))
    X = rng.random((len(codes), width)) + draw(st.sampled_from([0.0, 0.3])) * codes[:, None]
    X[:, rng.random(width) < draw(st.sampled_from([0.0, 0.3]))] = 0.5
    copies = rng.integers(0, len(codes), draw(st.integers(0, 4)))
    X[rng.integers(0, len(codes), len(copies))] = X[copies]
    return X, by_first_appearance(codes)[0]


@given(
    rows=training_sets(),
    kernel=st.sampled_from(["poly", "rbf"]),
    c=st.sampled_from(C_EXPONENTS[:-2]),
    gamma=st.sampled_from(GAMMA_EXPONENTS),
    balance=st.booleans(),
)
@settings(max_examples=150)
def test_random_problems_take_scikit_learns_steps(
    *, rows: Any, kernel: str, c: int, gamma: int, balance: bool
) -> None:
    assert_same_steps(*rows, Problem(kernel, 2.0**c, 2.0**gamma), balance=balance)


@given(k=st.integers(2, 6), seed=st.integers(0, 100), balance=st.booleans())
@settings(max_examples=8)
def test_random_grids_predict_what_the_sklearn_engine_predicts(
    *, k: int, seed: int, balance: bool
) -> None:
    values, labels = blobs(60, 6, k, seed=seed)
    problems = [replace(problem, balance_classes=balance) for problem in GRID[::11]]

    assert_same_predictions(problems, splits_of(values, labels, folds=3))


@pytest.mark.parametrize("k", [2, 4])
def test_low_rank_data_with_noisy_labels_take_scikit_learns_steps(k: int) -> None:
    values, labels = low_rank(300, 40, k)
    codes = by_first_appearance(labels)[0]

    for c, gamma in [(-3, 3), (1, -1), (5, -5), (9, -9), (3, 1)]:
        assert_same_steps(values, codes, Problem("rbf", 2.0**c, 2.0**gamma))
        assert_same_steps(values, codes, Problem("poly", 2.0**c, 2.0 ** min(gamma, -5)))


def test_pairs_with_more_vectors_than_steps_between_shrinking_take_scikit_learns_steps() -> None:
    values, labels = blobs(1300, 10, 2, apart=0.1)

    for c, gamma in [(3, -1), (5, -3)]:
        assert_same_steps(values, labels, Problem("rbf", 2.0**c, 2.0**gamma))


def test_low_rank_data_with_noisy_labels_are_predicted_alike() -> None:
    values, labels = low_rank(150, 30, 3)

    assert_same_predictions(
        [problem for problem in GRID if problem.C < 100 and problem.gamma < 1],
        splits_of(values, labels),
    )


def test_every_instruction_set_takes_the_same_steps() -> None:
    values, labels = blobs(150, 12, 3, apart=0.2)
    problem = Problem("rbf", 8.0, 0.5)

    trained = [
        NativeEngine(1, instruction_set=name).train(
            values, labels, problem=problem, weights=np.ones(3)
        )
        for name in instruction_sets()
    ]

    assert len({tuple(one.iterations) for one in trained}) == 1
    for one in trained:
        np.testing.assert_array_equal(one.machine.coefficients, trained[0].machine.coefficients)


@pytest.mark.parametrize("seed", range(4))
def test_every_instruction_set_takes_the_same_steps_near_the_end_of_float32(seed: int) -> None:
    random = np.random.default_rng(seed)
    sizes = random.choice([1.0, 2e5], size=60)
    values = np.round(random.integers(-9, 10, size=(60, 2)) * sizes[:, None])
    problem = Problem("poly", 1.0, 1.0)  # of integers: kernel values are exact, up to 1e38

    trained = [
        NativeEngine(1, instruction_set=name, max_iterations=200).train(
            values, np.arange(60) % 2, problem=problem, weights=np.ones(2)
        )
        for name in instruction_sets()
    ]

    assert all(one.finite for one in trained)
    for one in trained:
        np.testing.assert_array_equal(one.machine.coefficients, trained[0].machine.coefficients)


def test_an_instruction_set_that_is_not_there_is_refused() -> None:
    with pytest.raises(OptionsError, match="'mmx' is not available on this processor: use "):
        NativeEngine(instruction_set="mmx")


@pytest.mark.parametrize("memory", [0, -1, 2.5, 2**70, None])
def test_memory_that_is_no_number_of_bytes_is_refused(memory: Any) -> None:
    with pytest.raises(OptionsError, match=r"memory of the native engine is .* from 1 to"):
        NativeEngine(memory=memory)


def test_what_is_skipped_is_reported_and_predicts_as_if_it_were_solved() -> None:
    values, labels = blobs(80, 30, 3)
    splits = splits_of(values, labels)

    short = solved(NativeEngine(2), GRID, splits)
    long = solved(NativeEngine(2), GRID, splits, shortcuts=False)

    skipped = [solution for solution in short.values() if solution.same_as]
    assert len(skipped) > len(GRID) // 4
    assert not any(solution.same_as for solution in long.values())
    for solution in skipped:
        original = short[solution.same_as]
        assert original.same_as is None
        assert original.problem.C < solution.problem.C
        assert replace(original.problem, C=solution.problem.C) == solution.problem
    for problem in GRID:
        assert short[problem].predicted.tolist() == long[problem].predicted.tolist()


def test_what_meets_the_cap_before_any_c_is_skipped_and_predicts_as_if_it_were_solved() -> None:
    splits = splits_of(*low_rank(150, 30, 2))
    problems = [problem for problem in GRID if problem.gamma > 1]
    engine = NativeEngine(2, max_iterations=200)

    short = solved(engine, problems, splits)
    long = solved(engine, problems, splits, shortcuts=False)

    assert any(one.same_as and not one.converged for one in short.values())
    for problem in problems:
        assert short[problem].converged == long[problem].converged
        assert short[problem].predicted.tolist() == long[problem].predicted.tolist()


def test_kernels_that_are_identities_share_their_solutions_and_not_their_predictions() -> None:
    values, labels = blobs(60, 400, 2)
    values += 0.05 * labels[:, None]
    problems = [Problem("rbf", c, gamma) for c in (0.5, 2.0) for gamma in (4.0, 8.0, 16.0)]

    assert_same_predictions(problems, splits_of(values, labels))


def test_machines_whose_kernel_is_an_identity_are_counted_where_that_saves_something() -> None:
    values, labels = blobs(60, 30, 3)
    splits = splits_of(values, labels)
    nearest = [
        pdist(split.training[np.isin(split.training_codes, pair)], "sqeuclidean").min()
        for split in splits
        for pair in pairs(3)
    ]
    gammas = [104 / distance for distance in np.quantile(nearest, [0, 0.5, 1])]
    problems = [
        Problem(kernel, 2.0, 1.001 * gamma) for kernel in ("poly", "rbf") for gamma in gammas
    ]

    found = solved(NativeEngine(2), problems, splits)
    each = solved(NativeEngine(2), problems, splits, shortcuts=False)

    for problem, solution in found.items():
        identities = sum(problem.gamma * distance > 104 for distance in nearest)
        assert solution.identities == (identities if problem.kernel == "rbf" else 0)
    counts = [found[problem].identities for problem in problems[-3:]]
    assert 0 < counts[-1] < counts[0] == len(nearest)
    assert not any(solution.identities for solution in each.values())


def test_solutions_of_a_search_are_counted_as_done_by_their_share(make_dataset: Any) -> None:
    dataset = make_dataset()
    project = Project(("basic",), ("rbf",), (-1, 1, 3), (-3,))
    fold_of = assign_folds(dataset.recordings, dataset.labels, project.folds, seed=1)
    told: list[int] = []

    search(dataset, project, fold_of, NativeEngine(1), solved=told.append)

    assert told == sorted(told)
    assert len(told) > 3  # all three solutions of a path come at once, and at its end
    assert told[-3:] == [3, 3, 3]


def test_a_kernel_counts_as_an_identity_where_float32_holds_nothing_else_and_not_before() -> None:
    values, labels = blobs(60, 30, 3)
    (matrices,) = multiply([Rows(values, labels, values[:0])], threads=1)

    least = matrices.identity_gammas()

    for a, b in pairs(3):
        nearest = pdist(values[np.isin(labels, [a, b])], "sqeuclidean").min()
        assert np.float32(np.exp(-1.001 * least[a, b] * nearest)) == 0
        assert np.float32(np.exp(-0.99 * least[a, b] * nearest)) > 0


@pytest.mark.parametrize(
    ("distance", "free"), [(0.0, False), (1e-4, False), (1e-2, True), (np.nan, False)]
)
def test_polynomial_kernels_scale_freely_unless_float32_takes_two_rows_for_one(
    distance: float, *, free: bool
) -> None:
    values, labels = blobs(60, 30, 2)
    values[40] = values[17] * (1 + distance)
    splits = [Split(values, values[:9], labels, np.arange(2), np.arange(9))]

    assert NativeEngine(2).scales_freely(splits, [0.5, 8.0]) == free


# Of 90 rows of ten columns in three classes, five folds, with one thread.
MATRICES = 4 * 72 * 73 + 8 * 72 * 18 + 8 * 90 * 10 + 16 * 3 * 18
ONE_SPLIT = MATRICES + 4 * 72**2 + 8 * 72 * 18 + 8 * 48**2


def test_memory_for_one_split_at_a_time_changes_nothing() -> None:
    values, labels = blobs(90, 10, 3)
    splits = splits_of(values, labels)
    cramped = NativeEngine(2, memory=ONE_SPLIT)

    assert cramped.suited_to(splits) is cramped
    in_turns = solved(cramped, GRID[::5], splits)

    for problem, solution in solved(NativeEngine(2), GRID[::5], splits).items():
        assert in_turns[problem].predicted.tolist() == solution.predicted.tolist()


def test_an_engine_that_was_prepared_for_some_of_the_splits_solves_all_of_them() -> None:
    values, labels = blobs(90, 10, 3)
    splits = splits_of(values, labels)
    prepared = NativeEngine(2).prepared(splits[1:3])

    found = solved(prepared, GRID[::40], splits)

    for problem, solution in solved(NativeEngine(2), GRID[::40], splits).items():
        assert found[problem].predicted.tolist() == solution.predicted.tolist()


def test_what_needs_too_much_memory_is_left_to_the_other_engine() -> None:
    values, labels = blobs(90, 10, 3)
    engine = NativeEngine(2, memory=ONE_SPLIT - 1)

    assert engine.suited_to(splits_of(values, labels)).name == "sklearn"


def test_the_cap_leaves_other_problems_alone() -> None:
    values, labels = low_rank(120, 20, 2)
    splits = splits_of(values, labels)
    hard, easy = Problem("poly", 2.0**11, 8.0), Problem("rbf", 0.03125, 0.001953125)

    found = solved(NativeEngine(2, max_iterations=1000), [hard, easy], splits)

    assert not found[hard].converged
    assert found[hard].error is None
    assert found[easy].converged


def test_leaving_a_search_stops_the_solver_within_a_second() -> None:
    values, labels = low_rank(600, 20, 2)
    easy = [Problem("rbf", 2.0**exponent, 2.0**-9) for exponent in (-9, -7, -5)]  # goes first
    endless = Problem("poly", 2.0**30, 2.0**9)
    engine = NativeEngine(2, max_iterations=2**31 - 1)
    solutions = engine.solve([*easy, endless], splits_of(values, labels))
    assert [next(solutions).converged for _ in easy] == [True] * 3

    started = time.process_time()  # of both threads
    solutions.close()

    assert time.process_time() - started < 1


def test_auto_is_the_native_engine_where_it_is_built() -> None:
    assert choose_engine("auto").name == choose_engine("native").name == "native"
    assert choose_engine("auto").description.startswith("native (")
