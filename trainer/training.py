"""Training: a dataset in, an evaluation with a model out.

The same `train` serves the daemon, the command line and a program that imports it.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from trainer.account import Account
from trainer.corrected import correct
from trainer.dataset import Dataset
from trainer.descriptors import LowLevel
from trainer.errors import DocumentError, OptionsError
from trainer.evaluation import Evaluation, HeldOut
from trainer.grid.checkpoints import Checkpoints, Resumption, fingerprint
from trainer.grid.engines import MEMORY, choose_engine
from trainer.grid.fold_plan import FoldPlan
from trainer.grid.learning_curve import PARTS, learn
from trainer.grid.nested import check_nestable, nest
from trainer.grid.project import Project
from trainer.grid.repeats import Folds, further_folds, repeat
from trainer.grid.search import best_of, search
from trainer.models.bundle import Model
from trainer.models.fitting import fit, with_probabilities
from trainer.options import MAX_SEED
from trainer.wording import shown

LIBRARIES = ("acoustic-workers", "numpy", "scipy", "scikit-learn")


@dataclass(frozen=True)
class Progress:
    """How far a training has come.

    Attributes
    ----------
    stage : {"grid", "nested", "repeats", "learning curve", "final model"}
    done, total : int
        Combinations of the stage; those that are being solved count by their share of the work.
        In the two before the last, cross-validations of the one that was chosen.
    known : int
        Those among `done` that came from checkpoints.
    """

    stage: str
    done: int
    total: int
    known: int = 0


def train(
    dataset: Dataset,
    project: Project | None = None,
    seed: int = 1,
    *,
    engine: str = "auto",
    jobs: int | None = None,
    memory: int = MEMORY,
    collapse: bool = True,
    account: Account | None = None,
    checkpoints: Checkpoints | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
    provenance: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Search the project's grid, choose the best combination, and train it on everything.

    Parameters
    ----------
    dataset : Dataset
        See `Dataset.prepare`.
    project : Project, optional
        The combinations, the number of folds, whether to nest; AcousticBrainz's by default.
    seed : int, default=1
        Of every random choice, from 0 to 2**32 - 1; 1 gives Gaia's folds of seed 1.
    engine : {"auto", "native", "sklearn"}
        What solves the support vector machines.
    jobs : int, optional
        Fits at a time; as many as there are usable processors by default.
    memory : int
        Bytes that matrices of the native engine may take; what needs more is left to the other.
    collapse : bool
        Take shortcuts: solve combinations that are the same problem once, see
        `trainer.grid.planner`.
    account : Account, optional
        Where the time goes is added to; what is there already is told of, too.
    checkpoints : Checkpoints, optional
        What an earlier call that was ended has found is taken from there, and what this one finds
        is added, see `trainer.grid.checkpoints`.
    progress : callable
        Told of each step.
    provenance : mapping, optional
        JSON to keep with the model: job, snapshot, options and the like.

    Returns
    -------
    Evaluation
        Equal for equal data, project, seed and versions, timings apart, resumed or not.

    Raises
    ------
    OptionsError
        The seed is none, or there is no such engine.
    DatasetError
        No combination can be trained on these data.
    """
    project = _project_of(dataset, project)
    account = account or Account()
    started = time.monotonic()
    solver = choose_engine(engine, jobs=jobs, memory=memory)
    plan = FoldPlan.of(project, _checked(seed))
    assignment = plan.assign(dataset)
    fold_of = assignment.fold_of
    if project.nested:
        check_nestable(dataset, fold_of, plan)  # before hours of searching, not after
    others = further_folds(dataset, plan, project.repeats)
    total = len(project.combinations())
    versions = _versions()
    resumption = Resumption(checkpoints)
    if checkpoints is not None:
        checkpoints.begin(
            fingerprint(
                dataset,
                project,
                seed,
                assignment,
                engine=solver.description,
                collapse=collapse,
                versions=versions,
            )
        )

    def told(stage: str, total: int) -> Callable[[int], None]:
        before = resumption.combinations
        return lambda done: progress(Progress(stage, done, total, resumption.combinations - before))

    results = search(
        dataset,
        project,
        fold_of,
        solver,
        collapse=collapse,
        account=account,
        resumption=resumption,
        solved=told("grid", total),
    )
    best = best_of(results)
    nested = None
    if project.nested:
        solved = told("nested", total * len(np.unique(fold_of)))
        with account.of("nested estimate"):
            nested = nest(
                dataset,
                project,
                fold_of,
                solver,
                plan=plan,
                collapse=collapse,
                resumption=resumption,
                solved=solved,
            )
    repeats = curve = None
    if others:
        done = told("repeats", len(others))
        first = Folds(seed, fold_of)
        with account.of("repeats"):
            repeats = repeat(
                dataset, project, best, (first, *others), solver, resumption=resumption, done=done
            )
    if project.learning_curve:
        done = told("learning curve", len(PARTS))
        with account.of("learning curve"):
            curve = learn(
                dataset, best, fold_of, solver, seed=seed, resumption=resumption, done=done
            )
    searched = time.monotonic()
    progress(Progress("final model", 0, 1))
    with account.of("final model"):
        fitted = fit(dataset, best.combination, solver)
    with account.of("probabilities"):
        grouped = None if assignment.groups is None else fold_of
        calibrated = with_probabilities(fitted, dataset, seed=seed, engine=solver, fold_of=grouped)
        model = calibrated.model
    with account.of("correction"):
        predictions = [result.predicted for result in results]
        corrected = correct(dataset.labels, predictions, seed, assignment.groups)
    with account.of("held-out recordings"):
        held_out = _predict_held_out(dataset, model)
    evaluation = Evaluation(
        dataset=dataset,
        project=project,
        seed=seed,
        engine=" and ".join(sorted({result.engine for result in results if result.engine})),
        assignment=assignment,
        results=tuple(results),
        best=best,
        model=model,
        probabilities=calibrated.probabilities,
        corrected=corrected,
        final=fitted.outcome,
        shortcuts=collapse,
        nested=nested,
        repeats=repeats,
        learning_curve=curve,
        held_out=held_out,
        versions=versions,
        timings={
            "search_seconds": round(searched - started, 3),
            "resumed_combinations": resumption.combinations,
            **account.timings(),
        },
    )
    progress(Progress("final model", 1, 1))
    return evaluation.signed(provenance or {})


