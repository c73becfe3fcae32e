"""Histories of Gaia, made here: read exactly, and refused for each kind of damage."""

import re
import struct
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.trainer.history_writer import (
    REAL,
    History,
    Points,
    Written,
    as_written,
    history_of,
    raw,
    text,
    u32,
    variant,
)
from trainer.descriptors import flatten
from trainer.errors import DocumentError, ModelError
from trainer.grid.project import Project
from trainer.inference import ModelSet
from trainer.layout import Layout
from trainer.models.bundle import Model
from trainer.models.gaia_history.conversion import convert
from trainer.models.gaia_history.faults import DamagedError, UnsupportedError
from trainer.models.opening import open_model
from trainer.training import train

C, GAMMA = 1, -3
NAME = "made"

Damage = Callable[[History], object]


def trained(dataset: Any, preprocessing: str, kernel: str) -> Model:
    return train(dataset, Project((preprocessing,), (kernel,), (C,), (GAMMA,)), 1, jobs=1).model


@pytest.fixture(scope="module")
def gaussianized(make_dataset: Any) -> Model:
    """A model of three classes, with ranks and codes of text."""
    return trained(make_dataset(classes=3, size=6, lean=0.4), "gaussianized", "rbf")


@pytest.fixture
def history(gaussianized: Model) -> History:
    return history_of(gaussianized, c=2.0**C)


@pytest.fixture(scope="module")
def content(gaussianized: Model) -> bytes:
    return history_of(gaussianized, c=2.0**C).content()


