"""The search with the compiled solver.

Inner products are made once for each split and shared by all problems; a work item is one kernel
matrix of one pair of classes with the whole path along C. Work items run on threads without the
interpreter lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import numpy as np
from joblib import cpu_count
from numpy.typing import NDArray
from sklearn.utils import check_array
from threadpoolctl import threadpool_limits

from trainer.errors import DatasetError
from trainer.grid import planner
from trainer.grid.engine import MAX_ITERATIONS, TOLERANCE, Problem, Solution
from trainer.grid.folds import Split
from trainer.grid.native._native import Run, Task, instruction_sets
from trainer.grid.native_matrices import Matrices, bytes_of, bytes_of_solving
from trainer.grid.native_paths import Path, Tally, paths_of, plan
from trainer.grid.sklearn_engine import SklearnEngine
from trainer.models.svm import PairwiseSvm, pairs

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

GIBIBYTE = 2**30
MEMORY = 2 * GIBIBYTE
SECONDS_BETWEEN_SIGNALS = 0.1  # Python's signal handlers run that often

NOT_FINITE = (  # scikit-learn's words
    "The dual coefficients or intercepts are not finite. "
    "The input data may contain large values and need to be preprocessed."
)


@dataclass(frozen=True)
class Trained:
    """A machine and how the solver came to it.

    Attributes
    ----------
    machine : PairwiseSvm
    iterations : ndarray of intp, shape (k (k-1) / 2,)
        Steps of each pair; scikit-learn's ``n_iter_``.
    converged : bool
    finite : bool
    """

    machine: PairwiseSvm
    iterations: Indices
    converged: bool
    finite: bool


@dataclass(frozen=True)
class NativeEngine:
    """Threads of a solver that takes libsvm's steps on kernels that all C share.

    Parameters
    ----------
    jobs : int, optional
        Threads; as many as there are usable processors by default.
    max_iterations : int
        Cap for each pair of classes.
    memory : int
        Bytes that may be used, 2 GiB by default.
    instruction_set : {"", "sse2", "avx2", "avx512", "portable"}
        The widest that the processor has by default.

    Notes
    -----
    Memory in bytes: ``8 n (n + t)`` for each split of n training and t testing rows, and for each
    thread ``8 m**2``, m being the rows of the largest two classes: 0.8 GiB and 2 x 0.12 GiB for
    5 folds of 5000 recordings in two equal classes. Where that is more than `memory`, splits are
    solved in turns (and solutions come late); where one split alone is more, the `sklearn` engine
    takes over, which computes rows of the kernel as it needs them.
    """

    jobs: int | None = None
    max_iterations: int = MAX_ITERATIONS
    memory: int = MEMORY
    instruction_set: str = ""
    name: str = "native"
    _matrices: WeakKeyDictionary[Split, Matrices] = field(
        default_factory=WeakKeyDictionary, compare=False, repr=False
    )

    @property
    def description(self) -> str:
        """Name and instruction set."""
        return f"native ({self.instruction_set or instruction_sets()[0]})"

    def scales_freely(self, splits: Sequence[Split], gammas: Sequence[float]) -> bool:
        """Whether the polynomial collapse is exact; see `Engine.scales_freely`."""
        if _refusal(splits) or len(self._turns(splits)) != 1:
            return planner.scales_freely(splits, gammas)
        self._multiply(splits)
        return all(self._matrices[split].scales_freely(gammas) for split in splits)

    def solve(
        self, problems: Sequence[Problem], splits: Sequence[Split], *, shortcuts: bool = True
    ) -> Iterator[Solution]:
        """Cross-validate each problem; see `Engine.solve`."""
        count = sum(len(split.testing_rows) for split in splits)
        error = _refusal(splits)
        if error:
            for problem in problems:
                yield Solution(problem, np.full(count, -1, dtype=np.intp), error=error)
            return
        turns = self._turns(splits)
        if not turns:
            fallback = SklearnEngine(self.jobs, self.max_iterations)
            yield from fallback.solve(problems, splits, shortcuts=shortcuts)
            return
        tallies = {path: Tally(path, count) for path in paths_of(problems)}
        for turn in turns:
            for path in self._solve(list(tallies), turn, tallies, shortcuts=shortcuts):
                if turn is turns[-1]:
                    yield from tallies[path].solutions(NOT_FINITE)

    def fit(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> PairwiseSvm:
        """Train one machine; see `Engine.fit`."""
        trained = self.train(X, codes, problem=problem, weights=weights)
        if not trained.finite:
            raise DatasetError(f"the support vector machine cannot be trained: {NOT_FINITE}")
        return trained.machine

    def train(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> Trained:
        """Train one machine as `fit` does, and say how it went."""
        matrices = Matrices.of(X, codes, np.empty((0, X.shape[1])))
        bounds = problem.C * weights
        tasks = [
            Task(0, a, b, problem.kernel == "rbf", [problem.gamma], [(bounds[a], bounds[b])])
            for a, b in pairs(len(weights))
        ]
        with closing(self._run([matrices], tasks, saturate=False, keep=True)) as run:
            taken = {task: run.take(task, 1)[0][0] for task in _done(run, len(tasks))}
        # Of each pair in their order:
        coefficients, rho, iterations, converged, finite = zip(
            *(taken[task] for task in range(len(tasks))), strict=True
        )
        return Trained(
            machine=_machine(X, matrices, problem, coefficients, np.array(rho)),
            iterations=np.array(iterations, dtype=np.intp),
            converged=all(converged),
            finite=all(finite),
        )

    def _turns(self, splits: Sequence[Split]) -> list[list[Split]]:
        """Put splits together that fit into the memory; none if one does not fit by itself."""
        threads = self.jobs or cpu_count()
        turns: list[list[Split]] = []
        left = 0
        for split in splits:
            needed = bytes_of(split)
            room = self.memory - threads * bytes_of_solving(split)
            if needed > room:
                return []
            if not turns or needed > left:
                turns.append([])
                left = room
            turns[-1].append(split)
            left -= needed
        return turns

    def _multiply(self, splits: Sequence[Split]) -> None:
        # The BLAS takes all processors by itself; looking for it to say so takes 10 ms.
        limited = self.jobs and self.jobs < cpu_count()
        with threadpool_limits(self.jobs, user_api="blas") if limited else nullcontext():
            for split in splits:
                if split not in self._matrices:
                    self._matrices[split] = Matrices.of_split(split)

    def _solve(
        self,
        paths: Sequence[Path],
        splits: Sequence[Split],
        tallies: dict[Path, Tally],
        *,
        shortcuts: bool,
    ) -> Iterator[Path]:
        """Solve all paths on some splits; yield each path when it is done with them."""
        self._multiply(splits)
        matrices = [self._matrices.pop(split) for split in splits]
        items = plan(paths, splits, matrices, shortcuts=shortcuts)
        left = {path: len(splits) for path in paths}
        tasks = [item.task for item in items]
        with closing(self._run(matrices, tasks, saturate=shortcuts, keep=False)) as run:
            for task in _done(run, len(items)):
                item = items[task]
                solutions, solved_as, decisions = run.take(task, len(item.paths))
                for path, of_path in zip(item.paths, decisions, strict=True):
                    split = splits[item.split]
                    if tallies[path].add(split, item.pair, solutions, solved_as, of_path):
                        left[path] -= 1
                        if not left[path]:
                            yield path

    def _run(
        self, matrices: Sequence[Matrices], tasks: list[Task], *, saturate: bool, keep: bool
    ) -> Run:
        return Run(
            [each.products for each in matrices],
            tasks,
            TOLERANCE,
            self.max_iterations,
            saturate,
            keep,
            self.instruction_set,
            min(self.jobs or cpu_count(), len(tasks)),
        )


def _done(run: Run, count: int) -> Iterator[int]:
    """Yield tasks as they are done; between them Python's signal handlers have their turn."""
    while count:
        task = run.wait(SECONDS_BETWEEN_SIGNALS)
        if task is not None:
            count -= 1
            yield task


