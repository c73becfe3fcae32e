"""The search: every combination of a project cross-validated on one dataset."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from trainer.account import Account
from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.checkpoints import Resumption
from trainer.grid.engine import Engine, Problem, Solution
from trainer.grid.folds import Split, split
from trainer.grid.handover import suited
from trainer.grid.planner import group, problem_of, problem_of_group, same_experiment
from trainer.grid.project import Combination, Project
from trainer.grid.scores import Scores, score
from trainer.preprocessing.chain import fit_recipe

Indices = NDArray[np.intp]

EQUAL = 9  # decimals to which accuracies are compared: their last bits depend on summation order


@dataclass(frozen=True, eq=False)
class CombinationResult:
    """What cross-validation says of one combination.

    Attributes
    ----------
    combination : Combination
    predicted : ndarray of intp, shape (n_recordings,)
        Position in the dataset's classes, -1 where there is no prediction.
    scores : Scores or None
        None if the combination failed.
    converged : bool
    error : str or None
        Why it failed.
    same_as : Combination or None
        The combination that was solved in its place, being the same problem.
    engine : str or None
        Name of what solved it; None if it came to nothing before.
    identities : int
        Machines of it whose kernel is an identity, see `Solution`.
    instead : str or None
        Why that is not the engine that was asked for; None if it is.
    """

    combination: Combination
    predicted: Indices
    scores: Scores | None
    converged: bool
    error: str | None = None
    same_as: Combination | None = None
    engine: str | None = None
    identities: int = 0
    instead: str | None = None


def search(
    dataset: Dataset,
    project: Project,
    fold_of: Indices,
    engine: Engine,
    *,
    collapse: bool = True,
    account: Account | None = None,
    resumption: Resumption | None = None,
    name: str = "grid",
    solved: Callable[[int], None] = lambda _: None,
) -> list[CombinationResult]:
    """Cross-validate each combination of the project.

    Parameters
    ----------
    dataset : Dataset
    project : Project
    fold_of : ndarray of intp, shape (n_recordings,)
    engine : Engine
    collapse : bool
        Solve combinations that are the same problem once, see `trainer.grid.planner`.
    account : Account, optional
        Where the time goes is added to.
    resumption : Resumption, optional
        What is known already is taken from it, and it learns what is solved.
    name : str
        What `resumption` calls this search.
    solved : callable
        Told now and then how many combinations are done. Those that are being solved count by their
        share of the work, so that hard ones are seen to go on.

    Returns
    -------
    list of CombinationResult
        In grid order, one for each combination.
    """
    account = account or Account()
    resumption = resumption or Resumption()
    steps = _Steps(solved)
    results: dict[Combination, CombinationResult] = {}
    seen: dict[str, list[Split]] = {}
    by_preprocessing = groupby(project.combinations(), key=lambda item: item.preprocessing)
    for preprocessing, members in by_preprocessing:
        combinations = list(members)
        try:
            with account.of("preprocessing"):
                splits = splits_of(dataset, preprocessing, fold_of)
                twin = twin_of(preprocessing, splits, seen) if collapse else None
        except DatasetError as error:  # of one preprocessing; the others may do
            for combination in combinations:
                results[combination] = _failed(combination, str(error), len(fold_of))
            steps.reached(len(results))
            continue
        if twin:
            found = _copied(combinations, twin, results)
        else:
            found = _solve(
                dataset,
                combinations,
                splits,
                fold_of,
                engine,
                resumption=resumption,
                part=f"{name} {preprocessing}",
                collapse=collapse,
                advanced=partial(steps.advanced, len(results), len(combinations)),
            )
        with account.of("solver"):
            for result in found:
                results[result.combination] = result
                steps.reached(len(results))
        if preprocessing in {"basic", "normalized"}:  # the only two that can be one experiment
            seen[preprocessing] = splits
    return [results[combination] for combination in project.combinations()]


class _Steps:
    """Tells how far a search has come, and never that it has gone back."""

    def __init__(self, solved: Callable[[int], None]) -> None:
        self._solved = solved
        self._done = 0

    def reached(self, done: int) -> None:
        self._done = max(self._done, done)
        self._solved(self._done)

    def advanced(self, before: int, count: int, share: float) -> None:
        """Count a share of `count` combinations that are being solved, beside those `before`."""
        done = before + int(share * count)
        if done > self._done:
            self.reached(done)


def best_of(results: Sequence[CombinationResult]) -> CombinationResult:
    """Choose the most accurate; of equals a converged one, then the first in grid order.

    Raises
    ------
    DatasetError
        No combination could be solved.
    """
    usable = [result for result in results if result.scores is not None]
    if not usable:
        raise DatasetError(
            f"none of the {len(results)} combinations could be trained; "
            f"the first failed with: {results[0].error}"
        )
    return max(usable, key=_rank)  # max keeps the first of equals


def _rank(result: CombinationResult) -> tuple[float, bool]:
    accuracy = result.scores.accuracy if result.scores else -1.0
    return (round(accuracy, EQUAL), result.converged)


def cross_validate(
    dataset: Dataset,
    combination: Combination,
    splits: Sequence[Split],
    fold_of: Indices,
    engine: Engine,
    *,
    resumption: Resumption,
    name: str,
) -> CombinationResult:
    """Cross-validate one combination on splits that are made already, see `search`."""
    (result,) = _solve(
        dataset,
        [combination],
        splits,
        fold_of,
        engine,
        resumption=resumption,
        part=f"{name} {combination.preprocessing}",
        collapse=False,
        advanced=lambda _: None,
    )
    return result


def splits_of(
    dataset: Dataset,
    name: str,
    fold_of: Indices,
    training: Mapping[int, NDArray[np.bool_]] | None = None,
) -> list[Split]:
    """Return what the machine gets in each fold under a preprocessing.

    `training` says what is trained on, as for `split`.

    Raises
    ------
    DatasetError
        The preprocessing leaves nothing of these recordings.
    """
    chain, matrix = fit_recipe(dataset.values, dataset.layout, name, dataset.template)
    if not chain.layout.width:
        raise DatasetError(f"preprocessing {name!r} leaves no descriptor of these documents")
    splits = split(matrix, chain.layout, dataset.labels, fold_of, training)
    if not all(split.training.shape[1] for split in splits):
        raise DatasetError(f"preprocessing {name!r} leaves a fold no descriptor that varies in it")
    return splits


def _failed(combination: Combination, reason: str, count: int) -> CombinationResult:
    return CombinationResult(
        combination=combination,
        predicted=np.full(count, -1, dtype=np.intp),
        scores=None,
        converged=False,
        error=reason,
    )


def twin_of(name: str, splits: list[Split], seen: dict[str, list[Split]]) -> str | None:
    """Return the preprocessing that gave the SVM the same values, if there is one."""
    if name not in {"basic", "normalized"}:
        return None
    return next((other for other, given in seen.items() if same_experiment(splits, given)), None)


def _copied(
    combinations: Sequence[Combination],
    twin: str,
    results: dict[Combination, CombinationResult],
) -> Iterator[CombinationResult]:
    for combination in combinations:
        original = results[replace(combination, preprocessing=twin)]
        yield replace(original, combination=combination, same_as=original.combination)


def _solve(
    dataset: Dataset,
    combinations: Sequence[Combination],
    splits: Sequence[Split],
    fold_of: Indices,
    engine: Engine,
    *,
    resumption: Resumption,
    part: str,
    collapse: bool,
    advanced: Callable[[float], None],
) -> Iterator[CombinationResult]:
    """Solve each distinct problem and yield a result for each combination that it stands for."""
    taken = suited(engine, splits)
    engine = taken.engine.prepared(splits)
    gammas = [problem_of(item).gamma for item in combinations if item.kernel == "poly"]
    scales = collapse and bool(gammas) and engine.scales_freely(splits, sorted(set(gammas)))
    groups = group(combinations, collapse_polynomial=scales)
    gamma = gammas[0] if scales else None
    members_of = {problem_of_group(members, gamma=gamma): members for members in groups}
    solved: dict[Problem, CombinationResult] = {}
    for solution in resumption.solve(
        members_of, splits, engine, part=part, shortcuts=collapse, advanced=advanced
    ):
        representative, *others = members_of[solution.problem]
        if solution.same_as:
            original = solved[solution.same_as]
            result = replace(original, combination=representative, same_as=original.combination)
        else:
            result = replace(
                _result(representative, solution, dataset.labels, fold_of),
                engine=engine.name,
                instead=taken.instead,
            )
            solved[solution.problem] = result
        yield result
        for other in others:
            yield replace(result, combination=other, same_as=result.same_as or representative)


def _result(
    combination: Combination,
    solution: Solution,
    labels: Indices,
    fold_of: Indices,
) -> CombinationResult:
    scores = None if solution.error else score(labels, solution.predicted, fold_of)
    return CombinationResult(
        combination=combination,
        predicted=solution.predicted,
        scores=scores,
        converged=solution.converged and not solution.error,
        error=solution.error,
        identities=solution.identities,
    )
