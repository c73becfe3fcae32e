"""Decisions that are 0, exactly or but for rounding, fall to the side that libsvm gives them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg.cython_blas import __pyx_capi__ as blas
from sklearn.svm import SVC

from trainer.grid.engine import Problem
from trainer.grid.engines import why_no_native
from trainer.grid.folds import Split, by_first_appearance
from trainer.grid.sklearn_engine import SklearnEngine

MISSING = why_no_native()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

INSTRUCTION_SETS = [""]
if not MISSING:
    from trainer.grid.native._native import Products, Run, Task, instruction_sets
    from trainer.grid.native_engine import NativeEngine

    INSTRUCTION_SETS = instruction_sets()

CAP = 20_000

# Few values with few binary places: inner products are exact, and rows meet at equal distances.
exact_values = st.sampled_from([0.0, 0.0, 0.25, 0.5, 1.0, -1.0, 2.0, 3.0])


def rows_of(width: int) -> Any:
    return st.lists(exact_values, min_size=width, max_size=width)


@st.composite
def splits_from(draw: st.DrawFn, distinct: Any, *, most: int = 14) -> Any:
    """Two to four classes of at most so many rows out of a few, tested on them and on others."""
    k = draw(st.integers(2, 4))
    count = draw(st.integers(k, max(k, most)))
    places = st.integers(0, len(distinct) - 1)
    chosen = draw(st.lists(places, min_size=count, max_size=count))
    more = draw(st.lists(st.integers(0, k - 1), min_size=count - k, max_size=count - k))
    codes, class_of_code = by_first_appearance(np.array(draw(st.permutations([*range(k), *more]))))
    training = np.array([distinct[place] for place in chosen])
    others = draw(st.lists(rows_of(training.shape[1]), max_size=4))
    testing = np.array([*distinct, *others])
    return Split(training, testing, codes, class_of_code, np.arange(len(testing)))


@st.composite
def few_rows(draw: st.DrawFn) -> Any:
    """Zeros and one to five more rows."""
    width = draw(st.integers(1, 4))
    return [[0.0] * width, *draw(st.lists(rows_of(width), min_size=1, max_size=5))]


many_copies = few_rows().flatmap(splits_from)
one_of_each_class = few_rows().flatmap(lambda rows: splits_from(rows, most=2))
# Any values: what is tested is that copies cancel, whatever the bits of their kernel are.
one_row = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=4)
copies_of_one = one_row.flatmap(lambda row: splits_from([row]))


def of_the_row_itself(split: Any) -> Any:
    """The first testing row, which is the training row."""
    return replace(split, testing=split.testing[:1], testing_rows=split.testing_rows[:1])


def assert_decided_as_by_scikit_learn(split: Any, problem: Any, instruction_set: str) -> None:
    engine = NativeEngine(1, max_iterations=CAP, instruction_set=instruction_set)

    (ours,) = engine.solve([problem], [split])
    (theirs,) = SklearnEngine(1, CAP).solve([problem], [split])

    assert ours.converged == theirs.converged
    if theirs.converged:
        assert ours.predicted.tolist() == theirs.predicted.tolist()


@given(split=many_copies, c=st.integers(-10, 40), gamma=st.integers(-12, 8))
@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_ties_of_polynomial_kernels_are_decided_as_by_scikit_learn(
    instruction_set: str, *, split: Any, c: int, gamma: int
) -> None:
    problem = Problem("poly", 2.0**c, 2.0**gamma)

    assert_decided_as_by_scikit_learn(split, problem, instruction_set)


@given(
    split=st.one_of(one_of_each_class, copies_of_one.map(of_the_row_itself)),
    c=st.integers(-10, 40),
    gamma=st.integers(-12, 8),
)
@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_ties_of_radial_kernels_are_decided_as_by_scikit_learn(
    instruction_set: str, *, split: Any, c: int, gamma: int
) -> None:
    problem = Problem("rbf", 2.0**c, 2.0**gamma)

    assert_decided_as_by_scikit_learn(split, problem, instruction_set)


@st.composite
def copies_under_all_classes(draw: st.DrawFn) -> Any:
    """Two to four classes of the same few documents, some of them more often, tested on those."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    k, distinct = draw(st.integers(2, 4)), draw(st.integers(1, 7))
    width = draw(st.sampled_from([5, 40, 674]))
    rows = rng.random((distinct, width)) ** draw(st.sampled_from([1, 3]))
    times = draw(st.integers(1, 4)) + rng.integers(0, 1 + draw(st.integers(0, 1)), (k, distinct))
    codes, of_rows = (
        np.repeat(numbers, times.ravel())
        for numbers in np.divmod(np.arange(k * distinct), distinct)
    )
    order = rng.permutation(len(codes))
    codes, class_of_code = by_first_appearance(codes[order])
    others = rng.random((2, width))
    testing = np.concatenate([rows, others])
    return Split(rows[of_rows[order]], testing, codes, class_of_code, np.arange(len(testing)))


