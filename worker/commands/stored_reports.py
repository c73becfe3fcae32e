"""The report that a person means: a file of JSON, or the result of a job."""

from pathlib import Path
from typing import Any

import click
import orjson

from trainer.errors import DocumentError
from worker.commands.invocation import Invocation
from worker.commands.job_references import may_be_job

_MOST_BYTES = 2**30  # with the predictions of every combination a report is large


def report_of(invocation: Invocation, reference: str) -> dict[str, Any]:
    """Read the report that a path, a job's id or the beginning of one means.

    Raises
    ------
    click.UsageError
        It is neither, the file cannot be read, or the job has no result.
    trainer.errors.DocumentError
        The file is no report.
    """
    path = Path(reference)
    return read_report(path) if path.is_file() else _of_job(invocation, reference)


def read_report(path: Path) -> dict[str, Any]:
    """Read a report from its file; errors as those of `report_of`."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DocumentError(f"{path} is larger than {_MOST_BYTES // 2**20:,} MiB")
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read ({error.strerror}).") from error
    except orjson.JSONDecodeError as error:
        raise DocumentError(f"{path} is no report: it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise DocumentError(f"{path} is no report: it is not a JSON object")
    return document


def _of_job(invocation: Invocation, reference: str) -> dict[str, Any]:
    # Imported here: with a file no database is asked.
    from schema import evaluation_jobs  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_references import resolve  # noqa: PLC0415

    if not may_be_job(reference):
        raise click.UsageError(f"{reference!r} is neither a file nor the id of a job.")
    with database(invocation) as engine, engine.connect() as connection:
        details = evaluation_jobs.show(connection, resolve(connection, reference))
    if not isinstance(details.result, dict):
        raise click.UsageError(
            f"Job {details.status.id} is {details.status.status} and has no result to report on."
        )
    return {"name": details.status.dataset, **details.result}
