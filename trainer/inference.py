"""Many models over many documents: what models share is read and computed once.

Each document's descriptors are read once for all models, values are preprocessed once for models
of the same preprocessing, a machine takes all documents in one matrix product, and probabilities
are coupled together for models of as many classes. The results are those of `Model.predict`, to
the bit, whatever documents come together and in whatever order, as long as BLAS runs on one thread.
More threads gain nothing here; several processes do. The caller limits it::

    with threadpoolctl.threadpool_limits(1, user_api="blas"):
        model_set.predict(documents)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import flatten
from trainer.errors import DocumentError, ModelError
from trainer.garbage import no_collection
from trainer.layout import Layout
from trainer.models.bundle import Model, Prediction
from trainer.models.probability import couple
from trainer.models.svm import BLOCK
from trainer.preprocessing.steps import Affine, FittedStep
from trainer.reading import Document, Reader
from trainer.wording import shown

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

ROWS_AT_ONCE = 12 * BLOCK

Predictions = Mapping[str, Prediction]


@dataclass(frozen=True, eq=False)
class ModelSet:
    """Models that predict together.

    Attributes
    ----------
    models : tuple of Model
        In the order of their predictions; names are unique.

    Raises
    ------
    ModelError
        There is no model, or two have the same name.
    """

    models: tuple[Model, ...]

    def __post_init__(self) -> None:
        if not self.models:
            raise ModelError("a set of models needs at least one model")
        names = [model.name for model in self.models]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ModelError(f"two models are called {shown(twice)}: leave one out")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the models, in order."""
        return tuple(model.name for model in self.models)

    @cached_property
    def digest(self) -> str:
        """SHA-1 over names and contents of the models in order and our version, 40 hex digits.

        It stands where AcousticBrainz has the SHA-1 of its extractor's binary: whenever it is the
        same, so are the predictions. From which files the models were read makes no difference.
        """
        digest = hashlib.sha1(program_version().encode(), usedforsecurity=False)
        for model in self.models:
            name = model.name.encode(errors="replace")
            digest.update(b"%d %b %b" % (len(name), name, model.content.encode()))
        return digest.hexdigest()

    def predict(
        self, documents: Sequence[Document | DocumentError]
    ) -> list[Predictions | DocumentError]:
        """Predict the classes of recordings by all models.

        Memory beside arguments and result is that of `ROWS_AT_ONCE` documents, whatever their
        number: for each a few times what it has of columns, and a few doubles for each two classes
        of a model. With 18 models of 700 columns that is less than 10 MB; the predictions
        themselves are 8 kB a document.

        Parameters
        ----------
        documents : sequence of (mapping or DocumentError)
            Low-level documents as `trainer.highlevel.parse_documents` returns them. An error
            stays what it is.

        Returns
        -------
        list of (mapping of str to Prediction) or DocumentError
            For each document the predictions by name of the model, in the order of models; or why
            it cannot be used, which names a model and a descriptor that it needs. Other documents
            are not affected.
        """
        results: list[Predictions | DocumentError] = []
        with no_collection():
            for start in range(0, len(documents), ROWS_AT_ONCE):
                results += self._predict(documents[start : start + ROWS_AT_ONCE])
        return results

    def _predict(
        self, documents: Sequence[Document | DocumentError]
    ) -> Iterator[Predictions | DocumentError]:
        parsed = [one for one in documents if not isinstance(one, DocumentError)]
        values, refused = self._reader.matrix(parsed)
        readable = [row for row in range(len(parsed)) if row not in refused]
        found = iter(self.predict_values(values[readable] if refused else values))
        answers = iter([None if row in refused else next(found) for row in range(len(parsed))])
        for document in documents:
            if isinstance(document, DocumentError):
                yield document
            else:
                yield next(answers) or self._reason(document)

    @property
    def layout(self) -> Layout:
        """What the models read of a document, see `Reader`."""
        return self._reader.layout

    def predict_values(self, values: Float32) -> list[Predictions | None]:
        """Predict from the values of `layout`, shape (n, layout.width), all rows at once.

        Returns
        -------
        list of (mapping of str to Prediction) or None
            None for a row with a value that is not finite, or not in a range that float32 can
            hold scaled.
        """
        usable = np.logical_and.reduce(np.isfinite(values), axis=1)
        all_usable = bool(usable.all())
        probabilities, scaled = self._probabilities(values if all_usable else values[usable])
        answers = zip(
            *(model.answers(of) for model, of in zip(self.models, probabilities, strict=True)),
            strict=True,
        )
        found: list[Predictions | None] = [
            dict(zip(self.names, row, strict=True)) if is_scaled else None
            for row, is_scaled in zip(answers, scaled, strict=True)
        ]
        if all_usable:
            return found
        rest = iter(found)
        return [next(rest) if row_usable else None for row_usable in usable]

    def _probabilities(self, values: Float32) -> tuple[list[Float64], NDArray[np.bool_]]:
        """Return each model's probabilities, and which rows preprocessing left finite."""
        pairwise: list[Float64] = [np.empty(0)] * len(self.models)
        finite = np.ones(len(values), dtype=bool)
        for shared in self._shared:
            inputs = values[:, shared.columns]
            for step in shared.steps:
                inputs = step.apply(inputs)
            good = np.logical_and.reduce(np.isfinite(inputs), axis=1)
            inputs[~good] = 0  # their results are dropped
            finite &= good
            for place in shared.members:
                model = self.models[place]
                decisions = model.svm.decisions(inputs)
                pairwise[place] = model.sigmoids.pairwise(decisions, len(model.labels))
        return _coupled(pairwise), finite

    def _reason(self, document: Document) -> DocumentError:
        try:
            refusal = next(self._refusals(document), None)
        except DocumentError as error:
            return error
        if refusal is None:
            raise AssertionError("a document was refused that each model can use")
        return refusal[1]

    def refusals(self, document: Document) -> dict[str, DocumentError]:
        """Say which of the models cannot use a document, and why, in the order of models.

        Raises
        ------
        DocumentError
            It is no low-level document, whatever the model.
        """
        return dict(self._refusals(document))

    def _refusals(self, document: Document) -> Iterator[tuple[str, DocumentError]]:
        flat = flatten(document)
        for model in self.models:
            try:
                model.check(flat)
            except DocumentError as error:
                reason = DocumentError(f"model {shown(model.name)} cannot use it: {error}")
                yield model.name, reason

    @cached_property
    def _reader(self) -> Reader:
        return Reader.of(model.layout for model in self.models)

    @cached_property
    def _shared(self) -> tuple[_Shared, ...]:
        members: dict[object, list[int]] = {}
        for place, model in enumerate(self.models):
            key = (model.layout, tuple(_step_key(step) for step in model.steps))
            members.setdefault(key, []).append(place)
        return tuple(
            _Shared(
                columns=self._reader.columns(self.models[places[0]].layout),
                steps=self.models[places[0]].steps,
                members=tuple(places),
            )
            for places in members.values()
        )


