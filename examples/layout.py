"""The layout of Essentia's "music 1.0" documents: 512 descriptors and their shapes.

It is the layout of AcousticBrainz's low-level data, and what its models were trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

STATISTICS = ("dmean", "dmean2", "dvar", "dvar2", "max", "mean", "median", "min", "var")
BEATS = "rhythm.beats_position"  # the one descriptor whose length differs between recordings

_BANDS = ("barkbands", "erbbands", "melbands")
_SHAPES_OF_BANDS = ("crest", "flatness_db", "kurtosis", "skewness", "spread")
_SPECTRAL = (
    "centroid",
    "complexity",
    "decrease",
    "energy",
    "energyband_high",
    "energyband_low",
    "energyband_middle_high",
    "energyband_middle_low",
    "entropy",
    "flux",
    "kurtosis",
    "rms",
    "rolloff",
    "skewness",
    "spread",
    "strongpeak",
)
_PEAKS = tuple(
    f"bpm_histogram_{place}_peak_{value}"
    for place in ("first", "second")
    for value in ("bpm", "spread", "weight")
)

# Descriptors that have all STATISTICS, and their shapes.
SUMMARISED: dict[str, tuple[int, ...]] = {
    "lowlevel.barkbands": (27,),
    "lowlevel.erbbands": (40,),
    "lowlevel.melbands": (40,),
    **{f"lowlevel.{band}_{shape}": () for band in _BANDS for shape in _SHAPES_OF_BANDS},
    **{f"lowlevel.spectral_{name}": () for name in _SPECTRAL},
    "lowlevel.spectral_contrast_coeffs": (6,),
    "lowlevel.spectral_contrast_valleys": (6,),
    "lowlevel.dissonance": (),
    "lowlevel.hfc": (),
    "lowlevel.pitch_salience": (),
    "lowlevel.silence_rate_20dB": (),
    "lowlevel.silence_rate_30dB": (),
    "lowlevel.silence_rate_60dB": (),
    "lowlevel.zerocrossingrate": (),
    "rhythm.beats_loudness": (),
    "rhythm.beats_loudness_band_ratio": (6,),
    **{f"rhythm.{peak}": () for peak in _PEAKS},
    "tonal.chords_strength": (),
    "tonal.hpcp": (36,),
    "tonal.hpcp_entropy": (),
}
# Numbers of which there is one for the whole recording.
SINGLE: dict[str, tuple[int, ...]] = {
    "lowlevel.average_loudness": (),
    "lowlevel.dynamic_complexity": (),
    **{f"lowlevel.{name}.mean": (13,) for name in ("gfcc", "mfcc")},
    **{
        f"lowlevel.{name}.{matrix}": (13, 13)
        for name in ("gfcc", "mfcc")
        for matrix in ("cov", "icov")
    },
    "rhythm.beats_count": (),
    BEATS: (-1,),
    "rhythm.bpm": (),
    "rhythm.danceability": (),
    "rhythm.onset_rate": (),
    "tonal.chords_changes_rate": (),
    "tonal.chords_histogram": (24,),
    "tonal.chords_number_rate": (),
    "tonal.key_strength": (),
    "tonal.thpcp": (36,),
    "tonal.tuning_diatonic_strength": (),
    "tonal.tuning_equal_tempered_deviation": (),
    "tonal.tuning_frequency": (),
    "tonal.tuning_nontempered_energy_ratio": (),
}
TEXTS = ("tonal.chords_key", "tonal.chords_scale", "tonal.key_key", "tonal.key_scale")


@dataclass(frozen=True)
class Shape:
    """Lengths of a descriptor's lists, outermost first; () = a single value, -1 = any length."""

    lengths: tuple[int, ...]
    text: bool = False


def music_1_0() -> dict[str, Shape]:
    """Return the shape of each of the 512 descriptors, by full name, in ascending order."""
    shapes = {
        f"{name}.{statistic}": Shape(lengths)
        for name, lengths in SUMMARISED.items()
        for statistic in STATISTICS
    }
    shapes |= {name: Shape(lengths) for name, lengths in SINGLE.items()}
    shapes |= {name: Shape((), text=True) for name in TEXTS}
    return dict(sorted(shapes.items()))


def shapes_of(document: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the shapes found in a low-level document, outside its metadata."""
    found = {}
    pending: list[tuple[str, Any]] = [
        (name, value) for name, value in document.items() if name != "metadata"
    ]
    while pending:
        name, value = pending.pop()
        if isinstance(value, Mapping):
            pending += [(f"{name}.{part}", inner) for part, inner in value.items()]
        else:
            found[name] = _shape(name, value)
    return dict(sorted(found.items()))


def _shape(name: str, value: Any) -> Shape:
    lengths = []
    while isinstance(value, list):
        lengths.append(-1 if name == BEATS else len(value))
        value = value[0] if value else 0.0
    return Shape(tuple(lengths), text=isinstance(value, str))
