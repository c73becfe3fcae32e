"""How recordings come into folds: as Gaia does it, grouped, or as somebody says.

Without wishes the folds are Gaia's, to the bit. *Grouped* folds keep the recordings of one artist,
or of one album, together, so that nothing is tested on a voice or a master tape that the machine
has heard; they are as well stratified by class as groups allow. *Given* folds are those of a
benchmark, or of whoever knows more about the recordings than their tags say.
"""

from __future__ import annotations

import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.dataset import Dataset
from trainer.errors import DatasetError
from trainer.grid.folds import assign_folds
from trainer.grid.project import GROUP_NOUNS, Grouping, Project
from trainer.tags import KNOWN
from trainer.wording import counted, listed, shown

Indices = NDArray[np.intp]

SEEDS = 2**32
TRIES = 20  # seeds until folds leave something of each class to train on
STRIDE = 1_000_003  # between them, far from the neighbours that repeats take

# A beginning of an MBID that is long enough to be told from others.
_BEGINNING = re.compile("[0-9a-f]{8}[0-9a-f-]{0,27}")


@dataclass(frozen=True, eq=False)
class Assignment:
    """Folds of a dataset.

    Attributes
    ----------
    fold_of : ndarray of intp, shape (n_recordings,)
        Fold of each recording, from 0.
    groups : ndarray of intp, shape (n_recordings,), or None
        Number of the group of each recording, where folds are grouped.
    ungrouped : int
        Recordings of an unknown group, each of which is one of its own.
    notes : tuple of str
        What a person who reads the evaluation should know.
    """

    fold_of: Indices
    groups: Indices | None = None
    ungrouped: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoldPlan:
    """A way to assign folds, which gives any dataset its folds.

    Attributes
    ----------
    folds : int
        At most so many.
    seed : int
    group_by : {"artist", "release_group"} or None
        What no two folds share.
    given : tuple of tuple of str
        Ids of each fold, if somebody says; beginnings of MBIDs will do.
    """

    folds: int
    seed: int
    group_by: Grouping | None = None
    given: tuple[tuple[str, ...], ...] = ()

    @classmethod
    def of(cls, project: Project, seed: int) -> FoldPlan:
        """Make the plan that a project asks for."""
        return cls(project.folds, seed, project.group_by, project.given_folds)

    def again(self, time: int) -> FoldPlan:
        """Return the plan of another assignment of the same kind: the seed after, and so on."""
        return replace(self, seed=(self.seed + time) % SEEDS)

    def assign(self, dataset: Dataset) -> Assignment:
        """Give each recording a fold.

        Raises
        ------
        DatasetError
            Of most recordings the group is unknown; a class is all of one group, or all in one
            fold; a recording has no fold, or two.
        """
        if self.group_by:
            _check_known(dataset, self.group_by)
        return self._assign(dataset)

    def _assign(self, dataset: Dataset) -> Assignment:
        if self.given:
            assignment = _as_given(dataset, self.given)
        elif self.group_by:
            assignment = self._grouped(dataset, self.group_by)
        else:
            assignment = self._as_gaia(dataset)
        _check_classes(dataset, assignment.fold_of)
        return assignment

    def inside(self, dataset: Dataset, fold_of: Indices, fold: int) -> tuple[Dataset, Indices]:
        """Return what is outside of a fold, with folds of its own: the inner ones of nesting.

        Where folds were given, the others are the inner ones.

        Raises
        ------
        DatasetError
            As for `assign`; the message says that it is about nesting.
        """
        rows = np.flatnonzero(fold_of != fold)
        training = dataset.take(rows)
        try:
            if self.given:
                _check_classes(training, fold_of[rows])
                return training, fold_of[rows]
            # Not `assign`: of the whole enough groups are known, though of a part it may be fewer.
            return training, self._assign(training).fold_of
        except DatasetError as error:
            raise DatasetError(
                f"a nested estimate needs folds of all recordings but those of fold {fold}, "
                f"and there {error}; or leave out the option nested"
            ) from error

    def _as_gaia(self, dataset: Dataset) -> Assignment:
        return Assignment(assign_folds(dataset.recordings, dataset.labels, self.folds, self.seed))

    def _grouped(self, dataset: Dataset, group_by: Grouping) -> Assignment:
        names = _names(dataset, group_by)
        groups, ungrouped = _numbered(names)
        _check_groups(dataset, groups, names, group_by)
        fold_of = next(
            (
                found
                for time in range(TRIES)
                if _leaves_each_class(
                    dataset,
                    found := _stratified(
                        dataset.labels, groups, self.folds, (self.seed + time * STRIDE) % SEEDS
                    ),
                )
            ),
            None,
        )
        if fold_of is None:  # groups and classes so entangled that `_check_classes` has to say it
            fold_of = _stratified(dataset.labels, groups, self.folds, self.seed)
        return Assignment(fold_of, groups, ungrouped, _group_notes(groups, ungrouped, group_by))


def _names(dataset: Dataset, group_by: Grouping) -> tuple[str | None, ...]:
    names = dataset.artists if group_by == "artist" else dataset.release_groups
    return names or (None,) * len(dataset.recordings)


def _check_known(dataset: Dataset, group_by: Grouping) -> None:
    """Refuse folds that would be called grouped and are not."""
    noun = GROUP_NOUNS[group_by]
    names = _names(dataset, group_by)
    unknown = names.count(None)
    if unknown >= (1 - KNOWN) * len(names):
        tags = "artist" if group_by == "artist" else "album and artist"
        raise DatasetError(
            f"folds cannot be grouped by {noun}: it is unknown for {unknown:,} of "
            f"{counted(len(names), 'recording')}; write the tags {tags}, or MusicBrainz's ids, "
            f"into the documents, give the folds yourself, or leave out the option group_by"
        )


