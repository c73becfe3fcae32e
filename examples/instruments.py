"""Pitched instruments, as wavetables that fade from a bright to a dark spectrum.

Two tables and a fade cost two look-ups a sample however many harmonics there are; summing
sinusoids harmonic by harmonic took ten times longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.floating[Any]]

RATE = 44_100  # samples a second
TABLE = 2048  # samples of a wavetable
HIGHEST = 14_000.0  # Hz; harmonics above are left out, so that nothing aliases
HARMONICS = 40


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """How an instrument sounds."""

    rolloff: float  # harmonic k has amplitude k**-rolloff
    odd: float = 1.0  # amplitude of the even harmonics
    decay: float = 0.0  # seconds to fall to 1/e; 0 = sustained
    attack: float = 1.0  # times the clip's attack
    vibrato: float = 0.0  # semitones
    slide: float = 0.0  # semitones below the note where it begins
    detune: float = 0.0  # cents between two copies
    breath: float = 0.0  # level of the noise under the tone
    modulation: float = 0.0  # index of frequency modulation
    electronic: bool = False


INSTRUMENTS: dict[str, Instrument] = {
    "piano": Instrument(rolloff=1.5, decay=0.9, attack=0.3),
    "guitar": Instrument(rolloff=1.2, decay=0.45, attack=0.2),
    "banjo": Instrument(rolloff=0.8, decay=0.16, attack=0.1),
    "steel": Instrument(rolloff=1.0, decay=1.1, attack=0.2, vibrato=0.25, slide=2.5),
    "fiddle": Instrument(rolloff=0.6, attack=1.8, vibrato=0.3, slide=0.6, breath=0.04),
    "clavinet": Instrument(rolloff=0.4, odd=0.6, decay=0.12, attack=0.1),
    "electric": Instrument(rolloff=0.8, decay=1.6, attack=0.2),
    "strings": Instrument(rolloff=1.1, attack=3.0, vibrato=0.18, detune=6),
    "flute": Instrument(rolloff=2.4, attack=2.0, vibrato=0.15, breath=0.10),
    "clarinet": Instrument(rolloff=1.2, odd=0.15, attack=1.5, breath=0.03),
    "brass": Instrument(rolloff=0.9, attack=1.6, vibrato=0.1),
    "sax": Instrument(rolloff=0.8, odd=0.7, attack=1.2, vibrato=0.22, breath=0.06),
    "accordion": Instrument(rolloff=0.9, odd=0.8, attack=1.5, detune=14),
    "organ": Instrument(rolloff=0.7, odd=0.5, attack=0.6, vibrato=0.08),
    "epiano": Instrument(rolloff=2.0, decay=0.7, attack=0.3, modulation=1.2),
    "acoustic_bass": Instrument(rolloff=1.8, decay=0.5, attack=0.3),
    "finger_bass": Instrument(rolloff=1.2, decay=0.8, attack=0.2),
    "saw": Instrument(rolloff=0.8, attack=0.5, detune=12, electronic=True),
    "square": Instrument(rolloff=0.9, odd=0.0, attack=0.3, electronic=True),
    "pluck": Instrument(rolloff=0.7, decay=0.18, attack=0.1, detune=8, electronic=True),
    "pad": Instrument(rolloff=1.4, attack=12.0, detune=18, electronic=True),
    "bell": Instrument(rolloff=1.0, decay=1.2, attack=0.2, modulation=4.0, electronic=True),
    "stab": Instrument(rolloff=0.8, decay=0.12, modulation=2.0, attack=0.2, electronic=True),
    "sub": Instrument(rolloff=2.6, attack=0.4, electronic=True),
    "acid": Instrument(rolloff=0.6, decay=0.2, attack=0.2, electronic=True),
}


@dataclass(frozen=True)
class Touch:
    """How the notes of a clip are played."""

    brightness: float  # 0 to 1
    attack: float  # seconds
    bend: float = 0.0  # semitones, of an exaggerated vibrato


def wavetable(amplitudes: Sound) -> Sound:
    """Return one period with the given harmonic amplitudes, at unit RMS.

    Phases spread as k squared keep the peaks low, as they are in played sounds.
    """
    k = np.arange(1, len(amplitudes) + 1)
    spectrum = np.zeros(TABLE // 2 + 1, dtype=complex)
    spectrum[k] = amplitudes * np.exp(1j * 0.7 * k**2)
    table: Sound = np.fft.irfft(spectrum, TABLE)
    return table / (np.sqrt(np.mean(table**2)) + 1e-12)


def look_up(table: Sound, phase: Sound) -> Sound:
    """Read a wavetable at phases counted in periods."""
    position = np.mod(phase, 1.0) * TABLE
    left = position.astype(np.int64)
    share = position - left
    return table[left % TABLE] * (1 - share) + table[(left + 1) % TABLE] * share


def envelope(seconds: float, attack: float, decay: float = 0.0) -> Sound:
    """Return a rise over `attack`, an exponential fall (0 = none) and a short release."""
    time = np.arange(round(seconds * RATE)) / RATE
    rise = np.minimum(1.0, time / max(min(attack, 0.7 * seconds), 0.002))
    fall = np.exp(-time / decay) if decay else 1.0
    release = np.minimum(1.0, (seconds - time) / min(0.03, 0.3 * seconds))
    return rise * fall * release


def tone(
    instrument: Instrument,
    frequency: float,
    seconds: float,
    *,
    touch: Touch,
    rng: np.random.Generator,
) -> Sound:
    """Return one note of about unit RMS at its loudest.

    Parameters
    ----------
    frequency : Hz, above 0.
    seconds : length, at least a few milliseconds.
    """
    time = np.arange(round(seconds * RATE)) / RATE
    vibrato = instrument.vibrato * np.sin(2 * np.pi * 5.3 * time) * np.minimum(1, 3 * time)
    bend = touch.bend * np.sin(2 * np.pi * 7.5 * time) - instrument.slide * np.exp(-time / 0.06)
    phase = np.cumsum(frequency * 2.0 ** ((vibrato + bend) / 12)) / RATE + rng.random()
    if instrument.modulation:
        depth = instrument.modulation * (0.3 + touch.brightness) * np.exp(-time / 0.4)
        sound = np.sqrt(2) * np.sin(2 * np.pi * phase + depth * np.sin(4 * np.pi * phase))
    else:
        sound = _fading(instrument, frequency, phase, brightness=touch.brightness)
    if instrument.breath:
        sound = sound + instrument.breath * rng.standard_normal(len(time))
    return sound * envelope(seconds, touch.attack * instrument.attack, instrument.decay)


def _fading(instrument: Instrument, frequency: float, phase: Sound, *, brightness: float) -> Sound:
    k = np.arange(1, max(2, min(HARMONICS, int(HIGHEST / frequency)) + 1))
    slope = instrument.rolloff + 1.1 * (0.5 - brightness)
    amplitudes = k**-slope * np.where(k % 2, 1.0, instrument.odd)
    bright, dark = wavetable(amplitudes), wavetable(amplitudes * k**-0.8)
    fade = np.exp(-np.arange(len(phase)) / RATE / 0.35)
    copies = (1.0,) if not instrument.detune else (1.0, 2.0 ** (instrument.detune / 1200))
    sound = sum(
        fade * look_up(bright, ratio * phase) + (1 - fade) * look_up(dark, ratio * phase)
        for ratio in copies
    )
    return np.asarray(sound) / np.sqrt(len(copies))
