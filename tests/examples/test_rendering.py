"""Clips are pure functions of their attributes, and attributes are audible."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from examples.attributes import Attributes
from examples.draw import draw
from examples.instruments import RATE, Sound
from examples.render import SECONDS
from examples.render import render as render_whole

WALTZ, TECHNO, SPEECH, AMBIENT, METAL = 0, 17, 9, 11, 5


def plain(**changes: Any) -> Attributes:
    """Return a clip of drums and a piano, without anything that blurs a measurement."""
    base = draw(1, 1)
    still: dict[str, Any] = {
        "pattern": "disco",
        "tempo": 120.0,
        "mode": "major",
        "voice": "none",
        "dynamics": 0.0,
    }
    dry: dict[str, Any] = {
        "reverb": 0.0,
        "distortion": 0.0,
        "quirk": 0.0,
        "brightness": 0.5,
        "loudness": -18.0,
    }
    parts = {"lead": "piano", "chords": "piano", "bass": "finger_bass", "percussion": 0.8}
    return replace(base, **(still | dry | parts | {"progression": (0, 3, 4, 0)} | changes))


def render(attributes: Attributes) -> Sound:
    """Return the beginning of a clip: as good as the whole, and faster."""
    return render_whole(attributes, seconds=6.0)


def spectrum(sound: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.fft.rfftfreq(len(sound), 1 / RATE), np.abs(np.fft.rfft(sound)) ** 2


def centroid(sound: np.ndarray) -> float:
    frequencies, power = spectrum(sound)
    return float((frequencies * power).sum() / power.sum())


def share_of_band(sound: np.ndarray, low: float, high: float) -> float:
    frequencies, power = spectrum(sound)
    return float(power[(frequencies >= low) & (frequencies < high)].sum() / power.sum())


def onset_strength(sound: np.ndarray, hop: int = 441) -> np.ndarray:
    """Return how much louder each hundredth of a second is than the one before."""
    frames = sound[: len(sound) // hop * hop].reshape(-1, hop)
    return np.maximum(0, np.diff(np.sqrt((frames**2).mean(axis=1))))


def periodicity(sound: np.ndarray, tempo: float) -> float:
    """Return the autocorrelation of the onsets at the beat of a tempo, relative to lag 0."""
    onsets = onset_strength(sound) - onset_strength(sound).mean()
    lag = round(100 * 60 / tempo)
    return float((onsets[:-lag] * onsets[lag:]).sum() / (onsets**2).sum())


@pytest.mark.parametrize("index", [WALTZ, SPEECH])
def test_equal_attributes_give_equal_samples(index: int) -> None:
    assert np.array_equal(render(draw(index, 1)), render(draw(index, 1)))


def test_another_seed_gives_another_clip() -> None:
    assert not np.array_equal(render(draw(WALTZ, 1)), render(draw(WALTZ, 2)))


@pytest.mark.parametrize("index", [WALTZ, TECHNO, SPEECH, AMBIENT, METAL])
def test_a_clip_is_finite_audible_and_does_not_clip(index: int) -> None:
    sound = render_whole(draw(index, 1))
    assert len(sound) == round(SECONDS * RATE)
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() < 1.0
    assert np.sqrt(np.mean(sound**2)) > 0.01


@pytest.mark.parametrize("changes", [{"tempo": 400.0}, {"loudness": 0.0}, {"distortion": 1.0}])
def test_extreme_attributes_do_not_clip_either(changes: dict[str, float]) -> None:
    sound = render(plain(**changes))
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() < 1.0


def test_a_clip_without_any_part_is_only_hiss() -> None:
    sound = render(plain(lead="", chords="", bass="", percussion=0.0))
    assert np.isfinite(sound).all()
    assert np.abs(sound).max() < 1e-3


@pytest.mark.parametrize("tempo", [100.0, 132.0])
def test_onsets_repeat_at_the_tempo(tempo: float) -> None:
    sound = render(plain(tempo=tempo))
    assert periodicity(sound, tempo) > 0.3
    assert periodicity(sound, tempo) > 2 * periodicity(sound, tempo * 1.19)


def test_brighter_clips_have_a_higher_centroid() -> None:
    dark, middle, bright = (centroid(render(plain(brightness=b))) for b in (0.1, 0.5, 0.9))
    assert dark < middle < bright


def test_a_kick_drum_has_its_energy_below_100_hz() -> None:
    drums = render(plain(percussion=1.0, bass="", chords="", lead=""))
    no_drums = render(plain(percussion=0.0, bass=""))
    assert share_of_band(drums, 20, 100) > 0.3
    assert share_of_band(no_drums, 20, 100) < 0.02


def test_more_weight_gives_more_bass() -> None:
    light, heavy = (
        share_of_band(render(plain(percussion=0.0, weight=weight)), 40, 200) for weight in (0.2, 1)
    )
    assert heavy > 1.2 * light


def test_loudness_is_the_rms_level() -> None:
    sound = render(plain(loudness=-20.0))
    assert 20 * np.log10(np.sqrt(np.mean(sound**2))) == pytest.approx(-20, abs=0.7)


def test_with_a_slow_attack_notes_begin_softly() -> None:
    def first_hundredth(attack: float) -> float:
        """Return the level as chords begin, every half second, relative to a little later."""
        sound = render(plain(attack=attack, percussion=0.0, bass="", lead="", chords="organ"))
        notes = np.stack([sound[start : start + 4410] for start in range(11_025, 250_000, 22_050)])
        levels = np.sqrt((notes.reshape(len(notes), 10, 441) ** 2).mean(axis=(0, 2)))
        return float(levels[1] / levels[8])

    assert first_hundredth(0.004) > 0.8
    assert first_hundredth(0.3) < 0.4


def test_distortion_lowers_the_crest() -> None:
    def crest(distortion: float) -> float:
        sound = render(plain(distortion=distortion, percussion=0.0))
        return float(np.abs(sound).max() / np.sqrt(np.mean(sound**2)))

    assert crest(1.0) < 0.7 * crest(0.0)


def test_reverb_fills_the_gaps() -> None:
    def quietest(reverb: float) -> float:
        sound = render(plain(reverb=reverb, lead="", chords="", bass=""))
        frames = np.abs(sound[: len(sound) // 441 * 441].reshape(-1, 441)).mean(axis=1)
        return float(np.quantile(frames, 0.1))

    assert quietest(0.8) > 2 * quietest(0.0)


def test_dynamics_spread_the_level() -> None:
    def spread(dynamics: float) -> float:
        frames = render(plain(dynamics=dynamics)).reshape(12, -1)
        return float(np.ptp(20 * np.log10(np.sqrt((frames**2).mean(axis=1)))))

    assert spread(0.8) > 3 * spread(0.0)


def scale_share(sound: np.ndarray, key: int) -> float:
    """Return the share of the power between 200 and 800 Hz on the notes of a major scale."""
    frequencies, power = spectrum(sound)
    chosen = (frequencies > 200) & (frequencies < 800)
    notes = 12 * np.log2(frequencies[chosen] / 440) + 69 - key
    near = np.abs(notes[:, None] % 12 - np.array([0, 2, 4, 5, 7, 9, 11, 12])).min(axis=1) < 0.25
    return float(power[chosen][near].sum() / power[chosen].sum())


def test_a_major_clip_stays_on_its_scale_and_an_atonal_one_does_not() -> None:
    tonal = plain(percussion=0.0, bass="", key=4)
    assert scale_share(render(tonal), 4) > 0.9
    assert scale_share(render(replace(tonal, mode="atonal")), 4) < 0.75


def test_a_voice_adds_energy_at_its_pitch() -> None:
    silent = plain(lead="", chords="", bass="", percussion=0.0, speech=True, voice_level=1.0)
    man = render(replace(silent, voice="male", pitch=110.0, tract=1.0))
    woman = render(replace(silent, voice="female", pitch=230.0, tract=1.17))
    assert share_of_band(man, 70, 150) > 5 * share_of_band(woman, 70, 150)
    assert centroid(woman) > centroid(man)


def test_two_clips_of_an_artist_share_their_voice() -> None:
    first, second = (draw(index, 1) for index in (0, 16))
    assert first.artist == second.artist
    assert first.tract == second.tract
