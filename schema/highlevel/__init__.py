"""
The high-level queue: recordings whose outputs may be missing, and what is written for them.

A row comes in by a trigger on `lowlevel_json`, by the sweep, by a backfill or by hand. It leaves
when it lacks nothing, or stays with a reason::

    INSERT --> new --claim_new, commit--> tried --lock ... write, commit--> (deleted)
                ^                         ^   |
                |                         |   '--fail, exhaust--> failed
                '--------give_back--------'   (set_aside: tried)    |
                '-------------------------retry---------------------'

Computing takes tenths of a second, so a claim is a row lock, held by one transaction from the
reading of the documents to the writing of their outputs: whoever dies leaves nothing behind, and
there is no lease to renew. A document that ends its process would take its own attempt with it,
therefore attempts are counted and committed before, and what has an attempt behind it is taken
alone.

What all statements hold to:

* The lock on its row in the queue says whose a recording is. What it has already is read after the
  lock, in a statement of its own, so that the outputs of the last who held it are seen.
* Between commit and lock, `retry_at` keeps others away, and `worker` says whose attempt it is: who
  comes late finds another name there and lets go.
* Lock order is queue, then highlevel, then its children; ids ascending where several are locked.
* Time is the database's `now()`. The caller commits. READ COMMITTED, which `schema.connect` sets.
"""

from schema.highlevel.claiming import (
    CHANNEL,
    claim_again,
    claim_new,
    give_back,
    lock,
    read,
    set_aside,
)
from schema.highlevel.operating import (
    MOST_COUNTED,
    backlog,
    list_failed,
    retry,
    retry_all,
    retry_refused,
    submissions,
)
from schema.highlevel.reading import document_of
from schema.highlevel.sweeping import backfill, has_sweep, restore_sweep, sweep
from schema.highlevel.values import Backlog, FailedRecording, Outputs, Pass, Recording
from schema.highlevel.writing import dismiss, exhaust, fail, leave, put_off, write

__all__ = [
    "CHANNEL",
    "MOST_COUNTED",
    "Backlog",
    "FailedRecording",
    "Outputs",
    "Pass",
    "Recording",
    "backfill",
    "backlog",
    "claim_again",
    "claim_new",
    "dismiss",
    "document_of",
    "exhaust",
    "fail",
    "give_back",
    "has_sweep",
    "leave",
    "list_failed",
    "lock",
    "put_off",
    "read",
    "restore_sweep",
    "retry",
    "retry_all",
    "retry_refused",
    "set_aside",
    "submissions",
    "sweep",
    "write",
]
