"""Models to measure with: of the sizes of AcousticBrainz's, trained on data that are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import SVC

from trainer.bench.made import made_rows
from trainer.highlevel import ACOUSTICBRAINZ_MODELS
from trainer.layout import Descriptor, Layout
from trainer.models.bundle import Model
from trainer.models.probability import PairwiseSigmoids, fit_sigmoid
from trainer.models.svm import DEGREE, PairwiseSvm, pairs
from trainer.preprocessing.steps import Affine, FittedStep, RankGaussian

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

TWO_CLASSES = 2
C = 8.0
GAMMA = 2.0**-7
TEXTS = 4  # descriptors of the last columns: key and scale of the music and of its chords
KEYS = ("A", "B", "C", "D")
DIMENSIONS = 6  # of a descriptor: in real documents mostly 1, of some 27 or 40
OTHERS = 4  # descriptors of a document that no model needs, for each one that some do


@dataclass(frozen=True)
class Task:
    """A model of AcousticBrainz's.

    Attributes
    ----------
    classes, recordings : int
        Classes, and recordings that it was trained on.
    kernel : {"poly", "rbf"}
    gaussianized : bool
        Whether its preprocessing ranks values.
    """

    classes: int
    recordings: int
    kernel: str = "rbf"
    gaussianized: bool = False


# In AcousticBrainz's order. Kernel and preprocessing of five are not known, and are the defaults.
TASKS = (
    Task(2, 224, "poly"),
    Task(2, 3277),
    Task(9, 1887),
    Task(5, 253),
    Task(8, 434, "poly", gaussianized=True),
    Task(10, 993),
    Task(10, 698),
    Task(2, 228),
    Task(2, 280, "poly"),
    Task(2, 279),
    Task(2, 245, "poly"),
    Task(2, 241),
    Task(2, 353),
    Task(2, 230, gaussianized=True),
    Task(5, 268),
    Task(2, 2974, gaussianized=True),
    Task(2, 343, gaussianized=True),
    Task(2, 1000, gaussianized=True),
)


@dataclass(frozen=True, eq=False)
class Made:
    """A model, and scikit-learn's machine of the same numbers.

    Attributes
    ----------
    model : Model
    machine : SVC
        Gives probabilities of what `inputs` returns. It was fitted without them, and given the
        sigmoids of the model: scikit-learn deprecates fitting them itself.
    """

    model: Model
    machine: SVC

    def inputs(self, values: Float32) -> Float64:
        """Preprocess values of the model's layout."""
        for step in self.model.steps:
            values = step.apply(values)
        return values.astype(np.float64)


def made_models(count: int, vectors: int, d: int, *, seed: int) -> list[Made]:
    """Make models of which the machines have about so many support vectors together."""
    tasks = list(islice(cycle(TASKS), count))
    recordings = sum(task.recordings for task in tasks)
    layout = made_layout(d)
    return [
        _made(
            _name(number),
            task,
            max(2 * task.classes, round(vectors * task.recordings / recordings)),
            layout,
            seed + number,
        )
        for number, task in enumerate(tasks)
    ]


