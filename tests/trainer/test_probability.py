"""Probabilities: the shuffle, the sigmoid and the coupling, each against an independent one."""

import ctypes
import ctypes.util
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize

from trainer.grid.engine import Problem
from trainer.grid.sklearn_engine import SklearnEngine
from trainer.models.probability import (
    GlibcRandom,
    PairwiseSigmoids,
    _held_out_decisions,
    _shuffled_parts,
    couple,
    fit_sigmoid,
    fit_sigmoids,
)
from trainer.models.svm import pairs


def shuffled(count: int) -> Any:
    return _shuffled_parts(count, GlibcRandom(1))


def test_seed_1_gives_the_well_known_first_values_of_rand() -> None:
    random = GlibcRandom(1)

    assert [random._step() >> 1 for _ in range(5)] == [
        1804289383,
        846930886,
        1681692777,
        1714636915,
        1957747793,
    ]


@pytest.mark.parametrize("seed", [0, 1, 2, 42, 127773, 2**31 - 1, 2**31, 2**32 - 1])
def test_any_seed_gives_what_the_c_library_gives(seed: int) -> None:
    library = ctypes.CDLL(ctypes.util.find_library("c"))
    if not hasattr(library, "gnu_get_libc_version"):
        pytest.skip("the C library of this machine is not GNU's")
    library.srand(ctypes.c_uint(seed))
    random = GlibcRandom(seed)

    assert [random.below(2**31) for _ in range(500)] == [library.rand() for _ in range(500)]


def regularised_loss(at: Any, decisions: Any, is_a: Any) -> Any:
    """Negative log likelihood with Platt's targets."""
    n_a, n_b = is_a.sum(), (~is_a).sum()
    targets = np.where(is_a, (n_a + 1) / (n_a + 2), 1 / (n_b + 2))
    exponent = at[0] * decisions + at[1]
    return np.sum(targets * np.logaddexp(0, exponent) + (1 - targets) * np.logaddexp(0, -exponent))


@pytest.mark.parametrize("seed", range(6))
def test_the_sigmoid_is_the_most_likely_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    is_a = rng.random(60) < rng.uniform(0.2, 0.8)
    decisions = rng.normal(size=60) + (seed - 1) * np.where(is_a, 0.5, -0.5)

    fitted = fit_sigmoid(decisions, is_a)

    best = minimize(regularised_loss, [0.0, 0.0], (decisions, is_a), tol=1e-10)
    assert fitted == pytest.approx(tuple(best.x), abs=1e-4)


@pytest.mark.parametrize("decision", [0.0, 1.0, -1.0, 1e-300, 2.0**20, 1e8, 1e150])
@pytest.mark.parametrize("n_a", [1, 11, 29])
def test_equal_decisions_give_the_share_of_the_class(decision: Any, n_a: Any) -> None:
    is_a = np.arange(30) < n_a

    A, B = fit_sigmoid(np.full(30, decision), is_a)

    n_b = 30 - n_a
    targets = n_a * (n_a + 1) / (n_a + 2) + n_b / (n_b + 2)
    assert 1 / (1 + np.exp(A * decision + B)) == pytest.approx(targets / 30, abs=0.05)


@given(arrays(np.float64, 12, elements=st.floats(-1e9, 1e9)), st.integers(1, 11))
def test_any_decisions_give_a_finite_sigmoid(decisions: Any, n_a: Any) -> None:
    assert np.isfinite(fit_sigmoid(decisions, np.arange(12) < n_a)).all()


def test_separated_decisions_give_a_steep_sigmoid_of_the_right_sign() -> None:
    is_a = np.arange(40) < 20

    A, B = fit_sigmoid(np.where(is_a, 2.0, -2.0), is_a)

    assert A < -1
    assert abs(B) < 1e-6


