"""Gaia's ``.history`` format, written: small histories of made models, to be read and damaged."""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trainer.models.bundle import Model
from trainer.models.svm import PairwiseSvm
from trainer.preprocessing.steps import Affine

INNER, REAL, TEXT, CODE = range(4)

APPLIERS = {
    "remove": "removedesc",
    "cleaner": "removedesc",
    "select": "selectdesc",
    "fixlength": "fixlengthapplier",
    "addfield": "addfieldapplier",
    "enumerate": "enumerateapplier",
    "normalize": "dotproduct",
    "gaussianize": "distribute",
    "svmtrain": "svmpredict",
}

# What the documents of the training had besides, and lost on the way.
LOST = (
    (".metadata.version.essentia", TEXT, False, 1),
    (".lowlevel.mfcc.cov", REAL, False, 1),
    (".rhythm.beats_position", REAL, False, 1),
)
NOT_FIXED = ".rhythm.beats_position"


def u32(number: int) -> bytes:
    return struct.pack(">I", number % 2**32)


def text(value: str | None) -> bytes:
    if value is None:
        return u32(-1)
    encoded = value.encode("utf-16-be")
    return u32(len(encoded)) + encoded


def raw(value: bytes) -> bytes:
    return u32(len(value)) + value


def variant(value: Any) -> bytes:
    """Write a value as Qt writes the type that Gaia has for it."""
    if isinstance(value, Written):
        return value.content
    if isinstance(value, list) and value and isinstance(value[0], float):
        return u32(9) + b"\0" + u32(len(value)) + b"".join(map(variant, value))
    kind, write = VARIANTS[type(value)]
    return u32(kind) + bytes([value is None]) + write(value)


def of_map(value: dict[str, Any]) -> bytes:
    # Qt writes its maps from the last key to the first.
    items = [text(key) + variant(value[key]) for key in sorted(value, reverse=True)]
    return u32(len(value)) + b"".join(items)


VARIANTS: dict[type, tuple[int, Callable[[Any], bytes]]] = {
    type(None): (0, lambda _: text("")),
    bool: (1, lambda value: bytes([value])),
    int: (2, u32),
    float: (6, lambda value: struct.pack(">d", value)),
    dict: (8, of_map),
    str: (10, text),
    list: (11, lambda value: u32(len(value)) + b"".join(map(text, value))),
    bytes: (12, raw),
}


@dataclass(frozen=True)
class Written:
    """A value that is already bytes, such as one that Gaia would not write."""

    content: bytes


@dataclass
class Points:
    """A layout: (full name, type, whether fixed, width) of each descriptor, and codes of text."""

    leaves: list[tuple[str, int, bool, int]]
    values: dict[str, list[str]] = field(default_factory=dict)
    codes: dict[str, dict[str, int]] | None = None  # the second map, if it is not the inverse
    extra: bytes = b""

    def names(self) -> list[str]:
        return [leaf[0] for leaf in self.leaves]

    def without(self, names: Any) -> "Points":
        return replace(self, leaves=[leaf for leaf in self.leaves if leaf[0] not in names])

    def content(self) -> bytes:
        tree: dict[str, Any] = {}
        places: dict[tuple[int, bool], int] = {}
        for name, kind, fixed, width in sorted(self.leaves, key=lambda leaf: leaf[0].split(".")):
            *path, last = name.split(".")[1:]
            inner = tree
            for part in path:
                inner = inner.setdefault(part, {})
            begin = places.get((kind, fixed), 0)
            places[kind, fixed] = begin + width
            inner[last] = (kind, 0 if fixed else 1, begin, begin + width)
        root = text("") + b"".join(map(u32, (INNER, 1, -1, -1)))
        return root + self._children(tree) + self._maps() + self.extra

    def _children(self, tree: dict[str, Any]) -> bytes:
        written = u32(len(tree))
        for name, below in tree.items():
            if isinstance(below, dict):
                written += text(name) + b"".join(map(u32, (INNER, 1, 0, 1)))
                written += self._children(below)
            else:
                written += text(name) + b"".join(map(u32, below)) + u32(0)
        return written

    def _maps(self) -> bytes:
        codes = self.codes or {
            name: {value: code for code, value in enumerate(values)}
            for name, values in self.values.items()
        }
        written = u32(len(self.values))
        for name, values in self.values.items():
            pairs = [u32(code) + text(value) for code, value in enumerate(values)]
            written += text(name) + u32(len(pairs)) + b"".join(pairs)
        written += u32(len(codes))
        for name, of in codes.items():
            pairs = [text(value) + u32(code) for value, code in of.items()]
            written += text(name) + u32(len(pairs)) + b"".join(pairs)
        return written


