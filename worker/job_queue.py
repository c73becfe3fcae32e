"""The queue of evaluation jobs as one worker uses it, over a link that may break at any moment."""

import os
import secrets
import socket
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema import evaluation_jobs
from schema.database import check_revision
from schema.evaluation_jobs import Checkpoint, EvaluationJob, QueueLoad
from worker.conclusion import Conclusion
from worker.database_link import DatabaseLink
from worker.settings import Settings


class JobQueue:
    """Claims, renews, writes and rescues under one worker's name.

    Every method raises `worker.database_link.Outage` when the database is away, and can then be
    called again: what was lost may be the reply only, and each finds out.

    Parameters
    ----------
    link
        How the database is reached.
    settings
        For the lease and the number of attempts.
    """

    def __init__(self, link: DatabaseLink, settings: Settings) -> None:
        self._link = link
        self._lease = timedelta(seconds=settings.lease_seconds)
        self._max_attempts = settings.max_attempts
        self._host = socket.gethostname()
        # Containers share names and process ids; two workers must never take each other for one.
        self.worker = f"{self._host}:{os.getpid()}:{secrets.token_hex(4)}"
        self._claim_in_doubt = False

    def claim(self) -> EvaluationJob | None:
        """Take the next job, or the one that was granted when the reply was lost."""
        job = self._link.run(self._claim)
        self._claim_in_doubt = False
        return job

    def renew(self, job: EvaluationJob, *, progress: Any) -> bool:
        """Hold the job for another lease; False: it is not ours any more."""
        return self._link.run(
            lambda connection: evaluation_jobs.renew(
                connection, job, lease=self._lease, progress=progress
            )
        )

    def save(self, job: EvaluationJob, checkpoint: Checkpoint) -> bool:
        """Keep a checkpoint for the next attempt; False: the job is not ours any more."""
        return self._link.run(
            lambda connection: evaluation_jobs.save_checkpoint(connection, job, checkpoint)
        )

    def write(self, job: EvaluationJob, conclusion: Conclusion) -> str | None:
        """Write how the attempt ended; gives the job's status, `None`: it is not ours any more."""
        return self._link.run(
            lambda connection: conclusion.write(connection, job, max_attempts=self._max_attempts)
        )

    def rescue(self) -> list[tuple[UUID, str]]:
        """Take jobs from workers that fell silent; gives them and their status."""
        return self._link.run(
            lambda connection: evaluation_jobs.rescue(
                connection, lease=self._lease, max_attempts=self._max_attempts
            )
        )

    def measure(self) -> QueueLoad:
        """Count what waits and what runs.

        Raises
        ------
        schema.errors.SchemaMismatch
            The database was migrated, to a schema that is not that of this program.
        """

        def look(connection: Connection) -> QueueLoad:
            check_revision(connection)
            return evaluation_jobs.measure(connection)

        return self._link.run(look)

    def not_done(self, job: EvaluationJob, attempts: Iterable[int]) -> list[int]:
        """Tell which attempts at the job before this one left no accepted result."""
        earlier = [number for number in attempts if number < job.attempt]
        if not earlier:
            return []
        done = self._link.run(lambda connection: evaluation_jobs.done_attempts(connection, job.id))
        return [number for number in earlier if number not in done]

    def is_anothers(self, job: EvaluationJob) -> bool:
        """Tell whether another worker was given this attempt, and with it the name of its files."""
        return self._link.run(lambda connection: evaluation_jobs.is_anothers(connection, job))

    def _claim(self, connection: Connection) -> EvaluationJob | None:
        if self._claim_in_doubt:
            job = evaluation_jobs.open_attempt(connection, worker=self.worker)
            if job is not None:
                return job
        self._claim_in_doubt = True
        return evaluation_jobs.claim(
            connection, worker=self.worker, host=self._host, lease=self._lease
        )