def coupled_by_loop(r: Any) -> Any:
    """Method 2 of Wu, Lin and Weng (2004), algorithm 2, one sample, as published."""
    k = len(r)
    Q = np.empty((k, k))
    for t in range(k):
        for j in range(k):
            Q[t, j] = (
                sum(r[s, t] ** 2 for s in range(k) if s != t) if t == j else -r[j, t] * r[t, j]
            )
    p = np.full(k, 1 / k)
    for _ in range(max(100, k)):
        Qp = Q @ p
        if np.abs(Qp - p @ Qp).max() < 0.005 / k:
            break
        for t in range(k):
            p[t] = (-(Q[t] @ p - Q[t, t] * p[t]) + p @ Q @ p) / Q[t, t]
            p /= p.sum()
    return p


@pytest.mark.parametrize("k", [2, 3, 5, 9])
def test_coupling_equals_the_published_algorithm(k: int) -> None:
    rng = np.random.default_rng(k)
    against = rng.uniform(1e-7, 1 - 1e-7, size=(40, k, k))
    for a, b in pairs(k):
        against[:, b, a] = 1 - against[:, a, b]
    against[:, range(k), range(k)] = 0

    coupled = couple(against)

    for row, r in zip(coupled, against, strict=True):
        assert row == pytest.approx(coupled_by_loop(r), abs=1e-9)


def coupled_as_libsvm(r: Any) -> Any:
    """One sample in libsvm's steps: Qp and pQp are updated, not computed anew."""
    k = len(r)
    Q = -r.T * r
    Q[range(k), range(k)] = [sum(r[j, t] ** 2 for j in range(k) if j != t) for t in range(k)]
    p = np.full(k, 1 / k)
    for _ in range(max(100, k)):
        Qp = Q @ p
        pQp = p @ Qp
        if np.abs(Qp - pQp).max() < 0.005 / k:
            break
        for t in range(k):
            step = (-Qp[t] + pQp) / Q[t, t]
            p[t] += step
            pQp = (pQp + step * (step * Q[t, t] + 2 * Qp[t])) / (1 + step) / (1 + step)
            Qp = (Qp + step * Q[t]) / (1 + step)
            p /= 1 + step
    return p


@given(st.integers(2, 11), st.data())
def test_each_sample_is_coupled_as_by_libsvm_alone(k: int, data: Any) -> None:
    # Close to 0 and 1 is where samples take long, and far from each other in sweeps.
    probability = st.floats(1e-7, 1 - 1e-7) | st.sampled_from([1e-7, 0.5, 1 - 1e-7, 1e-3])
    against = data.draw(arrays(np.float64, (4, k, k), elements=probability))
    for a, b in pairs(k):
        against[:, b, a] = 1 - against[:, a, b]
    against[:, range(k), range(k)] = 0

    coupled = couple(against)

    for row, r in zip(coupled, against, strict=True):
        np.testing.assert_allclose(row, coupled_as_libsvm(r), rtol=0, atol=1e-12)


@given(st.integers(2, 6), st.data())
def test_probabilities_are_a_distribution(k: int, data: Any) -> None:
    n_pairs = k * (k - 1) // 2
    number = st.floats(-1e6, 1e6)
    decisions, slope, offset = (
        data.draw(arrays(np.float64, shape, elements=number))
        for shape in ((3, n_pairs), n_pairs, n_pairs)
    )

    probabilities = PairwiseSigmoids(slope, offset).probabilities(decisions, k)

    assert (probabilities >= 0).all()
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(3))


def test_each_row_is_coupled_by_itself() -> None:
    rng = np.random.default_rng(0)
    sigmoids = PairwiseSigmoids(rng.normal(size=3), rng.normal(size=3))
    decisions = 5 * rng.normal(size=(50, 3))

    whole = sigmoids.probabilities(decisions, 3)

    rows = [sigmoids.probabilities(decisions[row : row + 1], 3)[0] for row in range(50)]
    assert whole.tolist() == np.array(rows).tolist()


def blobs(sizes: Any) -> Any:
    rng = np.random.default_rng(0)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    return rng.random((len(codes), 4)) + codes[:, None], codes


