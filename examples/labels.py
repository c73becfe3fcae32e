"""Ground truth for AcousticBrainz's 18 tasks, as written rules on the attributes of a clip.

The class names are AcousticBrainz's. People disagree about music, so the rules do not have the
last word either: a rule that scores adds a seeded error to the score and leaves clips between its
two limits out, as collections of clear cases do; a rule that names a class is overruled now and
then by a class that sounds alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from examples.attributes import Attributes, stream
from examples.instruments import INSTRUMENTS
from examples.rhythm import DANCES, PATTERNS

MIDDLE_TEMPO, TEMPO_RANGE = 120.0, 80.0  # beats per minute
CLEAR = 0.2  # lead of the best MIREX cluster over the next
FEWEST = 2  # recordings of a class that is kept; what a training needs


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Two classes: `positive` above `high`, `negative` below `low`, no label between them."""

    positive: str
    negative: str
    score: Callable[[Attributes], float | None]  # None: the clip is not in the task
    low: float
    high: float
    error: float  # standard deviation of what is added to the score

    def label(self, attributes: Attributes, rng: np.random.Generator) -> str | None:
        """Return the class of a clip, or None."""
        score = self.score(attributes)
        if score is None:
            return None
        score += rng.normal(0, self.error)
        if score > self.high:
            return self.positive
        return self.negative if score < self.low else None


@dataclass(frozen=True, kw_only=True)
class Named:
    """Any number of classes, one named by the rule."""

    name: Callable[[Attributes], str | None]
    alike: Mapping[str, str] = field(default_factory=dict)  # what a class is taken for
    error: float = 0.01  # share of the clips that are

    def label(self, attributes: Attributes, rng: np.random.Generator) -> str | None:
        """Return the class of a clip, or None."""
        name = self.name(attributes)
        return self.alike.get(name, name) if name and rng.random() < self.error else name


def _by_style(classes: str) -> Callable[[Attributes], str | None]:
    """Return a rule from words like ``jazz:jaz``, style and class."""
    table = dict(word.split(":") for word in classes.split())
    return lambda attributes: table.get(attributes.style)


def _pairs(words: str) -> dict[str, str]:
    """Read ``a/b c/d``: each is taken for the other of its pair."""
    pairs = [word.split("/") for word in words.split()]
    return {one: other for pair in pairs for one, other in (pair, pair[::-1])}


def _speed(clip: Attributes) -> float:
    return float(np.clip((clip.tempo - MIDDLE_TEMPO) / TEMPO_RANGE, -0.6, 0.8))


def _valence(clip: Attributes) -> float:
    mode = {"major": 1.0, "minor": 0.0, "atonal": -0.1}[clip.mode]
    return 0.7 * mode + 0.5 * clip.brightness + 0.2 * _speed(clip) - 0.4 * clip.distortion


def _energy(clip: Attributes) -> float:
    loud = (clip.loudness + 18) / 12
    return 0.6 * clip.percussion + 0.5 * loud + 0.5 * _speed(clip) + 0.3 * clip.density


def _electronic(clip: Attributes) -> float:
    parts = [INSTRUMENTS[name] for name in (clip.lead, clip.chords, clip.bass) if name]
    return sum(part.electronic for part in parts) / max(1, len(parts))


def _danceable(clip: Attributes) -> float:
    pulse = PATTERNS[clip.pattern].pulse
    return pulse + 0.5 * clip.percussion - 0.5 * abs(clip.tempo - MIDDLE_TEMPO) / TEMPO_RANGE


def _acoustic(clip: Attributes) -> float:
    return 1.0 - _electronic(clip) - 1.1 * clip.distortion - 0.6 * clip.percussion


def _aggressive(clip: Attributes) -> float:
    return 1.4 * clip.distortion + 0.6 * _energy(clip) + 0.3 * clip.brightness


def _party(clip: Attributes) -> float:
    return _danceable(clip) + 0.5 * _energy(clip) + 0.3 * _valence(clip)


def _relaxed(clip: Attributes) -> float:
    return 1.0 - _energy(clip) - 0.6 * clip.distortion + 0.3 * clip.reverb


def _sad(clip: Attributes) -> float:
    return 1.0 - _valence(clip) - 0.5 * _energy(clip)


def _female(clip: Attributes) -> float | None:
    # A man's voice scores about 0, a woman's about 1.
    if clip.voice == "none":
        return None
    return 3.0 * (clip.tract - 1.0) + 0.5 * float(np.log2(clip.pitch / 130))


def _cluster(clip: Attributes) -> str | None:
    """MIREX's five: rousing, cheerful, wistful, quirky, fiery; speech has none of them."""
    if clip.style == "speech":
        return None
    energy, valence = _energy(clip), _valence(clip)
    closeness = {
        "Cluster1": 0.95 * energy + 0.3 * valence - 0.7 * clip.distortion,
        "Cluster2": 0.95 * valence - 0.2 * energy + 0.25,
        "Cluster3": 1.0 - energy - 0.5 * valence,
        "Cluster4": 0.1 + 1.4 * clip.quirk,
        "Cluster5": 0.2 + 0.7 * energy + 0.7 * clip.distortion - 0.8 * valence,
    }
    second, first = sorted(closeness, key=closeness.__getitem__)[-2:]
    return first if closeness[first] - closeness[second] > CLEAR else None


