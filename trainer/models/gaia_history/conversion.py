"""A Gaia history as a model of ours, with the same predictions."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import numpy as np

from trainer.descriptors import LEFT_OUT
from trainer.errors import ModelError
from trainer.layout import Descriptor, Layout
from trainer.models.bundle import Model
from trainer.models.gaia_history.chain import Chain, follow, is_texts
from trainer.models.gaia_history.container import MAGIC, VERSION, read_transformations
from trainer.models.gaia_history.evidence import check_machine
from trainer.models.gaia_history.faults import (
    CutShortError,
    DamagedError,
    MisreadError,
    UnsupportedError,
    require,
)
from trainer.models.gaia_history.machine import Machine, read_machine
from trainer.models.gaia_history.points import CODE, Leaf
from trainer.models.gaia_history.transforms import fitted_step
from trainer.models.probability import PairwiseSigmoids
from trainer.models.svm import PairwiseSvm
from trainer.names import why_no_name
from trainer.regular_files import read_regular
from trainer.wording import shown

MAX_BYTES = 2**27  # enough for 14,000 support vectors of 670 columns
SUFFIX = ".history"

_GZIP = b"\x1f\x8b"


def load_history(
    path: Path, *, name: str | None = None, version: str | None = None, sha256: str | None = None
) -> Model:
    """Read a Gaia history.

    Parameters
    ----------
    path : Path
    name : str, optional
        What is predicted; a history does not say. The file's name without ``.history`` if None.
    version : str, optional
        Of the model, for its provenance.
    sha256 : str, optional
        What the file must hash to.

    Returns
    -------
    Model
        Its ``training`` holds the provenance: file name, SHA-256, kernel, C, gamma, class mapping.

    Raises
    ------
    ModelError
        The file cannot be read, is damaged, is another than expected, or holds what cannot be
        replayed here.
    """
    content = _read(path)
    digest = hashlib.sha256(content).hexdigest()
    if sha256 is not None and digest != sha256:
        raise ModelError(f"{path} is not the file that was saved: its SHA-256 is not {sha256}")
    provenance = {
        "source": path.name,
        "sha256": digest,
        "source_format": f"Gaia history {VERSION}",
        **({} if version is None else {"version": version}),
    }
    try:
        return convert(content, name=name or default_name(path), provenance=provenance)
    except DamagedError as error:
        raise ModelError(
            f"{path} is not an intact Gaia history: {error}; {_remedy(content, error)}"
        ) from error
    except UnsupportedError as error:
        raise ModelError(f"{path} cannot be used: {error}; {error.remedy}") from error


def default_name(path: Path) -> str:
    """Return what a history is called if nobody says otherwise: its file's name, no suffix."""
    is_history = path.name.lower().endswith(SUFFIX)
    return path.name[: -len(SUFFIX)] if is_history else path.stem


def convert(content: bytes, *, name: str, provenance: dict[str, Any]) -> Model:
    """Make a model of the content of a history.

    Raises
    ------
    DamagedError, UnsupportedError
        It cannot be used; the message says why.
    """
    chain = follow(read_transformations(content))
    classes = _classes(chain)
    width = sum(leaf.width for leaf in chain.inputs)
    machine = _machine(chain, len(classes), width)
    steps = tuple(fitted_step(step, chain.inputs) for step in chain.transforms)
    check_machine(machine, chain.machine, chain.inputs)
    return Model(
        name=name,
        layout=Layout(tuple(_descriptor(leaf, chain) for leaf in chain.inputs)),
        steps=steps,
        svm=PairwiseSvm(
            kernel=machine.kernel,
            gamma=machine.gamma,
            support_vectors=machine.vectors.astype(np.float64),
            counts=machine.counts,
            coefficients=machine.coefficients,
            rho=machine.rho,
        ),
        sigmoids=PairwiseSigmoids(machine.slope, machine.offset),
        labels=tuple(classes[label] for label in machine.labels),
        training={
            "provenance": provenance,
            "parameters": {"model": _parameters(chain, machine)},
            "class_mapping": classes,
        },
    )


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, MAX_BYTES)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error


