"""From sound to a low-level document, by Essentia's MusicExtractor.

Today's extractor ("music 2.0") writes another set of descriptors than the "music 1.0" of
AcousticBrainz. The documents have the layout of music 1.0, made up as follows:

* 455 descriptors have the same names in both and are taken over as they are, with the statistics
  of music 1.0 asked for in the extractor's constructor.
* `rhythm.bpm_histogram_{first,second}_peak_{bpm,weight,spread}` were summarised in music 1.0 like
  frame values although there is one of each: mean, median, min and max are the value, the other
  statistics 0. The values come from running BpmHistogramDescriptors on the beat intervals: the
  extractor stores the spread of the first peak under the name of its weight.
* `tonal.key_{key,scale,strength}` is the estimate with Temperley's profile, one of today's three.
* The other descriptors of music 2.0 are dropped.

Equal layout is not equal values: several algorithms changed between the versions. Models of
AcousticBrainz run on these documents, but their outputs mean little.
"""

from __future__ import annotations

import hashlib
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from examples.instruments import RATE, Sound
from examples.layout import BEATS, STATISTICS, music_1_0

EXTRACTOR = "music 2.0 in the layout of music 1.0"
DIGITS = 6  # significant ones that are kept
CONSTANT = ("max", "mean", "median", "min")  # statistics that are the value where there is one

# metadata.audio_properties of music 1.0 and where the extractor has them now.
PROPERTIES = {
    "analysis_sample_rate": "analysis.sample_rate",
    "bit_rate": "bit_rate",
    "codec": "codec",
    "downmix": "analysis.downmix",
    "equal_loudness": "analysis.equal_loudness",
    "length": "length",
    "md5_encoded": "md5_encoded",
    "replay_gain": "replay_gain",
}


def write_wave(path: Path, sound: Sound) -> None:
    """Write mono samples (-1 to 1) as 16-bit PCM."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.round(sound * 32_767).astype("<i2").tobytes())


def extract(path: Path) -> dict[str, Any]:
    """Return the low-level document of an audio file; `metadata.tags` is empty.

    Needs the `essentia` extra, and a file that is not silent.
    """
    import essentia  # noqa: PLC0415 - AGPL, an extra: only those who regenerate need it

    essentia.log.infoActive = essentia.log.warningActive = False
    from essentia.standard import MusicExtractor  # noqa: PLC0415

    names = [*STATISTICS]
    extractor = MusicExtractor(lowlevelStats=names, rhythmStats=names, tonalStats=names)
    pool, _ = extractor(str(path))
    found = {name: pool[name] for name in pool.descriptorNames()}
    found |= _bpm_peaks(found[BEATS])
    for value in ("key", "scale", "strength"):
        found[f"tonal.key_{value}"] = found[f"tonal.key_temperley.{value}"]
    document = _nested({name: _plain(found[name]) for name in music_1_0()})
    document["metadata"] = _metadata(found)
    return document


def _bpm_peaks(beats: Sound) -> dict[str, float]:
    from essentia.standard import BpmHistogramDescriptors  # noqa: PLC0415 - as above

    values = BpmHistogramDescriptors()(np.diff(beats).astype(np.float32))
    names = [
        f"rhythm.bpm_histogram_{place}_peak_{value}"
        for place in ("first", "second")
        for value in ("bpm", "weight", "spread")
    ]
    return {
        f"{name}.{statistic}": value if statistic in CONSTANT else 0.0
        for name, value in zip(names, values, strict=False)
        for statistic in STATISTICS
    }


def _plain(value: Any) -> Any:
    """Return numbers rounded, whole ones as integers (as Essentia itself writes them)."""
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray | list):
        return [_plain(item) for item in value]
    rounded = float(f"{float(value):.{DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded


def _nested(values: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        inner = document
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[last] = value
    return document


def _metadata(found: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        name: _plain(found[f"metadata.audio_properties.{source}"])
        for name, source in PROPERTIES.items()
    }
    version = {
        "essentia": found["metadata.version.essentia"],
        "essentia_build_sha": _build_sha(),
        "essentia_git_sha": found["metadata.version.essentia_git_sha"],
        "extractor": EXTRACTOR,
        "generator": "acoustic-workers examples",
    }
    return {"audio_properties": {**properties, "lossless": True}, "tags": {}, "version": version}


def _build_sha() -> str:
    """Return the SHA-1 of the compiled library, as the extractor's binary had it in music 1.0."""
    from essentia import _essentia  # noqa: PLC0415 - as above

    return hashlib.sha1(Path(_essentia.__file__).read_bytes(), usedforsecurity=False).hexdigest()