@given(
    split=copies_under_all_classes(),
    kernel=st.sampled_from(["poly", "rbf"]),
    c=st.integers(-5, 11),
    gamma=st.integers(-11, 3),
)
@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_copies_of_documents_under_several_classes_are_decided_as_by_scikit_learn(
    instruction_set: str, *, split: Any, kernel: str, c: int, gamma: int
) -> None:
    problem = Problem(kernel, 2.0**c, 2.0**gamma)

    assert_decided_as_by_scikit_learn(split, problem, instruction_set)


@given(
    seed=st.integers(0, 2**32),
    width=st.sampled_from([3, 50, 1000]),
    spread=st.sampled_from([1.0, 0.1, 0.01]),  # the smaller, the more digits distances lose
    kernel=st.sampled_from(["poly", "rbf"]),
    gamma=st.integers(-9, 6),
)
@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_rows_as_far_from_two_that_mirror_each_other_are_decided_as_by_scikit_learn(
    instruction_set: str, *, seed: int, width: int, spread: float, kernel: str, gamma: int
) -> None:
    rows = 1 - spread * np.random.default_rng(seed).random((11, width))
    halves, same = rows[:2], rows[2:]
    training = np.stack([halves.ravel(), halves[::-1].ravel()])
    testing = np.hstack([same, same])  # sums of the same terms, in another order
    split = Split(training, testing, np.arange(2), np.arange(2), np.arange(9))
    # Kernels of the larger ones are identities in float32, for which one machine is trained.
    problems = [Problem(kernel, 1.0, 2.0 ** (gamma + more)) for more in range(3)]

    ours, theirs = (
        {
            solution.problem: solution.predicted.tolist()
            for solution in engine.solve(problems, [split])
        }
        for engine in (NativeEngine(1, instruction_set=instruction_set), SklearnEngine(1))
    )

    assert ours == theirs


def test_folds_of_copies_under_several_classes_are_decided_as_by_scikit_learn() -> None:
    rng = np.random.default_rng(19)
    labels = np.repeat(np.arange(3), 18)
    values = np.tile(np.repeat(rng.random((6, 674)), 3, axis=0), (3, 1))
    order = rng.permutation(len(labels))
    values, labels = values[order], labels[order]
    fold_of = np.arange(len(labels)) % 5
    splits = [
        Split(
            values[fold_of != fold],
            values[fold_of == fold],
            *by_first_appearance(labels[fold_of != fold]),
            np.flatnonzero(fold_of == fold),
        )
        for fold in range(5)
    ]
    problems = [
        Problem(kernel, 2.0**c, 2.0**gamma)
        for kernel in ("poly", "rbf")
        for c in (-3, 3, 9)
        for gamma in (-9, -5, -1, 3)
    ]

    ours, theirs = (
        {solution.problem: solution for solution in engine.solve(problems, splits)}
        for engine in (NativeEngine(1), SklearnEngine(2))
    )

    for problem in problems:
        assert theirs[problem].converged
        assert ours[problem].predicted.tolist() == theirs[problem].predicted.tolist(), problem


