"""Reports of evaluations that lie in files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from trainer.errors import DocumentError
from trainer.regular_files import read_regular

_HISTORY = bytes.fromhex("6AEA723D")
_FROM = "acoustic train and acoustic evaluate write reports, by --report"
MOST_BYTES = 2**30  # with the predictions of every combination a report is large


def read_report(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a report that `acoustic train --report` or `acoustic evaluate --report` wrote.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    DocumentError
        The file cannot be read, or holds no JSON object.
    """
    try:
        content = read_regular(Path(path), MOST_BYTES)
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror or error}") from error
    try:
        document = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{path} is no report: {_what(content, error)}; {_FROM}") from error
    if not isinstance(document, dict):
        raise DocumentError(f"{path} is no report: it is not a JSON object; {_FROM}")
    return document


def _what(content: bytes, error: Exception) -> str:
    # A bundle begins with the length of its header in eight bytes, some of which are 0.
    if content.startswith(_HISTORY) or (content[8:9] == b"{" and b"\0" in content[:8]):
        return "it is a model"
    # Of bytes that are no text Python would tell by its own words for them.
    return "it is not JSON" if isinstance(error, UnicodeError) else f"it is not JSON ({error})"
