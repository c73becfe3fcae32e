"""A dataset ready to be trained on: recordings, one matrix, its layout, their classes.

`prepare`, or `Dataset.prepare` for files, is the way from labelled documents to a `Dataset`. It
applies what a job may choose (artist filter, class sizes), settles on one layout, and does what
Gaia's merge does to all labelled recordings before anything else: descriptors of varying length go
(removevl), lengths are fixed, descriptors that are constant or not finite go (cleaner).

Two things differ from Gaia on purpose. With documents of different layouts, Gaia keeps those that
agree with whichever file a thread happened to read first; here the most common layout counts.
And Gaia merges in chunks of 5,000 recordings and drops a descriptor that is constant in any of
them (all descriptors, if the last chunk is a single recording); here all recordings count at once.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainer.descriptors import Float32, LowLevel
from trainer.errors import DatasetError, OptionsError
from trainer.ground_truth import GroundTruth
from trainer.layout import NAMED, Descriptor, Layout, strings_of, utf16
from trainer.loading import load_documents
from trainer.near_ids import Wanted, beside
from trainer.options import JobOptions, Missing
from trainer.preprocessing.fitting import Cleaning, clean
from trainer.preprocessing.recipes import Template, template_for
from trainer.selection import MIN_RECORDINGS, NormalizeMode, select
from trainer.tags import identified
from trainer.wording import counted, enumerated, listed, shown

LEFT_OUT_NAMED = 3
# Of a job's options, those that say which recordings are trained on.
CHOICES = ("filter_type", "missing", "normalize", "normalize_mode", "seed")
MISSING = "has no low-level document"

Signature = frozenset[tuple[str, bool]]  # descriptor name, whether it is real


@dataclass(frozen=True, eq=False)
class Dataset:
    """Labelled recordings as one matrix.

    Attributes
    ----------
    name : str
        Name of the ground truth, such as "danceability".
    recordings : tuple of str
        Ids in ascending order: the order of Gaia's data sets, on which codes and folds depend.
    values : ndarray of float32, shape (n_recordings, layout.width)
        Descriptor values; codes by first appearance for enumerated descriptors.
    layout : Layout
        What the columns are.
    classes : tuple of str
        Class names, sorted.
    labels : ndarray of intp, shape (n_recordings,)
        Position in `classes` of each recording's class.
    template : {"2.1-beta2", "2.1-beta5"}
        Which family of recipes fits the documents.
    artists, release_groups : tuple of str or None
        Of each recording, where its document says: MusicBrainz's id, or a name where there is
        none (`trainer.tags`). Empty where nobody asked.
    testing : mapping of str to str
        Class of each recording that the artist filter, or the limit on class sizes, kept out of
        the training.
    testing_documents : mapping of str to LowLevel
        Their documents.
    left_out : mapping of str to str
        Recordings whose document lacks a descriptor of the layout, with the reason, and those
        that have no document.
    missing : tuple of str
        The latter.
    removed : mapping of str to tuple of str
        Descriptors that the merge dropped, by reason.
    notes : tuple of str
        What else a person who reads the evaluation should know.
    """

    name: str
    recordings: tuple[str, ...]
    values: Float32
    layout: Layout
    classes: tuple[str, ...]
    labels: NDArray[np.intp]
    template: Template = "2.1-beta2"
    artists: tuple[str | None, ...] = ()
    release_groups: tuple[str | None, ...] = ()
    testing: Mapping[str, str] = field(default_factory=dict)
    testing_documents: Mapping[str, LowLevel] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    removed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<Dataset {shown(self.name)}: {counted(len(self.recordings), 'recording')} of "
            f"{enumerated(self.classes)}, {counted(self.layout.width, 'column')}>"
        )

    @classmethod
    def prepare(
        cls,
        ground_truth: GroundTruth | str | os.PathLike[str],
        documents: Mapping[str, LowLevel] | str | os.PathLike[str],
        *,
        filter_type: Literal["artist"] | None = None,
        missing: Missing = "fail",
        normalize: bool = False,
        normalize_mode: NormalizeMode = "acousticbrainz",
        seed: int = 1,
        **unknown: Any,
    ) -> Dataset:
        """Make a dataset of labels and documents, as files or as values.

        Parameters
        ----------
        ground_truth : GroundTruth or path-like
            Classes and their recordings; a file as `GroundTruth.read` takes it.
        documents : mapping of str to LowLevel, or path-like
            Documents by id of their recording; a folder or a file as `load_documents` takes it.
        filter_type : {"artist"} or None
            Train on one recording of each artist in a class.
        missing : {"fail", "leave out"}
            What to do with recordings that have no document.
        normalize : bool
            Limit the sizes of classes.
        normalize_mode : {"acousticbrainz", "smallest"}
            By AcousticBrainz's rule, or to the size of the smallest.
        seed : int
            Of the choices that these make, from 0 to 2**32 - 1.
        **unknown
            Refused, by name.

        Raises
        ------
        TrainerError
            Labels, documents or choices have to change; see `trainer.errors`.

        Examples
        --------
        >>> import examples
        >>> Dataset.prepare(examples.ground_truth("gender"), examples.documents()).classes
        ('female', 'male')
        """
        values = (filter_type, missing, normalize, normalize_mode, seed)
        options = _options({**dict(zip(CHOICES, values, strict=True)), **unknown})
        if not isinstance(ground_truth, GroundTruth):
            ground_truth = GroundTruth.read(Path(ground_truth))
        wanted = Wanted(ground_truth.class_of)
        if isinstance(documents, Mapping):
            documents = {r: document for r, document in documents.items() if r in wanted}
        else:
            documents = load_documents(documents, wanted=wanted)
        return prepare(ground_truth, documents, options, others=wanted.others)

    @property
    def training(self) -> dict[str, str]:
        """Class of each recording that is trained on."""
        pairs = zip(self.recordings, self.labels, strict=True)
        return {recording: self.classes[label] for recording, label in pairs}

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """Return the dataset of a selection of the recordings, in ascending order of rows."""
        return Dataset(
            name=self.name,
            recordings=tuple(self.recordings[row] for row in rows),
            values=self.values[rows],
            layout=self.layout,
            classes=self.classes,
            labels=self.labels[rows],
            template=self.template,
            artists=tuple(self.artists[row] for row in rows) if self.artists else (),
            release_groups=tuple(self.release_groups[row] for row in rows)
            if self.release_groups
            else (),
        )


def prepare(
    ground_truth: GroundTruth,
    documents: Mapping[str, LowLevel],
    options: JobOptions,
    *,
    others: Collection[str] | None = None,
) -> Dataset:
    """Make the dataset that a job trains on.

    Parameters
    ----------
    ground_truth : GroundTruth
        Classes and their recordings.
    documents : mapping of str to LowLevel
        A flattened document for each recording; further documents are ignored.
    options : JobOptions
        Artist filter, class sizes and seed.
    others : collection of str, optional
        Ids of documents that were there and not labelled, of files: a message tells them apart
        from those that have none. Without it the documents are a database's.

    Raises
    ------
    DatasetError
        Recordings have no document; a class is too small once documents that do not fit are
        left out; or no descriptor is left to train on.
    """
    present, missing = _present(ground_truth, documents, options.missing, others)
    selection = select(
        present,
        {recording: documents[recording].artist for recording in present.class_of},
        filter_type=options.filter_type,
        normalize=options.normalize,
        normalize_mode=options.normalize_mode,
        seed=options.seed,
    )
    chosen = {recording: documents[recording] for recording in sorted_ids(selection.training)}
    reference, left_out = _reference_layout(chosen)
    class_of = {r: selection.training[r] for r in chosen if r not in left_out}
    _check_classes(class_of, selection.training, left_out)
    matrix, layout, removed = _merge({r: chosen[r] for r in class_of}, reference)
    classes = tuple(sorted(set(class_of.values()), key=utf16))
    return Dataset(
        name=ground_truth.name,
        recordings=tuple(class_of),
        values=matrix,
        layout=layout,
        classes=classes,
        labels=np.array([classes.index(name) for name in class_of.values()], dtype=np.intp),
        template=template_for(chosen[r].extractor_version for r in class_of),
        artists=identified(
            [chosen[r].artist for r in class_of], [chosen[r].artist_name for r in class_of]
        ),
        release_groups=identified(
            [chosen[r].release_group for r in class_of], [chosen[r].album_name for r in class_of]
        ),
        testing=selection.testing,
        testing_documents={r: documents[r] for r in selection.testing},
        left_out={**left_out, **dict.fromkeys(missing, MISSING)},
        missing=missing,
        removed=removed,
        notes=(*options.notes, *ground_truth.notes, *selection.notes),
    )


@dataclass(frozen=True, eq=False)
class Merged:
    """Documents as one matrix, without classes; attributes as those of `Dataset`."""

    recordings: tuple[str, ...]
    values: Float32
    layout: Layout
    template: Template
    left_out: Mapping[str, str]
    removed: Mapping[str, tuple[str, ...]]

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<Merged: {counted(len(self.recordings), 'recording')}, "
            f"{counted(self.layout.width, 'column')}>"
        )


def merge(documents: Mapping[str, LowLevel]) -> Merged:
    """Make one matrix of documents, as `prepare` does, whatever class they are of.

    Raises
    ------
    DatasetError
        There is no document, or nothing that they have in common.
    """
    if not documents:
        raise DatasetError("there is no document to make a matrix of")
    ordered = {recording: documents[recording] for recording in sorted_ids(documents)}
    reference, left_out = _reference_layout(ordered)
    kept = {r: document for r, document in ordered.items() if r not in left_out}
    values, layout, removed = _merge(kept, reference)
    template = template_for(document.extractor_version for document in kept.values())
    return Merged(tuple(kept), values, layout, template, left_out, removed)


def _options(choices: Mapping[str, Any]) -> JobOptions:
    unknown = [name for name in choices if name not in CHOICES]
    if unknown:
        raise OptionsError(
            f"{listed(map(shown, unknown))} is nothing that a dataset depends on; "
            f"there are {', '.join(CHOICES)}"
        )
    return JobOptions.parse(choices)


def sorted_ids(ids: Iterable[str]) -> list[str]:
    """Sort as Gaia sorts its items."""
    return sorted(ids, key=utf16)


def _present(
    ground_truth: GroundTruth,
    documents: Mapping[str, LowLevel],
    otherwise: Missing,
    others: Collection[str] | None,
) -> tuple[GroundTruth, tuple[str, ...]]:
    """Return the ground truth of recordings that have a document, and those that have none."""
    missing = tuple(r for r in ground_truth.class_of if r not in documents)
    if not missing:
        return ground_truth, ()
    if otherwise == "fail":
        raise DatasetError(
            f"{counted(len(missing), 'recording')} of the dataset without low-level document: "
            f"{_without(missing, others)}, take them out of the dataset, or leave them out by the "
            f"option missing (on the command line, --missing leave-out)"
        )
    classes = {
        name: tuple(recording for recording in members if recording in documents)
        for name, members in ground_truth.classes.items()
    }
    for name, members in classes.items():
        if len(members) < MIN_RECORDINGS:
            lost = [r for r in ground_truth.classes[name] if r not in documents]
            raise DatasetError(
                f"class {shown(name)} has {counted(len(members), 'recording')} with a low-level "
                f"document of the {MIN_RECORDINGS} that are needed, because "
                f"{counted(len(lost), 'recording')} without one would be left out: "
                f"{_without(lost, others)}, or take the class out of the dataset"
            )
    return replace(ground_truth, classes=classes), missing


def _without(missing: Sequence[str], others: Collection[str] | None) -> str:
    """Name recordings without document, and the first remedy: where their documents come from."""
    if others is None:
        return f"{listed(missing)}; submit the low-level data"
    return f"{listed(missing)} ({beside(missing, others)}); mend the ids, give the documents too"


def _reference_layout(
    documents: Mapping[str, LowLevel],
) -> tuple[Signature, dict[str, str]]:
    """Find the most common layout, and the documents that lack a descriptor of it."""
    signatures = {recording: _signature(document) for recording, document in documents.items()}
    # Counter keeps the order of first appearance among equals: no race, the first id decides.
    (reference, _), *others = Counter(signatures.values()).most_common()
    if not others:
        return reference, {}
    left_out = {}
    for recording, signature in signatures.items():
        if signature is not reference and signature != reference:
            lacking = _lacking(reference, documents[recording])
            if lacking:
                left_out[recording] = _lacks(lacking)
    return reference, left_out


def _signature(document: LowLevel) -> Signature:
    reals = frozenset((name, True) for name in document.reals)
    return reals | frozenset((name, False) for name in document.strings)


def _lacking(reference: Signature, document: LowLevel) -> list[str]:
    return sorted(
        name
        for name, real in reference
        if (name not in document.reals if real else strings_of(document, name) is None)
    )


def _lacks(names: Sequence[str]) -> str:
    lacking = listed((name.removeprefix(".") for name in names), named=NAMED)
    return f"lacks {lacking} as the other documents have it"


def _check_classes(
    class_of: Mapping[str, str],
    selected: Mapping[str, str],
    left_out: Mapping[str, str],
) -> None:
    """Refuse a class that documents of another layout have made too small."""
    sizes = Counter(class_of.values())
    for name in dict.fromkeys(selected.values()):
        if sizes[name] < MIN_RECORDINGS:
            lost = [r for r in selected if selected[r] == name and r in left_out]
            reasons = listed((f"{r} {left_out[r]}" for r in lost), named=LEFT_OUT_NAMED)
            raise DatasetError(
                f"class {shown(name)} has {counted(sizes[name], 'usable recording')} of the "
                f"{MIN_RECORDINGS} that are needed, because documents do not fit the layout "
                f"of the others: {reasons}"
            )


def _merge(
    of: Mapping[str, LowLevel],
    reference: Signature,
) -> tuple[Float32, Layout, dict[str, tuple[str, ...]]]:
    """Make one matrix of all documents: Gaia's removevl, fixlength and cleaner."""
    documents = list(of.values())
    descriptors, varying = [], []
    for name, real in sorted(reference, key=lambda item: item[0].split(".")):
        columns = [_column(document, name, real=real) for document in documents]
        if len({len(column) for column in columns}) > 1 or not len(columns[0]):
            varying.append(name)
        elif real:
            descriptors.append(Descriptor(name, len(columns[0])))
        else:
            descriptors.append(Descriptor(name, len(columns[0]), _first_appearance(columns)))
    layout = Layout(tuple(descriptors))
    if not layout.width:
        raise DatasetError("the documents have no descriptor of one length in common")
    return _clean(layout.matrix(documents), layout, varying, tuple(of))


