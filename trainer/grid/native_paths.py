"""Work items of the compiled solver, and how their results become solutions of problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.grid.engine import Problem, Solution, class_weights
from trainer.grid.folds import Split
from trainer.grid.native._native import Task
from trainer.grid.native_matrices import Matrices
from trainer.models.svm import pairs

Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)  # looked up for each work item, by what it is
class Path:
    """Problems that differ in nothing but C, which grows."""

    problems: tuple[Problem, ...]

    @property
    def first(self) -> Problem:
        """The one of the smallest C."""
        return self.problems[0]

    @cached_property
    def c_values(self) -> list[float]:
        """C of each of them, ascending."""
        return [problem.C for problem in self.problems]


@dataclass(frozen=True, eq=False)
class Ballot:
    """Where the pairs of a split vote on what it is tested on, for a path."""

    path: Path
    split: Split


class Outcome(NamedTuple):
    """What came of a ballot.

    Attributes
    ----------
    predicted : ndarray of intp, shape (n_points, n_testing)
        Codes of the split.
    solved_as : ndarray of intp, shape (n_points,)
        For each C the smallest that has the same solution in each pair.
    converged, finite : ndarray of bool, shape (n_points,)
    """

    predicted: Indices
    solved_as: Indices
    converged: NDArray[np.bool_]
    finite: NDArray[np.bool_]


def paths_of(problems: Sequence[Problem]) -> list[Path]:
    """Put problems together that share their kernel; the longest first, to end all together."""

    def kernel(problem: Problem) -> tuple[str, float, bool]:
        return problem.kernel, problem.gamma, problem.balance_classes

    ordered = sorted(problems, key=lambda problem: (kernel(problem), problem.C))
    paths = [Path(tuple(members)) for _, members in groupby(ordered, key=kernel)]
    return sorted(paths, key=lambda path: -len(path.problems))


@dataclass(frozen=True)
class Plan:
    """The work items of paths on splits, kernel matrix by kernel matrix.

    Attributes
    ----------
    tasks : list of Task
    ballots : list of Ballot
        By the numbers that tasks have for them.
    identities : dict of Path to int
        How many of the path's machines have a kernel that is an identity in float32.
    """

    tasks: list[Task]
    ballots: list[Ballot]
    identities: dict[Path, int]


def plan(
    paths: Sequence[Path],
    splits: Sequence[Split],
    matrices: Sequence[Matrices],
    *,
    shortcuts: bool,
) -> Plan:
    """Return the work items of paths on splits."""
    identity = [
        each.identity_gammas() if shortcuts else np.full((each.n_classes,) * 2, np.inf)
        for each in matrices
    ]
    turns = list(_by_matrix(paths, len(splits)))
    ballot_of = {turn: number for number, turn in enumerate(turns)}
    weights = {
        (number, balance): class_weights(split.training_codes, balance=balance).tolist()
        for number, split in enumerate(splits)
        for balance in (False, True)
    }
    identities = dict.fromkeys(paths, 0)
    tasks: list[Task] = []
    merged: set[tuple[int, Path, tuple[int, int]]] = set()
    for split, path in turns:
        of_class = weights[split, path.first.balance_classes]
        for a, b in pairs(matrices[split].n_classes):
            if (split, path, (a, b)) in merged:
                continue
            together: tuple[Path, ...] = (path,)
            if _is_identity(path, least := identity[split][a, b]):
                together = _together(path, paths, least)
                merged.update((split, other, (a, b)) for other in together)
                for other in together:
                    identities[other] += 1
            tasks.append(
                Task(
                    split,
                    a,
                    b,
                    path.first.kernel == "rbf",
                    [other.first.gamma for other in together],
                    [ballot_of[split, other] for other in together],
                    path.c_values,
                    (of_class[a], of_class[b]),
                )
            )
    return Plan(tasks, [Ballot(path, splits[split]) for split, path in turns], identities)


def _by_matrix(paths: Sequence[Path], count: int) -> Iterator[tuple[int, Path]]:
    """Yield each path on each split; those that share a matrix in a row, so that it can go then."""
    sharing: dict[tuple[str, float], list[Path]] = {}
    for path in paths:
        sharing.setdefault((path.first.kernel, path.first.gamma), []).append(path)
    for together in sharing.values():
        for number in range(count):
            yield from ((number, path) for path in together)


def _is_identity(path: Path, identity_gamma: float) -> bool:
    return path.first.kernel == "rbf" and bool(path.first.gamma > identity_gamma)


def _together(path: Path, paths: Sequence[Path], identity_gamma: float) -> tuple[Path, ...]:
    """Return the paths whose kernel is an identity as this one's is, and their C the same."""
    others = [
        other
        for other in paths
        if other is not path
        and _is_identity(other, identity_gamma)
        and other.first.balance_classes == path.first.balance_classes
        and other.c_values == path.c_values
    ]
    return (path, *others)


class Tally:
    """What is known of the problems of a path, until all splits are in."""

    def __init__(self, path: Path, count: int) -> None:
        points = len(path.problems)
        self.path = path
        self.predicted = np.full((points, count), -1, dtype=np.intp)
        self.converged = np.ones(points, dtype=bool)
        self.finite = np.ones(points, dtype=bool)
        self.solved_as = np.zeros(points, dtype=np.intp)
        self.identities = 0

    def add(self, split: Split, outcome: Outcome) -> None:
        """Add what came of a split."""
        self.converged &= outcome.converged
        self.finite &= outcome.finite
        np.maximum(self.solved_as, outcome.solved_as, out=self.solved_as)
        self.predicted[:, split.testing_rows] = split.class_of_code[outcome.predicted]

    def solutions(self, overflow: str) -> Iterator[Solution]:
        """Yield the solution of each problem, `overflow` being what failed ones are told."""
        problems = self.path.problems
        for point, problem in enumerate(problems):
            if self.finite[point]:
                same = problems[self.solved_as[point]]
                yield Solution(
                    problem,
                    self.predicted[point],
                    converged=bool(self.converged[point]),
                    same_as=None if same == problem else same,
                    identities=self.identities,
                )
            else:
                nothing = np.full_like(self.predicted[point], -1)
                yield Solution(problem, nothing, error=overflow)
