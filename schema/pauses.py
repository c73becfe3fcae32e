"""Queues that nobody takes from for a while; what runs goes on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text

from schema.documents import storable

__all__ = ["Pause", "Queue", "pause", "paused", "resume"]

REASON_LENGTH = 1_000


class Queue(StrEnum):
    """What can be paused."""

    EVALUATION = "evaluation"
    HIGHLEVEL = "highlevel"


@dataclass(frozen=True, kw_only=True)
class Pause:
    """That nothing is begun."""

    since: datetime
    paused_by: str
    reason: str | None


PAUSE = {
    Queue.EVALUATION: text("SELECT worker.pause_evaluation(:reason)"),
    Queue.HIGHLEVEL: text("SELECT worker.pause_highlevel(:reason)"),
}
RESUME = {
    Queue.EVALUATION: text("SELECT worker.resume_evaluation()"),
    Queue.HIGHLEVEL: text("SELECT worker.resume_highlevel()"),
}
PAUSED = text("SELECT since, paused_by, reason FROM worker.pauses WHERE queue = :queue")


def pause(connection: Connection, queue: Queue, *, reason: str | None = None) -> str:
    """Have nothing begun from now on; what runs goes on. Say what was done."""
    told = reason and storable(reason, most=REASON_LENGTH)
    answer: str = connection.execute(PAUSE[queue], {"reason": told}).scalar_one()
    return answer


def resume(connection: Connection, queue: Queue) -> str:
    """Have work begun again; say what was done."""
    answer: str = connection.execute(RESUME[queue]).scalar_one()
    return answer


def paused(connection: Connection, queue: Queue) -> Pause | None:
    """Tell whether a queue is paused."""
    row = connection.execute(PAUSED, {"queue": queue.value}).one_or_none()
    return None if row is None else Pause(**row._asdict())
