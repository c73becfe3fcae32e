"""From attributes to sound: a pure function."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from examples import effects
from examples.attributes import Attributes, stream
from examples.drums import DRUMS, stroke
from examples.harmony import chord, frequency, melody_note
from examples.instruments import INSTRUMENTS, RATE, Sound, Touch, tone
from examples.rhythm import PATTERNS, Pattern
from examples.voice import Singer, syllable

SECONDS = 16.0
TILT = 7.0  # dB an octave between the darkest and the brightest clip
FAST = 150.0  # beats per minute from which a tune moves in whole beats
HIT = 0.97  # share of the written strokes that a drummer plays
SILENT = 0.02  # levels below are left out


@dataclass(frozen=True)
class Score:
    """What the parts have in common while a clip is rendered."""

    attributes: Attributes
    pattern: Pattern
    beat: float  # seconds
    chords: tuple[tuple[float, ...], ...]  # of each bar, bass first
    seconds: float  # of the whole clip

    @property
    def bar(self) -> float:
        """Seconds of a bar."""
        return self.beat * self.pattern.beats

    @property
    def touch(self) -> Touch:
        """Return how its notes are played."""
        return Touch(self.attributes.brightness, self.attributes.attack)

    def track(self) -> Sound:
        """Return silence as long as the clip."""
        return np.zeros(round(self.seconds * RATE))

    def rng(self, part: str) -> np.random.Generator:
        """Return the random stream of one part."""
        return stream(self.attributes.seed, self.attributes.index, part)


def render(attributes: Attributes, *, seconds: float = SECONDS) -> Sound:
    """Render a clip.

    Returns
    -------
    Mono samples at 44.1 kHz, within -1 and 1; equal attributes give equal samples.
    """
    score = _score(attributes, seconds)
    band = _accompaniment(score) + _lead(score)
    mix: Sound = effects.distort(band, attributes.distortion) + _percussion(score) + _voice(score)
    mix = effects.tilt(mix, TILT * (attributes.brightness - 0.5))
    mix = effects.reverberate(mix, attributes.reverb, score.rng("room"))
    mix = effects.swell(mix, attributes.dynamics, score.rng("swell"))
    hiss = 1e-4 * score.rng("hiss").standard_normal(len(mix))
    return effects.level(mix, attributes.loudness) + hiss


def _score(attributes: Attributes, seconds: float) -> Score:
    pattern = PATTERNS[attributes.pattern]
    beat = 60.0 / attributes.tempo
    rng = stream(attributes.seed, attributes.index, "harmony")
    bars = int(seconds / (beat * pattern.beats)) + 1
    chords = tuple(chord(attributes, bar, rng) for bar in range(bars))
    return Score(attributes, pattern, beat, chords, seconds)


def _add(track: Sound, sound: Sound, seconds: float) -> None:
    start = max(0, round(seconds * RATE))
    part = sound[: max(0, len(track) - start)]
    track[start : start + len(part)] += part


def _percussion(score: Score) -> Sound:
    track, rng = score.track(), score.rng("drums")
    if score.attributes.percussion < SILENT:
        return track
    tuning = rng.uniform(0.92, 1.09)
    for name, row in score.pattern.drums.items():
        sound = stroke(DRUMS[name], tuning=tuning, rng=rng)
        for bar in range(len(score.chords)):
            for beat, velocity in score.pattern.hits(row):
                if rng.random() < HIT:
                    start = bar * score.bar + beat * score.beat + rng.normal(0, 0.004)
                    _add(track, velocity * rng.uniform(0.8, 1.1) * sound, start)
    return 0.65 * score.attributes.percussion * track


def _accompaniment(score: Score) -> Sound:
    track, rng = score.track(), score.rng("accompaniment")
    for bar, notes in enumerate(score.chords):
        _strokes(track, score, bar, notes=notes[:1], rng=rng)
        _strokes(track, score, bar, notes=notes[1:], rng=rng)
    return track


def _strokes(
    track: Sound, score: Score, bar: int, *, notes: tuple[float, ...], rng: np.random.Generator
) -> None:
    is_bass = len(notes) == 1
    row = score.pattern.bass if is_bass else score.pattern.chords
    name = score.attributes.bass if is_bass else score.attributes.chords
    if name not in INSTRUMENTS:
        return
    hits = [*score.pattern.hits(row), (float(score.pattern.beats), 0.0)]
    gain = 0.4 * score.attributes.weight if is_bass else 0.12
    for (beat, velocity), (following, _) in pairwise(hits):
        length = (following - beat) * score.beat
        seconds = length * (1 - 0.6 * score.attributes.quirk)
        seconds = min(seconds, 0.4 * score.beat) if score.pattern.staccato else seconds
        sound = sum(
            tone(INSTRUMENTS[name], frequency(note), seconds, touch=score.touch, rng=rng)
            for note in notes
        )
        start = bar * score.bar + beat * score.beat + rng.normal(0, 0.003)
        _add(track, gain * velocity * np.asarray(sound), start)


def _melody(score: Score, part: str) -> list[tuple[float, float, float]]:
    """Return (start, seconds, note) of a tune in half beats, as dense as the clip asks for."""
    rng, number, notes = score.rng(part), 4, []
    start, step = 0.0, score.beat / 2 if score.attributes.tempo < FAST else score.beat
    while start < score.seconds:
        length = step * (1 if rng.random() < score.attributes.density else int(rng.integers(2, 5)))
        number, note = melody_note(score.attributes, number, rng)
        if rng.random() < 0.35 + 0.6 * score.attributes.density:
            notes.append((start, length * (1 - 0.75 * score.attributes.quirk), note))
        start += length
    return notes


def _lead(score: Score) -> Sound:
    track, rng = score.track(), score.rng("lead tone")
    name = score.attributes.lead
    if name not in INSTRUMENTS:
        return track
    # A voice carries the tune; the lead instrument then stays behind it.
    gain = 0.2 if score.attributes.voice == "none" else 0.07
    gain *= 1 + score.attributes.quirk
    touch = replace(score.touch, bend=2 * score.attributes.quirk)
    for start, seconds, note in _melody(score, "lead"):
        sound = tone(INSTRUMENTS[name], frequency(note), seconds, touch=touch, rng=rng)
        _add(track, gain * sound, start)
    return track


def _voice(score: Score) -> Sound:
    track, attributes = score.track(), score.attributes
    if attributes.voice == "none":
        return track
    rng = score.rng("voice")
    singer = Singer(attributes.tract, rng.uniform(0.02, 0.08))
    for start, seconds, pitches in _spoken(score) if attributes.speech else _sung(score):
        sound = syllable(singer, pitches, seconds, rng)
        _add(track, 0.3 * attributes.voice_level * sound, start)
    return track


def _sung(score: Score) -> list[tuple[float, float, tuple[float, float]]]:
    """Return the tune, moved by octaves into the singer's range."""
    syllables = []
    for start, seconds, note in _melody(score, "tune"):
        pitch = frequency(note)
        pitch *= 2.0 ** round(np.log2(score.attributes.pitch / pitch))
        syllables.append((start, max(seconds, 0.15), (pitch * 0.97, pitch)))
    return syllables


def _spoken(score: Score) -> list[tuple[float, float, tuple[float, float]]]:
    """Return phrases of quick syllables that fall in pitch, with pauses between them."""
    rng, syllables, start = score.rng("speech"), [], 0.1
    while start < score.seconds:
        count = int(rng.integers(4, 11))
        for place in range(count):
            seconds = rng.uniform(0.11, 0.26)
            pitch = score.attributes.pitch * (1.15 - 0.35 * place / count) * rng.uniform(0.9, 1.1)
            syllables.append((start, seconds, (pitch, pitch * rng.uniform(0.85, 1.05))))
            start += seconds
        start += rng.uniform(0.15, 0.6)
    return syllables
