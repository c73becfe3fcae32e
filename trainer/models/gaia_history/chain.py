"""The steps of a history followed from layout to layout, up to what the machine gets.

Each layout in the file has to be what the step before makes of the one before it. That holds for
every history Gaia writes, and finds most of the damage that a copy can have taken in names, types
and sizes; what a step was asked for (patterns of names) has to give what it holds, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, TypeGuard

from trainer.descriptors import MAX_NAME
from trainer.errors import DatasetError
from trainer.layout import utf16
from trainer.models.gaia_history.container import Transformation
from trainer.models.gaia_history.faults import (
    DamagedError,
    NoClassifierError,
    require,
)
from trainer.models.gaia_history.points import CODE, REAL, TEXT, Leaf, Points
from trainer.preprocessing.patterns import matching
from trainer.wording import listed, shown

_KEEPING = frozenset({"select"})
_DROPPING = frozenset({"remove", "cleaner", "removevl"})
_TRANSFORMING = frozenset({"normalize", "gaussianize"})

# Matching a pattern takes time to the power of its asterisks: Gaia's have two at most, and a step
# takes some ten million attempts.
_MOST_ASTERISKS = 2
_MOST_ATTEMPTS = 10**8


@dataclass(frozen=True)
class Chain:
    """What a history does to a document.

    Attributes
    ----------
    inputs : tuple of Leaf
        Descriptors of the machine, in the order of its columns.
    values : mapping of str to tuple of str
        Known values of the enumerated ones.
    transforms : tuple of Transformation
        The steps that change values, in order.
    machine : Transformation
        The step that holds the machine.
    analyzers : tuple of str
        All steps by name.
    """

    inputs: tuple[Leaf, ...]
    values: Mapping[str, tuple[str, ...]]
    transforms: tuple[Transformation, ...]
    machine: Transformation
    analyzers: tuple[str, ...]


def follow(steps: Sequence[Transformation]) -> Chain:
    """Check that the steps follow from each other, and say what they come to.

    Raises
    ------
    DamagedError
        They do not.
    NoClassifierError
        None of them is a training.
    """
    machine = _machine(steps)
    for step, following in pairwise(steps):
        found = following.before
        _check_follows(_after(step, found), found, following.title)
    _after(steps[-1], None)
    return Chain(
        inputs=_inputs(machine),
        values=machine.before.values,
        transforms=tuple(step for step in steps if step.analyzer in _TRANSFORMING),
        machine=machine,
        analyzers=tuple(step.analyzer for step in steps),
    )


def names_of(step: Transformation) -> list[str]:
    """Return the descriptors that a step names.

    Raises
    ------
    DamagedError
        It names none, or one that its layout lacks, or one twice.
    """
    names = step.parameters.get("descriptorNames")
    if not is_texts(names):
        raise DamagedError(f"{step.title} has no list of descriptors")
    unknown = [name for name in names if name not in step.before.by_name]
    require(not unknown, f"{step.title} names {listed(unknown, 3)}, which its layout lacks")
    require(len(set(names)) == len(names), f"{step.title} names a descriptor twice")
    _check_patterns(step, names)
    return names


def _machine(steps: Sequence[Transformation]) -> Transformation:
    machines = [step for step in steps if step.analyzer == "svmtrain"]
    if not machines:
        raise NoClassifierError("it has no svmtrain step: it is a history without a classifier")
    require(len(machines) == 1, f"it has {len(machines)} svmtrain steps")
    require(steps[-1].analyzer != "enumerate", "it ends with enumerate, whose codes are missing")
    after = [step for step in steps if step.place > machines[0].place]
    odd = [step.title for step in after if step.analyzer not in _KEEPING | _DROPPING]
    require(not odd, f"it has {listed(odd, 3)} after the classifier")
    return machines[0]


def _inputs(machine: Transformation) -> tuple[Leaf, ...]:
    names = names_of(machine)
    known = machine.before.by_name
    usable = {
        leaf.name for leaf in machine.before.leaves if leaf.fixed and leaf.kind in (REAL, CODE)
    }
    lacking, more = sorted(usable - set(names)), sorted(set(names) - usable)
    require(not lacking, f"the machine leaves out {listed(lacking, 3)} of its layout")
    require(not more, f"the machine takes {listed(more, 3)}, which is no number of a fixed size")
    require(names, "the machine takes no descriptor")
    without = [
        name for name in names if known[name].kind == CODE and name not in machine.before.values
    ]
    require(not without, f"there are no codes for the text of {listed(without, 3)}")
    return tuple(known[name] for name in names)


def _after(step: Transformation, found: Points | None) -> Points:
    """Return the layout that a step leaves; sizes and codes that only the next one has, from it."""
    before = step.before
    match step.analyzer:
        case "select" | "remove" | "cleaner" | "removevl":
            return _kept(step)
        case "fixlength":
            return _fixed(before, set(names_of(step)), found)
        case "enumerate":
            return _enumerated(step, found)
        case "addfield":
            return _with_leaf(before, Leaf(f".{_field(step)}", TEXT, fixed=False, width=1))
        case "svmtrain":
            name = f".{_class_field(step)}Probability"
            return _with_leaf(before, Leaf(name, REAL, fixed=False, width=1))
    return before


def _kept(step: Transformation) -> Points:
    named, keeps = set(names_of(step)), step.analyzer in _KEEPING
    leaves = tuple(leaf for leaf in step.before.leaves if (leaf.name in named) == keeps)
    return replace(step.before, leaves=leaves)


def _fixed(before: Points, names: set[str], found: Points | None) -> Points:
    widths = {leaf.name: leaf.width for leaf in found.leaves} if found else {}
    return replace(
        before,
        leaves=tuple(
            replace(leaf, fixed=True, width=widths.get(leaf.name, leaf.width))
            if leaf.name in names
            else leaf
            for leaf in before.leaves
        ),
    )


def _enumerated(step: Transformation, found: Points | None) -> Points:
    names, values = set(names_of(step)), dict(step.before.values)
    for name in names:
        is_text = step.before.by_name[name].kind == TEXT
        require(is_text, f"{step.title} makes codes of {shown(name)}, which is no text")
        values[name] = found.values.get(name, ()) if found else ()
    leaves = tuple(
        replace(leaf, kind=CODE) if leaf.name in names else leaf for leaf in step.before.leaves
    )
    return Points(leaves, values)


def _with_leaf(before: Points, leaf: Leaf) -> Points:
    require(leaf.name not in before.by_name, f"{shown(leaf.name)} is added to a layout that has it")
    below = [place for place, old in enumerate(before.leaves) if _order(old) > _order(leaf)]
    place = below[0] if below else len(before.leaves)
    return replace(before, leaves=(*before.leaves[:place], leaf, *before.leaves[place:]))


def _order(leaf: Leaf) -> list[bytes]:
    # The tree sorts each level by itself.
    return [utf16(part) for part in leaf.name.split(".")]


def _field(step: Transformation) -> str:
    field = step.parameters.get("string")
    if not isinstance(field, str) or not field:
        raise DamagedError(f"{step.title} names no field")
    require(step.asked.get("string", field) == field, f"{step.title} adds another field than asked")
    return field


def _class_field(step: Transformation) -> str:
    field = step.parameters.get("className")
    leaf = step.before.by_name.get(f".{field}")
    if leaf is None or leaf.kind != TEXT:
        raise DamagedError(
            f"{step.title} writes its class to {shown(field)}, which is no text field"
        )
    require(step.asked.get("className", field) == field, f"{step.title} has two class names")
    return str(field)


def _check_follows(expected: Points, found: Points, title: str) -> None:
    if expected == found:
        return
    of = f"the layout before {title} does not follow from the step before it"
    for one, other in zip(expected.leaves, found.leaves, strict=False):
        require(
            one == other, f"{of}: {shown(other.name)} should be {shown(one.name)} or is changed"
        )
    require(len(expected.leaves) == len(found.leaves), f"{of}: descriptors are missing or too many")
    raise DamagedError(f"{of}: the codes of text differ")


def _check_patterns(step: Transformation, names: Sequence[str]) -> None:
    """Make sure that the patterns which a step was made from give the descriptors it names."""
    if step.analyzer == "svmtrain":
        return
    matched = asked_for(step)
    odd = sorted(matched.symmetric_difference(names)) if matched is not None else []
    require(not odd, f"{step.title} does not hold what its patterns match: {listed(odd, 3)}")


def asked_for(step: Transformation) -> frozenset[str] | None:
    """Return the descriptors that a step's patterns match; None if it has none, or odd ones.

    Raises
    ------
    DamagedError
        A pattern is one that Gaia refuses.
    """
    patterns, excepted = step.asked.get("descriptorNames"), step.asked.get("except", [])
    patterns = [patterns] if isinstance(patterns, str) else patterns
    if not (is_texts(patterns) and is_texts(excepted)):
        return None
    known = step.before.by_name
    exact = frozenset(pattern for pattern in patterns if pattern in known)
    wild = [pattern for pattern in patterns if pattern not in known]
    if _is_costly([*wild, *excepted], known):
        return None  # prediction needs none of them, and no template of Gaia's has such
    try:
        return (exact | matching(wild, list(known))) - matching(excepted, list(known))
    except DatasetError as error:
        raise DamagedError(f"{step.title} has a pattern that Gaia refuses: {error}") from error


def _is_costly(patterns: Sequence[str], names: Iterable[str]) -> bool:
    for pattern in patterns:
        # One that is not of the whole name is tried from each dot on.
        tried_anywhere = not pattern.startswith((".", "*"))
        if pattern.count("*") + tried_anywhere > _MOST_ASTERISKS or len(pattern) > MAX_NAME:
            return True
    return len(patterns) * sum(len(name) ** 2 for name in names) > _MOST_ATTEMPTS


def is_texts(value: Any) -> TypeGuard[list[str]]:
    """Whether a value is a list of nothing but text."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)
