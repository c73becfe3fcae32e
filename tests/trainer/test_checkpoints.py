"""A search that was ended and is resumed: what it finds is what it would have found at once."""

import gc
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.grid.checkpoints import Resumption, fingerprint, pack, unpack
from trainer.grid.engine import Problem, Solution
from trainer.grid.fold_plan import Assignment
from trainer.grid.folds import assign_folds
from trainer.grid.project import Project
from trainer.grid.search import search
from trainer.training import train

SMALL = Project(
    ("basic", "lowlevel", "normalized"), c_exponents=(-1, 3, 11), gamma_exponents=(-3, -5, 3)
)


class Kept:
    """Checkpoints in memory that end the search after some solutions, as a killed worker does."""

    def __init__(self, end_after: int | None = None) -> None:
        self.parts: dict[str, bytes] = {}
        self.fingerprint = ""
        self.left = end_after

    def begin(self, fingerprint: str) -> None:
        if fingerprint != self.fingerprint:
            self.parts, self.fingerprint = {}, fingerprint

    def known(self, part: str) -> Sequence[Solution]:
        return unpack(self.parts[part]) if part in self.parts else []

    def add(self, part: str, solutions: Sequence[Solution]) -> None:
        if self.left == 0:
            raise Ended
        self.left = self.left and self.left - 1
        self.parts[part] = pack([*self.known(part), *solutions])


class Ended(Exception):  # noqa: N818 - what happens to it
    """The search was ended."""


def ended(dataset: Any, project: Any, after: int, **more: Any) -> Kept:
    """Search until `after` groups of problems are solved."""
    kept = Kept(end_after=after)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joblib says so when its results are not asked for
        with pytest.raises(Ended):
            train(dataset, project, 1, jobs=2, checkpoints=kept, **more)
        gc.collect()
    kept.left = None
    return kept


def comparable(evaluation: Any) -> Any:
    report = evaluation.report(predictions=True)
    return {key: value for key, value in report.items() if key != "timings"}


@pytest.mark.parametrize("after", [0, 1, 5, 7])
def test_a_resumed_training_ends_as_an_uninterrupted_one_to_the_byte(
    after: int, make_dataset: Any, make_engine: Any
) -> None:
    engine = make_engine().name
    dataset = make_dataset(classes=3, size=8, lean=0.5)
    kept = ended(dataset, SMALL, after, engine=engine)

    told: list[Any] = []
    resumed = train(
        dataset, SMALL, 1, engine=engine, jobs=2, checkpoints=kept, progress=told.append
    )
    at_once = train(dataset, SMALL, 1, engine=engine, jobs=2)

    assert comparable(resumed) == comparable(at_once)
    assert resumed.model.to_bytes() == at_once.model.to_bytes()
    taken = resumed.timings["resumed_combinations"]
    assert (taken > 0) == (after > 0)
    assert max(progress.known for progress in told) == taken
    assert at_once.timings["resumed_combinations"] == 0


def test_a_nested_estimate_is_resumed_too(make_dataset: Any) -> None:
    dataset = make_dataset(classes=2, size=9, lean=0.5)
    project = replace(SMALL, preprocessings=("basic",), nested=True, folds=3)
    # The search itself is 9 + 5 problems; the rest is of the first outer folds.
    kept = ended(dataset, project, 20, engine="sklearn")
    assert any(part.startswith("nested") for part in kept.parts)

    resumed = train(dataset, project, 1, engine="sklearn", jobs=2, checkpoints=kept)

    assert comparable(resumed) == comparable(train(dataset, project, 1, engine="sklearn", jobs=2))
    assert resumed.timings["resumed_combinations"] > len(project.combinations())


def test_what_is_known_is_not_solved_again(make_dataset: Any, make_engine: Any) -> None:
    dataset = make_dataset()
    fold_of = assign_folds(dataset.recordings, dataset.labels, SMALL.folds, seed=1)
    kept = Kept()
    first = search(dataset, SMALL, fold_of, make_engine(), resumption=Resumption(kept))

    kept.left = 0  # from now on a new solution ends the search
    again = search(dataset, SMALL, fold_of, make_engine(), resumption=Resumption(kept))

    assert [r.predicted.tolist() for r in again] == [r.predicted.tolist() for r in first]
    assert [(r.same_as, r.engine, r.converged) for r in again] == [
        (r.same_as, r.engine, r.converged) for r in first
    ]