@dataclass
class Step:
    analyzer: str
    asked: Any
    parameters: Any
    points: Any
    info: Any = field(default_factory=dict)
    applier: str | None = None

    def content(self) -> bytes:
        layout = self.points.content() if isinstance(self.points, Points) else self.points
        names = ("", self.analyzer, self.applier or APPLIERS.get(self.analyzer, "other"))
        values = (self.asked, self.parameters, self.info, layout)
        return b"".join(map(text, names)) + b"".join(map(variant, values))


@dataclass
class History:
    steps: list[Step]
    magic: int = 0x6AEA723D
    version: int = 102
    extra: bytes = b""

    def step(self, analyzer: str, number: int = 0) -> Step:
        """The n-th step of this kind; -1 is the last."""
        return [step for step in self.steps if step.analyzer == analyzer][number]

    @property
    def machine(self) -> dict[str, Any]:
        """Parameters of the classifier."""
        parameters: dict[str, Any] = self.step("svmtrain").parameters
        return parameters

    def change_text(self, old: bytes, new: bytes) -> None:
        """Change the text of the machine, in one place."""
        assert old in self.machine["modelData"], old
        self.machine["modelData"] = self.machine["modelData"].replace(old, new, 1)

    def content(self) -> bytes:
        head = u32(self.magic) + u32(self.version) + u32(len(self.steps))
        return head + b"".join(step.content() for step in self.steps) + self.extra


def as_written(model: Model) -> Model:
    """Give the model as its history can hold it: six digits of some of its numbers."""
    rho, slope, offset = (
        np.array([float(f"{number:.6g}") for number in numbers])
        for numbers in (model.svm.rho, model.sigmoids.slope, model.sigmoids.offset)
    )
    svm = replace(model.svm, rho=rho)
    return replace(model, svm=svm, sigmoids=replace(model.sigmoids, slope=slope, offset=offset))


def history_of(model: Model, *, c: float, sparse: bool = False) -> History:
    """Write a trained model of ours as Gaia would have."""
    writer = _Writer(model)
    writer.base()
    for step in model.steps[:-1]:
        writer.transform(step, independent=False)
    writer.select(["*"])
    writer.add("cleaner", {}, {"descriptorNames": []})
    writer.transform(model.steps[-1], independent=True)
    writer.classify(c, machine_text(model, sparse=sparse))
    return History(writer.steps)


