"""Work items of the compiled solver, and how their results become solutions of problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.grid.engine import Problem, Solution, class_weights
from trainer.grid.folds import Split
from trainer.grid.native._native import Task
from trainer.grid.native_matrices import Matrices
from trainer.models.svm import pairs, vote

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)  # looked up for each work item, by what it is
class Path:
    """Problems that differ in nothing but C, which grows."""

    problems: tuple[Problem, ...]

    @property
    def first(self) -> Problem:
        """The one of the smallest C."""
        return self.problems[0]


class Solved(NamedTuple):
    """What a work item yields.

    Attributes
    ----------
    decisions : ndarray of float64, shape (n_paths, n_points, n_testing)
    solved_as : ndarray of intp, shape (n_points,)
        For each C the smallest that has the same solution.
    converged, finite : ndarray of bool, shape (n_points,)
    """

    decisions: Float64
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
class Item:
    """One work item.

    Attributes
    ----------
    split : int
    pair : int
        Place in the order of `pairs`.
    paths : tuple of Path
        More than one only where their kernels are equal in float32.
    identity : bool
        Whether these kernels are identities there.
    task : Task
    """

    split: int
    pair: int
    paths: tuple[Path, ...]
    identity: bool
    task: Task


def plan(
    paths: Sequence[Path],
    splits: Sequence[Split],
    matrices: Sequence[Matrices],
    *,
    shortcuts: bool,
) -> list[Item]:
    """Return the work items of paths on splits, kernel matrix by kernel matrix."""
    identity = [
        each.identity_gammas() if shortcuts else np.full((each.n_classes,) * 2, np.inf)
        for each in matrices
    ]
    items: list[Item] = []
    merged: set[tuple[Path, int, int]] = set()
    for number, path in _by_matrix(paths, len(splits)):
        codes = splits[number].training_codes
        weights = class_weights(codes, balance=path.first.balance_classes)
        bounds = [(problem.C * weights).tolist() for problem in path.problems]
        for pair, (a, b) in enumerate(pairs(len(weights))):
            if (path, number, pair) in merged:
                continue
            least = identity[number][a, b]
            together = _together(path, paths, least)
            merged.update((other, number, pair) for other in together)
            task = Task(
                number,
                a,
                b,
                path.first.kernel == "rbf",
                [other.first.gamma for other in together],
                [(bound[a], bound[b]) for bound in bounds],
            )
            items.append(Item(number, pair, together, _is_identity(path, least), task))
    return items


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
    if not _is_identity(path, identity_gamma):
        return (path,)
    values = [problem.C for problem in path.problems]
    others = [
        other
        for other in paths
        if other is not path
        and _is_identity(other, identity_gamma)
        and other.first.balance_classes == path.first.balance_classes
        and [problem.C for problem in other.problems] == values
    ]
    return (path, *others)


class Tally:
    """What is known of the problems of a path, until all splits and pairs are in."""

    def __init__(self, path: Path, count: int) -> None:
        points = len(path.problems)
        self.path = path
        self.predicted = np.full((points, count), -1, dtype=np.intp)
        self.converged = np.ones(points, dtype=bool)
        self.finite = np.ones(points, dtype=bool)
        self.solved_as = np.zeros(points, dtype=np.intp)
        self.identities = 0
        self._decisions: dict[Split, dict[int, Float64]] = {}

    def add(self, split: Split, item: Item, solved: Solved, decisions: Float64) -> bool:
        """Add one pair of one split; whether it was the split's last."""
        self.identities += int(item.identity)
        self.converged &= solved.converged
        self.finite &= solved.finite
        np.maximum(self.solved_as, solved.solved_as, out=self.solved_as)
        n_classes = len(split.class_of_code)
        decided = self._decisions.setdefault(split, {})
        decided[item.pair] = decisions
        if len(decided) < n_classes * (n_classes - 1) // 2:
            return False
        del self._decisions[split]
        of_pairs = np.stack([decided[number] for number in sorted(decided)], axis=-1)
        votes = vote(of_pairs.reshape(-1, of_pairs.shape[-1]), n_classes)
        self.predicted[:, split.testing_rows] = split.class_of_code[
            votes.reshape(of_pairs.shape[:-1])
        ]
        return True

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
