"""The search with the compiled solver.

Inner products are made once for each split and shared by all problems; a work item is one kernel
matrix of one pair of classes with the whole path along C. Work items run on threads without the
interpreter lock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trainer.errors import DatasetError
from trainer.grid import planner
from trainer.grid.engine import (
    MAX_ITERATIONS,
    TOLERANCE,
    Engine,
    Problem,
    Solution,
    check_limits,
)
from trainer.grid.engines import MEMORY, check_instruction_set, shared_inner_product
from trainer.grid.folds import Split, widest
from trainer.grid.native._native import Run, Task, instruction_sets
from trainer.grid.native_matrices import Matrices, Rows, bytes_of, bytes_of_thread, multiply
from trainer.grid.native_paths import Outcome, Path, Tally, paths_of, plan
from trainer.grid.processors import one_thread_each, usable_processors
from trainer.models.svm import PairwiseSvm, pairs

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

SECONDS_BETWEEN_LOOKS = 0.1  # at signals, whose handlers Python runs then, and at progress

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
        Cap for each pair of classes, at most 2**31 - 1: libsvm counts in 32 bits.
    memory : int
        Bytes that may be used, 2 GiB by default.
    instruction_set : {"", "sse2", "avx2", "avx512", "portable"}
        The widest that the processor has by default. ``portable`` is there on processors other
        than x86-64 only, where it is the only one.

    Raises
    ------
    OptionsError
        One of them is out of its bounds, or not to be had on this processor.

    Notes
    -----
    Memory in bytes: ``4 n (n + 1) + 8 n t + 8 (n + t) d + 16 k t`` for each split of n training and
    t testing rows with d columns in k classes, and for each thread ``4 n**2 + 8 n t + 8 m**2``, m
    being the rows of the largest two classes: 0.6 GiB and 2 x 0.12 GiB for 5 folds of 5000
    recordings in four equal classes, d = 700. While splits are multiplied, each thread has 0.15 MB
    for each of them and another 0.15 MB, which are not counted. Where that is more than `memory`,
    fewer threads are used, then splits are solved in turns (and solutions come late); where one
    thread with one split needs more, `suited_to` hands over to the `sklearn` engine, which computes
    rows of the kernel as it needs them. The limit is that of one search: several at a time, on
    threads of the caller's, have as many times the memory. The solutions themselves, decisions of
    what each thread is at (16 bytes for each C and testing row), votes that are not complete (4
    bytes for each C, testing row and class), the splits, and what the interpreter takes are not
    counted, nor are freed blocks that the allocator keeps for later (glibc's, of less than 32 MiB
    each).

    A decision is libsvm's sum in libsvm's order, on every instruction set. Its terms are not always
    libsvm's to the last bit: a squared distance is here x.x + y.y - 2 x.y and there the sum of
    squared differences, products add up in another order (and are fused with the addition on AVX2
    and AVX-512), and e**x differs by a unit in the last place for about 1 % of x. Decisions so near
    to 0 that such bits decide, as between copies of a document under several classes, are made anew
    with scikit-learn's own arithmetic: its BLAS, the C library's exponential, the rows themselves.
    That takes as long as there, for those few. What remains are decisions that are 0 only because
    different rows mirror each other: a coefficient, in whose making kernels of float32 took part,
    may itself be another in its last bits. No other way to a different prediction was found.

    Steps and predictions are those of scikit-learn for columns that are scaled, as `train` scales
    all of them to [0, 1]; but for polynomial kernels where gains are the same number, as of columns
    with few values, mostly zeros, or of copies of rows under several classes: rounding decides
    between them, as it does in scikit-learn when its columns are put in another order. One fit in a
    hundred takes other steps there, one in thirteen where those classes are far apart (with the
    same predictions in all that were looked at). On columns that are not scaled they need not be.
    libsvm trains on x.x + y.y - 2 x.y as well, so columns far from 0 cost both engines digits of
    their distances, and what is left depends on the order in which products were added: 200 rows of
    8 columns around 1e6 took scikit-learn 388 steps and AVX-512 348 (385 once the columns' means
    were taken off, which is why they are not taken off here), and both 275 when they were scaled.
    Nor is a tie of a polynomial kernel on unscaled rows of rank 1 one thing: rounding decides it.
    """

    jobs: int | None = None
    max_iterations: int = MAX_ITERATIONS
    memory: int = MEMORY
    instruction_set: str = ""
    name: str = "native"
    _prepared: Mapping[Split, Matrices] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        check_limits(
            "native", jobs=self.jobs, max_iterations=self.max_iterations, memory=self.memory
        )
        check_instruction_set(self.instruction_set, instruction_sets())

    @property
    def description(self) -> str:
        """Name and instruction set."""
        return f"native ({self.instruction_set or instruction_sets()[0]})"

    @property
    def threads(self) -> int:
        """How many there are."""
        return self.jobs or usable_processors()

    def suited_to(self, splits: Sequence[Split]) -> Engine:
        """Return this engine, or scikit-learn's where one split alone needs too much memory."""
        has_room = all(self._threads_for([Rows.of(split)]) for split in splits)
        return self if has_room else self._instead

    def prepared(self, splits: Sequence[Split]) -> NativeEngine:
        """Return this engine with the inner products of these splits, if they are to be held."""
        if len(self._turns(splits)) > 1:
            return self
        return replace(self, _prepared=dict(zip(splits, self._matrices_of(splits), strict=True)))

    def scales_freely(self, splits: Sequence[Split], gammas: Sequence[float]) -> bool:
        """Whether the polynomial collapse is exact; see `Engine.scales_freely`."""
        if len(self._turns(splits)) > 1:
            return planner.scales_freely(splits, gammas)
        return all(each.scales_freely(gammas) for each in self._matrices_of(splits))

    def units(self, problems: Sequence[Problem]) -> Sequence[tuple[Problem, ...]]:
        """Return the paths along C, which find out what is the same; see `Engine.units`."""
        return [path.problems for path in paths_of(problems)]

    def solve(
        self,
        problems: Sequence[Problem],
        splits: Sequence[Split],
        *,
        shortcuts: bool = True,
        advanced: Callable[[float], None] = lambda _: None,
    ) -> Iterator[Solution]:
        """Cross-validate each problem; see `Engine.solve`."""
        count = sum(len(split.testing_rows) for split in splits)
        tallies = {path: Tally(path, count) for path in paths_of(problems)}
        turns = self._turns(splits)
        for number, turn in enumerate(turns):

            def told(share: float, number: int = number) -> None:
                advanced((number + share) / len(turns))

            try:
                for path in self._solve(tallies, turn, shortcuts=shortcuts, advanced=told):
                    if turn is turns[-1]:
                        yield from tallies[path].solutions(NOT_FINITE)
            except _RefusedError as refused:
                nothing = np.full(count, -1, dtype=np.intp)
                yield from (Solution(one, nothing, error=str(refused)) for one in problems)
                return

    def fit(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> PairwiseSvm:
        """Train one machine; see `Engine.fit`."""
        if not self._threads_for([Rows(X, codes, X[:0])]):
            return self._instead.fit(X, codes, problem=problem, weights=weights)
        trained = self.train(X, codes, problem=problem, weights=weights)
        if not trained.finite:
            raise _untrainable(NOT_FINITE)
        return trained.machine

    def train(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> Trained:
        """Train one machine as `fit` does, and say how it went."""
        rows = Rows(X, codes, X[:0])
        (matrices,) = self._multiplied([rows])
        if matrices.refusal:
            raise _untrainable(matrices.refusal)
        rbf, of_pair = problem.kernel == "rbf", weights.tolist()
        tasks = [
            Task(0, a, b, rbf, [problem.gamma], [0], [problem.C], (of_pair[a], of_pair[b]))
            for a, b in pairs(len(weights))
        ]
        with closing(self._run([rows], [matrices], tasks, saturate=False, keep=True)) as run:
            for _ in _done(run, 1, lambda _: None):  # one ballot, of no rows
                results = [run.take_result(task) for task in range(len(tasks))]
        # Of each pair in their order:
        coefficients, rho, iterations, converged, finite, _ = zip(*results, strict=True)
        return Trained(
            machine=_machine(X, matrices, problem, coefficients, np.array(rho)),
            iterations=np.array(iterations, dtype=np.intp),
            converged=all(converged),
            finite=all(finite),
        )

    @property
    def _instead(self) -> Engine:
        from trainer.grid.sklearn_engine import SklearnEngine  # noqa: PLC0415 - takes two seconds

        return SklearnEngine(self.jobs, self.max_iterations)

    def _threads_for(self, sets: Sequence[Rows]) -> int:
        """Return how many threads the memory allows beside the matrices of these sets."""
        room = self.memory - sum(bytes_of(rows) for rows in sets)
        return max(0, min(self.threads, room // max(bytes_of_thread(rows) for rows in sets)))

    def _turns(self, splits: Sequence[Split]) -> list[list[Split]]:
        """Put splits together that fit into the memory; one that does not goes alone."""
        turns: list[list[Split]] = []
        for split in splits:
            if turns and self._threads_for([Rows.of(each) for each in (*turns[-1], split)]):
                turns[-1].append(split)
            else:
                turns.append([split])
        return turns

    def _multiplied(self, sets: Sequence[Rows]) -> list[Matrices]:
        return multiply(sets, instruction_set=self.instruction_set, threads=self.threads)

    def _matrices_of(self, splits: Sequence[Split]) -> list[Matrices]:
        if all(split in self._prepared for split in splits):
            return [self._prepared[split] for split in splits]
        return self._multiplied([Rows.of(split) for split in splits])

    def _solve(
        self,
        tallies: Mapping[Path, Tally],
        splits: Sequence[Split],
        *,
        shortcuts: bool,
        advanced: Callable[[float], None],
    ) -> Iterator[Path]:
        """Solve all paths on some splits; yield each path when it is done with them.

        Nothing outside of this call holds their matrices, so those of one turn are gone before
        those of the next are made.
        """
        matrices = self._matrices_of(splits)
        refusal = next((each.refusal for each in matrices if each.refusal), None)
        if refusal:
            raise _RefusedError(refusal)
        rows = [Rows.of(split) for split in splits]
        made = plan(list(tallies), splits, matrices, shortcuts=shortcuts)
        for path, count in made.identities.items():
            tallies[path].identities += count
        left = dict.fromkeys(tallies, len(splits))
        with (
            one_thread_each(widest(splits)),
            closing(self._run(rows, matrices, made.tasks, saturate=shortcuts, keep=False)) as run,
        ):
            for number in _done(run, len(made.ballots), advanced):
                ballot = made.ballots[number]
                tallies[ballot.path].add(ballot.split, Outcome(*run.take(number)))
                left[ballot.path] -= 1
                if not left[ballot.path]:
                    yield ballot.path

    def _run(
        self,
        sets: Sequence[Rows],
        matrices: Sequence[Matrices],
        tasks: list[Task],
        *,
        saturate: bool,
        keep: bool,
    ) -> Run:
        return Run(
            [each.products for each in matrices],
            tasks,
            TOLERANCE,
            self.max_iterations,
            saturate,
            keep,
            self.instruction_set,
            max(1, min(self._threads_for(sets), len(tasks))),
            shared_inner_product(),
        )


class _RefusedError(Exception):
    """scikit-learn would not take the rows, in its own words."""


def _untrainable(reason: str) -> DatasetError:
    return DatasetError(f"the support vector machine cannot be trained: {reason}")


def _done(run: Run, count: int, advanced: Callable[[float], None]) -> Iterator[int]:
    """Yield ballots as they are done; meanwhile Python's signal handlers have their turn.

    `advanced` is told of the share of the work that is done, whether a ballot is done or not.
    """
    share = 0.0
    while count:
        ballot = run.wait(SECONDS_BETWEEN_LOOKS)
        share = max(share, run.progress())
        advanced(share)
        if ballot is not None:
            count -= 1
            yield ballot


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
