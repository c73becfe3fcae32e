"""What happens to a whole mix: distortion, tone control, room, dynamics, level."""

from __future__ import annotations

import numpy as np

from examples.instruments import RATE, Sound

PEAK = 0.97  # of full scale; the loudest a clip may get
MIDDLE = 1000.0  # Hz, where the tone control turns


def distort(sound: Sound, amount: float) -> Sound:
    """Overdrive by `amount` (0 = unchanged, 1 = fuzz), keeping the RMS level."""
    rms = np.sqrt(np.mean(sound**2))
    if amount <= 0 or rms == 0:
        return sound
    driven = np.tanh(sound / rms * 10.0 ** (1.6 * amount - 0.5))
    return driven * rms / np.sqrt(np.mean(driven**2))


def tilt(sound: Sound, decibels: float) -> Sound:
    """Raise the treble and lower the bass by `decibels` an octave, within 2.5 octaves of 1 kHz."""
    frequencies = np.fft.rfftfreq(len(sound), 1 / RATE)
    octaves = np.clip(np.log2(np.maximum(frequencies, 1.0) / MIDDLE), -2.5, 2.5)
    spectrum = np.fft.rfft(sound) * 10.0 ** (octaves * decibels / 20)
    tilted: Sound = np.fft.irfft(spectrum, len(sound))
    return tilted


def reverberate(sound: Sound, amount: float, rng: np.random.Generator) -> Sound:
    """Add a room: `amount` 0 = dry, 1 = a church with as much echo as sound."""
    if amount <= 0:
        return sound
    count = round((0.2 + 1.8 * amount) * RATE)
    fade = np.exp(-6.9 * np.arange(count) / count)
    room = rng.standard_normal(count) * fade
    room /= np.sqrt(np.sum(room**2))
    size = len(sound) + count
    wet = np.fft.irfft(np.fft.rfft(sound, size) * np.fft.rfft(room, size), size)[: len(sound)]
    return sound + amount * wet


def swell(sound: Sound, amount: float, rng: np.random.Generator) -> Sound:
    """Let the level rise and fall by up to 24 dB times `amount` over some seconds."""
    knots = rng.uniform(-24 * amount, 0, size=6)
    curve = np.interp(np.linspace(0, 5, len(sound)), np.arange(6), knots)
    return sound * 10.0 ** (curve / 20)


def level(sound: Sound, decibels: float) -> Sound:
    """Bring the RMS to `decibels` below full scale, limiting softly so that nothing clips."""
    rms = np.sqrt(np.mean(sound**2))
    if rms == 0:
        return sound
    return PEAK * np.tanh(sound * 10.0 ** (decibels / 20) / rms / PEAK)
