"""Which job a person means."""

import re
from uuid import UUID

import click
from sqlalchemy import Connection

from schema import evaluation_jobs

_WHOLE = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_BEGINNING = re.compile(r"[0-9a-f-]{1,35}", re.IGNORECASE)
_SHORTEST = 4


def may_be_job(reference: str) -> bool:
    """Tell whether a text may be an id, or the beginning of one."""
    return bool(_WHOLE.fullmatch(reference) or _BEGINNING.fullmatch(reference))


def resolve(connection: Connection, reference: str) -> UUID:
    """Find the job that an id, or the beginning of one, means.

    Raises
    ------
    click.UsageError
        None or several begin like this, or it cannot be the beginning of an id.
    """
    if _WHOLE.fullmatch(reference):
        return UUID(reference)
    if not _BEGINNING.fullmatch(reference):
        raise click.UsageError(f"{reference!r} is no job id.")
    if len(reference) < _SHORTEST:
        raise click.UsageError(
            f"{reference!r} is too short: give at least {_SHORTEST} characters of the id."
        )
    found = evaluation_jobs.matching(connection, reference, limit=2)
    if len(found) == 1:
        return found[0]
    which = "More than one job begins" if found else "No job begins"
    raise click.UsageError(f"{which} with {reference!r}; see acoustic jobs list.")
