"""What a search that was ended hands on to the next one of the same problem.

A search tells a `Checkpoints` of everything that it has solved, and asks it for what is known
already. Where that is kept is not the trainer's business. Whoever resumes gets the evaluation that
an uninterrupted search gives, to the bit: what is kept are the solutions themselves, and only those
of the very same data, search, engine and versions are taken (`fingerprint`).
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np

from trainer.dataset import Dataset
from trainer.grid.engine import Engine, Problem, Solution
from trainer.grid.fold_plan import Assignment
from trainer.grid.folds import Split
from trainer.grid.project import Project

FORMAT = 2
MAX_BYTES = 2**28  # of solutions once they are unpacked: what a search finds at a time is far less


class Checkpoints(Protocol):
    """Keeps solutions; a part is one preprocessing of one search, solved by one engine."""

    def begin(self, fingerprint: str) -> None:
        """Learn what the solutions are of; those of anything else are of no use."""

    def known(self, part: str) -> Sequence[Solution]:
        """Return what is known of a part, in any order."""

    def add(self, part: str, solutions: Sequence[Solution]) -> None:
        """Take in what was solved of a part just now."""


class Forgetful:
    """Keeps nothing."""

    def begin(self, fingerprint: str) -> None:
        """Do nothing."""

    def known(self, part: str) -> Sequence[Solution]:
        """Return nothing."""
        del part
        return ()

    def add(self, part: str, solutions: Sequence[Solution]) -> None:
        """Do nothing."""


class Resumption:
    """A search's dealings with its checkpoints.

    Parameters
    ----------
    checkpoints : Checkpoints, optional

    Attributes
    ----------
    combinations : int
        How many combinations did not have to be solved again.
    """

    def __init__(self, checkpoints: Checkpoints | None = None) -> None:
        self.checkpoints = checkpoints or Forgetful()
        self.combinations = 0

    def solve(
        self,
        members_of: Mapping[Problem, Collection[object]],
        splits: Sequence[Split],
        engine: Engine,
        *,
        part: str,
        shortcuts: bool,
        advanced: Callable[[float], None] = lambda _: None,
    ) -> Iterator[Solution]:
        """Yield the solution of each problem: first those that are known, then the others.

        Parameters
        ----------
        members_of : mapping of Problem to collection
            The combinations that each problem stands for.
        splits, engine, shortcuts, advanced
            See `Engine.solve`; what is known counts as done.
        part : str
            Name of what is solved here.
        """
        part = f"{part} {engine.name}"
        count = sum(len(split.testing_rows) for split in splits)
        known = {
            solution.problem: solution
            for solution in self.checkpoints.known(part)
            if len(solution.predicted) == count
        }
        missing: dict[Problem, tuple[Problem, ...]] = {}
        for unit in engine.units(list(members_of)):
            if all(problem in known for problem in unit):
                self.combinations += sum(len(members_of[problem]) for problem in unit)
                yield from (known[problem] for problem in unit)
            else:
                missing |= dict.fromkeys(unit, unit)
        if missing:
            left = len(missing) / len(members_of)
            solutions = engine.solve(
                list(missing),
                splits,
                shortcuts=shortcuts,
                advanced=lambda share: advanced(1 - left + left * share),
            )
            yield from self._kept(solutions, part, missing)

    def _kept(
        self,
        solutions: Iterator[Solution],
        part: str,
        unit_of: Mapping[Problem, tuple[Problem, ...]],
    ) -> Iterator[Solution]:
        """Hand on each unit as soon as it is whole."""
        begun: dict[tuple[Problem, ...], list[Solution]] = {}
        for solution in solutions:
            unit = unit_of[solution.problem]
            found = begun.setdefault(unit, [])
            found.append(solution)
            if len(found) == len(unit):
                self.checkpoints.add(part, begun.pop(unit))
            yield solution


def fingerprint(
    dataset: Dataset,
    project: Project,
    seed: int,
    assignment: Assignment,
    *,
    engine: str,
    collapse: bool,
    versions: Mapping[str, str],
) -> str:
    """Return a digest of everything that a solution depends on.

    Parameters
    ----------
    dataset, project, seed, collapse
        See `trainer.training.train`.
    assignment : Assignment
        Its folds, and the groups that further folds keep together.
    engine : str
        Description of the engine, which names the instruction set.
    versions : mapping of str to str
        Of this program and of the libraries that compute.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    described = {
        "format": FORMAT,
        "project": asdict(project),
        "seed": seed,
        "engine": engine,
        "collapse": collapse,
        "versions": dict(versions),
        "template": dataset.template,
        "recordings": dataset.recordings,
        "classes": dataset.classes,
        "layout": [asdict(descriptor) for descriptor in dataset.layout.descriptors],
        "shape": dataset.values.shape,
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    digest.update(np.ascontiguousarray(dataset.labels, dtype="<i8").data)
    digest.update(np.ascontiguousarray(dataset.values, dtype="<f4").data)
    digest.update(np.ascontiguousarray(assignment.fold_of, dtype="<i8").data)
    if assignment.groups is not None:
        digest.update(np.ascontiguousarray(assignment.groups, dtype="<i8").data)
    return digest.hexdigest()


def pack(solutions: Sequence[Solution]) -> bytes:
    """Return solutions as bytes: a line of JSON and the predictions, compressed.

    `Solution.same_as` has to be among them.
    """
    places = {solution.problem: place for place, solution in enumerate(solutions)}
    entries = [
        {
            "problem": asdict(solution.problem),
            "converged": solution.converged,
            "error": solution.error,
            "same_as": solution.same_as and places[solution.same_as],
            "identities": solution.identities,
        }
        for solution in solutions
    ]
    head = json.dumps({"format": FORMAT, "solutions": entries}).encode()
    predicted = [solution.predicted.astype("<i4").tobytes() for solution in solutions]
    return zlib.compress(b"\n".join((head, b"".join(predicted))))


def unpack(content: bytes) -> list[Solution]:
    """Return what `pack` was given.

    Raises
    ------
    ValueError
        It is damaged.
    """
    unpacking = zlib.decompressobj()
    try:
        plain = unpacking.decompress(content, MAX_BYTES)
        if not unpacking.eof:
            raise ValueError("it is cut off, or larger than a checkpoint can be")
        head, _, body = plain.partition(b"\n")
        entries = json.loads(head)["solutions"]
        predicted = np.frombuffer(body, dtype="<i4").reshape(len(entries), -1)
        return list(_solutions(entries, predicted.astype(np.intp)))
    except (zlib.error, KeyError, TypeError, IndexError) as error:
        raise ValueError(f"it is no checkpoint: {error}") from error


def _solutions(entries: Sequence[Any], predicted: np.ndarray) -> Iterator[Solution]:
    problems = [Problem(**entry["problem"]) for entry in entries]
    for problem, entry, row in zip(problems, entries, predicted, strict=True):
        same_as = entry["same_as"]
        yield Solution(
            problem,
            row,
            converged=entry["converged"],
            error=entry["error"],
            same_as=None if same_as is None else problems[same_as],
            identities=entry["identities"],
        )
