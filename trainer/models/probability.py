"""Class probabilities from the decisions of a one-vs-one machine, as libsvm makes them.

Each pair of classes gets a sigmoid fitted on decisions of an inner cross-validation (Platt's
method with the algorithm of Lin, Lin and Weng, "A note on Platt's probabilistic outputs for
support vector machines", 2007); the pairwise probabilities are then coupled (Wu, Lin and Weng,
"Probability estimates for multi-class classification by pairwise coupling", 2004, method 2).

scikit-learn drops ``SVC(probability=True)`` with version 1.11. Its ``CalibratedClassifierCV`` is no
replacement: it is one-vs-rest, and differs by up to 0.5 for more than two classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from trainer.models.svm import PairwiseSvm, pairs

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

# fit(X, codes, weights) -> machine; the engine and its parameters are bound by the caller.
Fit = Callable[[Float64, Indices, Float64], PairwiseSvm]

INNER_FOLDS = 5
CLIP = 1e-7  # pairwise probabilities stay this far from 0 and 1
MAX_SWEEPS = 100  # of the coupling; at least the number of classes
PRECISION = 0.005  # of the coupling, divided by the number of classes

MAX_NEWTON_STEPS = 100
GRADIENT_TOLERANCE = 1e-5
RIDGE = 1e-12
MIN_STEP = 1e-10
SUFFICIENT_DECREASE = 1e-4


@dataclass(frozen=True, eq=False)
class PairwiseSigmoids:
    """``P(a against b) = 1 / (1 + exp(slope * decision + offset))`` for each pair.

    Attributes
    ----------
    slope, offset : ndarray of float64, shape (k (k-1) / 2,)
        libsvm's probA and probB, in the order of `trainer.models.svm.pairs`.
    """

    slope: Float64
    offset: Float64

    def probabilities(self, decisions: Float64, n_classes: int) -> Float64:
        """Return the probability of each class, shape (n, n_classes)."""
        return couple(self.pairwise(decisions, n_classes))

    def pairwise(self, decisions: Float64, n_classes: int) -> Float64:
        """Return the probability of each class against each other, as `couple` takes them."""
        of_pairs = expit(-(decisions * self.slope + self.offset)).clip(CLIP, 1 - CLIP)
        first, second = np.array(list(pairs(n_classes))).T
        against = np.zeros((len(decisions), n_classes, n_classes))
        against[:, first, second] = of_pairs
        against[:, second, first] = 1 - of_pairs
        return against


class GlibcRandom:
    """The sequence of C's ``rand()`` after ``srand(seed)`` in the GNU C library.

    libsvm shuffles with it and Gaia never seeds it, so a fresh process behaves as after
    ``srand(1)``: with seed 1 our inner folds are Gaia's.
    """

    def __init__(self, seed: int) -> None:
        state = [seed % 2**32 or 1]
        for _ in range(30):
            previous = state[-1] - 2**32 if state[-1] >= 2**31 else state[-1]
            # C's truncating division, as the library computes 16807 * x mod (2**31 - 1)
            high, low = int(previous / 127773), previous - int(previous / 127773) * 127773
            word = 16807 * low - 2836 * high
            state.append(word + 2147483647 if word < 0 else word)
        self._state = state + state[:3]
        for _ in range(310):
            self._step()

    def below(self, limit: int) -> int:
        """Return ``rand() % limit``."""
        return (self._step() >> 1) % limit

    def _step(self) -> int:
        value = (self._state[-3] + self._state[-31]) % 2**32
        self._state.append(value)
        del self._state[:-34]
        return value


@dataclass(frozen=True, eq=False)
class Calibration:
    """Sigmoids, and what they were fitted on.

    Attributes
    ----------
    sigmoids : PairwiseSigmoids
    held_out : ndarray of float64, shape (n, k (k-1) / 2)
        Decisions of the inner cross-validation: each by a machine that was trained without the
        row. NaN where the row is of neither class of the pair.
    """

    sigmoids: PairwiseSigmoids
    held_out: Float64


def fit_sigmoids(
    X: Float64,
    codes: Indices,
    *,
    weights: Float64,
    fit: Fit,
    seed: int,
    fold_of: Indices | None = None,
) -> Calibration:
    """Fit a sigmoid for each pair of classes.

    Parameters
    ----------
    X : ndarray of float64, shape (n, n_columns)
    codes : ndarray of intp, shape (n,)
        Classes in label order.
    weights : ndarray of float64, shape (k,)
        Factor on C of each class.
    fit : callable
        ``fit(X, codes, weights)`` trains a machine.
    seed : int
        Of the shuffles of the inner cross-validation.
    fold_of : ndarray of intp, shape (n,), optional
        Folds of the inner cross-validation instead of Gaia's shuffled ones, each class in two of
        them at least: those that keep groups together. A sigmoid that is fitted on decisions about
        artists that the machine had heard takes decisions about others for surer than they are.
    """
    random = GlibcRandom(seed)
    parameters = []
    held_out = np.full((len(codes), len(weights) * (len(weights) - 1) // 2), np.nan)
    for place, (a, b) in enumerate(pairs(len(weights))):
        rows = np.concatenate([np.flatnonzero(codes == a), np.flatnonzero(codes == b)])
        is_a = codes[rows] == a
        parts = (
            _shuffled_parts(len(rows), random)
            if fold_of is None
            else _parts_of_folds(fold_of[rows])
        )
        decisions = _held_out_decisions(X[rows], is_a, weights[[a, b]], fit, parts)
        parameters.append(fit_sigmoid(decisions, is_a))
        held_out[rows, place] = decisions
    slope, offset = np.array(parameters).T
    return Calibration(PairwiseSigmoids(slope, offset), held_out)


def _held_out_decisions(
    X: Float64,
    is_a: NDArray[np.bool_],
    weights: Float64,
    fit: Fit,
    parts: Iterable[tuple[Indices, Indices]],
) -> Float64:
    """Return a decision for each row, by a machine that was trained without it."""
    decisions = np.empty(len(X))
    for training, held_out in parts:
        decide = _train_pair(X[training], is_a[training], weights, fit)
        decisions[held_out] = decide(X[held_out])
    return decisions


def _shuffled_parts(count: int, random: GlibcRandom) -> Iterator[tuple[Indices, Indices]]:
    """Yield rows to train on and rows to decide about, as libsvm makes them."""
    order = np.arange(count)
    for place in range(count):
        other = place + random.below(count - place)
        order[[place, other]] = order[[other, place]]
    for fold in range(INNER_FOLDS):
        begin, end = fold * count // INNER_FOLDS, (fold + 1) * count // INNER_FOLDS
        yield np.concatenate([order[:begin], order[end:]]), order[begin:end]


def _parts_of_folds(fold_of: Indices) -> Iterator[tuple[Indices, Indices]]:
    for fold in np.unique(fold_of):
        yield np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)


def _train_pair(
    X: Float64,
    is_a: NDArray[np.bool_],
    weights: Float64,
    fit: Fit,
) -> Callable[[Float64], Float64]:
    """Train one pair, rows in the given order; the decision is positive for class a."""
    if not len(is_a):
        return lambda rows: np.zeros(len(rows))
    if is_a.all() or not is_a.any():
        sign = 1.0 if is_a[0] else -1.0
        return lambda rows: np.full(len(rows), sign)
    # libsvm numbers classes as they appear, so the first row decides which is first.
    codes = np.where(is_a == is_a[0], 0, 1)
    sign = 1.0 if is_a[0] else -1.0
    machine = fit(X, codes, weights if is_a[0] else weights[::-1])
    return lambda rows: sign * machine.decisions(rows)[:, 0]


def fit_sigmoid(decisions: Float64, is_a: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit ``P(a) = 1 / (1 + exp(A * decision + B))`` by regularised maximum likelihood.

    Newton's method with backtracking, as in the pseudo-code of Lin, Lin and Weng (2007).

    Returns
    -------
    tuple of float
        A and B.
    """
    n_a, n_b = int(is_a.sum()), int((~is_a).sum())
    targets = np.where(is_a, (n_a + 1) / (n_a + 2), 1 / (n_b + 2))
    at = np.array([0.0, np.log((n_b + 1) / (n_a + 1))])
    loss = partial(_loss, decisions, targets)
    value = loss(at)
    for _ in range(MAX_NEWTON_STEPS):
        gradient, hessian = _derivatives(decisions, targets, at)
        if np.abs(gradient).max() < GRADIENT_TOLERANCE:
            break
        direction = -np.linalg.solve(hessian, gradient)
        step = 1.0
        while step >= MIN_STEP:
            new = loss(at + step * direction)
            if new < value + SUFFICIENT_DECREASE * step * (gradient @ direction):
                at, value = at + step * direction, new
                break
            step /= 2
        else:  # the line search failed: what there is, is as good as it gets
            break
    return float(at[0]), float(at[1])


