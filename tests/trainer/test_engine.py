"""What both engines do, scikit-learn's SVC being what they are held to."""

import signal
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg.cython_blas import __pyx_capi__ as blas
from sklearn.svm import SVC
from threadpoolctl import threadpool_info, threadpool_limits

from tests.busy_processes import wait_until_busy
from trainer.errors import DatasetError, OptionsError
from trainer.grid.engine import Problem, class_weights
from trainer.grid.engines import choose_engine, why_no_native
from trainer.grid.folds import Split, assign_folds, split
from trainer.grid.processors import one_thread_each
from trainer.grid.sklearn_engine import SklearnEngine
from trainer.layout import Layout


def blobs(k: int, count: int = 15, apart: Any = 0.5) -> Any:
    """k overlapping classes whose recordings take turns."""
    rng = np.random.default_rng(k)
    labels = np.arange(count * k) % k
    return (rng.random((count * k, 8)) + apart * np.eye(8)[labels]).astype(np.float32), labels


def splits_of(values: Any, labels: Any) -> Any:
    names = [f"r{row:04}" for row in range(len(labels))]
    return split(
        values, Layout.of_columns(values.shape[1]), labels, assign_folds(names, labels, 5, 1)
    )


def solve_one(problem: Any, splits: Any, engine: Any) -> Any:
    (solution,) = engine.solve([problem], splits)
    return solution