def _checked(seed: int) -> int:
    if not isinstance(seed, int | np.integer) or not 0 <= seed <= MAX_SEED:
        raise OptionsError(f"seed {shown(seed)} is no whole number from 0 to {MAX_SEED}; give one")
    return seed


def _predict_held_out(dataset: Dataset, model: Model) -> HeldOut | None:
    """Predict what the selection kept out of the training, if anything."""
    if not dataset.testing:
        return None
    usable: dict[str, LowLevel] = {}
    unusable: dict[str, str] = {}
    for recording in sorted(dataset.testing):
        document = dataset.testing_documents[recording]
        try:
            model.check(document)
            usable[recording] = document
        except DocumentError as error:
            unusable[recording] = str(error)
    predictions = model.predict(list(usable.values()))
    predicted = {r: p.value for r, p in zip(usable, predictions, strict=True)}
    return HeldOut(dict(dataset.testing), predicted, unusable)


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "blas": _blas()}
    for library in LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:  # a checkout that is not installed
            versions[library] = "unknown"
    return versions


def _blas() -> str:
    """Name numpy's BLAS and its kernels: on others the last bits of a model differ."""
    found = [module for module in threadpool_info() if module["user_api"] == "blas"]
    names = (f"{m['internal_api']} {m['version']} {m.get('architecture') or ''}" for m in found)
    return ", ".join(sorted({name.strip() for name in names}))


def _project_of(dataset: object, project: object) -> Project:
    if isinstance(dataset, Dataset) and isinstance(project, Project | None):
        return project or Project()
    raise TypeError(
        "train takes a Dataset, which Dataset.prepare makes of labels and documents, and a Project"
    )
