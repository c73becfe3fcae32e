"""A one-vs-one support vector machine as plain arrays, with libsvm's conventions.

Conventions
-----------
Classes are numbered 0 … k-1 in label order. Pairs (a, b) with a < b are in the order (0, 1),
(0, 2), … (k-2, k-1). A decision above 0 is for a.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Indices = NDArray[np.intp]

DEGREE = 3  # of the polynomial kernel; its constant term is 0

# Rows go through the machine in blocks of exactly this size, the last one filled up. A matrix
# product rounds differently for other sizes, and at other places of a block whose size is no
# multiple of what its inner loop takes at once (24 rows on AVX-512, 8 elsewhere). In equal blocks a
# row has the same decisions to the bit, whatever comes with it.
BLOCK = 24


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

    def decisions(self, X: Float64 | Float32) -> Float64:
        """Return the decision of each pair, shape (n, k (k-1) / 2), for a matrix of rows.

        Memory beside arguments and result: ``BLOCK * (n_columns + 2 * n_vectors)`` doubles, and
        once for a machine ``n_vectors * k (k-1) / 2``. Where BLAS runs on one thread, a row's
        decisions are the same to the bit in any matrix.
        """
        return self._decided(X, lambda kernel: kernel @ self._weights)

    def predict(self, X: Float64 | Float32) -> Indices:
        """Return the class that wins the vote on each row, shape (n,).

        A decision of 0 is for the second class of its pair, so whether it is 0 has to be found
        out as libsvm does: one support vector is added after the other, which takes longer than the
        product of matrices in `decisions`.
        """
        return vote(self._decided(X, self._sums_in_order), self.n_classes)

    def _decided(self, X: Float64 | Float32, sums: Callable[[Float64], Float64]) -> Float64:
        decisions = np.empty((len(X), len(self.rho)))
        block = np.zeros((BLOCK, self.support_vectors.shape[1]))
        for start in range(0, len(X), BLOCK):
            rows = X[start : start + BLOCK]
            block[: len(rows)] = rows
            of_block = sums(self._kernel(block, len(rows)))
            decisions[start : start + BLOCK] = of_block[: len(rows)] - self.rho
        return decisions

    def _sums_in_order(self, kernel: Float64) -> Float64:
        sums = np.zeros((len(kernel), len(self.rho)))
        for pair, weights in enumerate(self._weights.T):
            vectors = np.flatnonzero(weights)
            if len(vectors):
                terms = kernel[:, vectors] * weights[vectors]
                sums[:, pair] = np.add.accumulate(terms, axis=1)[:, -1]
        return sums

    @cached_property
    def _weights(self) -> Float64:
        """Weight of each support vector in the decision of each pair; 0 in those of others."""
        weights = np.zeros((len(self.support_vectors), len(self.rho)))
        ends = np.cumsum(self.counts)
        vectors = [slice(end - count, end) for count, end in zip(self.counts, ends, strict=True)]
        for pair, (a, b) in enumerate(pairs(self.n_classes)):
            weights[vectors[a], pair] = self.coefficients[b - 1, vectors[a]]
            weights[vectors[b], pair] = self.coefficients[a, vectors[b]]
        return weights

    @cached_property
    def _squares(self) -> Float64:
        """Squared length of each support vector."""
        return np.square(self.support_vectors).sum(axis=1)

    def _kernel(self, block: Float64, count: int) -> Float64:
        """Return the kernel of rows and support vectors, shape (BLOCK, n_vectors).

        Only of the first `count` rows; the others hold something finite that nobody reads. What is
        done element by element is the same to the bit however many there are.
        """
        products = block @ self.support_vectors.T
        ours = products[:count]
        if self.kernel == "poly":
            ours *= self.gamma
            # Multiplied as in libsvm; a power would take ten times as long.
            np.multiply(ours * ours, ours, out=ours)
            return products
        ours *= 2.0
        distances = np.square(block[:count]).sum(axis=1)[:, None] + self._squares
        distances -= ours
        np.maximum(distances, 0.0, out=distances)
        distances *= -self.gamma
        np.exp(distances, out=ours)
        return products


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
