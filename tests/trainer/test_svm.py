"""The machine as plain arrays: decisions and votes."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from trainer.grid.engine import Problem
from trainer.grid.sklearn_engine import SklearnEngine
from trainer.models.svm import BLOCK, PairwiseSvm, pairs, vote


def blobs(k: int, count: int = 12, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    codes = np.arange(count * k) % k
    return rng.random((count * k, 6)) + 0.3 * codes[:, None] * np.eye(6)[codes], codes


def machines(k: int, kernel: str, weights: Any = None) -> Any:
    X, codes = blobs(k)
    weights = np.ones(k) if weights is None else weights
    problem = Problem(kernel, C=8.0, gamma=0.5)
    theirs = SVC(
        C=8.0,
        kernel=kernel,
        gamma=0.5,
        degree=3,
        coef0=0.0,
        class_weight=dict(enumerate(weights)),
        decision_function_shape="ovo",
    ).fit(X, codes)
    return SklearnEngine().fit(X, codes, problem=problem, weights=weights), theirs


@pytest.mark.parametrize("kernel", ["poly", "rbf"])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_decisions_equal_scikit_learns(k: int, kernel: str) -> None:
    ours, theirs = machines(k, kernel)
    X, _ = blobs(k, seed=1)

    expected = theirs.decision_function(X)

    # Of two classes scikit-learn counts for the second what libsvm counts for the first.
    expected = -expected[:, None] if k == 2 else expected
    assert ours.decisions(X) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("kernel", ["poly", "rbf"])
@pytest.mark.parametrize("k", [2, 3, 5])
def test_predictions_are_the_vote_of_the_decisions(k: int, kernel: str) -> None:
    ours, _ = machines(k, kernel)
    X, _ = blobs(k, count=3 * BLOCK, seed=1)

    assert ours.predict(X).tolist() == vote(ours.decisions(X), k).tolist()


def test_a_decision_that_is_0_one_vector_after_the_other_goes_to_the_second_class() -> None:
    # On (1, 1, 1, 1) the kernel is 1 with all vectors, so a decision is a sum of coefficients. In
    # their order each 1 is lost in 2**53; a product of matrices adds some of them up first.
    ones, large = np.ones(30), np.array([2.0**53])
    lost = PairwiseSvm(
        kernel="poly",
        gamma=0.25,
        support_vectors=np.ones((32, 4)),
        counts=np.array([31, 1]),
        coefficients=np.concatenate([large, ones, -large])[None, :],
        rho=np.zeros(1),
    )
    kept = replace(lost, coefficients=np.concatenate([ones, large, -large])[None, :])

    row = np.ones((1, 4))
    assert lost.decisions(row) > 0
    assert lost.predict(row).tolist() == [1]
    assert kept.predict(row).tolist() == [0]


def test_class_weights_reach_the_machine() -> None:
    ours, theirs = machines(3, "rbf", np.array([0.1, 1.0, 10.0]))
    X, _ = blobs(3, seed=1)

    assert ours.decisions(X) == pytest.approx(theirs.decision_function(X))


@pytest.mark.parametrize("k", [2, 3, 5])
def test_support_vectors_are_grouped_by_class_and_counted(k: int) -> None:
    ours, theirs = machines(k, "rbf")
    _, codes = blobs(k)

    assert ours.counts.tolist() == np.bincount(codes[theirs.support_]).tolist()
    assert ours.coefficients.shape == (k - 1, ours.counts.sum())


@pytest.mark.parametrize("kernel", ["poly", "rbf"])
@pytest.mark.parametrize("k", [2, 3, 6])
def test_a_row_has_the_same_decisions_to_the_bit_whatever_comes_with_it(
    k: int, kernel: Any
) -> None:
    ours, _ = machines(k, kernel)
    X = np.random.default_rng(2).random((2 * BLOCK + 3, 6))

    with threadpool_limits(1):
        whole = ours.decisions(X)
        for start in (0, 1, BLOCK - 1, BLOCK, 2 * BLOCK + 2):
            for count in (1, 2, 7, BLOCK + 1):
                part = ours.decisions(X[start : start + count])
                np.testing.assert_array_equal(part, whole[start : start + count])


def test_decisions_of_float32_are_those_of_the_same_numbers_as_float64() -> None:
    ours, _ = machines(3, "rbf")
    X = np.random.default_rng(2).random((5, 6), dtype=np.float32)

    np.testing.assert_array_equal(ours.decisions(X), ours.decisions(X.astype(np.float64)))


@pytest.mark.parametrize("k", [2, 3])
def test_no_rows_give_no_decisions(k: int) -> None:
    ours, _ = machines(k, "rbf")

    assert ours.decisions(np.empty((0, 6))).shape == (0, k * (k - 1) // 2)


def test_a_row_at_a_support_vector_is_at_distance_zero_despite_rounding() -> None:
    ours, _ = machines(2, "rbf")

    kernel = ours._kernel(ours.support_vectors, len(ours.support_vectors))

    assert kernel.max() <= 1


@pytest.mark.parametrize(
    ("decisions", "winner"),
    [
        ([1, 1, 1], 0),
        ([-1, 1, 1], 1),
        ([-1, -1, -1], 2),
        ([1, -1, 1], 0),  # a circle: one vote each
        ([-1, 1, -1], 0),
        ([0, 0, 0], 2),  # none is above zero
    ],
)
def test_most_votes_win_and_of_equals_the_first_class(decisions: Any, winner: Any) -> None:
    assert vote(np.array([decisions], dtype=float), 3).tolist() == [winner]


def test_with_two_classes_the_sign_decides() -> None:
    assert vote(np.array([[0.1], [-0.1], [0.0]]), 2).tolist() == [0, 1, 1]


@given(arrays(np.float64, (5, 10), elements=st.floats(-2, 2)))
def test_votes_equal_libsvms_loop(decisions: Any) -> None:
    expected = []
    for row in decisions:
        votes = [0] * 5
        for value, (a, b) in zip(row, pairs(5), strict=True):
            votes[a if value > 0 else b] += 1
        expected.append(votes.index(max(votes)))

    assert vote(decisions, 5).tolist() == expected
