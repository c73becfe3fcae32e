"""Percussion: short noises and falling sines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.instruments import RATE, Sound


@dataclass(frozen=True, kw_only=True)
class Drum:
    """A struck sound: a tone that falls in pitch, and a band of noise."""

    seconds: float
    decay: float  # of both parts, seconds to 1/e
    tone: float = 0.0  # Hz; 0 = noise only
    fall: float = 1.0  # pitch at the stroke relative to `tone`
    noise: float = 0.0  # share of noise, 0 to 1
    low: float = 0.0  # Hz, band of the noise
    high: float = 16_000.0
    scrape: float = 0.0  # Hz, rattling of the noise
    level: float = 1.0


DRUMS: dict[str, Drum] = {
    "kick": Drum(seconds=0.35, decay=0.11, tone=52, fall=3.5, noise=0.03, level=1.5),
    "surdo": Drum(seconds=0.6, decay=0.25, tone=70, fall=1.4, noise=0.02, level=1.3),
    "snare": Drum(seconds=0.25, decay=0.07, tone=185, fall=1.3, noise=0.7, low=900, high=9000),
    "brush": Drum(seconds=0.2, decay=0.08, noise=1, low=2500, high=11_000, level=0.5),
    "rim": Drum(seconds=0.08, decay=0.02, tone=820, noise=0.3, low=1500, high=6000, level=0.7),
    "clap": Drum(seconds=0.22, decay=0.06, noise=1, low=700, high=5000, scrape=90, level=0.9),
    "hat": Drum(seconds=0.08, decay=0.025, noise=1, low=7000, level=0.45),
    "open_hat": Drum(seconds=0.3, decay=0.13, noise=1, low=6000, level=0.5),
    "ride": Drum(seconds=0.5, decay=0.22, tone=5100, noise=0.6, low=4500, level=0.4),
    "shaker": Drum(seconds=0.12, decay=0.04, noise=1, low=4500, high=10_000, level=0.7),
    "guiro": Drum(seconds=0.25, decay=0.14, noise=1, low=2500, high=7000, scrape=70, level=0.6),
    "cowbell": Drum(seconds=0.3, decay=0.09, tone=560, noise=0.1, low=800, high=3000, level=0.7),
    "triangle": Drum(seconds=0.8, decay=0.35, tone=4300, level=0.5),
    "bongo": Drum(seconds=0.15, decay=0.05, tone=430, fall=1.1, noise=0.1, high=4000, level=0.9),
    "castanet": Drum(seconds=0.06, decay=0.015, tone=1700, noise=0.4, low=2000, level=0.9),
    "agogo": Drum(seconds=0.3, decay=0.1, tone=920, noise=0.05, low=900, high=4000, level=0.6),
    "clave": Drum(seconds=0.12, decay=0.03, tone=2500, level=0.8),
    "conga": Drum(seconds=0.3, decay=0.09, tone=240, fall=1.2, noise=0.08, high=2500, level=0.9),
}


def stroke(drum: Drum, *, tuning: float, rng: np.random.Generator) -> Sound:
    """Return one stroke at peak level `drum.level`, its pitches multiplied by `tuning`."""
    time = np.arange(round(drum.seconds * RATE)) / RATE
    fade = np.exp(-time / drum.decay) * np.minimum(1, time / 0.001)
    sound = np.zeros_like(time)
    if drum.tone:
        pitch = tuning * drum.tone * (1 + (drum.fall - 1) * np.exp(-time / 0.03))
        sound += (1 - drum.noise) * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    if drum.noise:
        sound += drum.noise * _band(rng.standard_normal(len(time)), drum, tuning)
    if drum.scrape:
        sound *= 0.5 + 0.5 * np.sign(np.sin(2 * np.pi * drum.scrape * time))
    sound *= fade
    return drum.level * sound / np.abs(sound).max()


def _band(noise: Sound, drum: Drum, tuning: float) -> Sound:
    spectrum = np.fft.rfft(noise)
    frequencies = np.fft.rfftfreq(len(noise), 1 / RATE)
    spectrum[(frequencies < tuning * drum.low) | (frequencies > tuning * drum.high)] = 0
    band: Sound = np.fft.irfft(spectrum, len(noise))
    return band / (np.abs(band).max() + 1e-12)
