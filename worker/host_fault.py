"""What is wrong with this computer and not with a job, said for a person who can mend it."""

import errno
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_NO_ROOM = "make room there"
_NO_RIGHT = "let the evaluator's user write there"
_REMEDIES = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EROFS: "make it writable",
    errno.EIO: "check the disk",
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
}
_REMEDY = "see that the evaluator can read and write there"


class HostError(Exception):
    """The evaluator's computer has to change; the message says how. It ends no job for good."""


def disk_sentence(error: OSError, assignment: Mapping[str, Any]) -> str | None:
    """Say where a disk failed and what to do.

    Parameters
    ----------
    error
        What the system reported.
    assignment
        That of the training process, which names the folders that it writes to.

    Returns
    -------
    str or None
        One sentence; `None` when the error is not about a file.
    """
    if error.filename is not None and not isinstance(error.filename, int):
        where = f"at {os.fsdecode(error.filename)}"
    elif error.errno in _REMEDIES:
        # A write says no more than this: only opening names the file.
        models, projects = Path(assignment["model_dir"]), Path(assignment["project_dir"])
        where = f"while working below {models} or {projects}"
    else:
        return None
    remedy = _REMEDIES.get(error.errno or 0, _REMEDY)
    again = "the job is tried again while it has attempts left"
    return f"{error.strerror or type(error).__name__} {where}: {remedy}; {again}"
