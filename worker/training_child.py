"""The training process: one job from its rows to a bundle, then a file that says how it went.

``python -m worker.training_child`` reads its assignment, a JSON object, from standard input; or it
finds there that it is to wait for one, and makes ready meanwhile. It never writes to the database:
whether its result counts is the parent's to find out. Nothing heavy is imported before it is tied
to its parent's life.
"""

import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from worker.ending import leave
from worker.lifeline import die_with_parent, guard_group

# Progress is for people; a tiny problem takes less than a millisecond.
_PROGRESS_SECONDS = 0.1
_NEEDED = ("worker.telemetry", "worker.training_job", "trainer.dataset", "trainer.training")
_LONGEST_MESSAGE = 2000  # a pipe takes as much at once


def main() -> None:
    """Do the assignment on standard input; the outcome file is there when it is complete."""
    assignment = json.load(sys.stdin)
    die_with_parent(assignment["parent"])
    guard_group(assignment["lifeline"])
    if "go" in assignment:
        assignment |= _awaited(assignment["go"], assignment["orders"])
    _log_for_the_parent(assignment)
    outcome = _outcome(assignment)
    try:
        _hand_over(outcome, Path(assignment["outcome"]))
    except OSError as error:
        # A full disk: what cannot be written there can still be said through the pipe.
        said = outcome.get("message") or _unforeseen(error, assignment)
        os.write(assignment["progress"], _json({"failed": said[:_LONGEST_MESSAGE]}) + b"\n")
        raise


def _log_for_the_parent(assignment: dict[str, Any]) -> None:
    """Log as JSON, whatever people get: the parent reads it, and adds whose it is."""
    from worker import telemetry  # noqa: PLC0415 - the parent's life first

    telemetry.configure("json", assignment.get("log_level", "info"))


def _awaited(go: int, orders: int) -> dict[str, Any]:
    """Import what every job needs, then wait for one."""
    for module in _NEEDED:
        importlib.import_module(module)
    importlib.import_module("trainer.grid.engines").choose_engine("auto")
    if not os.read(go, 1):
        sys.exit()  # nobody is there any more to give one
    os.close(go)
    with open(orders, "rb") as file:
        assignment: dict[str, Any] = json.load(file)
    return assignment


def _hand_over(outcome: dict[str, Any], path: Path) -> None:
    aside = path.with_suffix(".part")
    aside.write_bytes(_json(outcome))
    aside.replace(path)


def _outcome(assignment: dict[str, Any]) -> dict[str, Any]:
    """Do the job and say how it went; what a person has to mend is one sentence."""
    from sqlalchemy.exc import InterfaceError, OperationalError  # noqa: PLC0415

    from schema.errors import InvalidDocument, NotFound  # noqa: PLC0415 - the parent's life first
    from trainer.errors import TrainerError  # noqa: PLC0415
    from worker.host_fault import HostError  # noqa: PLC0415
    from worker.training_job import evaluate  # noqa: PLC0415

    try:
        return {"kind": "done", **evaluate(assignment, _reporter(assignment["progress"]))}
    except (TrainerError, NotFound, InvalidDocument) as error:
        return {"kind": "rejected", "message": str(error)}
    except (OperationalError, InterfaceError) as error:
        return {"kind": "no database", "message": str(error.orig), "traceback": _traceback()}
    except HostError as error:
        return {"kind": "error", "message": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the job's history has to tell it
        said = _unforeseen(error, assignment)
        return {"kind": "error", "message": said, "traceback": _traceback()}


def _unforeseen(error: Exception, assignment: dict[str, Any]) -> str:
    from worker.conclusion import sentence  # noqa: PLC0415 - the parent's life first
    from worker.host_fault import disk_sentence  # noqa: PLC0415

    said = disk_sentence(error, assignment) if isinstance(error, OSError) else None
    return said or sentence(error)


def _reporter(descriptor: int) -> Callable[[Any], None]:
    """Give a callback that writes progress for the parent, not more often than it is of use."""
    os.set_inheritable(descriptor, False)  # noqa: FBT003
    stage, started, written = "", "", 0.0
    known: dict[str, int] = {}  # from checkpoints, by stage

    def report(progress: Any) -> None:
        nonlocal stage, started, written
        now = time.monotonic()
        if progress.stage != stage:
            stage, written = progress.stage, 0.0
            started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        known[stage] = progress.known
        if now - written >= _PROGRESS_SECONDS or progress.done >= progress.total:
            written = now
            line = {"stage": stage, "done": progress.done, "total": progress.total}
            resumed = {"known": known[stage], "resumed": sum(known.values())}
            line |= resumed if resumed["resumed"] else {}
            os.write(descriptor, _json({**line, "started": started}) + b"\n")

    return report


def _traceback() -> str:
    return traceback.format_exc()


def _json(value: Any) -> bytes:
    import orjson  # noqa: PLC0415 - the parent's life first

    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


def _end_of_main() -> int:
    """Give the exit code; an error in one thread of a search leaves others in libsvm."""
    try:
        main()
    except KeyboardInterrupt:  # somebody's `kill -INT`; Ctrl-C does not get here
        return 128 + signal.SIGINT
    except Exception:  # noqa: BLE001 - told as the interpreter itself would
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    leave(_end_of_main())
