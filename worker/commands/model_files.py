"""Models by the paths that a person gives: files, folders of them, a profile."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.errors import ModelError
from worker.profile import read_profile

if TYPE_CHECKING:
    from trainer.inference import ModelSet

PROFILES = {".yaml", ".yml", ".conf"}
MODELS = {".history", ".model"}


def load_model_set(paths: Sequence[Path]) -> "ModelSet":
    """Load models.

    Parameters
    ----------
    paths
        One profile, which decides the order; or model files and folders of ``.history`` and
        ``.model`` files, and then AcousticBrainz's order.

    Raises
    ------
    ModelError
        A file is no intact model, two models have the same name, or there is none.
    worker.settings.SettingsError
        The profile is wrong, or its models cannot be opened.
    """
    # Imported here, because SciPy takes a second.
    from trainer.highlevel import in_order  # noqa: PLC0415
    from trainer.inference import ModelSet  # noqa: PLC0415
    from trainer.models.opening import open_model  # noqa: PLC0415

    profiles = [path for path in paths if path.suffix in PROFILES]
    if profiles:
        if len(paths) > 1:
            raise ModelError(f"{profiles[0]} is a profile: give it alone, or give models")
        return read_profile(profiles[0]).load()
    models = [open_model(file) for file in _files(paths)]
    place = {name: number for number, name in enumerate(in_order(model.name for model in models))}
    return ModelSet(tuple(sorted(models, key=lambda model: place[model.name])))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = sorted(file for file in path.iterdir() if file.suffix in MODELS)
        if not found:
            raise ModelError(f"{path} holds no model: no file that ends in .history or .model")
        yield from found
