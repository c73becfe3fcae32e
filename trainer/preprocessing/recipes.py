"""The preprocessings by name, as the steps that Gaia's project templates list.

There are two families of templates: ``2.1-beta5`` for documents of Essentia 2.1-beta5 and
2.1-beta6, ``2.1-beta2`` for all others (the archive of AcousticBrainz, "music 1.0", included).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

Template = Literal["2.1-beta2", "2.1-beta5"]

BETA5_VERSIONS = frozenset({"2.1-beta5", "2.1-beta6"})


@dataclass(frozen=True)
class Step:
    """One transformation of a recipe, applied to the descriptors that its patterns match.

    Attributes
    ----------
    transformation : {"remove", "select", "enumerate", "normalize", "gaussianize"}
    patterns : tuple of str
        See `trainer.preprocessing.patterns`.
    """

    transformation: Literal["remove", "select", "enumerate", "normalize", "gaussianize"]
    patterns: tuple[str, ...] = ("*",)


_UNUSED = (
    "metadata.*",
    "*dmean*",
    "*dvar*",
    "*.min",
    "*.max",
    "*cov",
    "tonal.thpcp",
    "lowlevel.spectral_energyband_high.*",
    "lowlevel.silence_rate*",
)
_UNUSED_BETA5 = (*_UNUSED, "rhythm.bpm_histogram", "lowlevel.melbands128.*")

_STRINGS = ("tonal.chords_key", "tonal.chords_scale", "tonal.key_key", "tonal.key_scale")
_STRINGS_BETA5 = (
    "tonal.chords_key",
    "tonal.chords_scale",
    *(
        f"tonal.key_{profile}.{part}"
        for profile in ("krumhansl", "edma", "temperley")
        for part in ("key", "scale")
    ),
)

_BANDS = ("barkbands*", "*energyband*", "melbands*", "erbbands*")

_TAILS: Mapping[str, tuple[Step, ...]] = {
    "basic": (),
    "lowlevel": (Step("select", ("lowlevel*",)),),
    "nobands": (Step("remove", _BANDS),),
    "normalized": (Step("normalize"),),
    "gaussianized": (Step("normalize"), Step("gaussianize", ("lowlevel.*",))),
    "mfcc": (Step("select", ("lowlevel.mfcc*",)),),
}

NAMES = tuple(_TAILS)


def recipe(name: str, template: Template = "2.1-beta2") -> tuple[Step, ...]:
    """Return the steps of the preprocessing `name`.

    Raises
    ------
    KeyError
        There is no preprocessing of that name; see `NAMES`.
    """
    beta5 = template == "2.1-beta5"
    head = (
        Step("remove", _UNUSED_BETA5 if beta5 else _UNUSED),
        Step("enumerate", _STRINGS_BETA5 if beta5 else _STRINGS),
    )
    return head + _TAILS[name]


def template_for(versions: Iterable[str | None]) -> Template:
    """Choose the family for documents of these Essentia versions, as Gaia's generator does."""
    found = frozenset(versions)
    return "2.1-beta5" if found and found <= BETA5_VERSIONS else "2.1-beta2"
