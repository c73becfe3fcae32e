"""What one clip of the example corpus sounds like, as plain data.

Everything that follows (the sound, the labels, the tags) is a pure function of an `Attributes`
value, so a clip is never described by anything but its attributes.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

MODES = ("major", "minor", "atonal")
VOICES = ("none", "male", "female")
KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True, kw_only=True)
class Attributes:
    """A clip, fully described. Ranges are inclusive; shares and amounts run from 0 to 1."""

    seed: int  # of the corpus
    index: int  # place in the corpus, from 0
    style: str  # a key of `examples.styles.STYLES`
    artist: str  # style and number, as in "jazz-2"
    pattern: str  # a key of `examples.rhythm.PATTERNS`: metre, percussion, accompaniment
    tempo: float  # beats per minute
    key: int  # 0 = C … 11 = B
    mode: str  # one of MODES
    progression: tuple[int, ...]  # a scale degree per bar, 0 = tonic; repeated
    lead: str  # keys of `examples.instruments.INSTRUMENTS`
    chords: str
    bass: str
    brightness: float  # 0 dark … 1 bright
    attack: float  # seconds until a note is at its loudest
    distortion: float
    percussion: float  # level of the drums; 0 = none
    weight: float  # level of the bass
    voice: str  # one of VOICES
    speech: bool  # the voice speaks instead of singing
    pitch: float  # the voice's middle pitch, Hz
    tract: float  # formant frequencies relative to an average man's
    voice_level: float
    reverb: float
    loudness: float  # RMS level, dB relative to full scale
    dynamics: float  # how far the level swells and falls
    density: float  # share of the possible melody notes that sound
    quirk: float  # leaps, staccato, bent and chromatic notes


def stream(seed: int, number: int, purpose: str) -> np.random.Generator:
    """Return the random stream for one purpose of one clip.

    Purposes have streams of their own, so that a change to one part (say, the drums) leaves all
    other parts of all clips as they were.
    """
    return np.random.default_rng([seed, number, zlib.crc32(purpose.encode())])
