"""The grid beside scikit-learn's SVC: how long each takes for the same predictions.

Each preprocessing has two kernels, nine C and eight gamma: 144 combinations, five folds. All that
comes before (reading, preprocessing) and after (the final model) is left out.
"""

from __future__ import annotations

import importlib
import multiprocessing
import random
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from multiprocessing.pool import Pool
from statistics import mean, median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.bench.made import made_dataset, made_rows
from trainer.errors import OptionsError
from trainer.grid.engine import MAX_ITERATIONS, TOLERANCE, Engine, Problem, Solution
from trainer.grid.folds import Split, assign_folds
from trainer.grid.handover import suited
from trainer.grid.planner import group, problem_of, problem_of_group
from trainer.grid.project import Combination, Project
from trainer.grid.search import splits_of, twin_of
from trainer.models.svm import DEGREE
from trainer.selection import MIN_RECORDINGS

Indices = NDArray[np.intp]
Splits = Mapping[str, Sequence[Split]]  # by preprocessing


@dataclass(frozen=True, eq=False)
class Answer:
    """What an alternative says of one combination.

    Attributes
    ----------
    predicted : ndarray of intp, shape (n,)
    converged : bool
    seconds : float
        In the process that solved it.
    """

    predicted: Indices
    converged: bool
    seconds: float


Answers = dict[Combination, Answer]
# Told how many are answered; gives seconds of wall time, and the answers.
Solve = Callable[[Sequence[Combination], Callable[[int], None]], tuple[float, Answers]]

FOLDS = 5
CACHE_MEGABYTES = 200  # as much as scikit-learn's default

# Where the SVC comes from, and whether there are as many processes as jobs.
ALTERNATIVES: Mapping[str, tuple[str, bool]] = {
    "sklearn": ("sklearn.svm", False),
    "pool": ("sklearn.svm", True),
    "sklearnex": ("sklearnex.svm", True),
}


