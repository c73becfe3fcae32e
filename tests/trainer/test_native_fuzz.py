"""Whatever shapes and values the compiled engine is given, it neither crashes nor makes things up.

`make sanitize` runs these with more examples, on builds that end at the first misuse of memory.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import DatasetError
from trainer.grid.engine import Problem
from trainer.grid.engines import why_no_native
from trainer.grid.folds import Split, by_first_appearance
from trainer.grid.sklearn_engine import SklearnEngine

MISSING = why_no_native()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

INSTRUCTION_SETS = [""]
if not MISSING:
    from trainer.grid.native._native import instruction_sets
    from trainer.grid.native_engine import NativeEngine

    INSTRUCTION_SETS = instruction_sets()

DENORMAL = 5e-324
# As preprocessing leaves them. Where values are larger, runs that are long enough to add up what
# they round may end elsewhere; and from some 1e7 on, so may the distance of two equal rows.
ORDINARY_SCALES, ORDINARY_ODDITIES = [1.0, 1e-3], [0.0, -0.5, 2.0]
EXTREME_SCALES = [1.0, 0.0, 1e150, 1e-150, 1e40, 1e7, DENORMAL]
EXTREME_ODDITIES = [0.0, -0.0, 1e150, -1e150, 1e-150, DENORMAL, 1e200, -1e8]
NOT_FINITE = [np.nan, np.inf, -np.inf]


@st.composite
def row_sets(draw: st.DrawFn, scales: Any, oddities: Any) -> Any:
    """Training rows, their codes and testing rows: equal rows, constant columns, odd values."""
    k = draw(st.integers(2, 6))
    sizes = draw(st.lists(st.integers(1, 80 // k), min_size=k, max_size=k))
    width = draw(st.integers(1, 40))
    n_testing = draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    codes = by_first_appearance(rng.permutation(np.repeat(np.arange(k), sizes)))[0]
    apart = draw(st.sampled_from([0.0, 0.1, 1.0]))
    X = rng.random((len(codes) + n_testing, width))
    X[: len(codes)] += apart * codes[:, None]
    X *= draw(st.sampled_from(scales))
    X[:, rng.random(width) < draw(st.sampled_from([0.0, 0.3]))] = draw(st.sampled_from([0.0, 0.5]))
    copies = rng.integers(0, len(X), draw(st.integers(0, 30)))
    X[rng.integers(0, len(X), len(copies))] = X[copies]
    for value in draw(st.lists(st.sampled_from(oddities), max_size=3)):
        X[rng.integers(0, len(X)), rng.integers(0, width)] = value
    return X[: len(codes)], codes, X[len(codes) :]


@st.composite
def split_lists(draw: st.DrawFn, scales: Any, oddities: Any) -> Any:
    """One to three folds that have nothing to do with each other, not even their columns."""
    splits = []
    tested = 0
    for _ in range(draw(st.integers(1, 3))):
        training, codes, testing = draw(row_sets(scales, oddities))
        rows = np.arange(tested, tested := tested + len(testing))
        class_of_code = np.arange(codes.max() + 1, dtype=np.intp)[::-1]
        splits.append(Split(training, testing, codes, class_of_code, rows))
    return splits


def problem_lists(exponents: int) -> Any:
    """Several that may share kernels and paths along C, in any order."""
    one = st.builds(
        Problem,
        st.sampled_from(["poly", "rbf"]),
        st.integers(-exponents, exponents).map(lambda exponent: 2.0**exponent),
        st.sampled_from([-exponents, -9, -3, -1, 0, 2, exponents]).map(lambda e: 2.0**e),
        st.booleans(),
    )
    return st.lists(one, min_size=1, max_size=6, unique=True)


def engines(caps: Any) -> Any:
    """Few and many threads, each instruction set, memory for nothing to everything."""
    return st.builds(
        dict,
        jobs=st.integers(1, 4),
        max_iterations=st.sampled_from(caps),
        memory=st.sampled_from([1, 30_000, 300_000, 2**30]),
        instruction_set=st.sampled_from(INSTRUCTION_SETS),
    )


def solve(engine: Any, problems: Any, splits: Any, **more: Any) -> Any:
    """Check the form of all solutions, each of which must come once."""
    with np.errstate(all="ignore"):
        solutions = list(engine.solve(problems, splits, **more))
    assert sorted(map(hash, problems)) == sorted(hash(one.problem) for one in solutions)
    for one in solutions:
        if one.error:
            assert set(one.predicted) <= {-1}
            continue
        for split in splits:
            assert np.isin(one.predicted[split.testing_rows], split.class_of_code).all()
    return {one.problem: one for one in solutions}


@given(
    splits=split_lists(ORDINARY_SCALES, ORDINARY_ODDITIES),
    problems=problem_lists(10),
    engine=engines([1, 30, 5_000]),
    shortcuts=st.booleans(),
)
def test_ordinary_values_are_predicted_as_by_the_sklearn_engine(
    *, splits: Any, problems: Any, engine: Any, shortcuts: bool
) -> None:
    ours = solve(NativeEngine(**engine), problems, splits, shortcuts=shortcuts)
    theirs = solve(SklearnEngine(1, engine["max_iterations"]), problems, splits)

    for problem, expected in theirs.items():
        assert ours[problem].error == expected.error
        if expected.error is None and expected.converged:
            assert ours[problem].converged
            assert ours[problem].predicted.tolist() == expected.predicted.tolist()


@given(
    splits=split_lists(EXTREME_SCALES, EXTREME_ODDITIES),
    problems=problem_lists(300),
    engine=engines([1, 1000]),
    shortcuts=st.booleans(),
)
def test_extreme_values_are_solved_or_refused(
    *, splits: Any, problems: Any, engine: Any, shortcuts: bool
) -> None:
    native = NativeEngine(**engine)
    native.scales_freely(splits, [problem.gamma for problem in problems])

    solve(native, problems, splits, shortcuts=shortcuts)


@given(
    splits=split_lists(EXTREME_SCALES, EXTREME_ODDITIES),
    gammas=st.lists(st.integers(-40, 40).map(lambda exponent: 2.0**exponent), min_size=1),
    memory=st.sampled_from([1, 2**30]),
)
def test_kernels_scale_freely_where_those_of_the_sklearn_engine_do(
    *, splits: Any, gammas: Any, memory: int
) -> None:
    ours = NativeEngine(memory=memory).scales_freely(splits, gammas)

    assert ours == SklearnEngine().scales_freely(splits, gammas)


@given(
    rows=row_sets(EXTREME_SCALES, EXTREME_ODDITIES),
    problems=problem_lists(300),
    weights=st.lists(st.sampled_from([1.0, 1e-3, 1e6, 0.3]), min_size=6, max_size=6),
    engine=engines([1, 1000]),
)
def test_what_scikit_learn_refuses_to_train_is_refused_and_nothing_else(
    *, rows: Any, problems: Any, weights: Any, engine: Any
) -> None:
    X, codes, _ = rows
    weights = np.array(weights[: codes.max() + 1])
    for problem in problems:
        native, sklearn = (
            outcome(each, X, codes, problem, weights)
            for each in (NativeEngine(**engine), SklearnEngine(1, engine["max_iterations"]))
        )
        assert native == sklearn


@pytest.mark.parametrize("row", range(4))
def test_a_row_that_overflows_is_refused_where_scikit_learn_refuses_it(row: int) -> None:
    X, codes = np.zeros((4, 2)), np.arange(4) % 2
    X[row] = 1e150

    native, sklearn = (
        outcome(engine, X, codes, Problem("poly", 8.0, 0.5), np.ones(2))
        for engine in (NativeEngine(), SklearnEngine())
    )

    assert native == sklearn


def outcome(engine: Any, X: Any, codes: Any, problem: Any, weights: Any) -> str | None:
    """What a fit says of values that it refuses."""
    try:
        engine.fit(X, codes, problem=problem, weights=weights)
    except DatasetError as error:
        return str(error)
    return None


@given(
    splits=split_lists([1.0], ORDINARY_ODDITIES),
    problems=problem_lists(10),
    engine=engines([30]),
    place=st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 79), st.integers(0, 39)),
    value=st.sampled_from(NOT_FINITE),
)
def test_a_value_that_is_no_number_is_refused_in_scikit_learns_words(
    *, splits: Any, problems: Any, engine: Any, place: Any, value: float
) -> None:
    number, in_training, row, column = place
    split = splits[number % len(splits)]
    values = split.training if in_training else split.testing
    values[row % len(values), column % values.shape[1]] = value

    native = NativeEngine(**engine)
    native.scales_freely(splits, [problem.gamma for problem in problems])
    ours = solve(native, problems, splits)
    theirs = solve(SklearnEngine(1, 30), problems, splits)

    for problem, expected in theirs.items():
        assert "contains" in str(expected.error)
        assert ours[problem].error == expected.error
    if in_training:
        weights = np.ones(len(split.class_of_code))
        said = outcome(native, values, split.training_codes, problems[0], weights)
        assert said == f"the support vector machine cannot be trained: {theirs[problems[0]].error}"