class _Writer:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.steps: list[Step] = []
        self.enumerated = {d.name: list(d.values) for d in model.layout.descriptors if d.values}
        self.widths = {d.name: d.dimensions for d in model.layout.descriptors}
        kinds = {name: TEXT if name in self.enumerated else REAL for name in self.widths}
        texts = {} if self.enumerated else {".tonal.key_key": TEXT}
        leaves = [*LOST, *((name, kind, False, 1) for name, kind in (kinds | texts).items())]
        self.points = Points(sorted(leaves, key=lambda leaf: leaf[0].split(".")))
        self.field = f"highlevel.{model.name}"

    def add(self, analyzer: str, asked: Any, parameters: Any, info: Any = None) -> None:
        self.steps.append(Step(analyzer, asked, parameters, self.points, info or {}))

    def remove(self, patterns: Any, names: list[str]) -> None:
        self.add("remove", {"descriptorNames": patterns}, {"descriptorNames": names})
        self.points = self.points.without(names)

    def select(self, patterns: list[str]) -> None:
        names = [name for name in self.points.names() if name in self.widths]
        self.add("select", {"descriptorNames": patterns, "except": []}, {"descriptorNames": names})
        self.points = self.points.without(set(self.points.names()) - set(names))

    def base(self) -> None:
        self.remove([NOT_FIXED], [NOT_FIXED])
        names = self.points.names()
        self.add("fixlength", {"descriptorNames": names}, {"descriptorNames": names})
        sizes = self.widths | {".lowlevel.mfcc.cov": 9}
        fixed = [(n, kind, True, sizes.get(n, 1)) for n, kind, _, _ in self.points.leaves]
        self.points = replace(self.points, leaves=fixed)
        lost = [name for name, *_ in LOST if name != NOT_FIXED]
        self.remove(["metadata.*", "*cov"], lost)
        self.enumerate()
        if not self.enumerated:
            self.select(["lowlevel*"])

    def enumerate(self) -> None:
        names = [name for name, kind, *_ in self.points.leaves if kind == TEXT]
        patterns = [name.removeprefix(".") for name in names]
        self.add("enumerate", {"descriptorNames": patterns}, {"descriptorNames": names})
        coded = [(n, CODE if n in names else k, f, w) for n, k, f, w in self.points.leaves]
        values = self.enumerated or {name: ["A", "C"] for name in names}
        self.points = Points(coded, values)

    def transform(self, step: Any, *, independent: bool) -> None:
        if isinstance(step, Affine):
            coefficients = {}
            for name, begin, width in self._reals():
                part = slice(begin, begin + width)
                a, b = ([float(x) for x in numbers[part]] for numbers in (step.slope, step.offset))
                coefficients[name] = {"a": a, "b": b}
            asked = {"independent": 1} if independent else {}
            self.add("normalize", asked, {"coeffs": coefficients, "applyClipping": False})
            return
        tables = {}
        for column, values in zip(step.columns, step.distribution.T, strict=True):
            name = next(n for n, begin, width in self._reals() if begin <= column < begin + width)
            begin = next(b for n, b, _ in self._reals() if n == name)
            tables[f"{name}[{column - begin}]"] = values.astype("<f4").tobytes()
        self.add("gaussianize", {"descriptorNames": "lowlevel.*"}, {"distribution": tables})

    def _reals(self) -> Any:
        layout = self.model.layout
        for descriptor, begin in zip(layout.descriptors, layout.starts, strict=True):
            if descriptor.is_real:
                yield descriptor.name, int(begin), descriptor.dimensions

    def classify(self, c: float, machine: bytes) -> None:
        self.add("addfield", {"string": self.field}, {"string": self.field})
        self._with(f".{self.field}", TEXT)
        kernel = {"rbf": "RBF", "poly": "poly"}[self.model.svm.kernel]
        self.add(
            "svmtrain",
            {
                "type": "C-SVC",
                "kernel": kernel,
                "c": c,
                "gamma": self.model.svm.gamma,
                "probability": 1,
                "className": self.field,
            },
            {
                "probability": True,
                "modelData": machine,
                "descriptorNames": list(self.widths),
                "className": self.field,
                "classMapping": sorted(self.model.labels),
            },
        )
        self._with(f".{self.field}Probability", REAL)
        names = [f".{self.field}", f".{self.field}Probability"]
        self.add("select", {"descriptorNames": f"{self.field}*"}, {"descriptorNames": names})

    def _with(self, name: str, kind: int) -> None:
        leaves = [*self.points.leaves, (name, kind, False, 1)]
        self.points = replace(
            self.points, leaves=sorted(leaves, key=lambda leaf: leaf[0].split("."))
        )


def machine_text(model: Model, *, sparse: bool = False) -> bytes:
    svm: PairwiseSvm = model.svm
    is_poly = svm.kernel == "poly"
    labels = [sorted(model.labels).index(label) for label in model.labels]

    def line(key: str, *numbers: Any) -> str:
        shown = (f"{x:.6g}" if isinstance(x, float) else str(x) for x in numbers)
        return f"{key} {' '.join(shown)}\n"

    head = [
        line("svm_type", "c_svc"),
        line("kernel_type", "polynomial" if is_poly else "rbf"),
        line("degree", 3) if is_poly else "",
        line("gamma", float(svm.gamma)),
        line("coef0", 0) if is_poly else "",
        line("nr_class", len(labels)),
        line("total_sv", len(svm.support_vectors)),
        line("rho", *svm.rho.tolist()),
        line("label", *labels),
        line("probA", *model.sigmoids.slope.tolist()),
        line("probB", *model.sigmoids.offset.tolist()),
        line("nr_sv", *svm.counts.tolist()),
        "SV\n",
    ]
    rows = []
    for coefficients, vector in zip(svm.coefficients.T, svm.support_vectors, strict=True):
        parts = [f"{number:.16g} " for number in coefficients]
        parts += [f"{n + 1}:{x:.8g} " for n, x in enumerate(vector) if x or not sparse]
        rows.append("".join(parts) + "\n")
    return "".join((*head, *rows)).encode()