def _classes(chain: Chain) -> list[str]:
    classes = chain.machine.parameters.get("classMapping")
    if not is_texts(classes):
        raise DamagedError("its classMapping is no list of class names")
    require(len(classes) > 1, "it has fewer than two classes")
    require(len(set(classes)) == len(classes), "it has the same class twice")
    for name in classes:
        reason = why_no_name(name)
        require(reason is None, f"its class {shown(name)} {reason}")
    return classes


def _machine(chain: Chain, n_classes: int, width: int) -> Machine:
    step = chain.machine
    has_probability = step.parameters.get("probability")
    if has_probability is False:
        raise UnsupportedError(f"{step.title} was trained without probabilities")
    require(has_probability is True, f"{step.title} does not say whether it has probabilities")
    text = step.parameters.get("modelData")
    if not isinstance(text, bytes):
        raise DamagedError(f"{step.title} has no machine")
    try:
        return read_machine(text, n_classes=n_classes, width=width)
    except DamagedError as error:
        raise DamagedError(f"{step.title} is damaged: {error}") from error


def _descriptor(leaf: Leaf, chain: Chain) -> Descriptor:
    section = leaf.name.split(".")[1]
    if section in LEFT_OUT:
        raise UnsupportedError(
            f"it needs {leaf.name}, and {section} is no part of what is read here"
        )
    values = chain.values[leaf.name] if leaf.kind == CODE else None
    return Descriptor(leaf.name, leaf.width, values)


def _parameters(chain: Chain, machine: Machine) -> dict[str, Any]:
    """Return the parameters as a training of ours reports them, C and gamma as exponents."""
    asked = chain.machine.asked
    return {
        "classifier": "svm",
        "type": "C-SVC",
        "kernel": {"poly": "poly", "rbf": "RBF"}[machine.kernel],
        "preprocessing": _preprocessing(chain),
        "C": _exponent(asked.get("c")),
        "gamma": _exponent(asked.get("gamma", machine.gamma)),
    }


def _preprocessing(chain: Chain) -> str:
    """Name the recipe that a chain is, if it is one of Gaia's."""
    recipe = chain.analyzers[: -len(_ENDING)]
    is_known = chain.analyzers[-len(_ENDING) :] == _ENDING
    return _RECIPES.get(recipe, "unknown") if is_known else "unknown"


def _exponent(value: Any) -> float | int | None:
    """Return the power of two that a parameter is, whole where it is whole."""
    if type(value) not in (int, float) or value <= 0:
        return None
    exponent = math.log2(value)
    return int(exponent) if exponent.is_integer() else exponent


# What Gaia's trainer adds to each recipe, and the recipes with the base that all have.
_ENDING = ("select", "cleaner", "normalize", "addfield", "svmtrain", "select")
_BASE = ("remove", "fixlength", "remove", "enumerate")
_RECIPES = {
    _BASE: "basic",
    (*_BASE, "select"): "lowlevel",
    (*_BASE, "remove"): "nobands",
    (*_BASE, "normalize"): "normalized",
    (*_BASE, "normalize", "gaussianize"): "gaussianized",
}


def _remedy(content: bytes, error: DamagedError) -> str:
    """Say what has probably happened to a file, and what to do."""
    again = "fetch it again as it is, in binary mode"
    if content.startswith(_GZIP):
        return "it is compressed: unpack it first"
    if not content.startswith(MAGIC):  # which no conversion of line ends touches
        return f"if it is one by its name only, give the right file, else {again}"
    line_ends, pairs = content.count(b"\n"), content.count(b"\r\n")
    if line_ends and line_ends == pairs:
        # Undamaged, it has a line of text for each support vector that ends without CR.
        return f"its line ends were converted from LF to CR LF, as git or FTP do; {again}"
    if pairs or not isinstance(error, MisreadError):
        return again
    converted = "its line ends were converted from CR LF to LF, as git or FTP do"
    ended = isinstance(error, CutShortError)
    return (
        f"either it is cut off, or {converted}; {again}"
        if ended
        else f"perhaps {converted}; {again}"
    )