def sigmoids_of(sizes: Any, seed: int = 1) -> Any:
    X, codes = blobs(sizes)

    def fit(X: Any, codes: Any, weights: Any) -> Any:
        problem = Problem("rbf", C=2.0, gamma=0.5)
        return SklearnEngine().fit(X, codes, problem=problem, weights=weights)

    return fit_sigmoids(X, codes, weights=np.ones(len(sizes)), fit=fit, seed=seed).sigmoids


@pytest.mark.parametrize("sizes", [(2, 2), (2, 2, 2), (2, 30), (30, 2), (3, 2, 4)])
def test_few_recordings_give_finite_sigmoids(sizes: Any) -> None:
    sigmoids = sigmoids_of(sizes)

    assert np.isfinite(sigmoids.slope).all()
    assert np.isfinite(sigmoids.offset).all()


def test_the_seed_decides_the_inner_folds() -> None:
    first, again, other = (sigmoids_of((12, 12), seed) for seed in (1, 1, 2))

    assert first.slope.tolist() == again.slope.tolist() != other.slope.tolist()


class Recorder:
    """A machine that counts, to see what the inner cross-validation asks of it."""

    def __init__(self) -> None:
        self.trained_on = []

    def __call__(self, X: Any, codes: Any, weights: Any) -> Any:
        self.trained_on.append((X.ravel().tolist(), codes.tolist(), weights.tolist()))
        return self

    def decisions(self, X: Any) -> Any:
        return X[:, :1] * 0 + 7


def test_each_row_is_decided_by_a_machine_that_was_trained_without_it() -> None:
    recorder = Recorder()
    X = np.arange(11.0)[:, None]

    decisions = _held_out_decisions(X, X[:, 0] < 6, np.array([1.0, 3.0]), recorder, shuffled(11))

    held_out = [set(range(11)) - {int(x) for x in rows} for rows, _, _ in recorder.trained_on]
    assert sorted(row for rows in held_out for row in rows) == list(range(11))
    assert [len(rows) for rows in held_out] == [2, 2, 2, 2, 3]
    assert set(np.abs(decisions)) == {7}


def test_the_first_row_of_a_training_part_decides_which_class_is_first() -> None:
    recorder = Recorder()
    X = np.arange(11.0)[:, None]
    is_a = X[:, 0] < 6

    decisions = _held_out_decisions(X, is_a, np.array([1.0, 3.0]), recorder, shuffled(11))

    firsts = set()
    for rows, codes, weights in recorder.trained_on:
        a_first = bool(is_a[int(rows[0])])
        firsts.add(a_first)
        assert codes[0] == 0
        assert weights == ([1, 3] if a_first else [3, 1])
        held_out = sorted(set(range(11)) - {int(row) for row in rows})
        assert set(decisions[held_out]) == {7.0 if a_first else -7.0}
    assert firsts == {True, False}


@pytest.mark.parametrize("is_a", [True, False])
def test_a_training_part_of_one_class_decides_for_it(is_a: Any) -> None:
    recorder = Recorder()
    X = np.arange(6.0)[:, None]

    decisions = _held_out_decisions(X, np.full(6, is_a), np.ones(2), recorder, shuffled(6))

    assert decisions.tolist() == [1.0 if is_a else -1.0] * 6
    assert not recorder.trained_on


def test_folds_that_are_given_say_what_each_machine_is_trained_without() -> None:
    recorder = Recorder()
    codes = np.arange(24) % 3
    fold_of = np.arange(24) // 6  # in each of the four, two of each class
    X = np.arange(24.0)[:, None]

    fit_sigmoids(X, codes, weights=np.ones(3), fit=recorder, seed=1, fold_of=fold_of)

    trained_on = [{int(row) for row in rows} for rows, _, _ in recorder.trained_on]
    expected = [
        {row for row in range(24) if codes[row] in pair and fold_of[row] != fold}
        for pair in ((0, 1), (0, 2), (1, 2))
        for fold in range(4)
    ]
    assert trained_on == expected