def _refusal(splits: Sequence[Split]) -> str | None:
    """Say why scikit-learn would not take these values, in its own words."""
    for split in splits:
        for values in (split.training, split.testing):
            if values.shape[1] and np.isfinite(values.sum()):  # as a rule
                continue
            try:
                check_array(values, dtype=np.float64, estimator="SVC", input_name="X")
            except ValueError as error:
                return str(error)
    return None


def _machine(
    X: Float64, matrices: Matrices, problem: Problem, solved: Sequence[Float64], rho: Float64
) -> PairwiseSvm:
    """Put the coefficients of the pairs where libsvm has them."""
    n_classes, starts = matrices.n_classes, matrices.starts
    coefficients = np.zeros((n_classes - 1, len(X)))
    for (a, b), values in zip(pairs(n_classes), solved, strict=True):
        count_a = starts[a + 1] - starts[a]
        coefficients[b - 1, starts[a] : starts[a + 1]] = values[:count_a]
        coefficients[a, starts[b] : starts[b + 1]] = values[count_a:]
    support = np.flatnonzero(coefficients.any(axis=0))
    return PairwiseSvm(
        kernel=problem.kernel,
        gamma=problem.gamma,
        support_vectors=np.ascontiguousarray(X[matrices.order[support]]),
        counts=np.diff(np.searchsorted(support, starts)),
        coefficients=np.ascontiguousarray(coefficients[:, support]),
        rho=rho,
    )
