"""The example corpus: 240 synthetic clips as low-level documents, and labels for 18 tasks.

Read-only; `python -m examples` makes it anew (see README.md).
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

__all__ = ["documents", "ground_truth", "tasks"]


def documents() -> Path:
    """Return the file of low-level documents: JSON lines, gzipped, ``{"id", "document"}`` each."""
    return _folder() / "lowlevel.jsonl.gz"


def ground_truth(name: str) -> Path:
    """Return the JSON file ``{"name", "classes": {class: [ids]}}`` of a task.

    Raises
    ------
    KeyError : there is no such task.
    """
    if name not in tasks():
        raise KeyError(f"No example task is called {name!r}; there are: {', '.join(tasks())}")
    return _folder() / "ground_truth" / f"{name}.json"


def tasks() -> tuple[str, ...]:
    """Return the names of the tasks, in ascending order."""
    return tuple(sorted(path.stem for path in (_folder() / "ground_truth").glob("*.json")))


def _folder() -> Path:
    # Wheels of this project are installed as plain files, never run from a zip archive.
    return Path(str(files("examples")))
