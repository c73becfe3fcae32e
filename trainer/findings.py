"""What a person who reads an evaluation has to know before they believe it.

An accuracy can be true and still mean little: the same track twice, albums that the machine knows
by their sound, a class of three recordings, or no difference between the classes at all. Each of
these is looked for here and told in a sentence, with the recordings it is about.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trainer.corrected import Corrected
from trainer.dataset import Dataset
from trainer.tags import KNOWN
from trainer.wording import counted, listed, shown

Indices = NDArray[np.intp]

SMALL_CLASS = 30  # recordings; one more or less right is then 3 % of the class
UNBALANCED = 3.0  # the largest class in sizes of the smallest
SHARED = 0.05  # of all recordings; below, shared artists change no figure much
MANY_REMOVED = 0.1  # of all descriptors

Severity = Literal["warning", "note"]


@dataclass(frozen=True)
class Finding:
    """Something about a dataset or its evaluation.

    Attributes
    ----------
    kind : str
        A name that a program can compare, such as "duplicates".
    severity : {"warning", "note"}
        A warning casts doubt on the figures.
    sentence : str
        What it is, what it means and what can be done.
    recordings : tuple of str
        Those it is about, if it is about some.
    """

    kind: str
    severity: Severity
    sentence: str
    recordings: tuple[str, ...] = ()


def find(
    dataset: Dataset, fold_of: Indices, corrected: Corrected | None, majority: float
) -> list[Finding]:
    """Look at a dataset and at what became of it.

    Parameters
    ----------
    dataset : Dataset
    fold_of : ndarray of intp, shape (n_recordings,)
    corrected : Corrected or None
        What the search's choice is worth.
    majority : float
        Percent of the recordings in the largest class.
    """
    found = [
        *_of_chance(corrected, len(dataset.classes), majority),
        *_of_groups(dataset, "album", dataset.release_groups, fold_of),
        *_of_groups(dataset, "artist", dataset.artists, fold_of),
        *_untagged(dataset),
        *_duplicates(dataset),
        *_sizes(dataset, fold_of),
        *_left_out(dataset),
    ]
    return sorted(found, key=lambda finding: finding.severity != "warning")


def _of_chance(corrected: Corrected | None, n_classes: int, majority: float) -> Iterator[Finding]:
    if corrected is None:
        return
    chance = 100 / n_classes
    balanced, accuracy = corrected.balanced_accuracy, corrected.accuracy
    if balanced.low <= chance:
        yield Finding(
            "chance",
            "warning",
            f"The classes cannot be told from chance: corrected for the choice of the best "
            f"combination, the balanced accuracy is {balanced.value:.1f} % "
            f"({balanced.low:.1f} to {balanced.high:.1f}), and guessing reaches {chance:.1f} %. "
            f"Either these descriptors do not hold the difference, or there are too few "
            f"recordings to see it.{_below_guessing(balanced.value, chance)}",
        )
    elif accuracy.low <= majority:
        yield Finding(
            "majority",
            "warning",
            f"Always answering the largest class is right for {majority:.1f} % of the "
            f"recordings; corrected for the choice, the model is for {accuracy.value:.1f} % "
            f"({accuracy.low:.1f} to {accuracy.high:.1f}). Look at the balanced accuracy and at "
            f"each class, not at the accuracy.{_below_guessing(accuracy.value, chance)}",
        )


def _below_guessing(corrected: float, chance: float) -> str:
    if round(corrected, 1) >= round(chance, 1):
        return ""
    return (
        " That the corrected figure lies below guessing does not make the opposite answers right: "
        "what fitted some recordings by luck failed on the others, and the model knows nothing."
    )


def _of_groups(
    dataset: Dataset, noun: str, groups: Sequence[str | None], fold_of: Indices
) -> Iterator[Finding]:
    """Look for classes of one album or artist, and for such that are in several folds."""
    known = _known(groups)
    if not known.any():
        return
    single = []
    for label, name in enumerate(dataset.classes):
        rows = np.flatnonzero(dataset.labels == label).tolist()
        if known[rows].mean() > KNOWN and len({groups[row] for row in rows if known[row]}) == 1:
            single.append(name)
    if single:
        yield Finding(
            f"class of one {noun}",
            "warning",
            f"{_of_one(single, noun)} "
            f"What tells such a class from the others may be the sound of the {noun}, and no "
            f"cross-validation can find that out: add recordings of other {noun}s.",
        )
    once = f"once each class has several {noun}s, " if single else ""  # until then it is refused
    shared = _in_several_folds(groups, fold_of)
    if len(shared) > SHARED * len(fold_of):
        yield Finding(
            f"{noun} in several folds",
            "warning",
            f"{counted(len(shared), 'recording')} of {len(fold_of):,} share their {noun} with "
            f"one in another fold, so the model was tested on {noun}s that it had heard. On new "
            f"ones expect less; {once}folds grouped by {noun} measure how much.",
        )


def _untagged(dataset: Dataset) -> Iterator[Finding]:
    """Say that nothing was looked for, lest silence be taken for nothing found."""
    sides = (dataset.artists, dataset.release_groups)
    total = len(dataset.recordings)
    unknown = total - max(int(_known(groups).sum()) for groups in sides)
    told = f"Artists and albums are unknown for {unknown:,} of {total:,} recordings"
    if unknown >= (1 - KNOWN) * total:
        yield Finding(
            "artists unknown",
            "note",
            f"{told}, so neither classes of one album nor artists in several folds could be looked "
            f"for. If you know of such, believe the accuracy less; the tags artist and album, or "
            f"MusicBrainz's ids, in the documents would tell.",
        )
    elif unknown > SHARED * total:
        yield Finding(
            "some artists unknown",
            "note",
            f"{told}: whether these share them with others could not be checked.",
        )


def _known(groups: Sequence[str | None]) -> NDArray[np.bool_]:
    return np.array([group is not None for group in groups], dtype=bool)


def _in_several_folds(groups: Sequence[str | None], fold_of: Indices) -> list[int]:
    folds_of = defaultdict(set)
    for group, fold in zip(groups, fold_of.tolist(), strict=True):
        folds_of[group].add(fold)
    return [
        row for row, group in enumerate(groups) if group is not None and len(folds_of[group]) > 1
    ]


def _duplicates(dataset: Dataset) -> Iterator[Finding]:
    rows_of = defaultdict(list)
    for row, values in enumerate(dataset.values):
        rows_of[values.tobytes()].append(row)
    twice = [rows for rows in rows_of.values() if len(rows) > 1]
    if not twice:
        return
    across = [rows for rows in twice if len(set(dataset.labels[rows].tolist())) > 1]
    concerned = [row for rows in twice for row in rows]
    contradicting = (
        f" {counted(len(across), 'time')} in classes that contradict each other." if across else ""
    )
    yield Finding(
        "duplicates",
        "warning",
        f"{counted(len(concerned), 'recording')} have the descriptors of another one to the last "
        f"digit: the same audio under several ids.{contradicting} With one to learn from, the "
        f"other is no test: keep one of each.",
        tuple(dataset.recordings[row] for row in concerned),
    )


def _sizes(dataset: Dataset, fold_of: Indices) -> Iterator[Finding]:
    sizes = Counter(dataset.training.values())
    folds = len(np.unique(fold_of))
    small = [name for name in dataset.classes if sizes[name] < SMALL_CLASS]
    if small:
        named = listed(f"{shown(name)} ({sizes[name]})" for name in small)
        fewer = any(sizes[name] < folds for name in small)
        some = " Of some there is not even one for each fold." if fewer else ""
        yield Finding(
            "small classes",
            "warning" if fewer else "note",
            f"Classes of fewer than {SMALL_CLASS} recordings: {named}.{some} A single recording "
            f"changes their figures by more than {100 / SMALL_CLASS:.0f} %; do not read much into "
            f"their decimals.",
        )
    largest, smallest = sizes.most_common()[0], sizes.most_common()[-1]
    if largest[1] >= UNBALANCED * smallest[1]:
        yield Finding(
            "unbalanced classes",
            "note",
            f"The largest class, {shown(largest[0])}, has {largest[1]:,} recordings, the smallest, "
            f"{shown(smallest[0])}, {smallest[1]:,}: accuracy says most about the largest. Read "
            f"the balanced accuracy, and try the option balance_classes.",
        )


def _left_out(dataset: Dataset) -> Iterator[Finding]:
    missing = set(dataset.missing)
    unfit = tuple(recording for recording in dataset.left_out if recording not in missing)
    if unfit:
        yield Finding(
            "left out",
            "warning",
            f"{counted(len(unfit), 'recording')} could not be used: of another layout than most "
            f"documents. See which extractor wrote what is left out.",
            unfit,
        )
    if missing:
        total = len(dataset.recordings) + len(dataset.testing) + len(dataset.left_out)
        yield Finding(
            "missing",
            "warning",
            f"{counted(len(missing), 'recording')} of {total:,} left out, without low-level "
            f"document: the figures are of the others, which may be easier or harder.",
            dataset.missing,
        )
    removed = sum(len(names) for names in dataset.removed.values())
    if removed > MANY_REMOVED * (removed + len(dataset.layout.descriptors)):
        what = listed(f"{len(names):,} {reason}" for reason, names in dataset.removed.items())
        yield Finding(
            "descriptors removed",
            "note",
            f"{counted(removed, 'descriptor')} of "
            f"{removed + len(dataset.layout.descriptors):,} {'is' if removed == 1 else 'are'} not "
            f"used: {what}.",
        )


def _of_one(classes: Sequence[str], noun: str) -> str:
    if len(classes) == 1:
        said = f"All recordings of class {shown(classes[0])} are of one {noun}"
        return f"{said}, as far as their tags say."
    # Names last: ten of them amid a sentence, and nobody finds its end.
    return (
        f"{counted(len(classes), 'class')} have recordings of one {noun} only, as far as their "
        f"tags say: {listed(map(shown, classes))}."
    )
