"""The two ways in which a worker gives a job up: with a result, and without."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from schema.documents import json_text, storable
from schema.evaluation_jobs.claiming import BACKOFF
from schema.evaluation_jobs.values import EvaluationJob, Outcome, Usage

__all__ = ["end", "finish"]

# An interruption is our own doing and no fault of the job. This many are forgiven; a job that is
# interrupted more often (a host that restarts all the time) must come to an end too.
FORGIVEN_INTERRUPTIONS = 20

MESSAGE_LENGTH = 4_000  # characters
TRACEBACK_LENGTH = 64_000

UNKNOWN = Usage(exit_code=None, signal=None, peak_memory=None, cpu_seconds=None)

# `job` waits for the lock and then looks at the status anew; `closed` does the same with the row of
# the attempt. The sets are selected FROM closed: nothing is written where the fence did not hold.
# Both are stored, the testing set also when it is empty, as AcousticBrainz does.
FINISH = text("""
    WITH job AS (
        SELECT id FROM dataset_eval_jobs WHERE id = :job AND status = 'running' FOR NO KEY UPDATE
    ), closed AS (
        UPDATE worker.evaluation_attempts a
           SET ended = now(), outcome = 'done', exit_code = :exit_code, signal = :signal,
               peak_memory = :peak_memory, cpu_seconds = :cpu_seconds,
               progress = coalesce(CAST(:progress AS jsonb), a.progress)
          FROM job
         WHERE a.job_id = job.id AND a.attempt = :attempt AND a.ended IS NULL
           AND a.worker = :worker
     RETURNING a.job_id
    ), training AS (
        INSERT INTO dataset_eval_sets (data) SELECT CAST(:training_set AS jsonb) FROM closed
     RETURNING id
    ), testing AS (
        INSERT INTO dataset_eval_sets (data) SELECT CAST(:testing_set AS jsonb) FROM closed
     RETURNING id
    )
    UPDATE dataset_eval_jobs j
       SET status = 'done', status_msg = NULL, updated = now(), result = CAST(:result AS jsonb),
           training_snapshot = training.id, testing_snapshot = testing.id
      FROM closed, training, testing
     WHERE j.id = closed.job_id
""")

# The counts come from the statement's snapshot. That is enough: attempts of a running job are
# closed only under the lock of the job, and the one that is open is not counted yet.
END = text("""
    WITH job AS (
        SELECT id FROM dataset_eval_jobs WHERE id = :job AND status = 'running' FOR NO KEY UPDATE
    ), history AS (
        SELECT count(*) FILTER (WHERE counted) AS failures,
               count(*) FILTER (WHERE outcome = 'interrupted' AND NOT counted) AS forgiven
          FROM worker.evaluation_attempts WHERE job_id = :job
    ), verdict AS (
        SELECT job.id, failures, weighs,
               :terminal OR (weighs AND failures + 1 >= :max_attempts) AS last
          FROM job, history,
               LATERAL (SELECT :counted OR (:interrupted AND forgiven >= :forgiven) AS weighs) w
    ), closed AS (
        UPDATE worker.evaluation_attempts a
           SET ended = now(), outcome = :outcome, counted = v.weighs,
               retry_at = CASE WHEN NOT v.last AND (v.weighs OR NOT :interrupted)
                               THEN now() + worker.backoff(v.failures, :backoff) END,
               error = :message, traceback = :traceback,
               exit_code = :exit_code, signal = :signal,
               peak_memory = :peak_memory, cpu_seconds = :cpu_seconds,
               progress = coalesce(CAST(:progress AS jsonb), a.progress)
          FROM verdict v
         WHERE a.job_id = v.id AND a.attempt = :attempt AND a.ended IS NULL
           AND a.worker = :worker
     RETURNING a.job_id, v.last
    )
    UPDATE dataset_eval_jobs j
       SET updated = now(), status_msg = :message,
           status = CAST(CASE WHEN closed.last THEN 'failed' ELSE 'pending' END AS eval_job_status)
      FROM closed
     WHERE j.id = closed.job_id
 RETURNING j.status::text
""")


def finish(
    connection: Connection,
    job: EvaluationJob,
    *,
    result: Mapping[str, Any],
    training_set: Mapping[str, str],
    testing_set: Mapping[str, str],
    usage: Usage,
    progress: Mapping[str, Any] | None = None,
) -> bool:
    """
    Write the result and both sets (MBID -> class), and mark job and attempt as done.

    False: the job is no longer ours and nothing was written, or an earlier call was accepted and
    its reply lost; `attempt_outcome` tells which. For `progress` see `renew`.
    """
    values: dict[str, str | None] = {
        "result": json_text(result),
        "training_set": json_text(training_set),
        "testing_set": json_text(testing_set),
    }
    values["progress"] = None if progress is None else json_text(progress)
    fence = {"job": job.id, "attempt": job.attempt, "worker": job.worker}
    return connection.execute(FINISH, {**fence, **values, **asdict(usage)}).rowcount == 1


def end(
    connection: Connection,
    job: EvaluationJob,
    *,
    outcome: Outcome,
    message: str,
    traceback: str | None = None,
    terminal: bool = False,
    counted: bool = True,
    max_attempts: int,
    usage: Usage | None = None,
    progress: Mapping[str, Any] | None = None,
    backoff: timedelta = BACKOFF,
) -> str | None:
    """
    Give the job up without a result.

    Parameters
    ----------
    connection : Connection
    job : EvaluationJob
    outcome : {ERROR, CRASHED, TIMEOUT, INTERRUPTED}
    message : str
        One sentence for a person: the job's `status_msg` and the attempt's `error`.
    traceback : str, optional
        For the attempt alone.
    terminal : bool
        Fail the job now: trying again cannot help (bad input).
    counted : bool
        Whether the attempt weighs towards `max_attempts`. Interruptions do not, the first 20.
    max_attempts : int
        With this many counted attempts, this one among them, the job is failed, else pending.
    usage : Usage, optional
    progress : mapping, optional
        How far it was, see `renew`; None leaves what was said before.
    backoff : timedelta
        Least wait before the next attempt, about; it doubles with every failure up to an hour. An
        interrupted job does not wait.

    Returns
    -------
    str or None
        The job's new status, "pending" or "failed"; None: it is no longer ours, nothing was
        written.

    Raises
    ------
    ValueError
        `outcome` is one that other functions or the database write.
    """
    if outcome in (Outcome.DONE, Outcome.LOST, Outcome.CANCELLED):
        raise ValueError(f"An attempt is not ended as {outcome} by its own worker.")
    interrupted = outcome is Outcome.INTERRUPTED
    values = {
        "job": job.id,
        "attempt": job.attempt,
        "worker": job.worker,
        "outcome": outcome.value,
        "message": storable(message, most=MESSAGE_LENGTH),
        "traceback": traceback and storable(traceback, most=TRACEBACK_LENGTH, keep_end=True),
        "terminal": terminal,
        "interrupted": interrupted,
        "counted": counted and not interrupted,
        "forgiven": FORGIVEN_INTERRUPTIONS,
        "max_attempts": max_attempts,
        "backoff": backoff,
        "progress": None if progress is None else json_text(progress),
    }
    status: str | None = connection.execute(END, {**values, **asdict(usage or UNKNOWN)}).scalar()
    return status
