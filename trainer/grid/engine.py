"""What solves the support vector machines of a search.

Two engines stand beside each other: ``sklearn`` (scikit-learn's SVC in a pool; the fallback, and
the oracle that the other is tested against) and ``native`` (compiled), where it is built. They
give the same predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from trainer.errors import OptionsError
from trainer.grid.folds import Split
from trainer.grid.project import KERNELS
from trainer.models.svm import PairwiseSvm
from trainer.wording import shown

MAX_ITERATIONS = 10_000_000  # per pair of classes, as in Gaia 2.4.6; libsvm itself has no limit
TOLERANCE = 1e-3

# Least and most. libsvm counts iterations in 32 bits.
_LIMITS = {"jobs": (1, 1024), "max_iterations": (1, 2**31 - 1), "memory": (1, 2**62)}

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Problem:
    """One set of SVM parameters.

    Parameters
    ----------
    kernel : {"poly", "rbf"}
    C, gamma : float
        Above 0 and finite.
    balance_classes : bool
        As in `Combination`.

    Raises
    ------
    OptionsError
        A parameter is another.
    """

    kernel: str
    C: float
    gamma: float
    balance_classes: bool = False

    def __post_init__(self) -> None:
        if self.kernel not in KERNELS:
            raise OptionsError(
                f"kernel of a problem is {shown(self.kernel)}; possible are {', '.join(KERNELS)}"
            )
        for name in ("C", "gamma"):
            value = getattr(self, name)
            if not isinstance(value, int | float | np.number) or not 0 < value < math.inf:
                raise OptionsError(
                    f"{name} of a problem is {shown(value)}; give a number above 0 that is finite"
                )


@dataclass(frozen=True, eq=False)
class Solution:
    """What cross-validation of one problem yields.

    Attributes
    ----------
    problem : Problem
    predicted : ndarray of intp, shape (n_recordings,)
        Position in the dataset's classes that each recording was predicted to be, by the fold
        that it was held out of; -1 where nothing was predicted.
    converged : bool
        Whether no pair in any fold met the iteration cap.
    error : str or None
        Why the problem could not be solved.
    same_as : Problem or None
        The problem whose solution this is, being found to be the same on these splits; it has
        been yielded before.
    identities : int
        How many of its machines, one for each pair of classes and fold, have a kernel that float32
        takes for the identity. An engine that looks for them trains the machines of a pair, fold
        and C once for all such gammas; their predictions differ all the same.
    """

    problem: Problem
    predicted: Indices
    converged: bool = True
    error: str | None = None
    same_as: Problem | None = None
    identities: int = 0


class Trained(Protocol):
    """A machine, and how the solver came to it."""

    @property
    def machine(self) -> PairwiseSvm:
        """What was trained."""

    @property
    def converged(self) -> bool:
        """Whether no pair of classes met the iteration cap."""

    @property
    def finite(self) -> bool:
        """Whether all its numbers are; a machine of others is of no use."""


class Engine(Protocol):
    """Solves problems; see `Problem` and `Split` for what is given."""

    @property
    def name(self) -> str:
        """What reports call it."""

    @property
    def description(self) -> str:
        """Name and what it runs on, for people."""

    def suited_to(self, splits: Sequence[Split]) -> Engine:
        """Return the engine that has the memory to solve these splits: this one, as a rule."""

    def prepared(self, splits: Sequence[Split]) -> Engine:
        """Return this engine, holding what several calls on these splits have in common.

        It lasts as long as the engine that is returned; this one holds nothing.
        """

    def scales_freely(self, splits: Sequence[Split], gammas: Sequence[float]) -> bool:
        """Whether the polynomial collapse is exact on these splits, see `trainer.grid.planner`."""

    def units(self, problems: Sequence[Problem]) -> Sequence[tuple[Problem, ...]]:
        """Return the problems in groups, each of which has to be solved as a whole.

        What comes of a group, `Solution.same_as` too, does not depend on the other groups.
        """

    def solve(
        self,
        problems: Sequence[Problem],
        splits: Sequence[Split],
        *,
        shortcuts: bool = True,
        advanced: Callable[[float], None] = lambda _: None,
    ) -> Iterator[Solution]:
        """Cross-validate each problem, yielding each as soon as it is solved, in any order.

        Leaving the iteration early stops what has not begun. With `shortcuts` an engine may leave
        out what it finds to be the same problem again, and says so in `Solution.same_as`. An engine
        whose solutions come late calls `advanced` meanwhile, with the share of the work that is
        done, from 0 to 1 and never less than before.
        """

    def fit(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> PairwiseSvm:
        """Train one machine.

        Parameters
        ----------
        X : ndarray of float64, shape (n, n_columns)
        codes : ndarray of intp, shape (n,)
            Classes 0 … k-1, each present.
        problem : Problem
            `balance_classes` is not looked at: `weights` say it.
        weights : ndarray of float64, shape (k,)
            Factor on C for each class.

        Raises
        ------
        DatasetError
            It cannot be trained on these values.
        """

    def train(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> Trained:
        """Train one machine as `fit` does, for which there has to be memory, and say how it went.

        Raises
        ------
        DatasetError
            These values have no kernel.
        """


def check_limits(engine: str, **given: object) -> None:
    """Refuse the `jobs`, `max_iterations` or `memory` of an engine that no engine can keep to.

    Raises
    ------
    OptionsError
        One is no whole number, or out of its bounds.
    """
    for name, value in given.items():
        least, most = _LIMITS[name]
        if name == "jobs" and value is None:
            continue
        if not isinstance(value, int | np.integer) or not least <= value <= most:
            raise OptionsError(
                f"{name} of the {engine} engine is {shown(value)}; "
                f"give a whole number from {least:,} to {most:,}"
            )


def class_weights(codes: Indices, *, balance: bool) -> Float64:
    """Return the factor on C for each class: 1, or ``n / (n_class * k)``."""
    counts = np.bincount(codes)
    return len(codes) / (counts * len(counts)) if balance else np.ones(len(counts))
