"""The end of what is kept: attempts, project folders and bundles of jobs that ended long ago."""

import shutil
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection

from schema import evaluation_jobs
from worker.attempt_folder import AttemptFolder
from worker.model_store import ModelStore
from worker.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """How much went: rows of attempts, folders, files, and the deleted jobs among their jobs."""

    attempts: int
    projects: int
    bundles: int
    deleted: int


def prune(
    connection: Connection, settings: Settings, *, age: timedelta, dry_run: bool = False
) -> Pruned:
    """Remove what is older than `age`: files first, so that what stays is found the next time.

    Parameters
    ----------
    connection
        In a transaction, which the caller commits.
    settings
        For the folders.
    age
        Since a job, or its attempts, ended.
    dry_run
        Count, and remove nothing.
    """
    deleted = evaluation_jobs.deleted_jobs(connection, age=age)
    store = ModelStore(settings.model_dir)
    bundles = [(job, attempt) for job in deleted for attempt in store.attempts(job)]
    ended = [*deleted, *evaluation_jobs.ended_jobs(connection, age=age)]
    folders = [AttemptFolder(settings.project_dir, job, 0).project for job in ended]
    projects = [folder for folder in folders if folder.is_dir()]
    if not dry_run:
        for job, attempt in bundles:
            store.remove(job, attempt)
        for folder in projects:
            shutil.rmtree(folder)
    attempts = evaluation_jobs.forget(connection, age=age, deleted=deleted, dry_run=dry_run)
    return Pruned(
        attempts=attempts, projects=len(projects), bundles=len(bundles), deleted=len(deleted)
    )
