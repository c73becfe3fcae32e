"""The search with scikit-learn's SVC."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Event, Lock, Thread

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

from trainer.errors import DatasetError
from trainer.grid import planner
from trainer.grid.engine import (
    MAX_ITERATIONS,
    TOLERANCE,
    Engine,
    Problem,
    Solution,
    check_limits,
    class_weights,
)
from trainer.grid.folds import Split, widest
from trainer.grid.processors import one_thread_each, usable_processors
from trainer.models.svm import DEGREE, PairwiseSvm, vote

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

CACHE_MEGABYTES = 200  # libsvm's kernel cache, for each fit that runs
TWO_CLASSES = 2


@dataclass(frozen=True)
class Trained:
    """A machine and how libsvm came to it, see `trainer.grid.engine.Trained`."""

    machine: PairwiseSvm
    converged: bool
    finite: bool = True  # scikit-learn refuses to return others


@dataclass(frozen=True)
class SklearnEngine:
    """scikit-learn's SVC in a joblib pool, one problem (all its folds) to a task.

    Parameters
    ----------
    jobs : int, optional
        Problems solved at a time; as many as there are usable processors by default.
    max_iterations : int
        Cap for each pair of classes, at most 2**31 - 1: libsvm counts in 32 bits.

    Notes
    -----
    The pool is one of threads: libsvm runs without the interpreter lock, so threads are as fast
    as processes, share the matrices, and leave nothing behind when the process is killed.
    libsvm cannot be stopped within a fit. A signal's handler is called at once all the same, but
    fits that have begun go on until they end or the process does: by `os._exit`, if
    `fits_under_way` says so, for the interpreter's own end crashes beside them.
    """

    jobs: int | None = None
    max_iterations: int = MAX_ITERATIONS
    name: str = "sklearn"

    def __post_init__(self) -> None:
        check_limits("sklearn", jobs=self.jobs, max_iterations=self.max_iterations)

    @property
    def description(self) -> str:
        """The name; there is nothing to add."""
        return self.name

    def suited_to(self, splits: Sequence[Split]) -> Engine:
        """Return this engine: libsvm keeps no more of a kernel than its cache holds."""
        del splits
        return self

    def prepared(self, splits: Sequence[Split]) -> Engine:
        """Return this engine: its calls have nothing in common."""
        del splits
        return self

    def scales_freely(self, splits: Sequence[Split], gammas: Sequence[float]) -> bool:
        """Whether the polynomial collapse is exact; see `Engine.scales_freely`."""
        return planner.scales_freely(splits, gammas)

    def units(self, problems: Sequence[Problem]) -> Sequence[tuple[Problem, ...]]:
        """Return each problem by itself; see `Engine.units`."""
        return [(problem,) for problem in problems]

    def solve(
        self,
        problems: Sequence[Problem],
        splits: Sequence[Split],
        *,
        shortcuts: bool = True,
        advanced: Callable[[float], None] = lambda _: None,
    ) -> Iterator[Solution]:
        """Cross-validate each problem; see `Engine.solve`. There are no shortcuts here."""
        del shortcuts, advanced  # the solutions themselves tell how far it has come
        pool = Parallel(
            n_jobs=self.jobs or usable_processors(),
            backend="threading",
            return_as="generator_unordered",
        )
        left = Event()
        # Not inside the tasks: the filters and the limit belong to the process, not to a thread.
        with one_thread_each(widest(splits)), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                yield from pool(delayed(self._solve)(problem, splits, left) for problem in problems)
            finally:
                left.set()

    def fit(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> PairwiseSvm:
        """Train one machine; see `Engine.fit`."""
        return self.train(X, codes, problem=problem, weights=weights).machine

    def train(self, X: Float64, codes: Indices, *, problem: Problem, weights: Float64) -> Trained:
        """Train one machine, and say how it went; see `Engine.train`."""
        with one_thread_each(X.shape[1]), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            try:
                machine = _aside(lambda: self._fit(X, codes, problem, weights))
            except ValueError as error:  # a kernel that overflows
                raise DatasetError(
                    f"the support vector machine cannot be trained: {error}"
                ) from error
        sign = -1.0 if len(weights) == TWO_CLASSES else 1.0  # see _decisions
        svm = PairwiseSvm(
            kernel=problem.kernel,
            gamma=problem.gamma,
            support_vectors=np.ascontiguousarray(machine.support_vectors_),
            counts=machine.n_support_.astype(np.intp),
            coefficients=np.ascontiguousarray(sign * machine.dual_coef_),
            rho=-sign * machine.intercept_,
        )
        return Trained(svm, converged=machine.fit_status_ == 0)

    def _solve(self, problem: Problem, splits: Sequence[Split], left: Event) -> Solution | None:
        """Return the solution; `None` once the search was left, for then nobody waits for it."""
        # All of it counts: between two fits no thread may seem to be done that is about to go on.
        with _under_way:
            return self._cross_validated(problem, splits, left)

    def _cross_validated(
        self, problem: Problem, splits: Sequence[Split], left: Event
    ) -> Solution | None:
        predicted = np.full(sum(len(split.testing_rows) for split in splits), -1, dtype=np.intp)
        converged = True
        for split in splits:
            if left.is_set():
                return None
            weights = class_weights(split.training_codes, balance=problem.balance_classes)
            try:
                machine = self._fit(split.training, split.training_codes, problem, weights)
                decisions = _decisions(machine, split.testing)
            except ValueError as error:  # a kernel that overflows, a held-out value that does
                return Solution(problem, np.full_like(predicted, -1), error=str(error))
            converged &= machine.fit_status_ == 0
            votes = vote(decisions, len(weights))
            predicted[split.testing_rows] = split.class_of_code[votes]
        return Solution(problem, predicted, converged=converged)

    def _fit(self, X: Float64, codes: Indices, problem: Problem, weights: Float64) -> SVC:
        machine = SVC(
            C=problem.C,
            kernel=problem.kernel,
            gamma=problem.gamma,
            degree=DEGREE,
            coef0=0.0,
            tol=TOLERANCE,
            shrinking=True,
            class_weight=dict(enumerate(weights.tolist())),
            decision_function_shape="ovo",
            cache_size=CACHE_MEGABYTES,
            max_iter=self.max_iterations,
        )
        return machine.fit(X, codes)


class _Counter:
    """Counts threads that are inside; each change is made under a lock."""

    def __init__(self) -> None:
        self.inside = 0
        self._lock = Lock()

    def __enter__(self) -> None:
        with self._lock:
            self.inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self.inside -= 1


_under_way = _Counter()


def fits_under_way() -> int:
    """Count the threads of this process that are at fits at this moment, wanted or not."""
    return _under_way.inside


def _aside(fit: Callable[[], SVC]) -> SVC:
    """Fit on another thread, so that this one handles signals meanwhile.

    libsvm itself cannot be stopped: after a signal it goes on until the process ends.
    """
    fitted: Future[SVC] = Future()

    begun = Event()

    def work() -> None:
        with _under_way:
            begun.set()
            try:
                fitted.set_result(fit())
            except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
                fitted.set_exception(error)

    # Counted from here on, for a signal may come before the thread has counted itself.
    with _under_way:
        Thread(target=work, daemon=True).start()
        begun.wait()
    return fitted.result()


def _decisions(machine: SVC, X: Float64) -> Float64:
    """Return libsvm's decisions; scikit-learn turns their sign round for two classes."""
    decisions = machine.decision_function(X)
    return -decisions[:, None] if decisions.ndim == 1 else decisions
