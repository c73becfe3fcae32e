"""A trained model, and the file that holds it.

A bundle is one safetensors file: arrays, and a JSON manifest in its header. It is data: loading
one can run nothing, and every number is checked against the others before it is used.

| array | shape, dtype | what |
|---|---|---|
| ``svm.support_vectors`` | (n_vectors, n_columns) float32 | inputs, exactly as trained on |
| ``svm.counts`` | (k,) int64 | support vectors of each class |
| ``svm.coefficients`` | (k - 1, n_vectors) float64 | libsvm's ``sv_coef`` |
| ``svm.rho``, ``sigmoids.slope``, ``sigmoids.offset`` | (k (k-1) / 2,) float64 | for each pair |
| ``steps.N.slope``, ``steps.N.offset`` | (n_columns,) float32 | an affine step |
| ``steps.N.columns``, ``steps.N.distribution`` | (m,) int64, (n_kept, m) float32 | a rank step |

The manifest has ``format``, ``name``, ``layout`` (descriptors and the values of enumerated ones),
``steps``, ``labels`` (class names in the machine's order), ``kernel``, ``gamma``, and under
``training`` what the model came from. Equal models are equal bytes: there is no time stamp inside.
Beside the manifest the header has a SHA-256 of it and of all arrays, so that a flipped bit does not
go unnoticed; bundles of before have none, and programs of before pass over it.

Raise `FORMAT` (in `trainer.models.manifest`) when an older program would read a new file wrongly,
and keep reading the old ones.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import LowLevel
from trainer.errors import DocumentError, ModelError
from trainer.layout import AnotherLayoutError, Descriptor, Layout, utf16
from trainer.models.extractors import extractor_of
from trainer.models.manifest import FORMAT, Arrays, digest, pack, require, unpack
from trainer.models.probability import PairwiseSigmoids
from trainer.models.svm import PairwiseSvm
from trainer.names import why_no_name
from trainer.preprocessing.steps import Affine, FittedStep, RankGaussian
from trainer.regular_files import read_regular
from trainer.whole_file import written_whole
from trainer.wording import counted, enumerated, shown

MAX_BYTES = 2**31


@dataclass(frozen=True)
class Prediction:
    """What a model says of one recording.

    Attributes
    ----------
    value : str
        The most probable class.
    probability : float
        Its probability, 0 to 1.
    all : mapping of str to float
        Probability of each class; they sum to 1.
    """

    value: str
    probability: float
    all: Mapping[str, float]


@dataclass(frozen=True, eq=False)
class Model:
    """A trained model: documents in, classes with probabilities out.

    Attributes
    ----------
    name : str
        What is predicted, such as "danceability".
    layout : Layout
        The descriptors that the machine needs, in the order of its columns.
    steps : tuple of FittedStep
        What is done to their values first.
    svm : PairwiseSvm
    sigmoids : PairwiseSigmoids
    labels : tuple of str
        Class names in the machine's label order.
    training : mapping
        Provenance as JSON: parameters, accuracy, confusion matrix, seed, versions and so on.
    """

    name: str
    layout: Layout
    steps: tuple[FittedStep, ...]
    svm: PairwiseSvm
    sigmoids: PairwiseSigmoids
    labels: tuple[str, ...]
    training: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<Model {shown(self.name)}: {enumerated(self.classes)} of "
            f"{counted(self.layout.width, 'column')}, {self.svm.kernel}>"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted."""
        return tuple(sorted(self.labels, key=utf16))

    @property
    def manifest(self) -> dict[str, Any]:
        """Everything but the arrays, as JSON."""
        about = {"format": FORMAT, "name": self.name, "training": dict(self.training)}
        return about | self._predicting

    @cached_property
    def content(self) -> str:
        """SHA-256 over what predicts, hexadecimal: two models that share it predict the same.

        Neither name nor provenance is part of it, nor is the format of the file: a Gaia history
        and the bundle that was made of it have the same.
        """
        return digest(self._predicting, _arrays(self))

    @property
    def _predicting(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "kernel": self.svm.kernel,
            "gamma": self.svm.gamma,
            "layout": [_descriptor_json(descriptor) for descriptor in self.layout.descriptors],
            "steps": ["affine" if isinstance(s, Affine) else "rank" for s in self.steps],
        }

    @overload
    def predict(self, documents: Sequence[LowLevel]) -> list[Prediction]: ...

    @overload
    def predict(self, documents: Mapping[str, LowLevel]) -> dict[str, Prediction]: ...

    def predict(
        self, documents: Sequence[LowLevel] | Mapping[str, LowLevel]
    ) -> list[Prediction] | dict[str, Prediction]:
        """Predict the class of each recording.

        Parameters
        ----------
        documents : sequence of LowLevel, or mapping of str to LowLevel
            As `trainer.load_documents` returns them, by the id of their recording.

        Returns
        -------
        list of Prediction, or dict of str to Prediction
            As the documents came: in their order, or by id.

        Raises
        ------
        DocumentError
            A document lacks a descriptor that the model needs, or has one that is not finite, or
            so far outside of what the model was trained on that float32 cannot hold it scaled.
        """
        if isinstance(documents, Mapping):
            _check_kind({f"recording {shown(name)}": one for name, one in documents.items()})
            answers = self.predict(list(documents.values()))
            return dict(zip(documents, answers, strict=True))
        _check_kind({f"document {n}": one for n, one in enumerate(documents)})
        if not documents:
            return []
        return self.answers(self.probabilities(documents))

    def answers(self, probabilities: NDArray[np.float64]) -> list[Prediction]:
        """Make predictions of the probabilities of labels, shape (n, k)."""
        # Of equals the first in label order, as in libsvm.
        best = probabilities.argmax(axis=1).tolist()
        codes = [(self.labels.index(name), name) for name in sorted(self.labels)]
        return [
            Prediction(
                value=self.labels[code],
                probability=row[code],
                all={name: row[of_name] for of_name, name in codes},
            )
            for code, row in zip(best, probabilities.tolist(), strict=True)
        ]

    def check(self, document: LowLevel) -> None:
        """Raise the `DocumentError` that `predict` would raise for this document, if any."""
        self._inputs([document])

    def probabilities(self, documents: Sequence[LowLevel]) -> NDArray[np.float64]:
        """Return the probability of each label, shape (len(documents), k)."""
        decisions = self.svm.decisions(self._inputs(documents))
        return self.sigmoids.probabilities(decisions, len(self.labels))

    def _inputs(self, documents: Sequence[LowLevel]) -> NDArray[np.float32]:
        """Return what the machine gets, shape (len(documents), layout.width)."""
        try:
            values = self.layout.matrix(documents)
        except AnotherLayoutError as error:
            wanted = extractor_of(self.layout.names)
            by = f"; the model needs documents of {wanted}" if wanted else ""
            raise DocumentError(f"{error}{by}") from error
        _check_finite(values, self.layout, "is not finite")
        for step in self.steps:
            values = step.apply(values)
        _check_finite(values, self.layout, "is too far outside of what the model was trained on")
        return values

    def to_bytes(self) -> bytes:
        """Return the bundle; equal models give equal bytes."""
        return pack(self.manifest, _arrays(self))

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the bundle, so that `path` is either complete or as it was before.

        Parameters
        ----------
        path : path-like
            Its folder is made if it is not there.

        Returns
        -------
        str
            SHA-256 of the file, hexadecimal.
        """
        content = self.to_bytes()
        with written_whole(Path(path)) as file:
            file.write(content)
        return hashlib.sha256(content).hexdigest()

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, sha256: str | None = None) -> Model:
        """Read a bundle.

        Parameters
        ----------
        path : path-like
        sha256 : str, optional
            What the file must hash to: the digest that was recorded when it was saved.

        Raises
        ------
        ModelError
            The file cannot be read, is no bundle, is damaged, or is not the one that was saved.
        """
        content = _read(Path(path))
        if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
            raise ModelError(f"{path} is not the file that was saved: its SHA-256 is not {sha256}")
        try:
            return _parse(content)
        except ValueError as error:
            raise ModelError(f"{path} is not an intact model bundle: {error}") from error


def _descriptor_json(descriptor: Descriptor) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": descriptor.name, "dimensions": descriptor.dimensions}
    if descriptor.values is not None:
        entry["values"] = list(descriptor.values)
    return entry


def _arrays(model: Model) -> Arrays:
    svm = model.svm
    arrays: Arrays = {
        "svm.support_vectors": svm.support_vectors.astype(np.float32),
        "svm.counts": svm.counts.astype(np.int64),
        "svm.coefficients": svm.coefficients,
        "svm.rho": svm.rho,
        "sigmoids.slope": model.sigmoids.slope,
        "sigmoids.offset": model.sigmoids.offset,
    }
    for number, step in enumerate(model.steps):
        if isinstance(step, Affine):
            arrays[f"steps.{number}.slope"] = step.slope
            arrays[f"steps.{number}.offset"] = step.offset
        else:
            arrays[f"steps.{number}.columns"] = step.columns.astype(np.int64)
            arrays[f"steps.{number}.distribution"] = step.distribution
    return {name: np.ascontiguousarray(array) for name, array in arrays.items()}


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_BYTES)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error


def _parse(content: bytes) -> Model:
    manifest, arrays = unpack(content)
    layout = Layout(tuple(Descriptor(d.name, d.dimensions, d.values) for d in manifest.layout))
    model = Model(
        name=manifest.name,
        layout=layout,
        steps=tuple(_step(kind, number, arrays) for number, kind in enumerate(manifest.steps)),
        svm=PairwiseSvm(
            kernel=manifest.kernel,
            gamma=manifest.gamma,
            support_vectors=arrays["svm.support_vectors"].astype(np.float64),
            counts=arrays["svm.counts"].astype(np.intp),
            coefficients=arrays["svm.coefficients"],
            rho=arrays["svm.rho"],
        ),
        sigmoids=PairwiseSigmoids(arrays["sigmoids.slope"], arrays["sigmoids.offset"]),
        labels=manifest.labels,
        training=manifest.training,
    )
    _check(model)
    return model


def _step(kind: str, number: int, arrays: Arrays) -> FittedStep:
    if kind == "affine":
        return Affine(arrays[f"steps.{number}.slope"], arrays[f"steps.{number}.offset"])
    columns = arrays[f"steps.{number}.columns"].astype(np.intp)
    return RankGaussian(columns, arrays[f"steps.{number}.distribution"])


def _check(model: Model) -> None:
    """Refuse arrays that do not fit each other, or that training cannot have produced."""
    width, k = model.layout.width, len(model.labels)
    svm, vectors, n_pairs = model.svm, model.svm.coefficients.shape[-1:], k * (k - 1) // 2
    for array, shape, what in (
        (svm.support_vectors, (*vectors, width), "support vectors"),
        (svm.counts, (k,), "support vector counts"),
        (svm.coefficients, (k - 1, *vectors), "coefficients"),
        (svm.rho, (n_pairs,), "rho"),
        (model.sigmoids.slope, (n_pairs,), "sigmoid slopes"),
        (model.sigmoids.offset, (n_pairs,), "sigmoid offsets"),
    ):
        require(array.shape == shape, f"its {what} have shape {array.shape}, not {shape}")
    require(len(set(model.labels)) == k, "it has the same class twice")
    for name in model.labels:
        reason = why_no_name(name)
        require(reason is None, f"its class {shown(name)} {reason}")
    require(len(set(model.layout.names)) == len(model.layout.names), "a descriptor comes twice")
    # Without vectors the layout could claim any width, and prediction would try to allocate it.
    require(svm.counts.min() > 0 and svm.counts.sum() == vectors, "its counts do not add up")
    for step in model.steps:
        _check_step(step, width)


def _check_step(step: FittedStep, width: int) -> None:
    if isinstance(step, Affine):
        require(step.slope.shape == step.offset.shape == (width,), "a step has another width")
        return
    columns, distribution = step.columns, step.distribution
    require(columns.ndim == 1 and distribution.ndim == 2, "a rank step has no table")  # noqa: PLR2004
    require(distribution.shape[1] == len(columns), "a rank step has another width")
    require(len(distribution) > 1, "a rank step has no values")
    require(((columns >= 0) & (columns < width)).all(), "a rank step has another width")
    require((np.diff(columns) > 0).all(), "a rank step ranks a column twice")
    require((np.diff(distribution, axis=0) >= 0).all(), "a rank table is not sorted")


def _check_kind(documents: Mapping[str, Any]) -> None:
    for name, document in documents.items():
        if not isinstance(document, LowLevel):
            raise DocumentError(
                f"{name} is {shown(document)}, not a low-level document as trainer.load_documents "
                "reads it from a file; trainer.descriptors.flatten makes one of parsed JSON"
            )


def _check_finite(values: NDArray[np.float32], layout: Layout, otherwise: str) -> None:
    finite = np.isfinite(values).all(axis=0)
    if not finite.all():
        column = int(np.flatnonzero(~finite)[0])
        name = layout.names[layout.descriptor_of[column]].removeprefix(".")
        raise DocumentError(f"the document has a value of {name} that {otherwise}")
