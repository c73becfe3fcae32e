"""Low-level documents of files, checked and flattened, by the id of their recording."""

from __future__ import annotations

import os
from collections.abc import Callable, Container
from pathlib import Path
from typing import Any

from trainer.descriptors import LowLevel, flatten
from trainer.documents import read_documents
from trainer.errors import DocumentError


def load_documents(
    *paths: str | os.PathLike[str],
    wanted: Container[str] | None = None,
    loaded: Callable[[int], None] = lambda _: None,
) -> dict[str, LowLevel]:
    """Load low-level documents into memory.

    Parameters
    ----------
    *paths : path-like
        Folders, ``.jsonl`` files, single documents; see `trainer.documents.read_documents`.
    wanted : container of str, optional
        Ids to load, such as `GroundTruth.class_of`; all by default. Others are not looked at.
    loaded : callable, optional
        Told after each document how many there are.

    Returns
    -------
    dict of str to LowLevel
        In the order of the files.

    Raises
    ------
    DocumentError
        A file cannot be read, is no low-level document, or a recording is there twice.
    """
    documents: dict[str, LowLevel] = {}
    for recording, document in read_documents([Path(path) for path in paths], wanted=wanted):
        documents[recording] = _flattened(recording, document)
        loaded(len(documents))
    return documents


def _flattened(recording: str, document: Any) -> LowLevel:
    try:
        return flatten(document)
    except DocumentError as error:
        raise DocumentError(f"recording {recording}: {error}") from error
