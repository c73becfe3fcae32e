"""Scales, chords and melodies, as MIDI note numbers (69 = A at 440 Hz, fractions allowed)."""

from __future__ import annotations

import numpy as np

from examples.attributes import Attributes

SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
PROGRESSIONS = {
    "major": ((0, 3, 4, 0), (0, 5, 3, 4), (0, 4, 5, 3), (0, 0, 3, 4), (0, 3, 0, 4)),
    "minor": ((0, 3, 4, 0), (0, 5, 2, 6), (0, 6, 5, 4), (0, 5, 3, 4), (0, 0, 5, 6)),
}
PROGRESSIONS["atonal"] = PROGRESSIONS["minor"]
BASS_OCTAVE, CHORD_OCTAVE, LEAD_OCTAVE = 36, 57, 69
OCTAVE = 12


def frequency(note: float) -> float:
    """Return the frequency in Hz of a MIDI note number."""
    return float(440.0 * 2.0 ** ((note - 69.0) / OCTAVE))


def degree(attributes: Attributes, number: int) -> int:
    """Return the semitones above C of a scale degree; degrees past the octave go on upwards."""
    scale = SCALES[attributes.mode]
    octave, place = divmod(number, len(scale))
    return attributes.key + scale[place] + OCTAVE * octave


def chord(attributes: Attributes, bar: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Return the notes of the bar's chord, bass first.

    Atonal clips have a cluster of quarter tones instead, whose sum of intervals no key explains.
    """
    if attributes.mode == "atonal":
        cluster = np.sort(rng.choice(np.arange(0.0, OCTAVE * 1.5, 0.5), size=4, replace=False))
        return (BASS_OCTAVE + float(rng.integers(0, OCTAVE)), *(CHORD_OCTAVE + cluster).tolist())
    root = attributes.progression[bar % len(attributes.progression)]
    triad = [degree(attributes, root + third) % OCTAVE for third in (0, 2, 4)]
    return (BASS_OCTAVE + triad[0], *(CHORD_OCTAVE - 9 + float(note) for note in triad))


def melody_note(
    attributes: Attributes, previous: int, rng: np.random.Generator
) -> tuple[int, float]:
    """Walk on from scale degree `previous`; return the new degree and its note."""
    reach = 2 + round(5 * attributes.quirk)
    number = int(np.clip(previous + rng.integers(-reach, reach + 1), -3, 9))
    if attributes.mode == "atonal":
        return number, LEAD_OCTAVE + float(rng.integers(-8, 28)) / 2
    note = LEAD_OCTAVE - 9 + degree(attributes, number) - OCTAVE * (attributes.key // 7)
    if rng.random() < 0.3 * attributes.quirk:
        note += 1
    return number, float(note)
