"""A finished model on labels of one's own: what it is worth on recordings that it does not know.

No cross-validation says how a model does on another collection, with other masters, genres and
people who label. This does, as long as the recordings are new to the model: which of them are not
is looked up in what the model knows of its training (`trainer.trained_on`).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import MISSING, sorted_ids
from trainer.descriptors import LowLevel, flatten
from trainer.documents import read_documents
from trainer.errors import DatasetError, DocumentError, OptionsError
from trainer.figures import DECIMALS, matrix_of, per_class, percent, wilson
from trainer.findings import SMALL_CLASS, Finding
from trainer.frames import Frames, frames_of
from trainer.grid.scores import balanced_accuracy, confusion
from trainer.ground_truth import GroundTruth
from trainer.layout import utf16
from trainer.models.bundle import Model, Prediction
from trainer.models.opening import open_model
from trainer.near_ids import Wanted, beside
from trainer.options import Missing
from trainer.renaming import OtherNamesError, suggested
from trainer.trained_on import TrainedOn
from trainer.verdict import Trial, Verdict, verdict_of_model
from trainer.wording import counted, listed, shown

BATCH = 64  # documents in memory at a time
KIND = "a model on labelled recordings"

Document = tuple[str, LowLevel | DocumentError]


@dataclass(frozen=True, eq=False)
class Judgement:
    """Predictions of a model for labelled recordings.

    Attributes
    ----------
    model : Model
    ground_truth : GroundTruth
    names : mapping of str to str
        What each class of the model is called in the ground truth.
    predictions : mapping of str to Prediction
        Of each usable recording, in ascending order of ids, with the model's own names.
    unusable : mapping of str to str
        Why a recording could not be predicted.
    missing : tuple of str
        Recordings without document; they are among the unusable.
    seen : tuple of str
        Recordings that the model was trained on.
    knows : bool
        Whether the model says what it was trained on.
    """

    model: Model
    ground_truth: GroundTruth
    names: Mapping[str, str]
    predictions: Mapping[str, Prediction]
    unusable: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    seen: tuple[str, ...] = ()
    knows: bool = False

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<Judgement of {self.model!r} by {self.ground_truth!r}: "
            f"{counted(len(self.predictions), 'prediction')}, {len(self.unusable):,} unusable>"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names, sorted: those of the ground truth, and what else the model answers."""
        return tuple(sorted({*self.ground_truth.classes, *self.names.values()}, key=utf16))

    @property
    def actual(self) -> NDArray[np.intp]:
        """Position in `classes` of each recording's class."""
        class_of = self.ground_truth.class_of
        return self._positions(class_of[recording] for recording in self.predictions)

    @property
    def predicted(self) -> NDArray[np.intp]:
        """Position in `classes` of each recording's answer."""
        return self._positions(self.names[one.value] for one in self.predictions.values())

    def report(self) -> dict[str, Any]:
        """Return everything there is to say, as JSON; keys are those of a training's report."""
        classes, actual, predicted = self.classes, self.actual, self.predicted
        matrix = matrix_of(confusion(actual, predicted, len(classes)), classes)
        sizes = Counter(classes[label] for label in actual)
        right = int((actual == predicted).sum())
        return {
            "kind": KIND,
            "verdict": asdict(self.verdict),
            "name": self.ground_truth.name,
            "evaluated": {
                "name": self.model.name,
                "content": self.model.content,
                "classes": list(self.model.classes),
                "renamed": {k: v for k, v in self.names.items() if k != v},
                "trained_on": len(self.seen) if self.knows else None,
            },
            "accuracy": percent(right, len(actual)),
            "accuracy_interval": wilson(right, len(actual)),
            "balanced_accuracy": round(balanced_accuracy(actual, predicted), DECIMALS),
            "majority_baseline": percent(max(sizes.values()), len(actual)),
            "confusion_matrix": matrix,
            "classes": list(classes),
            "class_sizes": {name: sizes[name] for name in classes},
            "per_class": per_class(matrix, sizes),
            "recordings": list(self.predictions),
            "actual": [classes[label] for label in actual],
            "predicted": [classes[label] for label in predicted],
            "probability": self._probability_json(),
            "left_out": dict(self.unusable),
            "findings": [
                {**asdict(finding), "recordings": list(finding.recordings)}
                for finding in self.findings
            ],
            "notes": list(self._notes()),
        }

    def to_pandas(self) -> Frames:
        """Return predictions and confusion matrix as data frames; the one of a grid is empty.

        Raises
        ------
        ImportError
            pandas is not installed; nothing else here needs it.
        """
        return frames_of(self.report())

    @property
    def findings(self) -> list[Finding]:
        """What casts doubt on the figures, or should be known beside them."""
        found = [*self._of_training(), *self._of_figures(), *self._of_unusable()]
        return sorted(found, key=lambda finding: finding.severity != "warning")

    @property
    def verdict(self) -> Verdict:
        """What all of it comes to, in a sentence, by the recordings that are new to the model."""
        new = self._new
        sizes = Counter(self.actual[new].tolist())
        return verdict_of_model(
            Trial(
                right=int((self.actual == self.predicted)[new].sum()),
                majority=max(sizes.values(), default=0),
                new=len(new),
                seen=len(self.seen),
                knows=self.knows,
            )
        )

    @property
    def _new(self) -> list[int]:
        """Places of recordings that the model was not trained on, as far as it says."""
        seen = set(self.seen)
        return [row for row, recording in enumerate(self.predictions) if recording not in seen]

    def _positions(self, names: Iterable[str]) -> NDArray[np.intp]:
        place = {name: position for position, name in enumerate(self.classes)}
        return np.array([place[name] for name in names], dtype=np.intp)

    def _probability_json(self) -> dict[str, list[float]]:
        """Return the probability of each recording's actual and of its predicted class."""
        class_of = self.ground_truth.class_of
        return {
            "actual": [self._of(one, class_of[r]) for r, one in self.predictions.items()],
            "predicted": [
                self._of(one, self.names[one.value]) for one in self.predictions.values()
            ],
        }

    def _of(self, prediction: Prediction, name: str) -> float:
        # Several classes of the model may be one of the ground truth.
        parts = (value for theirs, value in prediction.all.items() if self.names[theirs] == name)
        return round(sum(parts), 4)

    def _of_training(self) -> Iterator[Finding]:
        if not self.knows:
            yield Finding(
                "training unknown",
                "note",
                "The model does not say what it was trained on, as models of Gaia and of earlier "
                "versions do not: see to it yourself that none of these recordings is among it.",
            )
        if not self.seen:
            return
        right, new = self.actual == self.predicted, self._new
        others = (
            f"without them the accuracy is {100 * right[new].mean():.1f} % "
            f"of {counted(len(new), 'recording')}"
            if new
            else "none are left to judge it by"
        )
        yield Finding(
            "trained on",
            "warning",
            f"The model was trained on {counted(len(self.seen), 'recording')} of the "
            f"{len(self.predictions):,}, and what it says of these is memory: {others}.",
            self.seen,
        )

    def _of_figures(self) -> Iterator[Finding]:
        sizes = Counter(self.actual.tolist())
        right = int((self.actual == self.predicted).sum())
        majority = 100 * max(sizes.values()) / sizes.total()
        low, high = wilson(right, sizes.total())
        if low <= majority:
            yield Finding(
                "majority",
                "warning",
                f"Always answering the largest class is right for {majority:.1f} % of the "
                f"recordings; the model is for {100 * right / sizes.total():.1f} % ({low:.1f} to "
                f"{high:.1f}), which is not surely more. Look at the balanced accuracy and at "
                f"each class.",
            )
        small = [self.classes[label] for label, size in sizes.items() if size < SMALL_CLASS]
        if small:
            yield Finding(
                "small classes",
                "note",
                f"Classes of fewer than {SMALL_CLASS} recordings: "
                f"{listed(sorted(map(shown, small)))}. A single recording changes their figures by "
                f"more than {100 / SMALL_CLASS:.0f} %.",
            )

    def _of_unusable(self) -> Iterator[Finding]:
        total = len(self.ground_truth.class_of)
        unfit = tuple(r for r in self.unusable if r not in set(self.missing))
        for kind, recordings, why in (
            ("left out", unfit, "with a document that the model cannot use"),
            ("missing", self.missing, "without low-level document"),
        ):
            if recordings:
                yield Finding(
                    kind,
                    "warning",
                    f"{counted(len(recordings), 'recording')} of {total:,} left out, {why}: the "
                    f"figures are of the others, which may be easier or harder.",
                    recordings,
                )

    def _notes(self) -> Iterator[str]:
        yield from self.ground_truth.notes
        never = sorted({*self.names.values()} - {*self.ground_truth.classes}, key=utf16)
        if never:
            yield (
                f"the model also knows {listed(map(shown, never))}, of which there is no recording "
                f"here: wherever it answers so, it is wrong"
            )