def made_layout(d: int) -> Layout:
    """Make a layout of so many columns, as many of them text as in AcousticBrainz's documents."""
    real = max(1, d - TEXTS)
    widths = [DIMENSIONS] * (real // DIMENSIONS) + [real % DIMENSIONS] * bool(real % DIMENSIONS)
    reals = [Descriptor(f".lowlevel.d{i // 5:03}.s{i % 5}", n) for i, n in enumerate(widths)]
    texts = [Descriptor(f".tonal.t{number}", 1, KEYS) for number in range(d - real)]
    return Layout((*reals, *texts))


def made_documents(count: int, layout: Layout, *, seed: int) -> list[dict[str, Any]]:
    """Make parsed documents of a layout, and with as much again that nobody needs."""
    values = _values(count, layout, classes=2, seed=seed)[0].astype(np.float64)
    return [_document(row, layout) for row in values.tolist()]


def _document(row: Sequence[float], layout: Layout) -> dict[str, Any]:
    document: dict[str, Any] = {"metadata": {"tags": {}}, "lowlevel": {}, "tonal": {}}
    for start, descriptor in zip(layout.starts.tolist(), layout.descriptors, strict=True):
        _, section, *branch, leaf = descriptor.name.split(".")
        place = document[section]
        for key in branch:
            place = place.setdefault(key, {})
        # Essentia writes six digits.
        part = [float(f"{value:.6g}") for value in row[start : start + descriptor.dimensions]]
        if descriptor.values is not None:
            place[leaf] = descriptor.values[int(part[0])]
            continue
        place[leaf] = part if len(part) > 1 else part[0]
        place |= {f"{leaf}_{other}": part for other in range(OTHERS)}
    return document


def _name(number: int) -> str:
    again, place = divmod(number, len(ACOUSTICBRAINZ_MODELS))
    return ACOUSTICBRAINZ_MODELS[place] + (f"_{again + 1}" if again else "")


def _values(count: int, layout: Layout, *, classes: int, seed: int) -> tuple[Float32, Any]:
    """Make values of a layout: correlated numbers, codes of texts."""
    rows, labels = made_rows(count, layout.width, classes, seed=seed)
    codes = ~layout.real_columns
    drawn = np.random.default_rng(seed).integers(len(KEYS), size=(count, codes.sum()))
    rows[:, codes] = drawn
    return rows.astype(np.float32), labels


def _made(name: str, task: Task, vectors: int, layout: Layout, seed: int) -> Made:
    values, labels = _values(max(task.recordings, vectors), layout, classes=task.classes, seed=seed)
    steps = tuple(_steps(values, layout, gaussianized=task.gaussianized))
    inputs = values[:vectors]
    for step in steps:
        inputs = step.apply(inputs)
    # Labels by chance, so that about every row becomes a support vector.
    labels = np.random.default_rng(seed).permutation(labels[:vectors])
    machine = SVC(C=C, kernel=task.kernel, gamma=GAMMA, degree=DEGREE, coef0=0.0, max_iter=100_000)
    machine.fit(inputs.astype(np.float64), labels)
    svm = _svm(machine, task)
    sigmoids = _sigmoids(svm, inputs, labels)
    # What fit() with probability=True would have set; the machine's own are of 0 pairs.
    machine.probability = True
    machine._probA, machine._probB = sigmoids.slope, sigmoids.offset  # noqa: SLF001
    labels_named = tuple(f"class {number}" for number in range(task.classes))
    return Made(Model(name, layout, steps, svm, sigmoids, labels_named), machine)


def _steps(values: Float32, layout: Layout, *, gaussianized: bool) -> Iterator[FittedStep]:
    first = _scaling(values, layout)
    yield first
    if gaussianized:
        columns = np.flatnonzero(layout.real_columns)
        scaled = first.apply(values)
        rank = RankGaussian(columns, np.sort(scaled[:, columns], axis=0))
        yield rank
        yield _scaling(rank.apply(scaled), layout)


def _scaling(values: Float32, layout: Layout) -> Affine:
    """Scale real columns to 0 and 1, and leave codes."""
    low, high = values.min(axis=0), values.max(axis=0)
    real = layout.real_columns
    slope = np.where(real, 1 / (high - low), 1).astype(np.float32)
    return Affine(slope, np.where(real, -low * slope, 0).astype(np.float32))


def _svm(machine: SVC, task: Task) -> PairwiseSvm:
    # Of two classes scikit-learn counts for the second what libsvm counts for the first.
    sign = -1.0 if task.classes == TWO_CLASSES else 1.0
    return PairwiseSvm(
        kernel=task.kernel,
        gamma=GAMMA,
        support_vectors=np.ascontiguousarray(machine.support_vectors_),
        counts=machine.n_support_.astype(np.intp),
        coefficients=np.ascontiguousarray(sign * machine.dual_coef_),
        rho=-sign * machine.intercept_,
    )


def _sigmoids(svm: PairwiseSvm, inputs: Float32, labels: NDArray[np.intp]) -> PairwiseSigmoids:
    """Fit sigmoids to the decisions of the training rows, shrunken as those of others would be."""
    decisions = svm.decisions(inputs) / 2
    parameters = []
    for pair, (a, b) in enumerate(pairs(svm.n_classes)):
        rows = np.flatnonzero((labels == a) | (labels == b))
        parameters.append(fit_sigmoid(decisions[rows, pair], labels[rows] == a))
    slope, offset = np.array(parameters).T
    return PairwiseSigmoids(np.ascontiguousarray(slope), np.ascontiguousarray(offset))