@dataclass(frozen=True, eq=False)
class _Shared:
    """A preprocessing, and the models that have it in common.

    Attributes
    ----------
    columns : ndarray of intp
        Columns of the values that were read.
    steps : tuple of FittedStep
    members : tuple of int
        Positions of the models in their set.
    """

    columns: NDArray[np.intp]
    steps: tuple[FittedStep, ...]
    members: tuple[int, ...]


def program_version() -> str:
    """Return the version of this package."""
    try:
        return version("acoustic-workers")
    except PackageNotFoundError:  # run from a checkout that was not installed
        return "unknown"


def _step_key(step: FittedStep) -> tuple[object, ...]:
    if isinstance(step, Affine):
        return ("affine", step.slope.tobytes(), step.offset.tobytes())
    return ("rank", step.columns.tobytes(), step.distribution.tobytes())


def _coupled(pairwise: Sequence[Float64]) -> list[Float64]:
    """Couple the pairwise probabilities of all models of as many classes at once.

    Parameters
    ----------
    pairwise : sequence of ndarray of float64, shape (n, k, k)
        For each model, see `couple`.

    Returns
    -------
    list of ndarray of float64, shape (n, k)
    """
    coupled: list[Float64] = [np.empty(0)] * len(pairwise)
    places_of: dict[int, list[int]] = {}
    for place, of_model in enumerate(pairwise):
        places_of.setdefault(of_model.shape[1], []).append(place)
    for places in places_of.values():
        together = couple(np.concatenate([pairwise[place] for place in places]))
        for place, part in zip(places, np.split(together, len(places)), strict=True):
            coupled[place] = part
    return coupled
