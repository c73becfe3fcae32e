"""Reports of evaluations that lie in files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from trainer.errors import DocumentError
from trainer.regular_files import read_regular

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
        document = json.loads(read_regular(Path(path), MOST_BYTES))
    except OSError as error:
        raise DocumentError(f"{path} cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"{path} is no report: it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise DocumentError(f"{path} is no report: it is not a JSON object")
    return document
