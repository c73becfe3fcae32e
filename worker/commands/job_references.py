"""Which job a person means, and which jobs nobody has."""

from uuid import UUID

import click
from sqlalchemy import Connection, exists, select

from schema.tables import dataset_eval_jobs, evaluation_attempts

_SHORTEST_PREFIX = 4
_DIGITS = 32


def resolve(connection: Connection, reference: str) -> UUID:
    """Find the job that an id, or the beginning of one, means.

    Raises
    ------
    click.UsageError
        None or several begin like this, or it cannot be the beginning of an id.
    """
    digits = reference.replace("-", "").lower()
    if not set(digits) <= set("0123456789abcdef") or len(digits) > _DIGITS:
        raise click.UsageError(f"{reference!r} is no job id.")
    if len(digits) == _DIGITS:
        return UUID(digits)
    if len(digits) < _SHORTEST_PREFIX:
        raise click.UsageError(
            f"{reference!r} is too short: give at least {_SHORTEST_PREFIX} characters of the id."
        )
    found = _beginning_with(connection, digits)
    if len(found) == 1:
        return found[0]
    which = "More than one job begins" if found else "No job begins"
    raise click.UsageError(f"{which} with {reference!r}; see acoustic jobs list.")


def without_worker(connection: Connection) -> list[UUID]:
    """List jobs that stand as running though no attempt at them is open.

    The evaluator of AcousticBrainz left such rows when it was killed; nothing of ours takes them
    before somebody says `acoustic jobs retry`.
    """
    jobs, attempts = dataset_eval_jobs.c, evaluation_attempts.c
    held = exists().where(attempts.job_id == jobs.id, attempts.ended.is_(None))
    left = select(jobs.id).where(jobs.status == "running", ~held).order_by(jobs.created)
    return list(connection.scalars(left))


def _beginning_with(connection: Connection, digits: str) -> list[UUID]:
    # A range and not LIKE, which would turn every id of the table into text.
    job = dataset_eval_jobs.c.id
    first, last = (UUID(digits.ljust(_DIGITS, filling)) for filling in "0f")
    return list(connection.scalars(select(job).where(job.between(first, last)).limit(2)))
