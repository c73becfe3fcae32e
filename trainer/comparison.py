"""How far predictions are from those that somebody else made of the same recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.errors import DocumentError
from trainer.models.bundle import Prediction
from trainer.wording import shown


@dataclass(frozen=True)
class Agreement:
    """How two sides agree on recordings.

    Attributes
    ----------
    documents : int
        Recordings, or of several models recordings times models.
    agreeing : int
        Those of which both sides say the same class.
    values : int
        Probabilities that were compared: one for each class that either side knows.
    largest, total : float
        Largest and summed absolute difference of probabilities.
    """

    documents: int = 0
    agreeing: int = 0
    values: int = 0
    largest: float = 0.0
    total: float = 0.0

    @property
    def agreement(self) -> float | None:
        """Share of the documents with the same class, in percent; None where there are none."""
        return 100 * self.agreeing / self.documents if self.documents else None

    @property
    def mean(self) -> float | None:
        """Mean absolute difference of probabilities; None where there are none."""
        return self.total / self.values if self.values else None

    def __add__(self, other: Agreement) -> Agreement:
        return Agreement(
            documents=self.documents + other.documents,
            agreeing=self.agreeing + other.agreeing,
            values=self.values + other.values,
            largest=max(self.largest, other.largest),
            total=self.total + other.total,
        )


@dataclass
class Comparison:
    """Agreement by model, of the documents so far.

    Attributes
    ----------
    by_model : dict of str to Agreement
    """

    by_model: dict[str, Agreement] = field(default_factory=dict)

    def add(self, predictions: Mapping[str, Prediction], expected: Mapping[str, Any]) -> None:
        """Count a recording.

        Parameters
        ----------
        predictions : mapping of str to Prediction
            By name of the model.
        expected : mapping
            ``highlevel`` of a high-level document. A model that is not in it is not counted.

        Raises
        ------
        DocumentError
            An output in `expected` is none. Then nothing is counted.
        """
        found = {
            name: _of_model(name, predicted, expected[name])
            for name, predicted in predictions.items()
            if name in expected
        }
        for name, one in found.items():
            self.by_model[name] = self.by_model.get(name, Agreement()) + one

    @property
    def total(self) -> Agreement:
        """Of all models together."""
        return sum(self.by_model.values(), Agreement())


def agreement(predicted: Prediction, expected: Any) -> Agreement:
    """Compare one output; a class that one side does not know has probability 0 there."""
    theirs = _probabilities(expected)
    classes = predicted.all.keys() | theirs.keys()
    differences = [abs(predicted.all.get(name, 0.0) - theirs.get(name, 0.0)) for name in classes]
    return Agreement(
        documents=1,
        agreeing=int(predicted.value == expected.get("value")),
        values=len(differences),
        largest=max(differences),
        total=sum(differences),
    )


def _of_model(name: str, predicted: Prediction, expected: Any) -> Agreement:
    try:
        return agreement(predicted, expected)
    except DocumentError as error:
        raise DocumentError(f"{shown(name)}: {error}") from error


def _probabilities(output: Any) -> Mapping[str, float]:
    values = output.get("all") if isinstance(output, Mapping) else None
    if not isinstance(values, Mapping):
        raise DocumentError(f'{shown(output)} is no output of a model, with "all" and "value"')
    for name, value in values.items():
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise DocumentError(f"{shown(value)} is no probability of {shown(name)}: 0 to 1")
    return values