def evaluate(
    model: Model | str | os.PathLike[str],
    ground_truth: GroundTruth | str | os.PathLike[str],
    documents: Mapping[str, LowLevel] | str | os.PathLike[str],
    *,
    names: Mapping[str, str] | None = None,
    missing: Missing = "fail",
) -> Judgement:
    """Evaluate a finished model on labels of one's own, as `acoustic evaluate` does.

    Parameters
    ----------
    model : Model or path-like
        A bundle or a ``.history`` of Gaia's.
    ground_truth : GroundTruth or path-like
        Classes and their recordings; a file as `GroundTruth.read` takes it.
    documents : mapping of str to LowLevel, or path-like
        Documents by id of their recording; a folder or a file as `load_documents` takes it, in
        which a document that cannot be used is left out and named in `Judgement.unusable`.
    names : mapping of str to str, optional
        What classes of the model are called in the ground truth, where names differ.
    missing : {"fail", "leave out"}
        What to do with recordings that have no document.

    Returns
    -------
    Judgement
        Figures of the model on these recordings; `report` has all of them, `findings` what casts
        doubt on them.

    Raises
    ------
    TrainerError
        Model, labels, documents or names have to change; see `trainer.errors`.

    Examples
    --------
    >>> import examples, trainer
    >>> labels, documents = examples.ground_truth("timbre"), examples.documents()
    >>> dataset = trainer.Dataset.prepare(labels, documents)
    >>> model = trainer.train(dataset, trainer.Project(["basic"], ["rbf"], [5], [-5])).model
    >>> judged = trainer.evaluate(model, labels, documents)
    >>> judged.report()["accuracy"] > 90, [finding.kind for finding in judged.findings]
    (True, ['trained on'])
    """
    if not isinstance(model, Model):
        model = open_model(model)
    if not isinstance(ground_truth, GroundTruth):
        ground_truth = GroundTruth.read(Path(ground_truth))
    wanted = Wanted(ground_truth.class_of)
    read: Iterable[Document] = (
        documents.items() if isinstance(documents, Mapping) else _read(Path(documents), wanted)
    )
    return judge(model, ground_truth, read, names=names, missing=missing, wanted=wanted)


