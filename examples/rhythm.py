"""Rhythm patterns: one bar of percussion and accompaniment each.

A row is a string with one character per step: ``X`` accented, ``x`` played, ``.`` silent. Four
steps make a beat where the rhythm is straight and three where it swings.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

ACCENT, PLAIN = 1.0, 0.62


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One bar of rhythm."""

    tempo: tuple[float, float]  # beats per minute, from and to
    beats: int = 4
    steps: int = 4  # per beat; 3 = swing
    chords: str  # when the accompaniment strikes
    bass: str
    staccato: bool = False
    pulse: float = 0.5  # how strong and regular the beat is, 0 to 1
    drums: Mapping[str, str] = field(default_factory=dict)

    def hits(self, row: str) -> Iterator[tuple[float, float]]:
        """Yield (beat within the bar, velocity) of every stroke of a row."""
        for step, stroke in enumerate(row):
            if stroke != ".":
                yield step / self.steps, ACCENT if stroke == "X" else PLAIN


DANCES: dict[str, Pattern] = {
    "ChaChaCha": Pattern(
        tempo=(116, 130),
        chords="....x.....x.x...",
        bass="X.....x.x.......",
        staccato=True,
        pulse=0.8,
        drums={
            "cowbell": "X...x...X...x...",
            "guiro": "X...x.x.X...x.x.",
            "conga": "....x.......x.X.",
        },
    ),
    "Jive": Pattern(
        tempo=(160, 180),
        steps=3,
        chords="...x.....x..",
        bass="X..x..X..x..",
        pulse=0.7,
        drums={"ride": "X..X.xX..X.x", "snare": "...X.....X..", "kick": "x.....x....."},
    ),
    "Quickstep": Pattern(
        tempo=(188, 206),
        chords="....x.......x...",
        bass="X.......X.......",
        staccato=True,
        pulse=0.65,
        drums={"hat": "x...X...x...X...", "brush": "x...x.x.x...x.x.", "kick": "X.......X......."},
    ),
    "Rumba-American": Pattern(
        tempo=(120, 134),
        chords="x.......x...x...",
        bass="X.....x.....x...",
        pulse=0.55,
        drums={"shaker": "X.x.x.x.X.x.x.x.", "bongo": "X.xxx.xxX.xxx.xx"},
    ),
    "Rumba-International": Pattern(
        tempo=(96, 108),
        chords="x.......x.......",
        bass="X...........x...",
        pulse=0.5,
        drums={
            "clave": "X.....X.....X...",
            "conga": "X.xxx.xxX.xxx.XX",
        },
    ),
    "Rumba-Misc": Pattern(
        tempo=(104, 124),
        chords="x.....x.....x...",
        bass="X.....x.X.......",
        pulse=0.5,
        drums={"rim": "X.....X.....X...", "surdo": "X.....x.X...x.x.", "brush": "X...x.x.X...x.x."},
    ),
    "Samba": Pattern(
        tempo=(92, 106),
        beats=2,
        chords="x..x..x.",
        bass="X..xX..x",
        staccato=True,
        pulse=0.75,
        drums={"surdo": "x...X...", "shaker": "XxxXXxxX", "agogo": "x.xx.x.x"},
    ),
    "Tango": Pattern(
        tempo=(124, 136),
        chords="X...X...X...X.xx",
        bass="X.....X.X...X...",
        staccato=True,
        pulse=0.55,
        drums={"snare": "............x.xX", "castanet": "X..xX.x.X..xX.x."},
    ),
    "VienneseWaltz": Pattern(
        tempo=(168, 184),
        beats=3,
        chords="....x...x...",
        bass="X...........",
        pulse=0.4,
        drums={"surdo": "X...........", "open_hat": "....X...X..."},
    ),
    "Waltz": Pattern(
        tempo=(82, 96),
        beats=3,
        chords="....x...x...",
        bass="X...........",
        pulse=0.35,
        drums={"surdo": "X...........", "triangle": "....X...X..."},
    ),
}

OTHERS: dict[str, Pattern] = {
    "disco": Pattern(
        tempo=(112, 124),
        chords="..x...x...x...x.",
        bass="X.x.X.x.X.x.X.x.",
        pulse=0.95,
        drums={
            "kick": "X...X...X...X...",
            "open_hat": "..X...X...X...X.",
            "clap": "....X.......X...",
        },
    ),
    "hiphop": Pattern(
        tempo=(84, 98),
        chords="x.......x.......",
        bass="X......x..x.....",
        pulse=0.75,
        drums={
            "kick": "X......x..X.....",
            "snare": "....X.......X...",
            "hat": "x.x.x.x.x.x.x.xx",
        },
    ),
    "metal": Pattern(
        tempo=(132, 172),
        chords="X.xxX.xxX.xxX.xx",
        bass="X.xxX.xxX.xxX.xx",
        staccato=True,
        pulse=0.6,
        drums={
            "kick": "xxxxxxxxxxxxxxxx",
            "snare": "....X.......X...",
            "ride": "X...X...X...X...",
        },
    ),
    "reggae": Pattern(
        tempo=(70, 86),
        chords="..X...X...X...X.",
        bass="x.....xxx...x...",
        staccato=True,
        pulse=0.6,
        drums={"kick": "........X.......", "rim": "........X.......", "hat": "x.x.x.x.x.x.x.x."},
    ),
    "free": Pattern(tempo=(58, 84), chords="x" + "." * 15, bass="x" + "." * 15, pulse=0.05),
    "dnb": Pattern(
        tempo=(166, 178),
        chords="x" + "." * 15,
        bass="X.......x.x.....",
        pulse=0.6,
        drums={
            "kick": "X.........X.....",
            "snare": "....X..x.x..X...",
            "hat": "x.x.x.x.x.x.x.x.",
        },
    ),
    "house": Pattern(
        tempo=(120, 128),
        chords="...x..x....x..x.",
        bass="X..x..x.X..x..x.",
        staccato=True,
        pulse=1.0,
        drums={
            "kick": "X...X...X...X...",
            "open_hat": "..x...x...x...x.",
            "clap": "....X.......X...",
        },
    ),
    "techno": Pattern(
        tempo=(128, 142),
        chords="......x.......x.",
        bass="..x...x...x...x.",
        staccato=True,
        pulse=0.9,
        drums={"kick": "X...X...X...X...", "hat": "xxXxxxXxxxXxxxXx", "rim": "...x......x....."},
    ),
    "trance": Pattern(
        tempo=(134, 142),
        chords="x.x.x.x.x.x.x.x.",
        bass="..x...x...x...x.",
        pulse=0.9,
        drums={
            "kick": "X...X...X...X...",
            "open_hat": "..x...x...x...x.",
            "snare": "............x.x.",
        },
    ),
}

PATTERNS: dict[str, Pattern] = DANCES | OTHERS
