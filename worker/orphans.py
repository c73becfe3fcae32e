"""Files that nobody will ever ask for: what killed workers and demos left behind.

The database is asked after the files were listed, so a file is of an attempt that it knows: one
that is open may still be accepted and its files stay; one that ended otherwise than `done` never
will be. A file of an attempt that this database never saw may belong to another database with the
same folder; it is told of, and left alone.
"""

import fcntl
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from schema import evaluation_jobs
from worker.attempt_folder import leftovers
from worker.model_store import ModelStore

# Longer than anything takes from making a file or folder to using it.
_SECONDS = 600.0

_TEMPORARY = re.compile(r"acoustic-(?:(?:demo|bench|tests)-)?[a-z0-9_]{8}")


@dataclass(frozen=True)
class Orphan:
    """A file or folder that can go.

    Attributes
    ----------
    path
        Where it is.
    why
        What it is, in a few words.
    stranger
        Whether this database knows nothing of it: it is not removed.
    """

    path: Path
    why: str
    stranger: bool = False

    def remove(self) -> None:
        """Remove it; that it is gone already is fine."""
        if self.path.is_dir() and not self.path.is_symlink():
            shutil.rmtree(self.path)
        else:
            self.path.unlink(missing_ok=True)


def orphans(connection: Connection, model_dir: Path, project_dir: Path) -> Iterator[Orphan]:
    """Find what can go; `connection` is only read from."""
    yield from _bundles(connection, ModelStore(model_dir))
    for path in model_dir.glob("published/.*.part"):
        if _is_old(path):
            yield Orphan(path, "half a copy of a published model")
    for folder in leftovers(project_dir):
        yield Orphan(folder.path, "working files of a worker that was killed")
    yield from _temporary()


def _bundles(connection: Connection, store: ModelStore) -> Iterator[Orphan]:
    files = store.files()
    wanted = {(job, attempt) for job, attempt, _ in files}
    standings = {
        (found.job_id, found.attempt): found
        for found in evaluation_jobs.standing(connection, wanted)
    }
    for job, attempt, path in files:
        found = standings[job, attempt]
        whole = path.suffix in {".model", ".html"}
        if not found.known and not found.accepted:
            yield Orphan(path, "of an attempt that this database does not know", stranger=True)
        elif not found.open and not (found.accepted and whole):
            what = "a bundle whose result was not accepted, or was replaced"
            yield Orphan(path, what if whole else "half a bundle")


def _temporary() -> Iterator[Orphan]:
    """Find what servers of our own left in the folder for temporary files."""
    for path in Path(tempfile.gettempdir()).glob("acoustic-*"):
        with suppress(OSError):  # gone meanwhile, or somebody else's
            if _TEMPORARY.fullmatch(path.name) and _is_ours(path) and _is_old(path):
                logs = list(path.glob("**/postgres-*.log")) if "-" in path.name[9:] else []
                if logs and all(map(_is_free, logs)):
                    yield Orphan(path, "data of a demo that was killed")
                elif not logs and _is_dead_socket_folder(path):
                    yield Orphan(path, "the socket of a server that was killed")


def _is_ours(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and os.geteuid() in (0, path.stat().st_uid)


def _is_old(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime > _SECONDS


def _is_free(log: Path) -> bool:
    """Whether no server runs: each of its processes holds this lock, see `worker.embedded`."""
    with log.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _is_dead_socket_folder(path: Path) -> bool:
    names = {entry.name for entry in path.iterdir()}
    if not all(name.startswith(".s.PGSQL.") for name in names):
        return False
    sockets = [path / name for name in names if not name.endswith(".lock")]
    return not any(map(_answers, sockets))


def _answers(path: Path) -> bool:
    with closing(socket.socket(socket.AF_UNIX)) as client:
        try:
            client.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError:  # nobody knows: a path that is too long, say; leave it
            return True
    return True