@pytest.mark.parametrize("kernel", ["poly", "rbf"])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_predictions_equal_scikit_learns_but_for_ties_of_the_vote(
    k: int, kernel: str, make_engine: Any
) -> None:
    values, labels = blobs(k)
    splits = splits_of(values, labels)

    solution = solve_one(Problem(kernel, 2.0, 0.5), splits, make_engine())

    ties = 0
    for part in splits:
        machine = SVC(
            C=2.0, kernel=kernel, gamma=0.5, degree=3, coef0=0, decision_function_shape="ovo"
        )
        machine.fit(part.training, part.training_codes)
        theirs = part.class_of_code[machine.predict(part.testing)]
        ties += int((theirs != solution.predicted[part.testing_rows]).sum())
    assert ties <= (0 if k < 3 else len(labels) // 20)
    assert solution.converged
    assert solution.error is None


def test_a_circle_of_votes_goes_to_the_class_that_appears_first(make_engine: Any) -> None:
    # Three classes round a centre, rotationally alike: each beats the next there.
    angles = 2 * np.pi * np.arange(3) / 3
    turned = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shift = np.stack([np.cos(angles + 0.7), np.sin(angles + 0.7)], axis=1)
    training = np.concatenate([turned, 3 * shift])[[2, 0, 1, 5, 3, 4]]
    labels = np.array([2, 0, 1, 2, 0, 1])
    part = Split(
        training, np.zeros((1, 2)), np.array([0, 1, 2, 0, 1, 2]), np.array([2, 0, 1]), np.array([0])
    )
    machine = SVC(C=2.0, kernel="rbf", gamma=0.5, decision_function_shape="ovo")
    signs = np.sign(machine.fit(training, part.training_codes).decision_function([[0, 0]]))

    solution = solve_one(Problem("rbf", 2.0, 0.5), [part], make_engine())

    assert signs.tolist() in ([[1, -1, 1]], [[-1, 1, -1]])  # a circle it is
    assert solution.predicted.tolist() == [labels[0]]


def test_balanced_weights_are_those_of_the_training_part_at_hand() -> None:
    codes = np.array([0, 0, 0, 1, 2, 2])

    assert class_weights(codes, balance=True).tolist() == [6 / 9, 2, 1]
    assert class_weights(codes, balance=False).tolist() == [1, 1, 1]


def test_balanced_classes_predict_as_scikit_learns_balanced(make_engine: Any) -> None:
    values, labels = blobs(2, count=40, apart=0.2)
    keep = (labels == 0) | (np.arange(len(labels)) % 8 == 1)
    splits = splits_of(values[keep], labels[keep])

    balanced = solve_one(Problem("rbf", 1.0, 0.5, balance_classes=True), splits, make_engine())
    plain = solve_one(Problem("rbf", 1.0, 0.5), splits, make_engine())

    expected = np.empty_like(labels[keep])
    for part in splits:
        machine = SVC(C=1.0, gamma=0.5, class_weight="balanced").fit(
            part.training, part.training_codes
        )
        expected[part.testing_rows] = part.class_of_code[machine.predict(part.testing)]
    assert balanced.predicted.tolist() == expected.tolist() != plain.predicted.tolist()


def test_the_iteration_cap_is_reported_and_gives_predictions_all_the_same(make_engine: Any) -> None:
    values, labels = blobs(2, apart=0.1)
    splits = splits_of(values, labels)

    capped = solve_one(Problem("rbf", 512.0, 8.0), splits, make_engine(jobs=1, max_iterations=1))

    assert not capped.converged
    assert capped.error is None
    assert set(capped.predicted) <= {0, 1}


@pytest.mark.parametrize("where", ["training", "testing"])
def test_values_that_overflow_are_the_combinations_error_and_not_the_jobs(
    where: Any, make_engine: Any
) -> None:
    values, labels = blobs(2)
    part, *others = splits_of(values, labels)
    getattr(part, where)[0, 0] = np.inf

    solutions = list(
        make_engine().solve([Problem("rbf", 1.0, 1.0), Problem("poly", 1.0, 1.0)], [part, *others])
    )

    assert len(solutions) == 2
    for solution in solutions:
        assert "infinity" in solution.error
        assert set(solution.predicted) == {-1}


def test_a_kernel_that_overflows_is_the_combinations_error(make_engine: Any) -> None:
    values, labels = blobs(2)
    problem = Problem("poly", 2.0**30, 2.0**30)

    solution = solve_one(problem, huge(values, labels), make_engine())

    assert "not finite" in solution.error


def huge(values: Any, labels: Any) -> Any:
    """Enumerated codes reach the machine as they are, and may be large."""
    return [
        Split(1e6 * s.training, 1e6 * s.testing, s.training_codes, s.class_of_code, s.testing_rows)
        for s in splits_of(values, labels)
    ]


def test_a_final_machine_that_overflows_is_an_error_that_a_person_can_read(
    make_engine: Any,
) -> None:
    values, labels = blobs(2)
    problem = Problem("poly", 2.0**30, 2.0**30)

    with pytest.raises(DatasetError, match="cannot be trained"):
        make_engine().fit(1e6 * values.astype(float), labels, problem=problem, weights=np.ones(2))


def test_a_fold_without_descriptors_is_the_combinations_error(make_engine: Any) -> None:
    values, labels = blobs(2)
    part, *others = splits_of(values, labels)
    empty = Split(
        part.training[:, :0],
        part.testing[:, :0],
        part.training_codes,
        part.class_of_code,
        part.testing_rows,
    )

    assert solve_one(Problem("rbf", 1.0, 1.0), [empty, *others], make_engine()).error


def test_solutions_come_one_by_one_and_leaving_early_stops_the_rest(make_engine: Any) -> None:
    values, labels = blobs(3)
    splits = splits_of(values, labels)
    problems = [Problem("rbf", 2.0**c, 2.0**g) for c in range(-5, 12) for g in range(-11, 4)]

    solutions = make_engine(jobs=1).solve(problems, splits)

    assert next(solutions).problem in problems
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib says so when its results are not asked for
        solutions.close()
    assert not list(solutions)


def test_jobs_change_nothing(make_engine: Any) -> None:
    values, labels = blobs(3)
    splits = splits_of(values, labels)
    problems = [Problem(kernel, 2.0, 0.5) for kernel in ("poly", "rbf")]

    one, two = (
        {s.problem: s.predicted.tolist() for s in make_engine(jobs=jobs).solve(problems, splits)}
        for jobs in (1, 2)
    )

    assert one == two


def blas_threads() -> set[int]:
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


def test_rows_of_many_columns_take_no_threads_but_the_engines(make_engine: Any) -> None:
    rng = np.random.default_rng(1)
    values = rng.random((6, 10_001)).astype(np.float32)[np.arange(36) % 6]  # copies in both classes
    first, *others = splits_of(values, np.arange(36) // 6 % 2)
    fewer = {"training": first.training[:, :9].copy(), "testing": first.testing[:, :9].copy()}
    splits = [replace(first, **fewer), *others]
    problem = Problem("poly", 2.0, 2.0**-11)

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        seen = [blas_threads() for _ in make_engine().solve([problem], splits)]

        assert (before, seen, blas_threads()) == ({2}, [{1}], {2})


def test_of_searches_that_overlap_the_last_one_gives_blas_its_threads_back() -> None:
    with threadpool_limits(2, user_api="blas"):
        first, second = one_thread_each(10_001), one_thread_each(10_001)
        with first:
            second.__enter__()
        between = blas_threads()
        second.__exit__(None, None, None)

        assert (between, blas_threads()) == ({1}, {2})


def test_a_converged_search_leaves_the_warning_filters_as_they_were(make_engine: Any) -> None:
    values, labels = blobs(2)
    before = list(warnings.filters)

    solve_one(
        Problem("rbf", 1.0, 1.0), splits_of(values, labels), make_engine(jobs=1, max_iterations=1)
    )

    assert warnings.filters == before


INTERRUPTED = """
import os, signal, sys, time
import numpy as np
from trainer.grid.engine import Problem
from trainer.grid.folds import Split

if sys.argv[1] == "native":
    from trainer.grid.native_engine import NativeEngine as Engine
else:
    from trainer.grid.sklearn_engine import SklearnEngine as Engine

def end(number, frame):
    sys.exit()

signal.signal(signal.SIGTERM, end)
rng = np.random.default_rng(3)
X = rng.normal(size=(600, 3)) @ rng.normal(size=(3, 20))
codes = np.arange(600) % 2
split = Split(X, X[:9], codes, np.arange(2), np.arange(9))
endless = [Problem("poly", 2.0**30, 2.0**gamma) for gamma in (9, 7, 5)]
engine = Engine(2, max_iterations=10**9)
print("begun", flush=True)
try:
    if sys.argv[2] == "fit":
        engine.fit(X, codes, problem=endless[0], weights=np.ones(2))
    else:
        list(engine.solve(endless, [split]))
except BaseException as end:
    print(type(end).__name__, time.monotonic(), flush=True)
if sys.argv[1] == "sklearn":  # as `fits_under_way` says; nothing else ends beside libsvm
    from trainer.grid.sklearn_engine import fits_under_way
    os._exit(0 if fits_under_way() else 1)
"""


@pytest.mark.parametrize("engine", ["native", "sklearn"])
@pytest.mark.parametrize(
    ("call", "number", "name"),
    [("fit", signal.SIGINT, "KeyboardInterrupt"), ("solve", signal.SIGTERM, "SystemExit")],
)
def test_a_signal_ends_an_endless_problem_within_a_second(
    engine: str, call: str, number: signal.Signals, name: str
) -> None:
    if engine == "native" and why_no_native():
        pytest.skip(f"no native engine: {why_no_native()}")
    child = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, engine, call],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    wait_until_busy(child.pid)

    sent = time.monotonic()
    child.send_signal(number)
    said, _ = child.communicate(timeout=60)

    ended_by, at = said.split()
    assert ended_by == name
    assert float(at) - sent < 1
    assert child.returncode == 0


def test_an_engine_that_is_not_there_is_refused_by_name() -> None:
    assert choose_engine("auto").name in {"sklearn", "native"}
    with pytest.raises(OptionsError, match="'quantum' is not available"):
        choose_engine("quantum")


@pytest.mark.skipif(why_no_native() is not None, reason="no native engine")
def test_where_scipy_shares_its_inner_product_in_another_way_scikit_learn_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(blas, "ddot", blas["sdot"])

    assert "shares its inner product in another way" in str(why_no_native())
    assert isinstance(choose_engine("auto"), SklearnEngine)
    with pytest.raises(OptionsError, match=r"'native' is not available here: .*scipy"):
        choose_engine("native")


@pytest.mark.skipif(why_no_native() is not None, reason="no native engine")
@pytest.mark.parametrize("shared", [{"ddot": None}, {}, None])
def test_where_scipy_does_not_share_it_there_is_no_native_engine(
    shared: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shared is None:
        monkeypatch.delattr("scipy.linalg.cython_blas.__pyx_capi__")
    else:
        monkeypatch.setattr("scipy.linalg.cython_blas.__pyx_capi__", shared)

    assert "in another way" in str(why_no_native())


@pytest.mark.parametrize("kernel", ["linear", "", None])
def test_a_kernel_that_no_engine_has_is_refused_by_name(kernel: Any) -> None:
    with pytest.raises(OptionsError, match=r"kernel of a problem is .*; possible are poly, rbf"):
        Problem(kernel, 1.0, 1.0)


@pytest.mark.parametrize("value", [0.0, -1.0, np.inf, np.nan, "1", None])
@pytest.mark.parametrize("name", ["C", "gamma"])
def test_a_parameter_that_is_not_above_0_and_finite_is_refused(name: str, value: Any) -> None:
    given = {"C": 1.0, "gamma": 1.0} | {name: value}

    with pytest.raises(OptionsError, match=f"{name} of a problem is .*; give a number above 0"):
        Problem("rbf", **given)


@pytest.mark.parametrize("value", [0, -1, 1.5, 2**70, "2"])
@pytest.mark.parametrize("name", ["jobs", "max_iterations"])
def test_a_limit_that_an_engine_cannot_keep_to_is_refused(
    name: str, value: Any, make_engine: Any
) -> None:
    with pytest.raises(OptionsError, match=f"{name} of the \\w+ engine is .* whole number from 1 "):
        make_engine(**{name: value})