def made_products() -> Any:
    """Return 61 rows of two classes, 23 to test on, and their products."""
    rng = np.random.default_rng(5)
    rows, tested = rng.normal(size=(61, 7)), rng.normal(size=(23, 7))
    below = (rows @ rows.T)[np.tril_indices(61)]
    squares = np.square(tested).sum(axis=1)
    originals = (rows, list(range(61)), tested)
    return rows, tested, Products(below, rows @ tested.T, squares, [0, 30, 61], originals)


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_a_decision_is_the_sum_over_one_support_vector_after_the_other(
    instruction_set: str,
) -> None:
    rows, tested, products = made_products()
    task = Task(0, 0, 1, False, [0.5], [0], [2.0], (1.0, 1.0))  # noqa: FBT003 - compiled
    saturate, keep = False, True
    run = Run([products], [task], 1e-3, CAP, saturate, keep, instruction_set, 1, blas["ddot"])
    assert run.wait(60) == 0

    coefficients, rho, *_, decisions = run.take_result(0)

    base = 0.5 * (rows @ tested.T)
    kernel = base * (base * base)
    expected = np.zeros(len(tested))
    for coefficient, row in zip(coefficients, kernel, strict=True):
        expected += coefficient * row
    np.testing.assert_array_equal(decisions[0, 0], expected - rho)
    assert (decisions[0, 0] != coefficients @ kernel - rho).any()  # another order, other bits


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
def test_further_gammas_of_a_work_item_have_decisions_of_their_own(instruction_set: str) -> None:
    rows, tested, products = made_products()
    gammas = [0.5, 0.25, 0.125]
    task = Task(0, 0, 1, True, gammas, [0, 1, 2], [2.0], (1.0, 1.0))  # noqa: FBT003 - compiled
    saturate, keep = False, True
    run = Run([products], [task], 1e-3, CAP, saturate, keep, instruction_set, 1, blas["ddot"])
    assert [run.wait(60) for _ in gammas] == [0, 1, 2]

    coefficients, rho, *_, decisions = run.take_result(0)

    distances = np.square(rows[:, None] - tested).sum(axis=-1)
    for gamma, found in zip(gammas, decisions, strict=True):
        expected = coefficients @ np.exp(-gamma * distances) - rho
        np.testing.assert_allclose(found[0], expected, rtol=1e-9, atol=1e-12)


def far_from_0(offset: float, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    codes = np.r_[0, 1, rng.integers(0, 2, 198)]
    return rng.random((200, 8)) + 0.3 * codes[:, None] + offset, codes


@pytest.mark.parametrize("instruction_set", INSTRUCTION_SETS)
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("offset", [1e5, 1e6, 1e7])
def test_columns_far_from_0_take_scikit_learns_steps_once_they_are_scaled(
    offset: float, seed: int, instruction_set: str
) -> None:
    X, codes = far_from_0(offset, seed)
    scaled = (X - X.min(axis=0)) / np.ptp(X, axis=0)
    problem = Problem("rbf", 8.0, 0.5)

    theirs = SVC(C=problem.C, gamma=problem.gamma).fit(scaled, codes)
    ours = NativeEngine(1, instruction_set=instruction_set).train(
        scaled, codes, problem=problem, weights=np.ones(2)
    )

    assert ours.iterations.tolist() == theirs.n_iter_.tolist()


def test_scikit_learns_distances_lose_digits_far_from_0_too() -> None:
    X, codes = far_from_0(1e7, 0)

    raw, centred = (SVC(C=8.0, gamma=0.5).fit(rows, codes) for rows in (X, X - X.mean(axis=0)))

    assert raw.n_iter_.tolist() != centred.n_iter_.tolist()
