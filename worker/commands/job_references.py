"""Which job a person means, and which dataset."""

import re
from collections.abc import Sequence
from uuid import UUID

import click
from sqlalchemy import Connection

from schema import datasets, evaluation_jobs
from worker.commands.text import visible

_WHOLE = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_BEGINNING = re.compile(r"[0-9a-f-]{1,35}", re.IGNORECASE)
_SHORTEST = 4
_NAMED, _LONGEST_NAME = 5, 60  # of datasets that may be meant


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
        raise click.UsageError(
            f"{reference!r} is no job's id, nor the beginning of one; see acoustic jobs list."
        )
    if len(reference) < _SHORTEST:
        raise click.UsageError(
            f"{reference!r} is too short: give at least {_SHORTEST} characters of the id; "
            "see acoustic jobs list."
        )
    found = evaluation_jobs.matching(connection, reference, limit=2)
    if len(found) == 1:
        return found[0]
    which = "More than one job begins" if found else "No job begins"
    raise click.UsageError(f"{which} with {reference!r}; see acoustic jobs list.")


def dataset_of(connection: Connection, reference: UUID | str) -> UUID:
    """Find the dataset that an id, or a name in either case, means.

    Raises
    ------
    click.UsageError
        None or several are called so; with those that may be meant.
    """
    if isinstance(reference, UUID):
        return reference
    found = datasets.called(connection, reference, limit=_NAMED + 1)
    same = [dataset for dataset, name in found if name.lower() == reference.lower()]
    if len(same) == 1:
        return same[0]
    which = "More than one dataset is" if same else "No dataset is"
    others = [(dataset, name) for dataset, name in found if dataset in same or not same]
    raise click.UsageError(f"{which} called {visible(reference)!r}; {_meant(others)}.")


def _meant(found: Sequence[tuple[UUID, str]]) -> str:
    if not found:
        return "--file makes one of a ground truth"
    named = ", ".join(
        f"{dataset} ({visible(name)[:_LONGEST_NAME]})" for dataset, name in found[:_NAMED]
    )
    more = " and more" if len(found) > _NAMED else ""
    return f"give the id of the one that is meant: {named}{more}"
