"""Which combinations of a search are the same problem, so that each is solved once.

Two savings are taken, each only where the data at hand satisfy its condition:

* **Polynomial collapse.** Without a constant term the polynomial kernel scales with gamma cubed,
  so only ``C * gamma**3`` matters: 72 pairs of C and gamma are 30 problems. All factors are powers
  of two and libsvm's stopping rule is free of scale, so the solutions are equal to the bit,
  unless libsvm meets a kernel distance that is not positive and puts its constant 1e-12 in its
  place, or a kernel value leaves the range of float32. `scales_freely` looks for both.
* **basic is normalized.** Each dimension is scaled to [0, 1] again before it reaches the SVM, so
  the two differ by rounding only, unless the inner cleaner judges a descriptor differently
  in its own unit and in [0, 1]. `same_experiment` compares what the SVM would get.

The native engine finds two more while it solves, and looks at each pair of each fold by itself:

* **C saturation.** Where the solver never met C, every larger C takes the same steps: to the same
  solution, or to the cap on iterations.
* **Identity kernels.** Where gamma times the smallest squared distance exceeds 104, all other
  values of the kernel are 0 in float32: such gammas share their solutions, not their predictions.
  So none of them is the same as another; `Solution.identities` counts the machines.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np

from trainer.grid.engine import Problem
from trainer.grid.folds import Split
from trainer.grid.project import Combination
from trainer.models.svm import DEGREE

SAME = 1e-4  # a tenth of what the solver resolves; the two differ by about 1e-5
FLOAT32_MARGIN = 1e-5  # relative; kernel values are rounded to float32, by 6e-8
FLOAT32_RANGE = (1e-36, 1e36)
ROWS_AT_ONCE = 256


def problem_of(combination: Combination) -> Problem:
    """Return the SVM parameters of a combination."""
    return Problem(
        kernel=combination.kernel,
        C=2.0**combination.c_exponent,
        gamma=2.0**combination.gamma_exponent,
        balance_classes=combination.balance_classes,
    )


def group(
    combinations: Iterable[Combination],
    *,
    collapse_polynomial: bool,
) -> list[tuple[Combination, ...]]:
    """Group combinations of one preprocessing that are one problem, the first of each in front."""

    def same_problem(combination: Combination) -> tuple[object, ...]:
        if collapse_polynomial and combination.kernel == "poly":
            scale = combination.c_exponent + DEGREE * combination.gamma_exponent
            return ("poly", scale, 0, combination.balance_classes)
        return (
            combination.kernel,
            combination.c_exponent,
            combination.gamma_exponent,
            combination.balance_classes,
        )

    ordered = sorted(combinations, key=same_problem)  # stable: grid order within a group
    return [tuple(members) for _, members in groupby(ordered, key=same_problem)]


def problem_of_group(members: Sequence[Combination], *, gamma: float | None) -> Problem:
    """Return the problem that is solved for a group.

    With a `gamma`, collapsed polynomial ones are put to it by a change of C. That is exact where
    the collapse is, and leaves an engine one kernel matrix for all of them.
    """
    problem = problem_of(members[0])
    if gamma is None or problem.kernel != "poly":
        return problem
    return replace(problem, C=problem.C * (problem.gamma / gamma) ** DEGREE, gamma=gamma)


def scales_freely(splits: Sequence[Split], gammas: Iterable[float]) -> bool:
    """Whether the polynomial collapse is exact on these training sets."""
    gammas = list(gammas)
    return all(_scales_freely(split.training, gammas) for split in splits)


def _scales_freely(X: np.ndarray, gammas: Sequence[float]) -> bool:
    # By blocks: a dozen matrices of all rows against all would fill the memory at 10,000 rows.
    blocks = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(X), ROWS_AT_ONCE)]
    with np.errstate(all="ignore"):  # what overflows is out of range, and found to be
        norms = np.square(X).sum(axis=1) ** DEGREE
        return all(_block_scales_freely(X, rows, norms, gammas) for rows in blocks)


def _block_scales_freely(
    X: np.ndarray,
    rows: slice,
    norms: np.ndarray,
    gammas: Sequence[float],
) -> bool:
    kernel = (X[rows] @ X.T) ** DEGREE
    sums = norms[rows, None] + norms
    distances = sums - 2 * kernel
    np.fill_diagonal(distances[:, rows], np.inf)  # of each row to itself
    if (distances <= FLOAT32_MARGIN * sums).any():
        return False
    magnitudes = np.abs(kernel[kernel != 0])
    low, high = FLOAT32_RANGE
    return all(
        (low < magnitudes * gamma**DEGREE).all() and (magnitudes * gamma**DEGREE < high).all()
        for gamma in gammas
    )


def same_experiment(splits: Sequence[Split], others: Sequence[Split]) -> bool:
    """Whether two preprocessings give the SVM the same values in every fold, up to rounding."""
    return all(
        split.training.shape == other.training.shape
        and bool(np.all(np.abs(split.training - other.training) <= SAME))
        and bool(np.all(np.abs(split.testing - other.testing) <= SAME * _scale(split.testing)))
        for split, other in zip(splits, others, strict=True)
    )


def _scale(values: np.ndarray) -> np.ndarray:
    """Held-out values lie outside [0, 1] at times, and round more the further out they are."""
    return np.maximum(1.0, np.abs(values))
