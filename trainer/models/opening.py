"""A model from a file, whatever kind of model file that is."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from trainer.errors import ModelError
from trainer.models import gaia_history
from trainer.models.bundle import Model
from trainer.regular_files import open_regular


def open_model(
    path: str | os.PathLike[str], *, name: str | None = None, sha256: str | None = None
) -> Model:
    """Load a bundle, or a history of Gaia, told apart by their first bytes.

    Parameters
    ----------
    path : path-like
    name : str, optional
        Rename the model. Otherwise a bundle has the name that is in it, and a history, which has
        none, its file's name without ``.history``.
    sha256 : str, optional
        What the file must hash to.

    Raises
    ------
    ModelError
        The file cannot be read, is no model, is damaged, or is another than expected.
    """
    path = Path(path)
    if _first_bytes(path) == gaia_history.MAGIC:
        return gaia_history.load_history(path, name=name, sha256=sha256)
    try:
        model = Model.load(path, sha256=sha256)
    except ModelError:
        if path.name.lower().endswith(gaia_history.SUFFIX):  # it is to say what became of it
            return gaia_history.load_history(path, name=name, sha256=sha256)
        raise
    return model if name is None else replace(model, name=name)


def _first_bytes(path: Path) -> bytes:
    try:
        with open_regular(path) as stream:
            return stream.read(len(gaia_history.MAGIC))
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}") from error