@pytest.mark.parametrize(
    "changed",
    [
        {"project": replace(SMALL, folds=4)},
        {"seed": 2},
        {"engine": "native (avx512)"},
        {"collapse": False},
        {"versions": {"numpy": "2.0.1"}},
        {"value": 0.5},
        {"label": 1},
        {"recording": "another"},
        {"fold": 3},
        {"group": 7},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_checkpoint_of_anything_else_has_another_fingerprint(
    changed: dict[str, Any], make_dataset: Any
) -> None:
    dataset = make_dataset()
    given = {
        "project": SMALL,
        "seed": 1,
        "engine": "native (avx2)",
        "collapse": True,
        "versions": {"numpy": "2.0.0"},
    }
    fold_of = assign_folds(dataset.recordings, dataset.labels, 5, seed=1)
    groups = np.arange(len(fold_of))
    before = fingerprint(dataset, assignment=Assignment(fold_of, groups), **given)
    values, labels = dataset.values.copy(), dataset.labels.copy()
    recordings = list(dataset.recordings)
    values[3, 2] = changed.pop("value", values[3, 2])
    labels[0] = changed.pop("label", labels[0])
    recordings[0] = changed.pop("recording", recordings[0])
    other = replace(dataset, values=values, labels=labels, recordings=tuple(recordings))

    folds, others = fold_of.copy(), groups.copy()
    folds[1] = changed.pop("fold", folds[1])
    others[1] = changed.pop("group", others[1])

    assert fingerprint(dataset, assignment=Assignment(fold_of, groups), **given) == before
    changed = {"assignment": Assignment(folds, others), **given, **changed}
    assert fingerprint(other, **changed) != before


def test_solutions_are_the_same_after_packing() -> None:
    first = Solution(Problem("rbf", 2.0**-5, 2.0**-11), np.array([0, 1, -1]), converged=False)
    same = Solution(
        Problem("rbf", 0.1, 2.0**-11), first.predicted, same_as=first.problem, identities=7
    )
    failed = Solution(Problem("poly", 8.0, 1.0, True), np.array([-1, -1, -1]), error="müll")  # noqa: FBT003

    unpacked = unpack(pack([first, same, failed]))

    for before, after in zip([first, same, failed], unpacked, strict=True):
        assert vars(after) | {"predicted": 0} == vars(before) | {"predicted": 0}
        assert after.predicted.tolist() == before.predicted.tolist()
        assert after.predicted.dtype == np.intp


@pytest.mark.parametrize("damage", ["cut", "changed", "not ours", "empty"])
def test_a_damaged_checkpoint_is_refused(damage: str) -> None:
    content = pack([Solution(Problem("rbf", 1.0, 1.0), np.arange(100))])
    damaged = {
        "cut": content[:-3],
        "changed": content[:20] + bytes([content[20] ^ 255]) + content[21:],
        "not ours": b"hello",
        "empty": b"",
    }[damage]

    with pytest.raises(ValueError, match="it is"):
        unpack(damaged)


def test_a_checkpoint_that_unpacks_to_too_much_is_refused(monkeypatch: Any) -> None:
    content = pack([Solution(Problem("rbf", 1.0, 1.0), np.zeros(100_000, dtype=np.intp))])
    assert len(content) < 2_000
    monkeypatch.setattr("trainer.grid.checkpoints.MAX_BYTES", 100_000)

    with pytest.raises(ValueError, match="larger"):
        unpack(content)


def test_what_was_solved_in_part_only_is_solved_anew_as_a_whole(
    make_dataset: Any, make_engine: Any
) -> None:
    """Which C saturates is found out along all of them, and stands in the report."""
    dataset = make_dataset(classes=3, size=8, lean=0.5)
    engine = make_engine().name
    kept = Kept()
    at_once = train(dataset, SMALL, 1, engine=engine, jobs=2, checkpoints=kept)
    for part, content in kept.parts.items():
        smallest = [found for found in unpack(content) if found.problem.C < 4]
        kept.parts[part] = pack(smallest)

    again = train(dataset, SMALL, 1, engine=engine, jobs=2, checkpoints=kept)

    assert comparable(again) == comparable(at_once)
