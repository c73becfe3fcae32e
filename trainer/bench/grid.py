"""The grid beside scikit-learn's SVC: how long each takes for the same predictions.

One preprocessing: two kernels, nine C and eight gamma are 144 combinations, five folds. All that
comes before (reading, preprocessing) and after (the final model) is left out.
"""

from __future__ import annotations

import multiprocessing
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from multiprocessing.pool import Pool
from statistics import median

import numpy as np
from numpy.typing import NDArray

from trainer.bench.made import made_splits
from trainer.errors import OptionsError
from trainer.grid.engine import Engine, Problem, Solution
from trainer.grid.folds import Split
from trainer.grid.planner import group, problem_of, problem_of_group
from trainer.grid.project import Combination, Project
from trainer.grid.sklearn_engine import SklearnEngine

Indices = NDArray[np.intp]

# Seconds and predictions of some problems.
Solve = Callable[[Sequence[Problem]], tuple[float, dict[Problem, Solution]]]

ALTERNATIVES = ("sklearn", "pool")


@dataclass(frozen=True)
class Order:
    """What to measure.

    Attributes
    ----------
    n, d, classes : int
        Rows, columns and classes of the made data.
    against : tuple of str
        Of `ALTERNATIVES`: scikit-learn's SVC in one process, or in a pool of processes.
    sample : int or None
        Combinations that alternatives solve; their time is then extrapolated to all.
    rounds : int
        How often everything is run; medians are reported.
    jobs : int
        Threads, and processes of the pool.
    seed : int
    """

    n: int
    d: int
    classes: int
    against: tuple[str, ...] = ("pool",)
    sample: int | None = None
    rounds: int = 3
    jobs: int = 2
    seed: int = 1


@dataclass(frozen=True)
class Measured:
    """How an alternative did.

    Attributes
    ----------
    seconds : float
        Median wall time for all combinations; extrapolated where not all were solved.
    solved : int
        Combinations that it solved.
    mismatches : int
        Predictions that differ from ours, of combinations that converged in both.
    compared : int
        Predictions that were compared.
    """

    seconds: float
    solved: int
    mismatches: int
    compared: int


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes
    ----------
    ours : list of float
        Seconds of each round.
    accuracy : tuple of float
        Of the worst and of the best combination, in percent.
    solved : int
        Problems that were solved for the combinations.
    alternatives : dict of str to Measured
    """

    ours: list[float]
    accuracy: tuple[float, float]
    solved: int
    alternatives: dict[str, Measured] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Median of ours."""
        return median(self.ours)


def measure(order: Order, engine: Engine) -> Figures:
    """Run the engine and each alternative in turns, as often as ordered."""
    splits, labels = made_splits(order.n, order.d, order.classes, seed=order.seed)
    combinations = Project(preprocessings=("basic",)).combinations()
    sample = sampled(combinations, order.sample, seed=order.seed)
    ours: list[float] = []
    theirs: dict[str, list[float]] = {name: [] for name in order.against}
    found: dict[Combination, Solution] = {}
    others: dict[str, dict[Problem, Solution]] = {}
    with alternatives(order, splits) as solvers:
        _run_engine(engine, splits, combinations[:1])  # loads libraries, starts threads
        for _ in range(order.rounds):
            seconds, found = _run_engine(engine, splits, combinations)
            ours.append(seconds)
            for name, solve in solvers.items():
                seconds, others[name] = solve([problem_of(one) for one in sample])
                theirs[name].append(seconds * len(combinations) / len(sample))
    accuracies = [100 * float(np.mean(one.predicted == labels)) for one in found.values()]
    return Figures(
        ours=ours,
        accuracy=(min(accuracies), max(accuracies)),
        solved=len({id(one) for one in found.values() if not one.same_as}),
        alternatives={
            name: _compared(median(theirs[name]), sample, found, others[name]) for name in theirs
        },
    )


def sampled(
    combinations: Sequence[Combination], count: int | None, *, seed: int
) -> list[Combination]:
    """Draw combinations, as many of each kernel and C as of any other (give or take one)."""
    if count is None or count >= len(combinations):
        return list(combinations)
    generator = random.Random(seed)  # noqa: S311 - not a secret

    def stratum(one: Combination) -> tuple[str, int]:
        return one.kernel, one.c_exponent

    strata = [list(members) for _, members in groupby(combinations, key=stratum)]
    for members in strata:
        generator.shuffle(members)
    generator.shuffle(strata)
    in_turn = [
        members[place]
        for place in range(max(map(len, strata)))
        for members in strata
        if place < len(members)
    ]
    return in_turn[:count]


def _run_engine(
    engine: Engine, splits: Sequence[Split], combinations: Sequence[Combination]
) -> tuple[float, dict[Combination, Solution]]:
    """Solve as `trainer.grid.search` does, its checks included."""
    started = time.perf_counter()
    gammas = [problem_of(one).gamma for one in combinations if one.kernel == "poly"]
    scales = engine.scales_freely(splits, sorted(set(gammas)))
    groups = group(combinations, collapse_polynomial=scales)
    gamma = gammas[0] if scales else None
    members_of = {problem_of_group(members, gamma=gamma): members for members in groups}
    found = {
        member: solution
        for solution in engine.solve(list(members_of), splits)
        for member in members_of[solution.problem]
    }
    return time.perf_counter() - started, found


def _compared(
    seconds: float,
    sample: Sequence[Combination],
    ours: dict[Combination, Solution],
    theirs: dict[Problem, Solution],
) -> Measured:
    both = [(ours[one], theirs[problem_of(one)]) for one in sample]
    converged = [(a, b) for a, b in both if a.converged and b.converged]
    return Measured(
        seconds=seconds,
        solved=len(sample),
        mismatches=sum(int((a.predicted != b.predicted).sum()) for a, b in converged),
        compared=sum(len(a.predicted) for a, _ in converged),
    )


@contextmanager
def alternatives(order: Order, splits: list[Split]) -> Iterator[dict[str, Solve]]:
    """Give the ordered alternatives; their processes end with the context.

    Raises
    ------
    OptionsError
        There is no such alternative here.
    """
    for name in order.against:
        if name not in ALTERNATIVES:
            raise OptionsError(f"there is no alternative {name!r}: use {' or '.join(ALTERNATIVES)}")
    # Spawned, not forked: a fork would copy the threads' locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    pools = {
        name: context.Pool(1 if name == "sklearn" else order.jobs, _begin, (splits,))
        for name in order.against
    }
    try:
        for pool in pools.values():
            pool.map(_solve_there, [Problem("rbf", 1.0, 1.0)] * 2 * order.jobs, chunksize=1)
        yield {name: partial(_run_pool, pool) for name, pool in pools.items()}
    finally:
        for pool in pools.values():
            pool.terminate()
            pool.join()


_there: list[list[Split]] = []  # in a process of a pool: what it was given when it began


def _begin(splits: list[Split]) -> None:
    _there.append(splits)


def _solve_there(problem: Problem) -> Solution:
    return next(SklearnEngine(jobs=1).solve([problem], _there[0]))


def _run_pool(pool: Pool, problems: Sequence[Problem]) -> tuple[float, dict[Problem, Solution]]:
    started = time.perf_counter()
    found = pool.map(_solve_there, problems, chunksize=1)
    return time.perf_counter() - started, {one.problem: one for one in found}
