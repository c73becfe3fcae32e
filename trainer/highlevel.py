"""The high-level document: what AcousticBrainz stored and served for each recording.

::

    {"highlevel": {<model>: {"all": {<class>: probability}, "probability", "value"}},
     "metadata": {"audio_properties", "tags", "version": {"highlevel", "lowlevel"}}}

Probabilities are doubles as they were computed, not rounded: ``repr``, and so JSON, gives the
shortest decimal that reads back as the same double, and `trainer.inference` computes the same
double for a document whatever it comes with, so that equal results stay equal bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import orjson

from trainer.errors import DocumentError
from trainer.garbage import no_collection
from trainer.inference import ModelSet, program_version
from trainer.models.bundle import Prediction
from trainer.parsing import check_depth, check_size, parse_json
from trainer.wording import shown

EXTRACTOR = "acoustic-workers highlevel"

# What AcousticBrainz's version block has and nothing here is; typed clients ask for each of them.
NOT_USED = dict.fromkeys(("essentia", "essentia_git_sha", "gaia", "gaia_git_sha"), "none")

# AcousticBrainz's models, in the order of its profile.
ACOUSTICBRAINZ_MODELS = (
    "danceability",
    "gender",
    "genre_dortmund",
    "genre_electronic",
    "genre_rosamerica",
    "genre_tzanetakis",
    "ismir04_rhythm",
    "mood_acoustic",
    "mood_aggressive",
    "mood_electronic",
    "mood_happy",
    "mood_party",
    "mood_relaxed",
    "mood_sad",
    "moods_mirex",
    "timbre",
    "tonal_atonal",
    "voice_instrumental",
)


def in_order(names: Iterable[str]) -> list[str]:
    """Sort names of models: AcousticBrainz's in its order, then others by name."""
    place = {name: number for number, name in enumerate(ACOUSTICBRAINZ_MODELS)}
    return sorted(names, key=lambda name: (place.get(name, len(place)), name))


def parse_document(content: bytes | str) -> dict[str, Any]:
    """Parse a low-level document.

    Parameters
    ----------
    content : bytes or str
        JSON, at most 16 MiB; NaN, Infinity and integers of any length are understood.

    Raises
    ------
    DocumentError
        It is no JSON, or no object, or its metadata are nested too deep.
    """
    check_size(content)
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        document = parse_json(content)
    if not isinstance(document, dict):
        raise DocumentError(f"the document is {shown(document)}, not an object of descriptors")
    # Descriptors are looked up where they should be, at any depth of the rest. All of the metadata
    # is copied, and written.
    check_depth(document.get("metadata"))
    return document


def parse_documents(contents: Iterable[bytes | str]) -> list[dict[str, Any] | DocumentError]:
    """Parse a batch of low-level documents, see `parse_document`; each, or why it is none."""

    def parsed(content: bytes | str) -> dict[str, Any] | DocumentError:
        try:
            return parse_document(content)
        except DocumentError as error:
            return error

    with no_collection():
        return [parsed(content) for content in contents]


def version_block(models: ModelSet, merge_values: Mapping[str, str]) -> dict[str, str]:
    """Say what computed a high-level document.

    Parameters
    ----------
    models : ModelSet
    merge_values : mapping of str to str
        What the profile merges into the block, ``models_essentia_git_sha`` among it: the version
        under which AcousticBrainz stores the models. It replaces nothing that is known better.

    Returns
    -------
    dict of str to str
        For ``metadata.version.highlevel``, in order of keys.
    """
    block = {
        **NOT_USED,
        **merge_values,
        "acoustic_workers": program_version(),
        "engine": f"numpy {np.__version__}",
        "essentia_build_sha": models.digest,
        "extractor": EXTRACTOR,
    }
    return dict(sorted(block.items()))


def high_level_document(
    document: Mapping[str, Any],
    predictions: Mapping[str, Prediction],
    version: Mapping[str, str],
) -> dict[str, Any]:
    """Make the high-level document of a recording.

    Parameters
    ----------
    document : mapping
        The low-level document: its tags, audio properties and version are taken over, as they are;
        where the version is that of a high-level document, which some merge with the low-level one,
        what it says of the latter. A number among them that JSON cannot hold (the replay gain of
        silence is infinite) becomes null; a section that is not there is an empty one.
    predictions : mapping of str to Prediction
        By name of the model, in the order in which they appear.
    version : mapping of str to str
        What computed it, see `version_block`.

    Returns
    -------
    dict
        Of nothing but what JSON has.
    """
    metadata = _object(document, "metadata")
    lowlevel = _object(metadata, "version")
    return {
        "highlevel": {name: _output(predicted) for name, predicted in predictions.items()},
        "metadata": {
            "audio_properties": _finite(_object(metadata, "audio_properties")),
            "tags": _finite(_object(metadata, "tags")),
            "version": {
                "highlevel": dict(version),
                "lowlevel": _finite(_object(lowlevel, "lowlevel") or lowlevel),
            },
        },
    }


def _output(prediction: Prediction) -> dict[str, Any]:
    return {
        "all": dict(sorted(prediction.all.items())),
        "probability": prediction.probability,
        "value": prediction.value,
    }


def _object(mapping: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = mapping.get(key)
    return value if isinstance(value, Mapping) else {}


def _finite(value: Any) -> Any:
    """Copy JSON, with null for what is not a number in it."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
