"""Which recordings of a ground truth train, and which are kept for testing.

AcousticBrainz offers two options, and this module reproduces them with every choice drawn from
the job's seed: the *artist filter*, and *normalize*, which limits the sizes of classes. What they
choose depends on the recordings, their classes and the seed alone, not on the order in which
anything was listed. A recording that trains is never in the testing set.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from trainer.errors import DatasetError
from trainer.wording import counted, listed, shown

MIN_CLASSES = 2
MIN_RECORDINGS = 2  # of a class: one to learn from while the other is predicted
NORMALIZED_SIZE = 450  # AcousticBrainz's

NormalizeMode = Literal["acousticbrainz", "smallest"]


class _GroundTruth(Protocol):
    @property
    def class_of(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Selection:
    """Class of each recording that trains, and of each that is kept for testing.

    Attributes
    ----------
    training, testing : dict of str to str
        Recording to class, in ascending order of ids. Recordings that an option takes out of
        both are in neither.
    notes : tuple of str
        What each option did, in figures.
    """

    training: dict[str, str]
    testing: dict[str, str]
    notes: tuple[str, ...] = ()


def select(
    ground_truth: _GroundTruth,
    artist_of: Mapping[str, str | None],
    *,
    filter_type: Literal["artist"] | None = None,
    normalize: bool = False,
    normalize_mode: NormalizeMode = "acousticbrainz",
    seed: int = 1,
) -> Selection:
    """Apply the artist filter and the limit of class sizes, in this order, as a job asks for.

    The parameters are those of `artist_filter`, `limit_class_sizes` and the job's options.

    Raises
    ------
    DatasetError
        An option leaves fewer than two classes, or a class of fewer than two recordings. The
        message names the option, what became of each class, and the remedy.
    """
    training = dict(sorted(ground_truth.class_of.items()))
    testing: dict[str, str] = {}
    notes = []
    if filter_type == "artist":
        given = training
        training, testing = artist_filter(ground_truth, artist_of, seed=seed)
        notes.append(_filter_note(given, training, testing))
        # Classes that are too small for AcousticBrainz's normalize go anyway.
        if not (normalize and normalize_mode == "acousticbrainz"):
            _check_filtered(given, training)
    if normalize:
        given = training
        training, rest = limit_class_sizes(given, normalize_mode, seed=seed)
        _check_limited(given, training)
        kept = set(training.values())
        # AcousticBrainz also stored the testing recordings of classes it had dropped. No model
        # can predict those.
        testing = {r: label for r, label in sorted((testing | rest).items()) if label in kept}
        notes.append(_limit_note(given, training, rest))
    return Selection(training, testing, tuple(notes))


def artist_filter(
    ground_truth: _GroundTruth,
    artist_of: Mapping[str, str | None],
    *,
    seed: int = 1,
) -> tuple[dict[str, str], dict[str, str]]:
    """Let one recording of each artist in each class train, so that no artist is recognised.

    Parameters
    ----------
    ground_truth : GroundTruth
        Recordings and their classes.
    artist_of : mapping of str to str or None
        Recording to artist id. A recording whose artist is unknown is in neither result: it may
        be by anybody.
    seed : int
        Decides which recording of an artist trains.

    Returns
    -------
    training, testing : dict of str to str
        Recording to class, in ascending order of ids; testing are further recordings of the
        artists.
    """
    recordings = sorted(ground_truth.class_of)
    shuffled = list(recordings)
    random.Random(seed).shuffle(shuffled)  # noqa: S311 - a repeatable choice, not a secret
    chosen: dict[tuple[str, str], str] = {}
    for recording in shuffled:
        artist = artist_of.get(recording)
        if artist:
            chosen.setdefault((ground_truth.class_of[recording], artist), recording)
    trains = set(chosen.values())
    training = {r: ground_truth.class_of[r] for r in recordings if r in trains}
    testing = {
        r: ground_truth.class_of[r] for r in recordings if artist_of.get(r) and r not in trains
    }
    return training, testing


def limit_class_sizes(
    class_of: Mapping[str, str],
    mode: NormalizeMode,
    *,
    seed: int = 1,
) -> tuple[dict[str, str], dict[str, str]]:
    """Make all classes the same size by sampling.

    Parameters
    ----------
    class_of : mapping of str to str
        Recording to class.
    mode : {"acousticbrainz", "smallest"}
        "acousticbrainz": classes of more than 450 recordings are sampled to 450, all others are
        dropped (450 exactly included, as there). "smallest": every class is sampled to the size
        of the smallest.
    seed : int
        Decides which recordings are sampled.

    Returns
    -------
    kept, rest : dict of str to str
        Recording to class, in ascending order of ids: the sample, and what is left of the
        sampled classes. Recordings of dropped classes are in neither.
    """
    members: dict[str, list[str]] = {}
    for recording in sorted(class_of):
        members.setdefault(class_of[recording], []).append(recording)
    size = NORMALIZED_SIZE
    if mode == "smallest":
        size = min(map(len, members.values()), default=0)
    else:
        members = {label: ids for label, ids in members.items() if len(ids) > size}
    generator = random.Random(seed)  # noqa: S311 - a repeatable choice, not a secret
    sampled = {r for ids in members.values() for r in generator.sample(ids, size)}
    of_sampled_classes = sorted(r for ids in members.values() for r in ids)
    kept = {r: class_of[r] for r in of_sampled_classes if r in sampled}
    rest = {r: class_of[r] for r in of_sampled_classes if r not in sampled}
    return kept, rest


def _check_filtered(given: Mapping[str, str], training: Mapping[str, str]) -> None:
    before, after = Counter(given.values()), Counter(training.values())
    small = [label for label in before if after[label] < MIN_RECORDINGS]
    if small:
        figures = listed(f"{shown(label)} {after[label]} of {before[label]}" for label in small)
        raise DatasetError(
            "filter_type 'artist' trains on one recording of each artist in a class, which "
            f"leaves fewer than {MIN_RECORDINGS} recordings of {figures}; add recordings of "
            "other artists, see that they have a musicbrainz_artistid tag, or set filter_type "
            "to null"
        )


def _check_limited(given: Mapping[str, str], training: Mapping[str, str]) -> None:
    kept = set(training.values())
    if len(kept) < MIN_CLASSES:
        figures = listed(
            f"{shown(label)} {size:,}" for label, size in Counter(given.values()).items()
        )
        raise DatasetError(
            f"normalize keeps only classes of more than {NORMALIZED_SIZE} recordings, which "
            f"leaves {counted(len(kept), 'class') if kept else 'no class'} of the {MIN_CLASSES} "
            f"that are needed ({figures}); use normalize_mode 'smallest' or set normalize to false"
        )


def _filter_note(
    given: Mapping[str, str],
    training: Mapping[str, str],
    testing: Mapping[str, Any],
) -> str:
    unknown = len(given) - len(training) - len(testing)
    return (
        f"artist filter: {counted(len(training), 'recording')} for training, {len(testing):,} for "
        f"testing, {unknown:,} without an artist id in neither"
    )


def _limit_note(
    given: Mapping[str, str],
    training: Mapping[str, str],
    rest: Mapping[str, str],
) -> str:
    sizes = Counter(training.values())
    dropped = {k: n for k, n in Counter(given.values()).items() if k not in sizes}
    figures = listed(f"{shown(label)} {size:,}" for label, size in dropped.items())
    return (
        f"normalize: {counted(max(sizes.values()), 'recording')} of each of "
        f"{counted(len(sizes), 'class')} for training, {len(rest):,} further ones for testing"
        + (f", classes that are too small dropped ({figures})" if dropped else "")
    )
