"""What a job is, in the order in which it happens: rows, dataset, evaluation, bundle, result."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import InterfaceError, OperationalError

from schema.database import connect
from schema.evaluation_jobs import Checkpoint, load_checkpoints
from trainer.account import Account
from trainer.errors import OptionsError
from trainer.options import JobOptions
from worker.attempt_folder import AttemptFolder
from worker.checkpoint_files import CheckpointFiles, flushed_when_told_to_end
from worker.host_fault import HostError
from worker.materialise import Material, materialise
from worker.model_store import ModelStore
from worker.project_folder import ProjectFolder
from worker.whole_files import write_whole

# A server that restarts is back within this time; one that stays away is no fault of the job's,
# which is then given back.
PATIENCE_SECONDS = 60.0


def evaluate(assignment: dict[str, Any], on_progress: Callable[[Any], None]) -> dict[str, Any]:
    """Evaluate the job of an assignment.

    Parameters
    ----------
    assignment
        What `worker.attempt.Attempt` tells its child.
    on_progress
        Called with each `trainer.training.Progress`.

    Returns
    -------
    dict
        ``result`` (the JSON for the job's row), ``training_set`` and ``testing_set``.

    Raises
    ------
    trainer.errors.TrainerError, schema.errors.NotFound, schema.errors.InvalidDocument
        The input has to change.
    HostError
        This computer has to change: it lacks the engine that it is told to use.
    """
    job, attempt = UUID(assignment["job"]), assignment["attempt"]
    options = JobOptions.parse(assignment["options"])
    folder = ProjectFolder(AttemptFolder(Path(assignment["project_dir"]), job, attempt))
    account = Account()
    with account.of("reading"):
        material, earlier = _material(assignment, folder)
    # scikit-learn takes a second to load. Most jobs with wrong input have ended by now.
    with account.of("loading libraries"):
        from trainer.dataset import prepare  # noqa: PLC0415
        from trainer.report_page import report_page  # noqa: PLC0415
        from trainer.training import train  # noqa: PLC0415

    with account.of("preparing"):
        dataset = prepare(material.ground_truth, material.documents, options)
    structlog.get_logger("worker.training").info(
        "dataset prepared",
        recordings=len(dataset.training),
        classes=len(dataset.classes),
        left_out=len(dataset.left_out),
    )
    _require_engine(assignment)
    folder.write_project(dataset, options)
    checkpoints = CheckpointFiles(
        folder.folder.checkpoints, earlier, pause=assignment["checkpoint_seconds"]
    )
    with flushed_when_told_to_end(checkpoints):
        evaluation = train(
            dataset,
            options.project,
            options.seed,
            engine=assignment["engine"],
            jobs=assignment["jobs"],
            memory=assignment["memory"],
            collapse=options.shortcuts,
            account=account,
            checkpoints=checkpoints,
            progress=on_progress,
            provenance=_provenance(assignment, material),
        )
    bundle = ModelStore(Path(assignment["model_dir"])).path(job, attempt)
    report = evaluation.report()
    with account.of("writing"):
        digest = evaluation.model.save(bundle)
        folder.write_results(dataset, report)
    report["timings"] |= account.timings()
    result = _result(report, folder.path, bundle, digest)
    page = ModelStore(Path(assignment["model_dir"])).page(job, attempt)
    write_whole(page, report_page(result))
    return {
        "result": {**result, "report_page": str(page)},
        "training_set": dataset.training,
        "testing_set": dataset.testing,
    }


def _require_engine(assignment: dict[str, Any]) -> None:
    """Ask for the engine here: to the trainer it is an option like those of the job."""
    from trainer.grid.engines import choose_engine  # noqa: PLC0415 - loads scikit-learn

    try:
        choose_engine(assignment["engine"], jobs=assignment["jobs"])
    except OptionsError as error:
        raise HostError(f"ACOUSTIC_ENGINE of the evaluator: {error}") from error


def _material(
    assignment: dict[str, Any], folder: ProjectFolder
) -> tuple[Material, list[Checkpoint]]:
    """Read the job's rows; a server that restarts meanwhile costs a second look, not the job."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = 0.1
    while True:
        folder.prepare()
        try:
            with _reading(assignment["database_url"]) as connection:
                material = materialise(
                    connection,
                    UUID(assignment["snapshot"]),
                    on_document=folder.write_document,
                )
                earlier = _checkpoints(connection, assignment)
        except (OperationalError, InterfaceError):
            if time.monotonic() + pause > deadline:
                raise
            time.sleep(pause * random.uniform(0.5, 1))  # noqa: S311 - spreads the load
            pause = min(2 * pause, 5)
        else:
            folder.publish_documents()
            return material, earlier


def _checkpoints(connection: Connection, assignment: dict[str, Any]) -> list[Checkpoint]:
    """Read what earlier attempts at the job found; the first has none to look for."""
    if assignment["attempt"] == 1:
        return []
    return load_checkpoints(connection, UUID(assignment["job"]))


@contextmanager
def _reading(url: str) -> Iterator[Connection]:
    """Give a connection that cannot write, and no other job's connections."""
    engine = connect(url, application_name="acoustic training")
    try:
        with engine.connect() as connection:
            yield connection.execution_options(postgresql_readonly=True)
    finally:
        engine.dispose()


def _provenance(assignment: dict[str, Any], material: Material) -> dict[str, Any]:
    return {
        "job": assignment["job"],
        "attempt": assignment["attempt"],
        "snapshot": assignment["snapshot"],
        "dataset": material.snapshot.name,
        "options": assignment["options"],
    }


def _result(report: dict[str, Any], folder: Path, bundle: Path, digest: str) -> dict[str, Any]:
    """Give what AcousticBrainz wrote as a job's result, and what we know beyond that."""
    return {
        **report,
        "project_path": str(folder),
        "history_path": str(bundle),
        "model": {"path": str(bundle), "sha256": digest},
    }