def _read(path: Path, wanted: Wanted) -> Iterator[Document]:
    for recording, document in read_documents([path], wanted=wanted):
        try:
            yield recording, flatten(document)
        except DocumentError as error:
            yield recording, error


def judge(
    model: Model,
    ground_truth: GroundTruth,
    documents: Iterable[Document],
    *,
    names: Mapping[str, str] | None = None,
    missing: Missing = "fail",
    wanted: Wanted | None = None,
) -> Judgement:
    """Predict labelled recordings with a model, and set its answers beside the labels.

    Parameters
    ----------
    model : Model
    ground_truth : GroundTruth
    documents : iterable of (str, LowLevel or DocumentError)
        Recordings with their document, or why it cannot be used; read as they are needed. Those
        that the ground truth does not have are passed over.
    names : mapping of str to str, optional
        What classes of the model are called in the ground truth, where names differ.
    missing : {"fail", "leave out"}
        What to do with recordings that have no document.
    wanted : Wanted, optional
        By what the documents were chosen, if they were: it knows the ids of others.

    Raises
    ------
    OptionsError
        `names` has a class that the model does not know.
    DatasetError
        The ground truth has a class that the model does not know; a recording has no document, or
        two; or none can be used.
    """
    called = _names(model, ground_truth, names or {})
    known = TrainedOn.of(model.training)
    predictions: dict[str, Prediction] = {}
    unusable: dict[str, str] = {}
    seen: set[str] = set()
    asked = wanted or Wanted(ground_truth.class_of)
    labelled = ((r, document) for r, document in documents if r in asked)
    while batch := list(islice(labelled, BATCH)):
        usable: dict[str, LowLevel] = {}
        for recording, document in batch:
            if recording in predictions or recording in unusable or recording in usable:
                raise DatasetError(
                    f"there are two documents of recording {shown(recording)}; keep one of them"
                )
            reason = _unusable(model, document)
            if isinstance(document, LowLevel) and reason is None:
                usable[recording] = document
            else:
                unusable[recording] = str(reason)
        predictions |= zip(usable, model.predict(list(usable.values())), strict=True)
        if known:
            rows = model.layout.matrix(list(usable.values()))
            seen |= {r for r, row in zip(usable, rows, strict=True) if known.has(r, row)}
    absent = tuple(r for r in ground_truth.class_of if r not in predictions and r not in unusable)
    _check(ground_truth, predictions, unusable, absent, missing=missing, others=asked.others)
    return Judgement(
        model,
        ground_truth,
        called,
        {recording: predictions[recording] for recording in sorted_ids(predictions)},
        unusable={**unusable, **dict.fromkeys(absent, MISSING)},
        missing=absent,
        seen=tuple(sorted_ids(seen)),
        knows=known is not None,
    )


