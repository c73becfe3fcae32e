"""Recordings of the high-level queue as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

__all__ = ["Backlog", "FailedRecording", "Outputs", "Pass", "Recording"]


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One submission whose row in the queue is locked."""

    id: int  # of lowlevel
    attempt: int  # this one, from 1
    mbid: UUID | None  # None: the submission is gone
    document: str | None  # JSON text; None: the document is gone
    complete: bool  # it has its row in highlevel, and metadata
    present: frozenset[int]  # models, of those asked about, whose outputs it has


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What is written for one recording."""

    recording: Recording
    metadata: Mapping[str, Any]
    # Of models that the recording lacks: id in `model` -> {"all", "probability", "value"}
    models: Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class FailedRecording:
    """A row of the queue whose attempts are spent."""

    id: int
    mbid: UUID | None  # None: the submission is gone
    submission_offset: int | None
    attempts: int
    failed: datetime
    error: str


@dataclass(frozen=True, kw_only=True)
class Pass:
    """How far a bounded walk over all recordings is."""

    looked: int  # recordings that this step looked at
    enqueued: int  # those of them that are in the queue now because of it
    before: int | None  # the last id of the step before; None: this one was the first
    after: int | None  # the last id of this step; None: the walk is through
    last: int | None  # the highest id there is


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """The queue at a glance; numbers stop at `schema.highlevel.MOST_COUNTED`."""

    waiting: int  # that nobody tried, or that are being computed for the first time
    left_for_others: int  # that wait for a worker which computes certain models
    again: int  # that were tried and will be again
    failed: int
    oldest: datetime | None  # when the one that waits longest was enqueued
    swept_after: int | None  # how far the sweep is in its round
    sweep_ended: datetime | None  # when its last round was through
    backfills: Sequence[Mapping[str, Any]]  # that are not through
