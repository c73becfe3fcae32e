"""What an evaluation comes to, in one sentence for a reader who knows no statistics.

The figures are all there beside it. The sentence says what they are worth together: an accuracy of
100 % is nothing where each class is one album, and one of 60 % is nothing where the best of 720
tries reaches that by luck.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trainer.corrected import Corrected
from trainer.figures import wilson
from trainer.findings import SHARED, Finding
from trainer.wording import counted

Kind = Literal["unknown", "chance", "majority", "doubtful", "heard", "better"]


@dataclass(frozen=True)
class Verdict:
    """The sum of an evaluation.

    Attributes
    ----------
    kind : {"unknown", "chance", "majority", "doubtful", "heard", "better"}
        For programs, from bad to good. Of `doubtful` ones something else than the class may have
        been recognised, or all recordings were known; `heard` ones were tested on artists, albums
        or recordings that they had been trained on.
    sentence : str
        For people.
    """

    kind: Kind
    sentence: str


@dataclass(frozen=True)
class Figures:
    """What a verdict is about.

    Attributes
    ----------
    accuracy, majority : float
        Percent, cross-validated and of always answering the largest class.
    corrected : Corrected or None
    combinations : int
        So many were tried.
    recordings : int
    """

    accuracy: float
    majority: float
    corrected: Corrected | None
    combinations: int
    recordings: int


@dataclass(frozen=True)
class Trial:
    """What a verdict on a finished model is about: recordings that are new to it.

    Attributes
    ----------
    right, majority, new : int
        Recordings that the model was not trained on: those that it is right on, those of the
        largest class, and all.
    seen : int
        Recordings that it was trained on. They prove nothing.
    knows : bool
        Whether it says what it was trained on; where it does not, all are taken for new.
    """

    right: int
    majority: int
    new: int
    seen: int
    knows: bool


def verdict_of(figures: Figures, findings: Sequence[Finding]) -> Verdict:
    """Sum up figures and findings; the worst that is known decides.

    Parameters
    ----------
    figures : Figures
    findings : sequence of Finding
        See `trainer.findings.find`.
    """
    found = {finding.kind: finding for finding in findings}
    if figures.corrected is None:
        return Verdict(
            "unknown",
            "Too few recordings to say what the model is worth: the accuracy may be luck.",
        )
    if "chance" in found:
        return Verdict("chance", _of_chance(figures))
    if "majority" in found:
        return Verdict(
            "majority",
            f"Not shown to be better than always answering the largest class, which is right for "
            f"{figures.majority:.1f} %. Do not go by the accuracy; look at each class.",
        )
    doubtful = _doubtful(figures, figures.corrected, found)
    return doubtful or Verdict("better", _of_better(figures, figures.corrected, found.keys()))


def verdict_of_model(trial: Trial) -> Verdict:
    """Sum up what a finished model is worth on labelled recordings.

    Parameters
    ----------
    trial : Trial
    """
    if not trial.new:
        return Verdict(
            "doubtful",
            "Cannot be believed: the model was trained on all of these recordings, and what it "
            "says of them is memory. Evaluate it on others.",
        )
    low, high = wilson(trial.right, trial.new)
    majority = 100 * trial.majority / trial.new
    if low <= majority:
        return Verdict("majority", _of_no_better(trial, majority))
    recognised = (
        f"of 100 new recordings like these it recognises about "
        f"{100 * trial.right / trial.new:.0f} ({low:.0f} to {high:.0f}); always answering the "
        f"largest class is right for {majority:.0f}."
    )
    if trial.seen:
        return Verdict(
            "heard",
            f"Better than guessing, but partly memory: the model was trained on {trial.seen:,} of "
            f"these {trial.seen + trial.new:,} recordings. By the other {trial.new:,}, "
            f"{recognised}",
        )
    unknown = (
        ""
        if trial.knows
        else " Whether it was trained on some of these it does not say, and could not be tested."
    )
    return Verdict("better", f"Better than guessing: {recognised}{unknown}")


def _of_no_better(trial: Trial, majority: float) -> str:
    new = (
        f" of the {counted(trial.new, 'recording')} that the model was not trained on"
        if trial.seen
        else ""
    )
    return (
        f"Not shown to be better than always answering the largest class, which is right for "
        f"{majority:.1f} %{new}. Do not go by the accuracy; look at each class."
    )


def _doubtful(
    figures: Figures, corrected: Corrected, found: Mapping[str, Finding]
) -> Verdict | None:
    for noun in ("album", "artist"):
        if f"class of one {noun}" in found:
            return Verdict(
                "doubtful",
                f"Cannot be believed: where all recordings of a class are of one {noun}, it may "
                f"be the {noun} that is recognised and not the class. The {figures.accuracy:.1f} % "
                f"say nothing of other {noun}s.",
            )
    for noun in ("album", "artist"):
        if f"{noun} in several folds" in found:
            return Verdict("heard", _of_heard(figures, corrected, noun))
    twice = found.get("duplicates")
    if twice and len(twice.recordings) > SHARED * figures.recordings:
        return Verdict("heard", _of_heard(figures, corrected, "recording"))
    return None


def _of_chance(figures: Figures) -> str:
    tried = figures.combinations
    luck = f"what the luckiest of {counted(tried, 'attempt')} reached" if tried > 1 else "luck"
    return (
        f"Not shown to be better than guessing: the {figures.accuracy:.1f} % may be {luck}. Do not "
        f"rely on this model."
    )


def _of_heard(figures: Figures, corrected: Corrected, noun: str) -> str:
    return (
        f"Better than guessing, but tested on {noun}s that it had heard: of 100 such recordings "
        f"it recognises about {corrected.accuracy.value:.0f}, of new {noun}s fewer, and how many "
        f"was not tested. Always answering the largest class is right for {figures.majority:.0f}."
    )


def _of_better(figures: Figures, corrected: Corrected, kinds: Container[str]) -> str:
    accuracy = corrected.accuracy
    untested = (
        " Whether it knows artists or albums instead of classes could not be tested: the "
        "documents do not name them."
    )
    return (
        f"Better than guessing: of 100 new recordings like these it recognises about "
        f"{accuracy.value:.0f} ({accuracy.low:.0f} to {accuracy.high:.0f}); always answering the "
        f"largest class is right for {figures.majority:.0f}."
        f"{untested if 'artists unknown' in kinds else ''}"
    )
