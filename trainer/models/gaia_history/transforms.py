"""The steps of a history that change values, as the steps of our own models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import Float32
from trainer.models.gaia_history.chain import asked_for
from trainer.models.gaia_history.container import Transformation
from trainer.models.gaia_history.faults import DamagedError, UnsupportedError, require
from trainer.models.gaia_history.points import REAL, Leaf
from trainer.preprocessing.steps import Affine, FittedStep, RankGaussian
from trainer.wording import listed, shown

_BYTES_OF_FLOAT = 4
_FEWEST_POINTS = 2  # that a distribution can be fitted on


def fitted_step(step: Transformation, inputs: Sequence[Leaf]) -> FittedStep:
    """Return what a step does to the columns of a machine.

    Raises
    ------
    DamagedError, UnsupportedError
        Its parameters do not fit its layout, or ask for what no model of Gaia's does.
    """
    return _affine(step, inputs) if step.analyzer == "normalize" else _ranked(step, inputs)


def _affine(step: Transformation, inputs: Sequence[Leaf]) -> Affine:
    clips = step.parameters.get("applyClipping", False)
    require(isinstance(clips, bool), f"{step.title} does not say whether it clips values")
    if clips:
        raise UnsupportedError(
            f"{step.title} clips values, which no model of Gaia's does by default"
        )
    scales = _scales(step)
    slopes, offsets = [], []
    for leaf in inputs:
        slope, offset = scales.get(leaf.name, (np.ones(leaf.width), np.zeros(leaf.width)))
        slopes.append(slope)
        offsets.append(offset)
    return Affine(
        np.concatenate(slopes).astype(np.float32), np.concatenate(offsets).astype(np.float32)
    )


def _scales(step: Transformation) -> dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return slope and offset of each descriptor that a step scales, checked."""
    coefficients = step.parameters.get("coeffs")
    if not isinstance(coefficients, dict):
        raise DamagedError(f"{step.title} has no coefficients")
    _check_scaled(step, coefficients)
    scales = {}
    for name, pair in coefficients.items():
        leaf = step.before.by_name[name]
        slope, offset = (_numbers(pair, part, leaf, step) for part in ("a", "b"))
        require((slope > 0).all(), f"{step.title} turns {shown(name)} round or makes it constant")
        if not step.asked.get("independent"):
            alike = (slope == slope[0]).all() and (offset == offset[0]).all()
            require(alike, f"{step.title} scales the dimensions of {shown(name)} differently")
        scales[name] = (slope, offset)
    return scales


def _check_scaled(step: Transformation, coefficients: Mapping[str, Any]) -> None:
    reals = {leaf.name for leaf in step.before.leaves if leaf.kind == REAL and leaf.fixed}
    asked = asked_for(step)
    expected = reals if asked is None else reals & asked
    odd = sorted(expected ^ coefficients.keys())
    require(not odd, f"{step.title} does not scale what it should: {listed(odd, 3)}")


def _numbers(pair: Any, part: str, leaf: Leaf, step: Transformation) -> NDArray[np.float64]:
    """Return a list of doubles, one for each dimension, that are exact in float32."""
    values = pair.get(part) if isinstance(pair, dict) else None
    if not isinstance(values, list) or not all(isinstance(value, float) for value in values):
        raise DamagedError(f"{step.title} has no list of numbers '{part}' for {shown(leaf.name)}")
    of = f"'{part}' of {shown(leaf.name)}"
    fits = len(values) == leaf.width
    require(fits, f"{step.title} has {len(values)} numbers {of} instead of {leaf.width}")
    numbers = np.array(values)
    with np.errstate(over="ignore"):
        exact = numbers.astype(np.float32) == numbers
    require(exact.all(), f"{step.title} has a number {of} that is no float32")
    return numbers


def _ranked(step: Transformation, inputs: Sequence[Leaf]) -> RankGaussian:
    tables = _tables(step)
    columns, values = [], []
    begin = 0
    for leaf in inputs:
        for dimension in range(leaf.width):
            table = tables.get(f"{leaf.name}[{dimension}]")
            if table is not None:
                columns.append(begin + dimension)
                values.append(table)
        begin += leaf.width
    distribution = np.stack(values, axis=1) if values else np.zeros((_FEWEST_POINTS, 0), np.float32)
    return RankGaussian(np.array(columns, dtype=np.intp), distribution)


def _tables(step: Transformation) -> dict[str, Float32]:
    """Return the sorted training values of each dimension that a step ranks, checked."""
    found = step.parameters.get("distribution")
    if not isinstance(found, dict):
        raise DamagedError(f"{step.title} has no distributions")
    _check_ranked(step, found)
    tables = {name: _table(step, name, content) for name, content in found.items()}
    sizes = {len(table) for table in tables.values()}
    require(len(sizes) <= 1, f"{step.title} has distributions of different sizes")
    return tables


def _check_ranked(step: Transformation, found: Mapping[str, Any]) -> None:
    known, asked = step.before.by_name, asked_for(step)
    named = {name.rpartition("[")[0] for name in found}
    odd = sorted(name for name in named if name not in known or known[name].kind != REAL)
    require(
        not odd, f"{step.title} ranks {listed(odd, 3)}, which its layout does not have as numbers"
    )
    if asked is not None:
        reals = {name for name in asked if known[name].kind == REAL and known[name].fixed}
        lacking = sorted(reals ^ named)
        require(not lacking, f"{step.title} does not rank what it should: {listed(lacking, 3)}")
    count = sum(known[name].width for name in named)
    require(count == len(found), f"{step.title} has {len(found)} distributions instead of {count}")
    places = (f"{name}[{place}]" for name in named for place in range(known[name].width))
    lacking = [place for place in places if place not in found]
    require(not lacking, f"{step.title} lacks the distribution of {listed(lacking, 3)}")


def _table(step: Transformation, name: str, content: Any) -> Float32:
    if not isinstance(content, bytes) or len(content) % _BYTES_OF_FLOAT:
        raise DamagedError(
            f"{step.title} has a distribution of {shown(name)} that is no list of floats"
        )
    table = np.frombuffer(content, dtype="<f4").astype(np.float32)
    of = f"the distribution of {shown(name)} in {step.title}"
    require(len(table) >= _FEWEST_POINTS, f"{of} has {len(table)} values")
    require(np.isfinite(table).all(), f"{of} holds a value that is not finite")
    require((np.diff(table) >= 0).all(), f"{of} is not sorted")
    require(table[0] < table[-1], f"{of} is constant")
    return table