def _tonal(clip: Attributes) -> str | None:
    # Speech has no key to tell, whatever its attributes say.
    if clip.style == "speech":
        return None
    return "atonal" if clip.mode == "atonal" else "tonal"


TASKS: dict[str, Scored | Named] = {
    "danceability": Scored(
        positive="danceable",
        negative="not_danceable",
        score=_danceable,
        low=0.65,
        high=0.75,
        error=0.1,
    ),
    "gender": Scored(
        positive="female", negative="male", score=_female, low=0.48, high=0.48, error=0.08
    ),
    "genre_dortmund": Named(
        name=_by_style(
            "alternative:alternative blues:blues house:electronic techno:electronic "
            "trance:electronic ambient:electronic country:folkcountry soul:funksoulrnb "
            "disco:funksoulrnb jazz:jazz pop:pop hiphop:raphiphop rock:rock metal:rock"
        ),
        alike=_pairs("alternative/rock blues/folkcountry pop/funksoulrnb electronic/raphiphop"),
    ),
    "genre_electronic": Named(
        name=_by_style("ambient:ambient dnb:dnb house:house techno:techno trance:trance"),
        alike=_pairs("house/techno trance/dnb"),
    ),
    "genre_rosamerica": Named(
        name=_by_style(
            "classical:cla disco:dan house:dan trance:dan hiphop:hip jazz:jaz pop:pop soul:rhy "
            "reggae:rhy rock:roc metal:roc speech:spe"
        ),
        alike=_pairs("pop/rhy hip/dan roc/jaz"),
    ),
    "genre_tzanetakis": Named(
        name=_by_style(
            "blues:blu classical:cla country:cou disco:dis hiphop:hip jazz:jaz metal:met "
            "pop:pop reggae:reg rock:roc"
        ),
        alike=_pairs("blu/cou cla/jaz dis/pop hip/reg met/roc"),
    ),
    "ismir04_rhythm": Named(
        name=lambda clip: clip.pattern if clip.pattern in DANCES else None,
        alike=_pairs("Rumba-American/Rumba-Misc VienneseWaltz/Waltz Jive/Quickstep"),
    ),
    "mood_acoustic": Scored(
        positive="acoustic",
        negative="not_acoustic",
        score=_acoustic,
        low=0.1,
        high=0.4,
        error=0.1,
    ),
    "mood_aggressive": Scored(
        positive="aggressive",
        negative="not_aggressive",
        score=_aggressive,
        low=0.8,
        high=1.0,
        error=0.1,
    ),
    "mood_electronic": Scored(
        positive="electronic",
        negative="not_electronic",
        score=_electronic,
        low=0.5,
        high=0.5,
        error=0.2,
    ),
    "mood_happy": Scored(
        positive="happy", negative="not_happy", score=_valence, low=0.5, high=0.75, error=0.12
    ),
    "mood_party": Scored(
        positive="party", negative="not_party", score=_party, low=1.0, high=1.2, error=0.1
    ),
    "mood_relaxed": Scored(
        positive="relaxed", negative="not_relaxed", score=_relaxed, low=0.3, high=0.5, error=0.1
    ),
    "mood_sad": Scored(
        positive="sad", negative="not_sad", score=_sad, low=0.1, high=0.35, error=0.1
    ),
    "moods_mirex": Named(
        name=_cluster, alike=_pairs("Cluster1/Cluster2 Cluster3/Cluster4"), error=0.03
    ),
    "timbre": Scored(
        positive="bright",
        negative="dark",
        score=lambda clip: clip.brightness,
        low=0.5,
        high=0.56,
        error=0.04,
    ),
    "tonal_atonal": Named(name=_tonal, alike=_pairs("tonal/atonal"), error=0.02),
    "voice_instrumental": Named(
        name=lambda clip: "instrumental" if clip.voice == "none" else "voice",
        alike=_pairs("instrumental/voice"),
        error=0.03,
    ),
}


def ground_truth(task: str, clips: Iterable[Attributes]) -> dict[str, list[int]]:
    """Return the clips' indices by class, classes and indices in ascending order.

    Classes with fewer than two clips, of which nothing can be learnt, are left out.
    """
    classes: dict[str, list[int]] = {}
    for clip in sorted(clips, key=lambda clip: clip.index):
        label = TASKS[task].label(clip, stream(clip.seed, clip.index, f"label {task}"))
        if label is not None:
            classes.setdefault(label, []).append(clip.index)
    return {name: classes[name] for name in sorted(classes) if len(classes[name]) >= FEWEST}