def _unusable(model: Model, document: LowLevel | DocumentError) -> DocumentError | None:
    if isinstance(document, DocumentError):
        return document
    try:
        model.check(document)
    except DocumentError as error:
        return error
    return None


def _names(model: Model, ground_truth: GroundTruth, names: Mapping[str, str]) -> dict[str, str]:
    strange = [name for name in names if name not in model.classes]
    if strange:
        raise OptionsError(
            f"the model has no class {listed(map(shown, strange))} to be called otherwise: it has "
            f"{listed(map(shown, model.classes))}"
        )
    called = {name: names.get(name, name) for name in model.classes}
    unknown = [name for name in ground_truth.classes if name not in called.values()]
    if unknown:
        free = [name for name in model.classes if called[name] not in ground_truth.classes]
        meant = suggested(free, unknown)
        advice = ", or say which of the model's is called like that" if meant else ""
        raise OtherNamesError(
            f"the model knows no class {listed(map(shown, unknown))}: its classes are "
            f"{listed(map(shown, model.classes))}; take the class out of the ground truth{advice}",
            meant,
        )
    return called


def _check(
    ground_truth: GroundTruth,
    predictions: Mapping[str, Prediction],
    unusable: Mapping[str, str],
    absent: Sequence[str],
    *,
    missing: Missing,
    others: Collection[str],
) -> None:
    if absent and missing == "fail":
        raise DatasetError(
            f"{counted(len(absent), 'recording')} of the ground truth without low-level document: "
            f"{listed(absent)} ({beside(absent, others)}); mend the ids, give the documents too, "
            f"take them out, or leave them out by name (--missing leave-out)"
        )
    if not predictions:
        recording, reason = next(
            iter(unusable.items()), (next(iter(ground_truth.class_of)), MISSING)
        )
        raise DatasetError(
            f"none of {counted(len(ground_truth.class_of), 'recording')} can be used: "
            f"{recording}: {reason}" + (f" ({beside(absent, others)})" if absent else "")
        )
