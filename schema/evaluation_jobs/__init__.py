"""
The queue of evaluation jobs.

A job moves between four states; beside it, every claim has a row in worker.evaluation_attempts::

    INSERT --> pending --claim--> running --finish--> done
                  ^  ^               |
                  |  '--end, rescue--+--end, rescue, cancel--> failed
                  |                                             |
                  '-----------------------retry-----------------'

Training takes minutes to hours, so a claim is no row lock but a lease: the worker that holds it
renews it, and a job whose lease ran out is rescued by any other worker. A worker that was only slow
may come back, therefore every write names (job, attempt, worker), the fence, and touches no row
when the attempt is not open any more or the job is not running: the job is somebody else's now.

What all statements hold to:

* Lock order is job, then attempt.
* Subqueries read the statement's snapshot, which may be older than the lock it waited for. So no
  condition on another table is trusted: the primary key and the partial unique index of the
  attempts decide who claimed, and conditions on a row stand in the UPDATE of that very row.
* Time is the database's `now()`; no worker's clock is compared with another's.
* One statement each; the caller commits. They expect READ COMMITTED, which `schema.connect` sets.
"""

from schema.evaluation_jobs.checkpoints import (
    Checkpoint,
    load_checkpoints,
    save_checkpoint,
)
from schema.evaluation_jobs.claiming import (
    CHANNEL,
    attempt_outcome,
    claim,
    done_attempts,
    is_anothers,
    open_attempt,
    renew,
    rescue,
)
from schema.evaluation_jobs.ending import end, finish
from schema.evaluation_jobs.history import (
    Standing,
    deleted_jobs,
    ended_jobs,
    forget,
    standing,
)
from schema.evaluation_jobs.measuring import QueueLoad, measure
from schema.evaluation_jobs.operating import (
    cancel,
    count_jobs,
    enqueue,
    legacy_running,
    list_jobs,
    matching,
    retry,
    show,
    status_of,
)
from schema.evaluation_jobs.pausing import Pause, pause, paused, resume, retry_failed
from schema.evaluation_jobs.values import (
    Attempt,
    EvaluationJob,
    JobDetails,
    JobStatus,
    Outcome,
    Usage,
)

__all__ = [
    "CHANNEL",
    "Attempt",
    "Checkpoint",
    "EvaluationJob",
    "JobDetails",
    "JobStatus",
    "Outcome",
    "Pause",
    "QueueLoad",
    "Standing",
    "Usage",
    "attempt_outcome",
    "cancel",
    "claim",
    "count_jobs",
    "deleted_jobs",
    "done_attempts",
    "end",
    "ended_jobs",
    "enqueue",
    "finish",
    "forget",
    "is_anothers",
    "legacy_running",
    "list_jobs",
    "load_checkpoints",
    "matching",
    "measure",
    "open_attempt",
    "pause",
    "paused",
    "renew",
    "rescue",
    "resume",
    "retry",
    "retry_failed",
    "save_checkpoint",
    "show",
    "standing",
    "status_of",
]
