"""A one-vs-one support vector machine as plain arrays, with libsvm's conventions.

Conventions
-----------
Classes are numbered 0 … k-1 in label order. Pairs (a, b) with a < b are in the order (0, 1),
(0, 2), … (k-2, k-1). A decision above 0 is for a.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

DEGREE = 3  # of the polynomial kernel; its constant term is 0
ROWS_AT_ONCE = 1024  # bounds the kernel matrix of a large batch


@dataclass(frozen=True, eq=False)
class PairwiseSvm:
    """A trained machine.

    Attributes
    ----------
    kernel : {"poly", "rbf"}
    gamma : float
    support_vectors : ndarray of float64, shape (n_vectors, n_columns)
        Grouped by class, in label order.
    counts : ndarray of intp, shape (k,)
        Support vectors of each class.
    coefficients : ndarray of float64, shape (k - 1, n_vectors)
        libsvm's ``sv_coef``: for the pair (a, b), row b-1 for the vectors of a and row a for
        those of b.
    rho : ndarray of float64, shape (k (k-1) / 2,)
        What is taken off each decision.
    """

    kernel: str
    gamma: float
    support_vectors: Float64
    counts: Indices
    coefficients: Float64
    rho: Float64

    @property
    def n_classes(self) -> int:
        """Number of classes, k."""
        return len(self.counts)

    def decisions(self, X: Float64) -> Float64:
        """Return the decision of each pair, shape (n, k (k-1) / 2), for a matrix of rows."""
        if not len(X):
            return np.empty((0, len(self.rho)))
        parts = [X[start : start + ROWS_AT_ONCE] for start in range(0, len(X), ROWS_AT_ONCE)]
        return np.concatenate([self._decisions(part) for part in parts])

    def _decisions(self, X: Float64) -> Float64:
        kernel = self._kernel(X)
        ends = np.cumsum(self.counts)
        vectors = [slice(end - count, end) for count, end in zip(self.counts, ends, strict=True)]
        decisions = np.empty((len(X), len(self.rho)))
        for pair, (a, b) in enumerate(pairs(self.n_classes)):
            decisions[:, pair] = (
                kernel[:, vectors[a]] @ self.coefficients[b - 1, vectors[a]]
                + kernel[:, vectors[b]] @ self.coefficients[a, vectors[b]]
                - self.rho[pair]
            )
        return decisions

    def _kernel(self, X: Float64) -> Float64:
        products = X @ self.support_vectors.T
        if self.kernel == "poly":
            return (self.gamma * products) ** DEGREE
        squares = np.square(self.support_vectors).sum(axis=1)
        distances = np.square(X).sum(axis=1)[:, None] + squares - 2.0 * products
        return np.exp(-self.gamma * np.maximum(distances, 0.0))


def pairs(n_classes: int) -> Iterator[tuple[int, int]]:
    """Yield the pairs of classes in libsvm's order."""
    return combinations(range(n_classes), 2)


def vote(decisions: Float64, n_classes: int) -> Indices:
    """Choose the class with most votes; of equals the first in label order, as Gaia's libsvm.

    Parameters
    ----------
    decisions : ndarray of float64, shape (n, n_classes (n_classes - 1) / 2)

    Returns
    -------
    ndarray of intp, shape (n,)
    """
    votes = np.zeros((len(decisions), n_classes), dtype=np.intp)
    for pair, (a, b) in enumerate(pairs(n_classes)):
        for_a = decisions[:, pair] > 0
        votes[:, a] += for_a
        votes[:, b] += ~for_a
    return votes.argmax(axis=1)
