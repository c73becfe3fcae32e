"""A voice: a pulse train shaped by the formants of vowels, with noise for consonants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.instruments import RATE, Sound, envelope, look_up, wavetable

# Formant frequencies in Hz of an average man (Peterson and Barney, 1952).
VOWELS = {
    "a": (730.0, 1090.0, 2440.0, 3400.0),
    "e": (530.0, 1840.0, 2480.0, 3400.0),
    "i": (270.0, 2290.0, 3010.0, 3500.0),
    "o": (570.0, 840.0, 2410.0, 3300.0),
    "u": (300.0, 870.0, 2240.0, 3300.0),
}
BANDWIDTHS = (80.0, 100.0, 140.0, 220.0)
HIGHEST = 7000.0


@dataclass(frozen=True)
class Singer:
    """Whose voice it is: formants relative to an average man's, and breathiness (0 to 1)."""

    tract: float
    breath: float = 0.03


def formant_gain(frequencies: Sound, vowel: str, tract: float) -> Sound:
    """Return the gain of the vocal tract (linear) at frequencies in Hz."""
    gain = np.ones_like(frequencies)
    for formant, bandwidth in zip(VOWELS[vowel], BANDWIDTHS, strict=True):
        ratio = frequencies / (formant * tract)
        gain /= np.sqrt((1 - ratio**2) ** 2 + (ratio * bandwidth / (formant * tract)) ** 2)
    return gain


def syllable(
    singer: Singer, pitches: tuple[float, float], seconds: float, rng: np.random.Generator
) -> Sound:
    """Return a syllable of about unit RMS that glides from one pitch (Hz) and vowel to another."""
    count = round(seconds * RATE)
    time = np.arange(count) / RATE
    glide = pitches[0] * (pitches[1] / pitches[0]) ** (time / seconds)
    vibrato = 0.35 * np.sin(2 * np.pi * 5.6 * time) * np.clip(4 * (time - 0.2), 0, 1)
    phase = np.cumsum(glide * 2.0 ** (vibrato / 12)) / RATE
    share = np.clip(time / seconds * 2 - 0.5, 0, 1)
    start, end = (
        look_up(_vowel_table(singer, vowel, max(pitches)), phase)
        for vowel in rng.choice(list(VOWELS), size=2)
    )
    voiced = (1 - share) * start + share * end + singer.breath * rng.standard_normal(count)
    sound = voiced * envelope(seconds, 0.04)
    consonant = _consonant(rng)[:count]
    sound[: len(consonant)] += consonant
    return sound


def _vowel_table(singer: Singer, vowel: str, pitch: float) -> Sound:
    k = np.arange(1, max(2, int(HIGHEST / pitch)) + 1)
    # -12 dB an octave from the glottis, +6 from the lips.
    return wavetable(formant_gain(k * pitch, vowel, singer.tract) / k)


def _consonant(rng: np.random.Generator) -> Sound:
    seconds = rng.uniform(0.02, 0.09)
    noise = np.diff(rng.standard_normal(round(seconds * RATE) + 1))
    return 0.35 * rng.random() * noise * envelope(seconds, 0.01)