def _column(document: LowLevel, name: str, *, real: bool) -> Sequence[object]:
    if real:
        return document.reals[name]  # type: ignore[return-value]
    return strings_of(document, name) or ()


def _first_appearance(columns: Iterable[Sequence[object]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(value) for column in columns for value in column))


def _clean(
    matrix: Float32,
    layout: Layout,
    varying: Sequence[str],
    recordings: Sequence[str],
) -> tuple[Float32, Layout, dict[str, tuple[str, ...]]]:
    cleaning = clean(matrix, layout)
    kept = {layout.names[place] for place in layout.descriptor_of[cleaning.columns]}
    if not any(d.is_real and d.name in kept for d in layout.descriptors):
        raise DatasetError(_why_nothing_is_left(matrix, cleaning, recordings))
    layout, columns = layout.keep(kept)
    removed = {
        "variable length": tuple(varying),
        "constant": cleaning.constant,
        "not finite": cleaning.not_finite,
    }
    return np.ascontiguousarray(matrix[:, columns]), layout, removed


def _why_nothing_is_left(matrix: Float32, cleaning: Cleaning, recordings: Sequence[str]) -> str:
    if not cleaning.not_finite:
        return (
            "no numeric descriptor differs between the recordings, so there is nothing to "
            "learn from: are all documents copies of one?"
        )
    odd = [recordings[row] for row in np.flatnonzero(~np.isfinite(matrix).all(axis=1)).tolist()]
    return (
        f"no numeric descriptor is left to learn from: one that is not a finite number in a single "
        f"recording is used of none, and such values are in {listed(map(shown, odd))}; take "
        f"{'it' if len(odd) == 1 else 'them'} out of the dataset, or submit the low-level data anew"
    )
