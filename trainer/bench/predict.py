"""A set of models beside scikit-learn's ``predict_proba``: how many recordings a second.

Three stretches of the way are measured: from the matrix of descriptor values to outputs, from
parsed documents to outputs, and from the text of JSON to outputs. scikit-learn gets its inputs
preprocessed already, and for documents pays for `flatten` and the matrix alone, which is in its
favour.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from trainer.bench.made_models import Made, made_documents, made_models
from trainer.descriptors import flatten
from trainer.errors import OptionsError
from trainer.highlevel import parse_documents
from trainer.inference import ModelSet
from trainer.layout import Layout
from trainer.models.bundle import Prediction

Float64 = NDArray[np.float64]

ALTERNATIVES = ("sklearn", "sklearn-batch")
STRETCHES = ("matrix", "documents", "json")
SECONDS = 0.5  # at least so long is everything measured in each round


@dataclass(frozen=True)
class Order:
    """What to measure.

    Attributes
    ----------
    models, vectors, d : int
        Models, their support vectors together, and columns of each.
    batch : tuple of int
        Recordings at a time.
    against : tuple of str
        Of `ALTERNATIVES`: scikit-learn one recording at a time, or as many as ours. Without any
        there is nothing to compare outputs with.
    rounds : int
        How often everything is run; medians are reported.
    seed : int
    """

    models: int = 18
    vectors: int = 7000
    d: int = 679
    batch: tuple[int, ...] = (1, 32, 256)
    against: tuple[str, ...] = ("sklearn",)
    rounds: int = 3
    seed: int = 1


@dataclass(frozen=True)
class Rate:
    """Recordings a second, medians of all rounds.

    Attributes
    ----------
    wall : float
        Of the clock.
    core : float
        Of processor time: what one core does when nothing else is on it.
    """

    wall: float
    core: float


@dataclass(frozen=True)
class Rates:
    """How fast a stretch of the way was.

    Attributes
    ----------
    stretch : str
        Of `STRETCHES`.
    batch : int
    ours : Rate
    theirs : dict of str to Rate
        By alternative; there is none for JSON.
    """

    stretch: str
    batch: int
    ours: Rate
    theirs: dict[str, Rate] = field(default_factory=dict)


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes
    ----------
    vectors : int
        Support vectors of all models.
    rates : list of Rates
    largest_difference : float
        Between our probabilities and scikit-learn's.
    mismatches : int
        Outputs of another class.
    compared : int
        Outputs that were compared.
    """

    vectors: int
    rates: list[Rates]
    largest_difference: float
    mismatches: int
    compared: int


def measure(order: Order) -> Figures:
    """Run ours and each alternative in turns, as often as ordered, BLAS on one thread.

    Raises
    ------
    OptionsError
        There is no such alternative.
    """
    for name in order.against:
        if name not in ALTERNATIVES:
            raise OptionsError(f"there is no alternative {name!r}: use {' or '.join(ALTERNATIVES)}")
    with threadpool_limits(1):
        sides = _Sides.make(order)
        rates = [
            _measured(order, sides, stretch, batch)
            for stretch in STRETCHES
            for batch in order.batch
        ]
        largest, mismatches, compared = sides.difference() if order.against else (0.0, 0, 0)
    return Figures(
        vectors=sum(len(made.model.svm.support_vectors) for made in sides.made),
        rates=rates,
        largest_difference=largest,
        mismatches=mismatches,
        compared=compared,
    )


def room(order: Order) -> int:
    """Return how many bytes the data of an order take at least."""
    recordings = 2 * max(order.batch)  # as made, and as a model's inputs
    return (order.vectors + recordings) * order.d * np.dtype(np.float64).itemsize


@dataclass(frozen=True, eq=False)
class _Sides:
    """Both sides, and what they predict from."""

    made: list[Made]
    models: ModelSet
    layout: Layout
    documents: list[dict[str, Any]]

    @classmethod
    def make(cls, order: Order) -> _Sides:
        made = made_models(order.models, order.vectors, order.d, seed=order.seed)
        models = ModelSet(tuple(one.model for one in made))
        layout = made[0].model.layout
        documents = made_documents(max(order.batch), layout, seed=order.seed)
        return cls(made, models, layout, documents)

    def ours(self, stretch: str, batch: int) -> Callable[[], object]:
        documents = self.documents[:batch]
        if stretch == "matrix":
            values = self.models.layout.matrix([flatten(document) for document in documents])
            return lambda: self.models.predict_values(values)
        if stretch == "documents":
            return lambda: self.models.predict(documents)
        texts = [orjson.dumps(document) for document in documents]
        return lambda: self.models.predict(parse_documents(texts))

    def theirs(self, stretch: str, batch: int) -> Callable[[], object]:
        """Predict a batch with scikit-learn."""
        documents = self.documents[:batch]
        inputs = self.inputs(documents)

        def from_documents() -> object:
            self.layout.matrix([flatten(document) for document in documents])
            return self.predict(inputs)

        return from_documents if stretch == "documents" else lambda: self.predict(inputs)

    def inputs(self, documents: Sequence[dict[str, Any]]) -> list[Float64]:
        values = self.layout.matrix([flatten(document) for document in documents])
        return [one.inputs(values) for one in self.made]

    def predict(self, inputs: Sequence[Float64]) -> list[Float64]:
        return [
            one.machine.predict_proba(rows) for one, rows in zip(self.made, inputs, strict=True)
        ]

    def difference(self) -> tuple[float, int, int]:
        """Return the largest difference of probabilities, mismatches, and what was compared."""
        theirs = self.predict(self.inputs(self.documents))
        largest, mismatches = 0.0, 0
        outcomes = self.models.predict(self.documents)
        for row, outcome in enumerate(outcomes):
            if not isinstance(outcome, dict):
                raise TypeError(f"a made document cannot be used: {outcome}")
            for one, of_model in zip(self.made, theirs, strict=True):
                prediction: Prediction = outcome[one.model.name]
                ours = np.array([prediction.all[label] for label in one.model.labels])
                largest = max(largest, float(np.abs(ours - of_model[row]).max()))
                best = one.model.labels[int(of_model[row].argmax())]
                mismatches += prediction.value != best
        return largest, mismatches, len(outcomes) * len(self.made)


def _measured(order: Order, sides: _Sides, stretch: str, batch: int) -> Rates:
    runs: dict[str, tuple[Callable[[], object], int]] = {"": (sides.ours(stretch, batch), batch)}
    if stretch != "json":
        for name in order.against:
            size = 1 if name == "sklearn" else batch
            runs[name] = (sides.theirs(stretch, size), size)
    for run, _ in runs.values():
        run()  # makes what is made once
    found: dict[str, list[Rate]] = {name: [] for name in runs}
    for _ in range(order.rounds):
        for name, (run, size) in runs.items():
            found[name].append(_rate(run, size))
    medians = {
        name: Rate(median(one.wall for one in rates), median(one.core for one in rates))
        for name, rates in found.items()
    }
    return Rates(stretch, batch, medians.pop(""), medians)


def _rate(run: Callable[[], object], recordings: int) -> Rate:
    """Return the mean rate of as many runs as take `SECONDS`, at least one."""
    count, elapsed, started, used = 0, 0.0, time.perf_counter(), time.process_time()
    while not count or elapsed < SECONDS:
        run()
        count += recordings
        elapsed = time.perf_counter() - started
    return Rate(count / elapsed, count / (time.process_time() - used))