def _numbered(names: Sequence[str | None]) -> tuple[Indices, int]:
    """Return numbers of groups by first appearance; without a name one is a group by itself."""
    numbers: dict[str, int] = {}
    groups, ungrouped = [], 0
    for name in names:
        if name is None:
            groups.append(len(numbers) + ungrouped)
            ungrouped += 1
        else:
            groups.append(numbers.setdefault(name, len(numbers) + ungrouped))
    return np.array(groups, dtype=np.intp), ungrouped


def _group_notes(groups: Indices, ungrouped: int, group_by: Grouping) -> tuple[str, ...]:
    noun = GROUP_NOUNS[group_by]
    known = len(np.unique(groups)) - ungrouped
    note = f"folds are grouped by {noun}: {counted(known, noun)}, none in two folds"
    if ungrouped:
        note += (
            f"; of {counted(ungrouped, 'recording')} the {noun} is unknown, and each is taken "
            f"for one of its own"
        )
    return (note,)


def _check_groups(
    dataset: Dataset, groups: Indices, names: Sequence[str | None], group_by: Grouping
) -> None:
    noun = GROUP_NOUNS[group_by]
    for label, name in enumerate(dataset.classes):
        rows = np.flatnonzero(dataset.labels == label)
        if len(rows) and len(np.unique(groups[rows])) == 1:
            raise DatasetError(
                f"all recordings of class {shown(name)} are of one {noun}, "
                f"{shown(names[rows[0]])}, and folds grouped by {noun} cannot both train on that "
                f"class and test it: add recordings of another {noun}, leave out the class, or "
                f"the option group_by"
            )


def _stratified(labels: Indices, groups: Indices, folds: int, seed: int) -> Indices:
    from sklearn.model_selection import StratifiedGroupKFold  # noqa: PLC0415 - takes two seconds

    fold_of = np.empty(len(labels), dtype=np.intp)
    # More folds than it has recordings of any class are refused by scikit-learn, those of fewer
    # classes warned of; fewer folds than asked for are what Gaia's rule gives there, too.
    splits = min(folds, len(np.unique(groups)), int(np.bincount(labels).max()))
    splitter = StratifiedGroupKFold(splits, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)
        parts: Iterator[Any] = splitter.split(labels, labels, groups)
        for fold, (_, held_out) in enumerate(parts):
            fold_of[held_out] = fold
    return np.unique(fold_of, return_inverse=True)[1]  # without gaps


def _leaves_each_class(dataset: Dataset, fold_of: Indices) -> bool:
    return _alone(dataset, fold_of) is None


def _alone(dataset: Dataset, fold_of: Indices) -> tuple[str, int] | None:
    """Return a class that is in one fold only, with the fold."""
    for label, name in enumerate(dataset.classes):
        folds = np.unique(fold_of[dataset.labels == label])
        if len(folds) == 1:
            return name, int(folds[0])
    return None


def _check_classes(dataset: Dataset, fold_of: Indices) -> None:
    alone = _alone(dataset, fold_of)
    if alone:
        name, fold = alone
        raise DatasetError(
            f"all recordings of class {shown(name)} are in fold {fold}, so that there is none "
            f"to train on when that fold is tested: spread them over folds, or over groups that "
            f"folds keep together, or leave the class out"
        )


def _as_given(dataset: Dataset, given: Sequence[Sequence[str]]) -> Assignment:
    fold_of_id, unknown = _resolved(dataset, given)
    missing = [recording for recording in dataset.recordings if recording not in fold_of_id]
    if missing:
        raise DatasetError(
            f"{counted(len(missing), 'recording')} of the dataset without a fold among those that "
            f"are given: {listed(map(shown, missing))}; give each recording one"
        )
    fold_of = np.array([fold_of_id[recording] for recording in dataset.recordings], dtype=np.intp)
    notes = [f"the {len(given)} folds are given ones"]
    if unknown:
        notes.append(
            f"the folds name {counted(len(unknown), 'recording')} that the dataset does not have: "
            f"{listed(map(shown, unknown))}"
        )
    return Assignment(np.unique(fold_of, return_inverse=True)[1], notes=tuple(notes))


def _resolved(
    dataset: Dataset, given: Sequence[Sequence[str]]
) -> tuple[Mapping[str, int], list[str]]:
    """Return the fold of each recording that is named, and what names none."""
    known = sorted({*dataset.recordings, *dataset.testing, *dataset.left_out})
    exact = set(known)
    fold_of: dict[str, int] = {}
    unknown = []
    for fold, members in enumerate(given):
        for member in members:
            recording = member if member in exact else _only_one(member, known)
            if recording is None:
                unknown.append(member)
            elif fold_of.setdefault(recording, fold) != fold:
                raise DatasetError(
                    f"recording {shown(recording)} is in two of the folds that are given, "
                    f"{fold_of[recording]} and {fold}; leave it in one"
                )
    return fold_of, unknown


def _only_one(beginning: str, known: Sequence[str]) -> str | None:
    """Return the one recording whose MBID begins so."""
    beginning = beginning.lower()
    if not _BEGINNING.fullmatch(beginning):
        return None
    place = bisect_left(known, beginning)
    found = [name for name in known[place : place + 2] if name.startswith(beginning)]
    if len(found) > 1:
        raise DatasetError(
            f"{shown(beginning)} among the folds that are given is the beginning of several "
            f"recordings, such as {found[0]} and {found[1]}; write more of it"
        )
    return found[0] if found else None
