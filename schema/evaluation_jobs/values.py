"""Evaluation jobs and their attempts as values."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

__all__ = ["Attempt", "EvaluationJob", "JobDetails", "JobStatus", "Outcome", "Usage"]


class Outcome(StrEnum):
    """How an attempt ended."""

    DONE = "done"  # its result was accepted
    ERROR = "error"  # an exception: bad input, or something that may pass
    CRASHED = "crashed"  # the training process was killed
    TIMEOUT = "timeout"  # it took longer than a job may
    LOST = "lost"  # its worker fell silent, another worker found its lease run out
    INTERRUPTED = "interrupted"  # its worker was told to stop and gave the job back
    CANCELLED = "cancelled"  # somebody took the job out of `running`, or deleted it


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """One claim of a job; (`id`, `attempt`, `worker`) is the fence of every later write."""

    id: UUID
    attempt: int  # from 1; only grows, unless somebody deletes attempts
    worker: str  # whose claim it is; no two workers share a name
    snapshot_id: UUID
    options: Any  # the JSON as it was inserted: None, an object, or a mistake


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What an attempt's training process used, and how it exited."""

    exit_code: int | None
    signal: int | None  # the number of the signal that killed it
    peak_memory: int | None  # bytes
    cpu_seconds: float | None


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """A job at a glance: a row of the view worker.evaluation_jobs."""

    id: UUID
    dataset: str | None
    status: str  # pending, running, done, failed
    position: int | None  # in the queue, from 1; pending local jobs only
    attempt: int | None  # the latest
    worker: str | None  # while it runs
    progress: Mapping[str, Any] | None  # {"stage", "done", "total", "started"} while it runs
    time_left: timedelta | None  # of the stage, from its speed so far
    retry_at: datetime | None  # a pending job that waits after a failure
    created: datetime
    updated: datetime
    reason: str | None  # the last thing that went wrong


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """A row of worker.evaluation_attempts."""

    attempt: int
    worker: str
    host: str
    started: datetime
    lease_until: datetime
    ended: datetime | None
    outcome: Outcome | None
    counted: bool
    retry_at: datetime | None
    error: str | None
    traceback: str | None
    exit_code: int | None
    signal: int | None
    peak_memory: int | None  # bytes
    cpu_seconds: float | None
    progress: Mapping[str, Any] | None


@dataclass(frozen=True, kw_only=True)
class JobDetails:
    """All there is to know about a job."""

    status: JobStatus
    snapshot_id: UUID
    options: Any
    result: Mapping[str, Any] | None
    training_set: Mapping[str, str] | None  # MBID -> class; None until it is done
    testing_set: Mapping[str, str] | None
    attempts: tuple[Attempt, ...]  # in order
