"""Draw the attributes of clip number `index` of the corpus with a given seed."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from examples.attributes import KEYS, Attributes, stream
from examples.harmony import PROGRESSIONS
from examples.rhythm import PATTERNS
from examples.styles import BAND, OWN_RHYTHM, STYLES, Style

CLIPS_OF_AN_ARTIST = 4
NEUTRAL = 0.5
BORROWING = 0.06  # share of clips with an instrument from a style that is not theirs


@dataclass(frozen=True)
class Sound:
    """What all clips of an artist share, so that leaving artists out is harder than it looks."""

    brightness: float
    reverb: float
    loudness: float  # dB
    voice: str
    pitch: float  # Hz
    tract: float


@dataclass(frozen=True)
class Mood:
    """Two numbers from 0 to 1 that tie a clip's attributes together."""

    arousal: float
    valence: float


def draw(index: int, seed: int) -> Attributes:
    """Return the attributes of a clip; equal numbers give equal attributes."""
    name, turn = _place(index)
    style, artist = STYLES[name], f"{name}-{turn // CLIPS_OF_AN_ARTIST + 1}"
    rng = stream(seed, index, "attributes")
    sound = _sound(artist, seed)
    mood = Mood(_around(rng, style.arousal, 0.18), _around(rng, style.valence, 0.22))
    return Attributes(
        seed=seed,
        index=index,
        style=name,
        artist=artist,
        **_rhythm(style, turn, mood, rng=rng),
        **_harmony(style, mood, rng),
        **_instruments(style, rng),
        **_timbre(style, mood, sound, rng=rng),
        **_singing(style, sound, rng),
    )


def _place(index: int) -> tuple[str, int]:
    """Return a clip's style, and how many clips of the style come before it."""
    styles = list(OWN_RHYTHM if index % 2 else BAND)
    turn, place = divmod(index // 2, len(styles))
    return styles[place], turn


def _around(rng: np.random.Generator, centre: float, spread: float) -> float:
    return float(np.clip(rng.normal(centre, spread), 0.0, 1.0))


def _pick(rng: np.random.Generator, choices: tuple[str, ...]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _sound(artist: str, seed: int) -> Sound:
    rng = stream(seed, zlib.crc32(artist.encode()), "artist")
    voice = _pick(rng, ("male", "female"))
    female = voice == "female"
    return Sound(
        brightness=float(rng.normal(0, 0.05)),
        reverb=float(rng.normal(0, 0.06)),
        loudness=float(rng.normal(0, 1.0)),
        voice=voice,
        pitch=float(np.exp(rng.normal(np.log(225 if female else 130), 0.14))),
        tract=float(rng.normal(1.17 if female else 1.0, 0.04)),
    )


def _rhythm(style: Style, turn: int, mood: Mood, *, rng: np.random.Generator) -> dict[str, Any]:
    # Dances by turns, not by lot: a class of few recordings is of no use.
    pattern = style.patterns[turn % len(style.patterns)]
    slow, fast = PATTERNS[pattern].tempo
    place = 0.6 * mood.arousal + 0.4 * rng.random()
    return {
        "pattern": pattern,
        "tempo": round(slow + (fast - slow) * place, 2),
        "percussion": _around(rng, style.percussion, 0.1) if style.percussion else 0.0,
        "density": _around(rng, style.density + 0.3 * (mood.arousal - 0.5), 0.12),
        "quirk": _around(rng, 0.75 if rng.random() < style.quirk else 0.1, 0.1),
    }


def _harmony(style: Style, mood: Mood, rng: np.random.Generator) -> dict[str, Any]:
    mode = "major" if rng.normal(mood.valence, 0.12) > NEUTRAL else "minor"
    if rng.random() < style.atonal:
        mode = "atonal"
    choices = PROGRESSIONS[mode]
    return {
        "key": int(rng.integers(len(KEYS))),
        "mode": mode,
        "progression": choices[int(rng.integers(len(choices)))],
    }


def _instruments(style: Style, rng: np.random.Generator) -> dict[str, Any]:
    other = STYLES[_pick(rng, tuple(STYLES))]
    lead, chords = (
        other if rng.random() < BORROWING and name else style for name in ("lead", "chords")
    )
    return {
        "lead": _pick(rng, lead.leads),
        "chords": _pick(rng, chords.chords),
        "bass": _pick(rng, style.basses),
    }


def _timbre(style: Style, mood: Mood, sound: Sound, *, rng: np.random.Generator) -> dict[str, Any]:
    lift = 0.25 * (mood.valence - 0.5) + 0.25 * (mood.arousal - 0.5)
    drive = style.distortion + 0.4 * (mood.arousal - 0.5) if style.distortion else 0.0
    return {
        "weight": _around(rng, style.weight, 0.08),
        "brightness": _around(rng, style.brightness + lift + sound.brightness, 0.09),
        "attack": style.attack * float(np.exp(rng.normal(0.8 * (0.5 - mood.arousal), 0.4))),
        "distortion": _around(rng, drive, 0.1) if style.distortion else 0.0,
        "reverb": _around(rng, style.reverb + sound.reverb, 0.08),
        "loudness": -24.0 + 12.0 * mood.arousal + sound.loudness + float(rng.normal(0, 1.0)),
        "dynamics": _around(rng, style.dynamics, 0.1),
    }


def _singing(style: Style, sound: Sound, rng: np.random.Generator) -> dict[str, Any]:
    return {
        "voice": sound.voice if rng.random() < style.voices else "none",
        "speech": style.speech,
        "pitch": sound.pitch * float(np.exp(rng.normal(0, 0.08))),
        "tract": sound.tract,
        "voice_level": 0.55 + 0.45 * float(rng.random()),
    }
