"""The report that a person means: a file of JSON, or the result of a job."""

from pathlib import Path
from typing import Any

import click

from trainer.reports import read_report
from worker.commands.invocation import Invocation
from worker.commands.job_references import may_be_job


def report_of(invocation: Invocation, reference: str) -> dict[str, Any]:
    """Read the report that a path, a job's id or the beginning of one means.

    Raises
    ------
    click.UsageError
        It is neither, or the job has no result.
    trainer.errors.DocumentError
        The file cannot be read, or is no report.
    """
    path = Path(reference)
    return read_report(path) if path.is_file() else _of_job(invocation, reference)


def _of_job(invocation: Invocation, reference: str) -> dict[str, Any]:
    # Imported here: with a file no database is asked.
    from schema import evaluation_jobs  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_references import resolve  # noqa: PLC0415

    if not may_be_job(reference):
        raise click.UsageError(
            f"{reference!r} is neither a file nor the id of a job; see acoustic jobs list."
        )
    with database(invocation) as engine, engine.connect() as connection:
        details = evaluation_jobs.show(connection, resolve(connection, reference))
    if not isinstance(details.result, dict):
        raise click.UsageError(
            f"Job {details.status.id} is {details.status.status} and has no result to report on."
        )
    return {"name": details.status.dataset, **details.result}
