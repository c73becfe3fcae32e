"""What the numbers of a machine prove about each other.

A history says the same thing more than once: the machine's kernel and gamma are those that were
asked for, its coefficients obey the constraints of the solver, and its codes of text are ones that
its layout knows. A copy in which one digit was changed may read well, and fail here. All of this
holds for every machine that Gaia trains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.models.gaia_history.container import Transformation
from trainer.models.gaia_history.faults import require
from trainer.models.gaia_history.machine import Machine
from trainer.models.gaia_history.points import CODE, Leaf
from trainer.models.svm import pairs
from trainer.wording import shown

_KERNELS = {"poly": "poly", "polynomial": "poly", "rbf": "rbf"}

# The coefficients of a pair add up to this part of their sizes at most; Gaia's are below 1e-15.
_ROUNDING = 1e-9


def check_machine(machine: Machine, step: Transformation, inputs: Sequence[Leaf]) -> None:
    """Check a machine against what it was trained with.

    Parameters
    ----------
    machine : Machine
    step : Transformation
        The svmtrain step.
    inputs : sequence of Leaf
        Descriptors of the columns.

    Raises
    ------
    DamagedError
        They contradict each other.
    """
    _check_parameters(machine, step.asked)
    _check_coefficients(machine, _bound(step.asked))
    _check_width(machine, inputs)
    _check_codes(machine, inputs, step.before.values)


def _check_parameters(machine: Machine, asked: Mapping[str, Any]) -> None:
    gamma = _number(asked, "gamma")
    same = gamma is None or float(f"{gamma:.6g}") == machine.gamma
    require(same, f"the machine has the gamma {machine.gamma}, and was trained with {gamma}")
    kernel = asked.get("kernel")
    same = not isinstance(kernel, str) or _KERNELS.get(kernel.lower()) == machine.kernel
    require(
        same, f"the machine has the kernel {machine.kernel}, and was trained with {shown(kernel)}"
    )


def _number(asked: Mapping[str, Any], key: str) -> float | None:
    value: Any = asked.get(key)
    return float(value) if type(value) in (int, float) else None


def _bound(asked: Mapping[str, Any]) -> float | None:
    """Return C; None where it is not said, or differs between classes."""
    return None if asked.get("balanceClasses") else _number(asked, "c")


def _check_coefficients(machine: Machine, bound: float | None) -> None:
    ends = np.cumsum(machine.counts)
    blocks = [slice(end - count, end) for count, end in zip(machine.counts, ends, strict=True)]
    for a, b in pairs(len(blocks)):
        of_a, of_b = machine.coefficients[b - 1, blocks[a]], machine.coefficients[a, blocks[b]]
        signs = (of_a >= 0).all() and (of_b <= 0).all()
        require(signs, f"coefficients of the classes {a} and {b} have the wrong sign")
        largest = max(of_a.max(), -of_b.min())
        within = bound is None or largest <= bound
        require(within, f"a coefficient of the machine is beyond its C of {bound}")
        total = of_a.sum() + of_b.sum()
        balanced = abs(total) <= _ROUNDING * (of_a.sum() - of_b.sum())
        require(balanced, f"the coefficients of the classes {a} and {b} do not add up to 0")
    require(machine.coefficients.any(axis=0).all(), "a support vector has no coefficient")


def _check_width(machine: Machine, inputs: Sequence[Leaf]) -> None:
    used = int(np.flatnonzero(machine.vectors.any(axis=0)).max(initial=-1)) + 1
    width = sum(leaf.width for leaf in inputs)
    unused = 0  # all vectors may well have the first of all codes
    for leaf in reversed(inputs):
        if leaf.kind != CODE:
            break
        unused += leaf.width
    fits = used >= width - unused
    require(fits, f"its descriptors have {width:,} columns, but the machine only {used:,}")


def _check_codes(
    machine: Machine, inputs: Sequence[Leaf], values: Mapping[str, Sequence[str]]
) -> None:
    begin = 0
    for leaf in inputs:
        if leaf.kind == CODE:
            codes = machine.vectors[:, begin : begin + leaf.width]
            known = (codes >= 0) & (codes < len(values[leaf.name])) & (codes == np.rint(codes))
            require(known.all(), f"a support vector has a code that {shown(leaf.name)} has not")
        begin += leaf.width