@dataclass(frozen=True)
class Order:
    """What to measure.

    Attributes
    ----------
    n, d, classes : int
        Rows, columns and classes of the made data.
    preprocessings : tuple of str
        Each has 144 combinations.
    low_rank : bool
        Rows of rank 3, instead of data like descriptors.
    label_noise : float
        The share of labels that are by chance.
    against : tuple of str
        Of `ALTERNATIVES`: scikit-learn's SVC in one process, or in a pool of processes; that of
        scikit-learn-intelex in a pool.
    sample : int or None
        Combinations that alternatives solve; their time is then extrapolated to all. At least one
        from each preprocessing, kernel and C, for these differ most in what they cost.
    rounds : int
        How often the engine is run; medians are reported.
    against_rounds : int or None
        How often alternatives are, in turns with it; as often by default, and never more often.
    jobs : int
        Threads, and processes of the pool.
    seed : int
    max_iterations : int
        Cap for each pair of classes, of all sides.
    """

    n: int
    d: int
    classes: int
    preprocessings: tuple[str, ...] = ("basic",)
    low_rank: bool = False
    label_noise: float = 0.0
    against: tuple[str, ...] = ("pool",)
    sample: int | None = None
    rounds: int = 3
    against_rounds: int | None = None
    jobs: int = 2
    seed: int = 1
    max_iterations: int = MAX_ITERATIONS


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
class Variant:
    """How the engine did with another instruction set, or another number of threads.

    Attributes
    ----------
    seconds : float
        Median wall time for all combinations.
    mismatches : int
        Predictions that differ from those of the engine as it was ordered, of combinations that
        converged in both.
    """

    seconds: float
    mismatches: int


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes
    ----------
    ours : list of float
        Seconds of each round.
    accuracy : tuple of float
        Of the worst and of the best combination, in percent.
    combinations : int
        How many there are.
    solved : int
        Problems that were solved for them.
    converged : int
        Combinations that did.
    alternatives : dict of str to Measured
    variants : dict of str to Variant
    instead : str or None
        Why it is not the engine that was ordered, see `trainer.grid.handover.Suited`.
    """

    ours: list[float]
    accuracy: tuple[float, float]
    combinations: int
    solved: int
    converged: int
    alternatives: dict[str, Measured] = field(default_factory=dict)
    variants: dict[str, Variant] = field(default_factory=dict)
    instead: str | None = None

    @property
    def seconds(self) -> float:
        """Median of ours."""
        return median(self.ours)


@dataclass(frozen=True)
class Step:
    """How far one of those in turn has come: `done` of `total` combinations."""

    stage: str
    done: int
    total: int


def measure(
    order: Order,
    engine: Engine,
    variants: Mapping[str, Engine] | None = None,
    progress: Callable[[Step], None] = lambda _: None,
) -> Figures:
    """Run the engine, its variants and each alternative in turns, as often as ordered.

    `progress` is told when one of them begins and how far it has come, of alternatives each
    combination: what it does counts into what is measured.

    Raises
    ------
    OptionsError
        The classes are too many for the rows, the sample is too small to say anything of all
        combinations, or an alternative is not known or not here.
    """
    combinations = Project(preprocessings=order.preprocessings).combinations()
    _check(order, combinations)
    splits, labels = made_splits(order)
    sample = sampled(combinations, order.sample, seed=order.seed)
    theirs: dict[str, list[float]] = {name: [] for name in order.against}
    others: dict[str, Answers] = {}
    engines = {"": engine, **(variants or {})}
    times: dict[str, list[float]] = {name: [] for name in engines}
    solutions: dict[str, dict[Combination, Solution]] = {}
    with alternatives(order, splits) as solvers:
        run_engine(engine, splits, combinations[:1])  # loads libraries, starts threads
        for turn in range(order.rounds):
            for name, one in engines.items():
                told = partial(
                    _tell, progress, f"round {turn + 1}, {name or engine.name}", len(combinations)
                )
                told(0)
                seconds, solutions[name] = run_engine(one, splits, combinations, told)
                times[name].append(seconds)
            if turn >= (order.against_rounds or order.rounds):
                continue
            for name, solve in solvers.items():
                told = partial(_tell, progress, f"round {turn + 1}, {name}", len(sample))
                told(0)
                seconds, others[name] = solve(sample, told)
                theirs[name].append(seconds * extrapolated(others[name], combinations))
    ours, found = times.pop(""), solutions.pop("")
    accuracies = [100 * float(np.mean(one.predicted == labels)) for one in found.values()]
    return Figures(
        ours=ours,
        accuracy=(min(accuracies), max(accuracies)),
        combinations=len(combinations),
        solved=len({id(one) for one in found.values() if not one.same_as}),
        converged=sum(one.converged for one in found.values()),
        alternatives={
            name: _compared(median(theirs[name]), sample, found, others[name]) for name in theirs
        },
        variants={
            name: Variant(median(times[name]), _differing(found, solutions[name])) for name in times
        },
        instead=_instead(engine, splits),
    )


def _instead(engine: Engine, splits: Splits) -> str | None:
    reasons = (suited(engine, given).instead for given in splits.values())
    return next((reason for reason in reasons if reason), None)


def _tell(progress: Callable[[Step], None], stage: str, total: int, done: int) -> None:
    progress(Step(stage, done, total))


def _check(order: Order, combinations: Sequence[Combination]) -> None:
    if order.n < MIN_RECORDINGS * order.classes:
        raise OptionsError(
            f"{order.n} recordings are too few for {order.classes} classes, each of which takes "
            f"{MIN_RECORDINGS}: order fewer classes or {MIN_RECORDINGS * order.classes} recordings"
        )
    strata = len({_stratum(one) for one in combinations})
    if order.sample is not None and order.sample < strata:
        raise OptionsError(
            f"a sample of {order.sample} leaves out some of the {strata} pairs of kernel and C (of "
            f"each preprocessing), and says nothing of what they cost: order {strata} or more"
        )
    for name in order.against:
        _require(name)


def room(order: Order) -> int:
    """Return how many bytes the data of an order take at least, in all processes together."""
    in_folds = FOLDS * len(order.preprocessings) * processes(order)
    return (2 + in_folds) * order.n * order.d * np.dtype(np.float64).itemsize  # 2: as made


def processes(order: Order) -> int:
    """Return how many processes have the data of an order: this one, and those of pools."""
    known = (ALTERNATIVES[name] for name in order.against if name in ALTERNATIVES)
    return 1 + sum(order.jobs if many else 1 for _, many in known)


def made_splits(order: Order) -> tuple[dict[str, list[Split]], Indices]:
    """Make the data and what the machine gets of them, by preprocessing."""
    rows, labels = made_rows(
        order.n,
        order.d,
        order.classes,
        seed=order.seed,
        low_rank=order.low_rank,
        label_noise=order.label_noise,
    )
    dataset = made_dataset(rows, labels)
    fold_of = assign_folds(dataset.recordings, dataset.labels, FOLDS, order.seed)
    return {name: splits_of(dataset, name, fold_of) for name in order.preprocessings}, labels


def sampled(
    combinations: Sequence[Combination], count: int | None, *, seed: int
) -> list[Combination]:
    """Draw combinations, alike from each preprocessing, kernel and C (give or take one)."""
    if count is None or count >= len(combinations):
        return list(combinations)
    generator = random.Random(seed)  # noqa: S311 - not a secret
    strata = [list(members) for _, members in groupby(combinations, key=_stratum)]
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


def _stratum(one: Combination) -> tuple[str, str, int]:
    return one.preprocessing, one.kernel, one.c_exponent


def extrapolated(answers: Mapping[Combination, Answer], all_: Sequence[Combination]) -> float:
    """Return how many times the work of those answered is that of all combinations.

    Those that were not answered are taken to cost the mean of their preprocessing, kernel and C,
    so that it does not matter of which more were drawn.
    """
    spent: dict[tuple[str, str, int], list[float]] = {}
    for one, answer in answers.items():
        spent.setdefault(_stratum(one), []).append(answer.seconds)
    return sum(mean(spent[_stratum(one)]) for one in all_) / sum(map(sum, spent.values()))


def run_engine(
    engine: Engine,
    splits: Splits,
    combinations: Sequence[Combination],
    solved: Callable[[int], None] = lambda _: None,
) -> tuple[float, dict[Combination, Solution]]:
    """Solve as `trainer.grid.search` does, its checks included.

    `solved` is told now and then of how many combinations the work is done.

    Returns
    -------
    float
        Seconds.
    dict of Combination to Solution
        Combinations that were found to be the same have one solution.
    """
    started = time.perf_counter()
    found: dict[Combination, Solution] = {}
    seen: dict[str, list[Split]] = {}
    for name, members in groupby(combinations, key=lambda one: one.preprocessing):
        given, asked, before = list(splits[name]), list(members), len(found)
        twin = twin_of(name, given, seen)
        if twin:
            found |= {one: found[replace(one, preprocessing=twin)] for one in asked}
        else:

            def advanced(share: float, before: int = before, count: int = len(asked)) -> None:
                solved(before + int(share * count))

            found |= _solve(engine, given, asked, advanced)
        seen[name] = given
    return time.perf_counter() - started, found


def _solve(
    engine: Engine,
    splits: Sequence[Split],
    combinations: Sequence[Combination],
    advanced: Callable[[float], None],
) -> dict[Combination, Solution]:
    engine = engine.suited_to(splits).prepared(splits)
    gammas = [problem_of(one).gamma for one in combinations if one.kernel == "poly"]
    scales = engine.scales_freely(splits, sorted(set(gammas)))
    groups = group(combinations, collapse_polynomial=scales)
    gamma = gammas[0] if scales else None
    members_of = {problem_of_group(members, gamma=gamma): members for members in groups}
    return {
        member: solution
        for solution in engine.solve(list(members_of), splits, advanced=advanced)
        for member in members_of[solution.problem]
    }


def _differing(ours: Mapping[Combination, Solution], theirs: Mapping[Combination, Solution]) -> int:
    converged = [one for one in ours if ours[one].converged and theirs[one].converged]
    return sum(int((ours[one].predicted != theirs[one].predicted).sum()) for one in converged)


def _compared(
    seconds: float,
    sample: Sequence[Combination],
    ours: Mapping[Combination, Solution],
    theirs: Mapping[Combination, Answer],
) -> Measured:
    converged = [one for one in sample if ours[one].converged and theirs[one].converged]
    return Measured(
        seconds=seconds,
        solved=len(sample),
        mismatches=sum(
            int((ours[one].predicted != theirs[one].predicted).sum()) for one in converged
        ),
        compared=sum(len(ours[one].predicted) for one in converged),
    )


@contextmanager
def alternatives(order: Order, splits: Splits) -> Iterator[dict[str, Solve]]:
    """Give the ordered alternatives; their processes end with the context."""
    # Spawned, not forked: a fork would copy the threads' locks in whatever state they are.
    context = multiprocessing.get_context("spawn")
    pools: dict[str, Pool] = {}
    try:
        for name in order.against:
            library, many = ALTERNATIVES[name]
            given = (splits, library, order.max_iterations)
            pools[name] = context.Pool(order.jobs if many else 1, _begin, given)
        warm = Project(preprocessings=order.preprocessings).combinations()[:1]
        for pool in pools.values():
            pool.map(_solve_there, warm * 2 * order.jobs, chunksize=1)
        yield {name: partial(_run_pool, pool) for name, pool in pools.items()}
    finally:
        for pool in pools.values():
            pool.terminate()
            pool.join()


def _require(name: str) -> None:
    if name not in ALTERNATIVES:
        raise OptionsError(f"there is no alternative {name!r}: use {' or '.join(ALTERNATIVES)}")
    library, _ = ALTERNATIVES[name]
    try:
        importlib.import_module(library)
    except ImportError as error:
        raise OptionsError(
            f"alternative {name!r} is not installed here ({error}): "
            "pip install scikit-learn-intelex, or leave it out"
        ) from error


class _There:
    """What a process of a pool was given when it began."""

    splits: Splits
    machine: Callable[[Problem], Any]


def _begin(splits: Splits, library: str, max_iterations: int) -> None:
    warnings.simplefilter("ignore")  # of fits that meet the cap
    svc = importlib.import_module(library).SVC

    def machine(problem: Problem) -> Any:
        return svc(
            C=problem.C,
            kernel=problem.kernel,
            gamma=problem.gamma,
            degree=DEGREE,
            coef0=0.0,
            tol=TOLERANCE,
            cache_size=CACHE_MEGABYTES,
            max_iter=max_iterations,
        )

    _There.splits = splits
    _There.machine = staticmethod(machine)


def _solve_there(combination: Combination) -> Answer:
    """Predict each row by the fold that it was held out of, the obvious way."""
    started = time.perf_counter()
    splits = _There.splits[combination.preprocessing]
    predicted = np.empty(sum(len(split.testing_rows) for split in splits), dtype=np.intp)
    converged = True
    for split in splits:
        machine = _There.machine(problem_of(combination))
        machine.fit(split.training, split.training_codes)
        predicted[split.testing_rows] = split.class_of_code[machine.predict(split.testing)]
        converged &= getattr(machine, "fit_status_", 0) == 0
    return Answer(predicted, converged, time.perf_counter() - started)


def _run_pool(
    pool: Pool, combinations: Sequence[Combination], solved: Callable[[int], None]
) -> tuple[float, Answers]:
    started = time.perf_counter()
    found = []
    for answer in pool.imap(_solve_there, combinations, chunksize=1):
        found.append(answer)
        solved(len(found))
    return time.perf_counter() - started, dict(zip(combinations, found, strict=True))