def _loss(decisions: Float64, targets: Float64, at: Float64) -> float:
    exponent = decisions * at[0] + at[1]
    # log(1 + exp(x)) - (1 - t) x, written so that neither sign of x overflows
    return float((np.logaddexp(0, -exponent) + targets * exponent).sum())


def _derivatives(decisions: Float64, targets: Float64, at: Float64) -> tuple[Float64, Float64]:
    p = expit(-(decisions * at[0] + at[1]))
    curvature, slope = p * (1 - p), targets - p
    gradient = np.array([(decisions * slope).sum(), slope.sum()])
    mixed = (decisions * curvature).sum()
    hessian = np.array(
        [
            [RIDGE + (decisions * decisions * curvature).sum(), mixed],
            [mixed, RIDGE + curvature.sum()],
        ]
    )
    return gradient, hessian


def couple(against: Float64) -> Float64:
    """Make class probabilities of pairwise ones (Wu, Lin and Weng, 2004, method 2).

    Iterated for two classes as well, and stopped by the same rule as libsvm's: solving the
    system exactly instead would be off from Gaia by up to 4e-3.

    Parameters
    ----------
    against : ndarray of float64, shape (n, k, k)
        ``against[:, a, b]`` is the probability of a against b; the diagonal is 0.

    Returns
    -------
    ndarray of float64, shape (n, k)
    """
    count, n_classes, _ = against.shape
    Q = -against * against.transpose(0, 2, 1)
    diagonal = np.arange(n_classes)
    Q[:, diagonal, diagonal] = np.square(against).sum(axis=1)
    p = np.full((count, n_classes), 1 / n_classes)
    active = np.arange(count)
    Qp = np.einsum("nab,nb->na", Q, p)
    pQp = (p * Qp).sum(axis=1)
    for _ in range(max(MAX_SWEEPS, n_classes)):
        worst = np.abs(Qp - pQp[:, None]).max(axis=1)
        open_ = worst >= PRECISION / n_classes  # each row stops by itself, as in libsvm
        if not open_.all():
            active, Q, Qp, pQp = active[open_], Q[open_], Qp[open_], pQp[open_]
        if not len(active):
            break
        rows = p[active]
        _sweep(rows, Q, Qp, pQp)
        p[active] = rows
        Qp = np.einsum("nab,nb->na", Q, rows)
        pQp = (rows * Qp).sum(axis=1)
    return p


def _sweep(p: Float64, Q: Float64, Qp: Float64, pQp: Float64) -> None:
    """Update each class in turn, in place."""
    for t in range(p.shape[1]):
        step = (pQp - Qp[:, t]) / Q[:, t, t]
        p[:, t] += step
        pQp[:] = (pQp + step * (step * Q[:, t, t] + 2 * Qp[:, t])) / np.square(1 + step)
        Qp[:] = (Qp + step[:, None] * Q[:, t]) / (1 + step)[:, None]
        p /= (1 + step)[:, None]
