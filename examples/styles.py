"""The eighteen styles a clip can have: where its attributes are drawn from.

Half of the corpus are `BAND` styles, each with five ballroom dances, such that every dance belongs
to four styles and no style tells the dance; the other half have a rhythm of their own.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Style:
    """Centres and choices; `examples.draw` adds the spread. Ranges as in `Attributes`."""

    patterns: tuple[str, ...]
    leads: tuple[str, ...]
    chords: tuple[str, ...]
    basses: tuple[str, ...]
    brightness: float
    attack: float = 0.012
    distortion: float = 0.0
    percussion: float = 0.6
    weight: float = 0.5
    reverb: float = 0.2
    density: float = 0.5
    dynamics: float = 0.1
    arousal: float = 0.5  # tempo, level and density follow it
    valence: float = 0.5  # mode and brightness follow it
    voices: float = 0.4  # share of clips with a voice
    atonal: float = 0.25  # share of clips without a key
    quirk: float = 0.15  # share of clips that play the fool
    speech: bool = False


BAND: dict[str, Style] = {
    "classical": Style(
        patterns=("Waltz", "VienneseWaltz", "Tango", "Rumba-International", "Quickstep"),
        leads=("strings", "flute"),
        chords=("strings", "piano"),
        basses=("strings", "acoustic_bass"),
        brightness=0.42,
        attack=0.03,
        percussion=0.3,
        weight=0.3,
        reverb=0.7,
        dynamics=0.5,
        arousal=0.3,
        voices=0.15,
        atonal=0.25,
    ),
    "jazz": Style(
        patterns=("Quickstep", "Jive", "Samba", "Rumba-American", "ChaChaCha"),
        leads=("sax", "brass"),
        chords=("piano",),
        basses=("acoustic_bass",),
        brightness=0.48,
        percussion=0.5,
        weight=0.6,
        reverb=0.3,
        density=0.75,
        dynamics=0.25,
        voices=0.25,
        atonal=0.3,
        quirk=0.35,
    ),
    "blues": Style(
        patterns=("Jive", "Quickstep", "Waltz", "Rumba-American", "Rumba-Misc"),
        leads=("electric",),
        chords=("piano",),
        basses=("finger_bass",),
        brightness=0.35,
        weight=0.65,
        distortion=0.3,
        percussion=0.5,
        density=0.4,
        dynamics=0.2,
        arousal=0.4,
        valence=0.3,
        voices=0.6,
    ),
    "country": Style(
        patterns=("Waltz", "VienneseWaltz", "Quickstep", "Rumba-American", "Jive"),
        leads=("fiddle", "banjo", "steel"),
        chords=("banjo",),
        basses=("acoustic_bass",),
        brightness=0.68,
        weight=0.3,
        attack=0.006,
        percussion=0.45,
        reverb=0.12,
        density=0.7,
        valence=0.7,
        voices=0.6,
        atonal=0.1,
    ),
    "pop": Style(
        patterns=("ChaChaCha", "Rumba-International", "Rumba-Misc", "Samba", "Waltz"),
        leads=("bell",),
        chords=("epiano",),
        basses=("square",),
        brightness=0.66,
        percussion=0.65,
        reverb=0.35,
        valence=0.7,
        arousal=0.55,
        voices=0.85,
        atonal=0.1,
    ),
    "rock": Style(
        patterns=("Jive", "Tango", "Rumba-Misc", "VienneseWaltz", "Samba"),
        leads=("electric",),
        chords=("electric", "organ"),
        basses=("finger_bass",),
        brightness=0.58,
        distortion=0.6,
        percussion=0.8,
        reverb=0.15,
        arousal=0.7,
        voices=0.55,
    ),
    "soul": Style(
        patterns=("ChaChaCha", "Samba", "Rumba-International", "Rumba-American", "Tango"),
        leads=("organ",),
        chords=("clavinet",),
        basses=("finger_bass",),
        brightness=0.5,
        percussion=0.65,
        weight=0.85,
        reverb=0.1,
        dynamics=0.15,
        arousal=0.55,
        valence=0.55,
        voices=0.7,
        atonal=0.1,
    ),
    "alternative": Style(
        patterns=("Tango", "VienneseWaltz", "Rumba-Misc", "ChaChaCha", "Rumba-International"),
        leads=("saw",),
        chords=("pad",),
        basses=("saw", "finger_bass"),
        brightness=0.5,
        attack=0.04,
        distortion=0.45,
        percussion=0.5,
        reverb=0.55,
        arousal=0.5,
        valence=0.3,
        voices=0.5,
        atonal=0.25,
        quirk=0.35,
    ),
}

OWN_RHYTHM: dict[str, Style] = {
    "disco": Style(
        patterns=("disco",),
        leads=("strings",),
        chords=("guitar", "epiano"),
        basses=("finger_bass",),
        brightness=0.62,
        percussion=0.9,
        arousal=0.7,
        valence=0.75,
        voices=0.6,
        atonal=0.08,
    ),
    "hiphop": Style(
        patterns=("hiphop",),
        leads=("bell", "stab"),
        chords=("epiano", "stab"),
        basses=("sub",),
        brightness=0.4,
        percussion=1.0,
        weight=0.9,
        reverb=0.08,
        density=0.25,
        valence=0.35,
        voices=0.85,
        speech=True,
    ),
    "metal": Style(
        patterns=("metal",),
        leads=("electric",),
        chords=("electric",),
        basses=("finger_bass",),
        brightness=0.68,
        distortion=0.95,
        percussion=0.8,
        reverb=0.1,
        density=0.8,
        dynamics=0.0,
        arousal=0.9,
        valence=0.15,
        voices=0.35,
        atonal=0.3,
    ),
    "reggae": Style(
        patterns=("reggae",),
        leads=("organ", "brass"),
        chords=("guitar", "organ"),
        basses=("sub",),
        brightness=0.42,
        percussion=0.6,
        weight=1.0,
        reverb=0.3,
        density=0.3,
        arousal=0.35,
        valence=0.6,
        voices=0.6,
        atonal=0.08,
    ),
    "speech": Style(
        patterns=("free",),
        leads=("",),
        chords=("", "", "pad"),
        basses=("",),
        brightness=0.5,
        percussion=0.0,
        reverb=0.1,
        dynamics=0.2,
        arousal=0.3,
        voices=1.0,
        atonal=0.0,
        speech=True,
    ),
    "ambient": Style(
        patterns=("free",),
        leads=("pad", "bell", "flute"),
        chords=("pad", "strings"),
        basses=("sub", "pad"),
        brightness=0.3,
        attack=0.15,
        percussion=0.0,
        reverb=0.8,
        density=0.15,
        dynamics=0.4,
        arousal=0.12,
        valence=0.45,
        voices=0.1,
        atonal=0.35,
    ),
    "dnb": Style(
        patterns=("dnb",),
        leads=("saw", "stab"),
        chords=("pad",),
        basses=("sub", "acid"),
        brightness=0.62,
        distortion=0.15,
        percussion=1.0,
        density=0.4,
        arousal=0.85,
        valence=0.4,
        voices=0.15,
        atonal=0.3,
    ),
    "house": Style(
        patterns=("house",),
        leads=("epiano", "pluck"),
        chords=("stab", "epiano", "organ"),
        basses=("sub", "square"),
        brightness=0.55,
        percussion=0.9,
        arousal=0.65,
        valence=0.65,
        voices=0.35,
        atonal=0.1,
    ),
    "techno": Style(
        patterns=("techno",),
        leads=("acid", "stab"),
        chords=("stab",),
        basses=("acid", "sub"),
        brightness=0.5,
        distortion=0.3,
        percussion=1.0,
        density=0.7,
        arousal=0.8,
        valence=0.3,
        voices=0.05,
        atonal=0.5,
        quirk=0.25,
    ),
    "trance": Style(
        patterns=("trance",),
        leads=("saw", "pluck"),
        chords=("saw", "pluck"),
        basses=("saw", "square"),
        brightness=0.72,
        percussion=0.8,
        reverb=0.5,
        density=0.8,
        arousal=0.8,
        valence=0.55,
        voices=0.2,
        atonal=0.1,
    ),
}

STYLES: dict[str, Style] = BAND | OWN_RHYTHM