@pytest.fixture(scope="module")
def documents(make_document: Any) -> Any:
    return [flatten(make_document(number, number % 3)) for number in range(40, 60)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / f"{NAME}.history"


def read(path: Path, content: bytes) -> Model:
    path.write_bytes(content)
    return open_model(path)


def refusal(path: Path, content: bytes) -> str:
    with pytest.raises(ModelError) as refused:
        read(path, content)
    message = str(refused.value)
    assert message.startswith(str(path)), message
    return message.removeprefix(str(path))


# What a history predicts


@pytest.mark.parametrize("kernel", ["rbf", "poly"])
@pytest.mark.parametrize("preprocessing", ["basic", "lowlevel", "normalized", "gaussianized"])
def test_a_history_predicts_what_the_model_in_it_predicts(
    make_dataset: Any, documents: Any, path: Path, preprocessing: str, kernel: str
) -> None:
    for classes in (2, 3):
        model = trained(make_dataset(classes=classes, size=6, lean=0.4), preprocessing, kernel)

        loaded = read(path, history_of(model, c=2.0**C).content())

        expected = as_written(model).probabilities(documents)
        assert loaded.labels == model.labels
        assert loaded.layout == model.layout
        assert np.abs(loaded.probabilities(documents) - expected).max() < 1e-7
        assert loaded.training["parameters"]["model"] == {
            "classifier": "svm",
            "type": "C-SVC",
            "kernel": {"rbf": "RBF", "poly": "poly"}[kernel],
            "preprocessing": preprocessing,
            "C": C,
            "gamma": GAMMA,
        }


def test_its_bundle_predicts_the_same_to_the_bit(
    documents: Any, path: Path, content: bytes, tmp_path: Path
) -> None:
    loaded = read(path, content)
    loaded.save(tmp_path / "made.model")

    again = open_model(tmp_path / "made.model")

    assert again.probabilities(documents).tobytes() == loaded.probabilities(documents).tobytes()
    assert again.to_bytes() == loaded.to_bytes()


def test_its_content_is_that_of_its_bundle_whatever_both_are_called(
    path: Path, content: bytes, tmp_path: Path
) -> None:
    loaded = read(path, content)
    replace(loaded, name="renamed", training={"version": "v2"}).save(tmp_path / "a.model")
    other = replace(loaded, svm=replace(loaded.svm, gamma=loaded.svm.gamma * 2))

    bundle = open_model(tmp_path / "a.model")

    assert bundle.content == loaded.content != other.content
    sets = [ModelSet((replace(one, name="same"),)) for one in (loaded, bundle)]
    assert sets[0].digest == sets[1].digest


def test_zeros_may_be_left_out_as_libsvm_does(
    gaussianized: Model, documents: Any, path: Path, content: bytes
) -> None:
    sparse = history_of(gaussianized, c=2.0**C, sparse=True).content()
    assert len(sparse) < len(content)

    probabilities = read(path, sparse).probabilities(documents)

    assert probabilities.tobytes() == read(path, content).probabilities(documents).tobytes()


def test_text_that_the_model_never_saw_has_one_code_whatever_came_before(
    path: Path, content: bytes, make_document: Any
) -> None:
    model = read(path, content)

    def predicted(*keys: str) -> Any:
        tonal = [{"key_key": key, "key_scale": "minor"} for key in keys]
        return model.probabilities([flatten(make_document(1, tonal=t)) for t in tonal]).tolist()

    assert predicted("X", "Y", "X") == predicted("Z", "Z", "Z")
    assert read(path, content).probabilities([flatten(make_document(1))]).shape == (1, 3)


def test_provenance_says_which_file_it_was(path: Path, content: bytes) -> None:
    model = read(path, content)

    assert model.name == NAME
    assert model.training["provenance"]["source"] == path.name
    assert model.training["provenance"]["source_format"] == "Gaia history 102"
    assert re.fullmatch("[0-9a-f]{64}", model.training["provenance"]["sha256"])
    assert model.training["class_mapping"] == sorted(model.labels)


def test_a_model_is_opened_by_its_first_bytes_and_renamed(
    gaussianized: Model, path: Path, content: bytes, tmp_path: Path
) -> None:
    path.write_bytes(content)
    gaussianized.save(tmp_path / "bundle.history")

    assert open_model(path, name="other").name == "other"
    assert open_model(tmp_path / "bundle.history").name == gaussianized.name
    assert open_model(tmp_path / "bundle.history", name="other").name == "other"


def test_another_file_than_expected_is_refused(path: Path, content: bytes) -> None:
    digest = read(path, content).training["provenance"]["sha256"]

    assert open_model(path, sha256=digest).name == NAME
    with pytest.raises(ModelError, match="not the file that was saved"):
        open_model(path, sha256="0" * 64)


@pytest.mark.parametrize("name", ["missing.history", "."])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        open_model(tmp_path / name)


def test_a_document_of_another_layout_is_told_what_it_lacks(path: Path, content: bytes) -> None:
    model = read(path, content)
    document = {"lowlevel": {"x": 1}, "metadata": {"version": {"essentia": "1.2"}}}

    with pytest.raises(DocumentError) as refused:
        model.predict([flatten(document)])

    assert "lacks lowlevel.average_loudness" in str(refused.value)
    assert "written by Essentia '1.2'" in str(refused.value)


# Damage to the container


def nested(depth: int) -> Written:
    list_of_one = u32(9) + b"\0" + u32(1)
    return Written(list_of_one * depth + variant("x"))


def twice_in_a_map() -> Written:
    entry = text("a") + variant(1)
    return Written(u32(8) + b"\0" + u32(2) + entry + entry)


def set_info(value: Any) -> Damage:
    return lambda history: setattr(history.steps[0], "info", value)


CONTAINER: dict[str, tuple[Damage, str]] = {
    "unknown version": (lambda h: setattr(h, "version", 103), "version 103 of the format"),
    "trailing bytes": (lambda h: setattr(h, "extra", b"\0"), "1 byte follows after the end of the"),
    "unknown type": (set_info(Written(u32(99) + b"\0")), "unknown type 99"),
    "user type": (set_info(Written(u32(127) + b"\0" + raw(b"QColor"))), "unknown type 127"),
    "endless nesting": (set_info(nested(100_000)), "nested too deep"),
    "huge list": (set_info(Written(u32(9) + b"\0" + u32(2**32 - 2))), "4,294,967,294 items follow"),
    "a million values": (
        set_info(Written(u32(11) + b"\0" + u32(10**6) + u32(0) * 10**6)),
        "more than 1,000,000 values",
    ),
    "huge text": (set_info(Written(u32(10) + b"\0" + u32(2**31))), "2,147,483,648 bytes should"),
    "odd text": (set_info(Written(u32(10) + b"\0" + u32(3) + b"abc")), "of 3 bytes at byte"),
    "no UTF-16": (set_info(Written(u32(10) + b"\0" + u32(2) + b"\xd8\0")), "is no UTF-16"),
    "key twice": (set_info(twice_in_a_map()), "'a' twice in one map"),
    "null key": (set_info(Written(u32(8) + b"\0" + u32(1) + u32(-1) + variant(1))), "no text at"),
    "NaN": (set_info({"x": float("nan")}), "a number at byte .* that is not finite"),
    "Inf": (set_info({"x": float("inf")}), "a number at byte .* that is not finite"),
    "float NaN": (
        set_info(Written(u32(135) + b"\0" + struct.pack(">f", float("nan")))),
        "not finite",
    ),
    "odd truth": (set_info(Written(u32(1) + b"\0\2")), "neither true nor false"),
    "odd null": (set_info(Written(u32(1) + b"\2\1")), "neither null nor not"),
    "null and not": (set_info(Written(u32(1) + b"\1\1")), "is null and is not"),
    "no map": (set_info(7), "has no map of parameters"),
    "no layout": (lambda h: setattr(h.steps[2], "points", None), "step 3 .* has no layout"),
    "unknown analyzer": (lambda h: setattr(h.steps[3], "analyzer", "pca"), "step 4 is 'pca'"),
    "step of zeros": (lambda h: setattr(h.steps[3], "analyzer", "\0\0"), "no name of Gaia's"),
    "wrong applier": (lambda h: setattr(h.steps[3], "applier", "dotproduct"), "is applied by"),
}


@pytest.mark.parametrize(("damage", "message"), CONTAINER.values(), ids=CONTAINER)
def test_a_damaged_container_is_refused(
    history: History, path: Path, damage: Damage, message: str
) -> None:
    damage(history)

    assert re.search(message, refusal(path, history.content()))


def test_another_magic_is_no_history(path: Path, history: History) -> None:
    history.magic += 1

    assert "not an intact Gaia history: it does not begin as" in refusal(path, history.content())


# Damage to layouts


def at(number: int, **changes: Any) -> Damage:
    def damage(history: History) -> None:
        points = history.steps[number].points
        for key, value in changes.items():
            setattr(points, key, value)

    return damage


def swapped(history: History) -> None:
    points: Points = history.step("svmtrain").points
    values = {name: list(values) for name, values in points.values.items()}
    values[".tonal.key_key"].reverse()
    points.values = values


def with_leaf(number: int, name: str, **changes: Any) -> Damage:
    def damage(history: History) -> None:
        points = history.steps[number].points
        keys = ("name", "kind", "fixed", "width")
        points.leaves = [
            tuple((dict(zip(keys, leaf, strict=True)) | changes).values())
            if leaf[0] == name
            else leaf
            for leaf in points.leaves
        ]

    return damage


def replaced(number: int, old: bytes, new: bytes) -> Damage:
    def damage(history: History) -> None:
        layout = history.steps[number].points.content()
        assert old in layout
        history.steps[number].points = layout.replace(old, new, 1)

    return damage


MEAN = ".lowlevel.mfcc.mean"
FIRST = text("average_loudness") + u32(REAL) + u32(0)

LAYOUTS: dict[str, tuple[Damage, str]] = {
    "leftover bytes": (at(3, extra=b"\0"), "before step 4 .* 1 byte follows"),
    "cut": (lambda h: setattr(h.steps[3], "points", b"\0" * 7), "before step 4 .* ends early"),
    "huge children": (replaced(0, u32(4) + text("lowlevel"), u32(2**31)), "items follow"),
    "name changed": (
        replaced(4, text("bpm"), text("bpn")),
        "'.rhythm.bpn' should be '.rhythm.bpm'",
    ),
    "order": (replaced(4, text("bpm"), text("zzz")), "should be"),
    "order of siblings": (replaced(4, text("mfcc"), text("aaaa")), "not in the order of names"),
    "type changed": (with_leaf(3, MEAN, kind=2), "mfcc.mean' should be .* or is changed"),
    "unknown type": (replaced(3, text("mean") + u32(1), text("mean") + u32(5)), "unknown type 5"),
    "unknown length": (
        replaced(3, text("mean") + u32(1) + u32(0), text("mean") + u32(1) + u32(2)),
        "unknown length type 2",
    ),
    "width changed": (with_leaf(5, MEAN, width=12), "mfcc.mean' should be .* or is changed"),
    "width of a variable": (with_leaf(0, MEAN, width=2), "mfcc.mean' has 2 dimensions"),
    "width of nothing": (with_leaf(4, MEAN, width=0), "mfcc.mean' has 0 dimensions"),
    "gap": (
        replaced(3, FIRST + u32(0) + u32(1), FIRST + u32(1) + u32(2)),
        "is not where the one before ends",
    ),
    "codes swapped": (swapped, "the codes of text differ"),
    "maps that are not inverse": (
        at(5, codes={".tonal.key_key": {"A": 1}, ".tonal.key_scale": {"minor": 0}}),
        "two maps of the text of '.tonal.key_key' differ",
    ),
    "maps of different descriptors": (at(5, codes={".x": {"A": 1}}), "of different descriptors"),
    "text twice": (
        lambda h: h.steps[5].points.values[".tonal.key_key"].append("A"),
        "text of '.tonal.key_key' two codes",
    ),
    "descriptor missing": (
        lambda h: setattr(h.steps[6], "points", h.steps[6].points.without([MEAN])),
        "should be '.lowlevel.mfcc.mean'",
    ),
    "deep": (
        at(0, leaves=[("." + ".".join("a" * 100), REAL, False, 1)]),
        "names have more than 32 parts",
    ),
    "long name": (
        at(0, leaves=[("." + "a" * 600, REAL, False, 1)]),
        "has more than 500 characters",
    ),
    "no descriptors": (at(0, leaves=[]), "has no descriptor below it"),
}


@pytest.mark.parametrize(("damage", "message"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_that_is_damaged_or_does_not_follow_is_refused(
    history: History, path: Path, damage: Damage, message: str
) -> None:
    damage(history)

    assert re.search(message, refusal(path, history.content()))


# Damage to steps


def parameter(analyzer: str, key: str, value: Any, number: int = 0) -> Damage:
    return lambda history: history.step(analyzer, number).parameters.update({key: value})


def asked(analyzer: str, key: str, value: Any, number: int = 0) -> Damage:
    return lambda history: history.step(analyzer, number).asked.update({key: value})


def coefficient(part: str, values: Any) -> Damage:
    def damage(history: History) -> None:
        history.step("normalize", -1).parameters["coeffs"][MEAN][part] = values

    return damage


def distribution(change: Callable[[Any], Any]) -> Damage:
    def damage(history: History) -> None:
        tables = history.step("gaussianize").parameters["distribution"]
        values = np.frombuffer(tables[f"{MEAN}[3]"], dtype="<f4").copy()
        tables[f"{MEAN}[3]"] = change(values)

    return damage


def changed(place: int, value: float) -> Callable[[Any], bytes]:
    def change(values: Any) -> bytes:
        values[place] = value
        return bytes(values.tobytes())

    return change


def renamed_distribution(history: History) -> None:
    tables = history.step("gaussianize").parameters["distribution"]
    tables[f"{MEAN}[13]"] = tables.pop(f"{MEAN}[3]")


def without(analyzer: str) -> Damage:
    return lambda history: history.steps.remove(history.step(analyzer))


def ended_after(analyzer: str) -> Damage:
    def damage(history: History) -> None:
        machine = history.step("svmtrain")
        place = history.steps.index(history.step(analyzer))
        history.steps = [machine, *history.steps[: place + 1]]

    return damage


STEPS: dict[str, tuple[Damage, str]] = {
    "no classifier": (
        lambda h: setattr(h, "steps", [s for s in h.steps if s.analyzer != "svmtrain"]),
        "no svmtrain step",
    ),
    "no steps": (lambda h: setattr(h, "steps", []), "no svmtrain step"),
    "two classifiers": (lambda h: h.steps.append(h.step("svmtrain")), "2 svmtrain steps"),
    "enumerate at the end": (ended_after("enumerate"), "ends with enumerate"),
    "transform after the classifier": (
        lambda h: h.steps.append(h.step("normalize")),
        "normalize.* after the classifier",
    ),
    "step missing": (without("fixlength"), "before step 2 .* does not follow"),
    "no names": (parameter("remove", "descriptorNames", 7), "step 1 .* no list of descriptors"),
    "unknown name": (parameter("remove", "descriptorNames", [".x"]), "names .x, which its layout"),
    "name twice": (parameter("remove", "descriptorNames", [NOT := ".rhythm.bpm", NOT]), "twice"),
    "other than its pattern": (
        asked("remove", "descriptorNames", ["*cov"], 1),
        "does not hold what its patterns match",
    ),
    "ambiguous pattern": (
        asked("remove", "descriptorNames", ["m*"], 1),
        "pattern that Gaia refuses",
    ),
    "enumerates numbers": (
        lambda h: (
            h.step("enumerate").parameters["descriptorNames"].append(".rhythm.bpm"),
            h.step("enumerate").asked["descriptorNames"].append("rhythm.bpm"),
        ),
        "makes codes of '.rhythm.bpm', which is no text",
    ),
    "other field": (
        parameter("addfield", "string", "highlevel.x"),
        "adds another field than asked",
    ),
    "no field": (parameter("addfield", "string", 7), "names no field"),
    "no coefficients": (parameter("normalize", "coeffs", 7), "has no coefficients"),
    "scales less": (
        lambda h: h.step("normalize").parameters["coeffs"].pop(MEAN),
        "does not scale what it should: .lowlevel.mfcc.mean",
    ),
    "clips": (parameter("normalize", "applyClipping", value=True), "clips values"),
    "bare number": (coefficient("a", 0.5), "no list of numbers 'a' for"),
    "too few coefficients": (coefficient("b", [0.5]), "1 numbers 'b' of .* instead of 13"),
    "coefficient beyond float32": (coefficient("a", [0.1] * 13), "no float32"),
    "slope of zero": (coefficient("a", [0.0] * 13), "turns .* round or makes it constant"),
    "scales dimensions apart": (
        lambda h: h.step("normalize").parameters["coeffs"][MEAN].update(a=[1.0] * 12 + [2.0]),
        "scales the dimensions of .* differently",
    ),
    "no distributions": (parameter("gaussianize", "distribution", 7), "has no distributions"),
    "distribution missing": (
        lambda h: h.step("gaussianize").parameters["distribution"].pop(f"{MEAN}[3]"),
        "20 distributions instead of 21",
    ),
    "distribution of another dimension": (renamed_distribution, r"lacks .*mfcc\.mean\[3\]"),
    "ranks text": (
        lambda h: (
            h.step("gaussianize").parameters["distribution"].update({".tonal.key_key[0]": b""})
        ),
        "does not have as numbers",
    ),
    "distribution cut": (distribution(lambda v: v.tobytes()[:-1]), "no list of floats"),
    "distribution short": (distribution(lambda v: v[:-1].tobytes()), "of different sizes"),
    "distribution of one": (distribution(lambda v: v[:1].tobytes()), "has 1 values"),
    "distribution unsorted": (distribution(changed(3, -9.0)), "is not sorted"),
    "distribution NaN": (distribution(changed(3, np.nan)), "not finite"),
    "distribution constant": (distribution(lambda v: (0 * v).tobytes()), "is constant"),
}


@pytest.mark.parametrize(("damage", "message"), STEPS.values(), ids=STEPS)
def test_steps_that_are_damaged_or_contradict_are_refused(
    history: History, path: Path, damage: Damage, message: str
) -> None:
    damage(history)

    assert re.search(message, refusal(path, history.content()))


# Damage to the machine


def in_text(pattern: str, replacement: str) -> Damage:
    def damage(history: History) -> None:
        old = history.machine["modelData"].decode()
        new, count = re.subn(pattern, replacement, old, count=1, flags=re.MULTILINE)
        assert count
        assert new != old
        history.machine["modelData"] = new.encode()

    return damage


def descriptors_less_one(history: History) -> None:
    history.machine["descriptorNames"].remove(".rhythm.bpm")


MACHINES: dict[str, tuple[Damage, str]] = {
    "no machine": (parameter("svmtrain", "modelData", 7), "has no machine"),
    "no probabilities": (
        parameter("svmtrain", "probability", value=False),
        "without probabilities",
    ),
    "no probA": (in_text(r"^probA.*\n", ""), "no probA"),
    "no probB": (in_text(r"^probB.*\n", ""), "no probB"),
    "no gamma": (in_text(r"^gamma.*\n", ""), "no gamma"),
    "key twice": (in_text(r"^(gamma.*\n)", r"\1\1"), "'gamma' twice"),
    "unknown key": (in_text("^gamma", "x 1\ngamma"), "should not have, or lacks, 'x'"),
    "no SV line": (in_text("^SV$", "SW"), "no line 'SV'"),
    "other type": (in_text("c_svc", "nu_svc"), "type nu_svc"),
    "unknown kernel": (in_text("rbf", "sigmoid"), "kernel sigmoid"),
    "other kernel than asked": (asked("svmtrain", "kernel", "poly"), "was trained with 'poly'"),
    "other gamma than asked": (asked("svmtrain", "gamma", 0.25), "was trained with 0.25"),
    "gamma changed": (in_text("gamma 0.125", "gamma 0.135"), "was trained with 0.125"),
    "gamma that is no number": (in_text("gamma 0.125", "gamma nan"), "gamma has 'nan', no number"),
    "more classes": (in_text("nr_class 3", "nr_class 4"), "another number of classes"),
    "huge classes": (in_text("nr_class 3", "nr_class 999999999"), "another number of classes"),
    "class mapping short": (
        parameter("svmtrain", "classMapping", ["a", "b"]),
        "another number of classes",
    ),
    "class twice": (parameter("svmtrain", "classMapping", ["a", "b", "a"]), "same class twice"),
    "one class": (parameter("svmtrain", "classMapping", ["a"]), "fewer than two classes"),
    "no class names": (parameter("svmtrain", "classMapping", [1.0]), "no list of class names"),
    "class without a name": (parameter("svmtrain", "classMapping", ["a", "", "c"]), "'' is blank"),
    "class with a NUL": (
        parameter("svmtrain", "classMapping", ["a", "b\0", "c"]),
        "'b\\\\x00' holds a character that cannot be stored",
    ),
    "class of 501 characters": (
        parameter("svmtrain", "classMapping", ["a", "b" * 501, "c"]),
        "is longer than 500 characters",
    ),
    "huge total_sv": (in_text(r"total_sv \d+", "total_sv 999999999"), "of 999,999,999"),
    "endless total_sv": (in_text(r"total_sv \d+", "total_sv " + "9" * 99), "no whole number"),
    "labels no permutation": (in_text("label 0 1 2", "label 0 1 1"), "'0 1 1', no permutation"),
    "labels too few": (in_text("label 0 1 2", "label 0 1"), "label has 2 numbers instead of 3"),
    "rho too few": (in_text(r"^rho (\S+) .*", r"rho \1"), "rho has 1 numbers instead of 3"),
    "probA too many": (in_text(r"^(probA .*)", r"\1 1"), "probA has 4 numbers instead of 3"),
    "nr_sv too few": (in_text(r"^nr_sv (\S+) .*", r"nr_sv \1"), "nr_sv has 1 numbers instead of"),
    "nr_sv changed": (in_text(r"^nr_sv \d", "nr_sv 1"), "support vectors instead of the"),
    "line missing": (in_text(r"\n.*\n\Z", "\n"), "support vectors instead of the"),
    "line not ended": (in_text(r"\n\Z", ""), "last line is not ended"),
    "zero index": (in_text(" 1:", " 0:"), "is no line of libsvm's"),
    "huge index": (in_text(r" 24:(\S+) $", r" 999999999:\1 "), "more columns than the 24"),
    "unordered": (in_text(" 3:", " 2:"), "columns out of order"),
    "NaN": (in_text(r" 3:\S+", " 3:nan"), "not finite"),
    "Inf": (in_text(r" 3:\S+", " 3:inf"), "not finite"),
    "overflow": (in_text(r" 3:\S+", " 3:1e+400"), "not finite"),
    "too exact": (in_text(r" 3:\S+", " 3:0.12345678912"), "no float32"),
    "no float32": (in_text(r" 3:\S+", " 3:0.50000001"), "no float32"),
    "coefficient missing": (in_text(r"^(\S+) \S+ 1:", r"\1 1:"), "is no line of libsvm's"),
    "coefficient overflow": (in_text(r"^(\S+) \S+ 1:", r"\1 1e+999 1:"), "not finite"),
    "coefficient beyond C": (in_text(r"^(\S+) \S+ 1:", r"\1 5 1:"), "beyond its C of 2"),
    "coefficient of the wrong sign": (in_text(r"^(\S+) \S+ 1:", r"\1 -1 1:"), "the wrong sign"),
    "coefficient changed": (in_text(r"^(\S+) \S+ 1:", r"\1 0.001 1:"), "do not add up to 0"),
    "unknown code": (in_text(r" 23:\d ", " 23:7 "), "a code that '.tonal.key_key' has not"),
    "CR LF": (in_text("\nSV\n", "\r\nSV\r\n"), "no line 'SV'"),
    "not ASCII": (in_text("rbf", "rbé"), "no plain text"),
    "descriptor left out": (descriptors_less_one, "leaves out .rhythm.bpm"),
    "field that is no number": (
        lambda h: h.machine["descriptorNames"].append(".highlevel.made"),
        "takes .highlevel.made, which is no number",
    ),
    "class field": (parameter("svmtrain", "className", "x"), "'x', which is no text field"),
}


@pytest.mark.parametrize(("damage", "message"), MACHINES.values(), ids=MACHINES)
def test_a_damaged_machine_is_refused(
    history: History, path: Path, damage: Damage, message: str
) -> None:
    damage(history)

    assert re.search(message, refusal(path, history.content()))


def test_a_machine_of_fewer_columns_than_its_descriptors_is_refused(
    make_dataset: Any, path: Path
) -> None:
    history = history_of(trained(make_dataset(lean=0.4), "lowlevel", "rbf"), c=2.0**C)
    data = history.machine["modelData"]
    history.machine["modelData"] = re.sub(rb" 21:\S+ \n", b" \n", data)

    message = refusal(path, history.content())

    assert "its descriptors have 21 columns, but the machine only 20" in message


def test_a_polynomial_of_another_degree_is_refused(make_dataset: Any, path: Path) -> None:
    history = history_of(trained(make_dataset(lean=0.4), "basic", "poly"), c=2.0**C)
    history.change_text(b"degree 3", b"degree 2")

    assert "polynomial of degree 2" in refusal(path, history.content())


def test_a_few_bytes_cannot_ask_for_a_huge_matrix(path: Path, history: History) -> None:
    for step in history.steps[2:]:
        step.points.leaves = [
            (name, kind, fixed, 10**9 if name == ".rhythm.bpm" else width)
            for name, kind, fixed, width in step.points.leaves
        ]
    tracemalloc.start()
    try:
        message = refusal(path, history.content())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "cannot hold" in message
    assert peak < 50e6


def test_a_pattern_that_takes_for_ever_to_match_is_passed_over(
    path: Path, history: History
) -> None:
    history.step("select").asked["descriptorNames"] = ["*a" * 200 + "b"]

    assert read(path, history.content()).name == NAME


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (b"", "fetch it again"),
        (b"version https://git-lfs.github.com/spec/v1\n", "if it is one by its name only"),
        (b"\x1f\x8b\x08", "it is compressed: unpack it first"),
    ],
    ids=["nothing", "pointer", "gzip"],
)
def test_what_is_a_history_by_its_name_only_is_told_of_as_one(
    path: Path, other: bytes, told: str
) -> None:
    message = refusal(path, other)

    assert "is not an intact Gaia history" in message
    assert told in message


def test_a_file_larger_than_any_history_is_not_read(path: Path) -> None:
    with path.open("wb") as stream:
        stream.write(bytes.fromhex("6AEA723D"))
        stream.truncate(2**27 + 1)

    with pytest.raises(ModelError, match="larger than 134,217,728 bytes"):
        open_model(path)


def test_a_model_of_what_is_not_read_from_documents_is_refused(
    gaussianized: Model, path: Path
) -> None:
    renamed = tuple(
        replace(d, name=d.name.replace(".rhythm", ".segments"))
        for d in gaussianized.layout.descriptors
    )
    model = replace(gaussianized, layout=Layout(renamed))

    message = refusal(path, history_of(model, c=2.0**C).content())

    assert "needs .segments.bpm, and segments is no part of what is read" in message


# What to do about it

AGAIN = "; fetch it again as it is, in binary mode"
TRAIN = "; train a model on the same classes instead"

ADVICE: dict[str, tuple[Damage, str]] = {
    "kernel without a word": (in_text("kernel_type rbf", "kernel_type \0\0\0"), AGAIN),
    "kernel with a wrong letter": (in_text("kernel_type rbf", "kernel_type rcf"), AGAIN),
    "no kernel": (in_text(r"kernel_type.*\n", ""), AGAIN),
    "type with a wrong letter": (in_text("c_svc", "c_swc"), AGAIN),
    "another kernel of libsvm's": (in_text("rbf", "linear"), TRAIN),
    "another machine of libsvm's": (in_text("c_svc", "nu_svr"), TRAIN),
    "version": (lambda h: setattr(h, "version", 102 + 2**24), AGAIN),
    "appended": (lambda h: setattr(h, "extra", b"\n-- \n"), AGAIN),
    "step with a wrong letter": (lambda h: setattr(h.steps[3], "analyzer", "enumarate"), AGAIN),
    "another step of Gaia's": (lambda h: setattr(h.steps[3], "analyzer", "pca"), TRAIN),
    "clipping": (parameter("normalize", "applyClipping", value=True), TRAIN),
    "clipping that is no truth value": (parameter("normalize", "applyClipping", 7), AGAIN),
    "trained without probabilities": (parameter("svmtrain", "probability", value=False), TRAIN),
    "probability that is no truth value": (parameter("svmtrain", "probability", None), AGAIN),
    "no classifier": (STEPS["no classifier"][0], "; give the history that a training of Gaia's"),
}


@pytest.mark.parametrize(("damage", "advice"), ADVICE.values(), ids=ADVICE)
def test_what_is_damaged_is_to_be_fetched_again_and_what_is_intact_is_not(
    history: History, path: Path, damage: Damage, advice: str
) -> None:
    damage(history)

    message = refusal(path, history.content())

    assert advice in message
    assert "line ends" not in message


@pytest.mark.parametrize("line", ["degree 3", "coef0 0"])
def test_a_polynomial_without_its_numbers_is_to_be_fetched_again(
    make_dataset: Any, path: Path, line: str
) -> None:
    history = history_of(trained(make_dataset(lean=0.4), "basic", "poly"), c=2.0**C)
    history.change_text(line.encode(), line[:-1].encode() + b"x")

    assert AGAIN in refusal(path, history.content())


# Damage to a copy


def test_line_ends_made_cr_lf_are_named(path: Path, content: bytes) -> None:
    message = refusal(path, content.replace(b"\n", b"\r\n"))

    assert "line ends were converted from LF to CR LF" in message
    assert "binary mode" in message


def test_line_ends_made_lf_are_named(path: Path, history: History) -> None:
    # 3338 bytes of text have CR LF in their length.
    history.steps[0].info = {"x": "y" * (0x0D0A // 2)}
    whole = history.content()
    assert b"\r\n" in whole
    assert read(path, whole).name == NAME

    message = refusal(path, whole.replace(b"\r\n", b"\n"))

    assert "line ends were converted from CR LF to LF" in message


@settings(max_examples=60)
@given(st.data())
def test_a_cut_copy_is_refused(tmp_path_factory: Any, content: bytes, data: Any) -> None:
    length = data.draw(st.integers(0, len(content) - 1))

    message = refusal(tmp_path_factory.getbasetemp() / "cut.history", content[:length])

    assert "ends early" in message or "items follow" in message or length < 4


def outcome(content: bytes) -> Model | None:
    """Read what may be damaged; None if it is refused. Anything else is raised."""
    try:
        return convert(content, name=NAME, provenance={})
    except (DamagedError, UnsupportedError):
        return None


@settings(max_examples=150)
@given(st.data())
def test_flipped_bytes_are_refused_or_leave_a_model(content: bytes, data: Any) -> None:
    damaged = bytearray(content)
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))

    loaded = outcome(bytes(damaged))

    if loaded is not None:
        assert np.isfinite(loaded.svm.support_vectors).all()
        assert len(loaded.to_bytes()) < 10 * len(content)


@settings(max_examples=100)
@given(st.binary(max_size=200), st.integers(0, 10**6))
def test_random_bytes_in_the_middle_are_refused_or_leave_a_model(
    content: bytes, junk: bytes, place: int
) -> None:
    place %= len(content)

    loaded = outcome(content[:place] + junk + content[place + len(junk) :])

    assert loaded is None or loaded.layout.width > 0


def test_most_single_flipped_bits_are_caught(content: bytes) -> None:
    rng = np.random.default_rng(1)
    bits = rng.integers(0, 8 * len(content), 400)
    passed = 0
    for bit in bits:
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << (bit % 8)
        passed += outcome(bytes(damaged)) is not None

    assert passed / len(bits) < 0.2
