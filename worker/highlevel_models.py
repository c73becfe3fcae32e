"""Which models the high-level worker computes, loaded once and kept until that changes."""

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import structlog
from sqlalchemy import Connection

from schema import models
from schema.errors import SchemaError
from schema.models import PublishedModel
from schema.versions import version_id
from trainer.errors import DocumentError, ModelError
from trainer.highlevel import in_order, version_block
from trainer.inference import ModelSet, Predictions
from trainer.models.bundle import Model
from trainer.models.opening import open_model
from trainer.reading import Document
from trainer.regular_files import open_regular
from worker.database_link import DatabaseLink
from worker.edited_rows import (
    Contradiction,
    between_file_and_row,
    between_tables,
    of_content,
)
from worker.profile import MODELS_VERSION, Entry, Profile
from worker.published_files import PublishedFiles
from worker.publishing import provenance
from worker.settings import SettingsError

Predict = Callable[[ModelSet, Sequence[Document]], Sequence[Predictions | DocumentError]]


@dataclass(frozen=True)
class Wanted:
    """One model that is to be computed.

    Attributes
    ----------
    id
        Its row in AcousticBrainz's table `model`.
    name
        Of its outputs.
    version
        Under which AcousticBrainz's table has it.
    sha256
        What its file hashes to.
    path
        Its file.
    content
        What its row says that it predicts by; None: published before that was known.
    is_required
        Whether a document that it cannot use gets no outputs at all: it is shown, or of a profile,
        which is computed as a whole or not at all.
    model
        The model, where the file had to be read to know what it is.
    """

    id: int
    name: str
    version: str
    sha256: str
    path: Path
    content: str | None
    is_required: bool = True
    model: Model | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class LoadedModels:
    """Models in memory, and how the database knows them.

    Attributes
    ----------
    wanted
        The models; each is `models.models` of the same position.
    models
        What predicts. A second version of a name is called by name and version there.
    version
        The block ``metadata.version.highlevel`` of what they compute.
    version_id
        Its row in AcousticBrainz's table `version`.
    others
        Rows in AcousticBrainz's table `model` of published models that are not among these: they
        are left to other workers.
    """

    wanted: tuple[Wanted, ...]
    models: ModelSet
    version: Mapping[str, str]
    version_id: int
    others: frozenset[int] = frozenset()
    _parts: dict[frozenset[int], ModelSet] = field(default_factory=dict)

    @property
    def ids(self) -> tuple[int, ...]:
        """Rows in AcousticBrainz's table `model`."""
        return tuple(one.id for one in self.wanted)

    @property
    def required(self) -> frozenset[int]:
        """Rows in AcousticBrainz's table `model` of those that every document has to suit."""
        return frozenset(one.id for one in self.wanted if one.is_required)

    @property
    def known(self) -> tuple[int, ...]:
        """Rows of these and of `others`."""
        return (*self.ids, *self.others)

    @property
    def names(self) -> Mapping[str, int]:
        """Name in the set to row in AcousticBrainz's table `model`."""
        return dict(zip(self.models.names, self.ids, strict=True))

    def part(self, ids: frozenset[int]) -> ModelSet:
        """Give the set of some of the models, for recordings that have the outputs of others."""
        if ids not in self._parts:
            chosen = (
                model
                for one, model in zip(self.wanted, self.models.models, strict=True)
                if one.id in ids
            )
            self._parts[ids] = self.models if ids >= set(self.ids) else ModelSet(tuple(chosen))
        return self._parts[ids]


class RetiredError(SettingsError):
    """A profile names a model that was retired: what nobody wants is not computed, nor left out."""


class IncompleteError(SettingsError):
    """Models whose files are not where they should be.

    Attributes
    ----------
    found
        The others, whose files nobody has read yet: they may be damaged as well.
    """

    def __init__(self, problems: Sequence[str], found: Iterable[Wanted | None]) -> None:
        super().__init__(problems)
        self.found = tuple(one for one in found if one is not None)


class Source(Protocol):
    """Where it stands which models are to be computed."""

    def wanted(self, connection: Connection) -> list[Wanted]:
        """Give the models, in the order of their outputs."""

    def merge_values(self, wanted: Sequence[Wanted]) -> Mapping[str, str]:
        """Give what the version block says of them."""


@dataclass(frozen=True)
class Published:
    """All models that are published and not retired; not those that only profiles name.

    Attributes
    ----------
    folder
        The model folder.
    """

    folder: Path

    def wanted(self, connection: Connection) -> list[Wanted]:
        """Give the models: AcousticBrainz's in its order, of one name the shown version first."""
        published = [one for one in models.published_files(connection) if one.path is not None]
        files = PublishedFiles(self.folder)
        names = dict.fromkeys(one.name for one in published)
        problems: list[str] = []
        wanted = [
            _of_row(one, files, problems)
            for name in in_order(names)
            for one in published
            if one.name == name
        ]
        if problems:
            raise IncompleteError(problems, wanted)
        shown = {one.id for one in published if one.status == models.Status.SHOW}
        return [replace(one, is_required=one.id in shown) for one in wanted if one is not None]

    def merge_values(self, wanted: Sequence[Wanted]) -> Mapping[str, str]:
        """Give the models' version, or all of them where they differ."""
        return {MODELS_VERSION: ", ".join(sorted({one.version for one in wanted}))}


@dataclass(frozen=True)
class OfProfile:
    """The models of a profile, in its order.

    Attributes
    ----------
    profile, folder
        The profile, and the model folder for the published models among its entries.
    """

    profile: Profile
    folder: Path
    _read: dict[Entry, tuple[Model, str]] = field(default_factory=dict)

    def wanted(self, connection: Connection) -> list[Wanted]:
        """Give the models; those that were not listed are from now on, hidden.

        Raises
        ------
        SettingsError
            Naming each that is missing or damaged, or is listed with another content. Then none
            of them is listed.
        RetiredError
            Naming each that was retired.
        """
        published = {(one.name, one.version): one for one in models.list_published(connection)}
        files = PublishedFiles(self.folder)
        if retired := self._retired(published):
            raise RetiredError(retired)
        problems: list[str] = []
        wanted = [self._of(connection, e, published, files, problems) for e in self.profile.entries]
        if problems:
            raise IncompleteError(problems, wanted)
        return [one for one in wanted if one is not None]

    def merge_values(self, wanted: Sequence[Wanted]) -> Mapping[str, str]:
        """Give what the profile says."""
        del wanted
        return self.profile.merge_values

    def _of(
        self,
        connection: Connection,
        entry: Entry,
        published: Mapping[tuple[str, str], PublishedModel],
        files: PublishedFiles,
        problems: list[str],
    ) -> Wanted | None:
        if entry.file is None:
            one = published.get((entry.name, entry.version or ""))
            if one is None:
                problems.append(
                    f"{self.profile.path}: model {entry.name} {entry.version} is not published: "
                    "acoustic models publish it, or name its file"
                )
                return None
            return _of_row(one, files, problems)
        version = self.profile.models_version
        try:
            model, sha256 = self._opened(entry, entry.file)
            row = published.get((entry.name, version))
            if row is None or row.content != model.content:
                row = models.register(
                    connection,
                    name=entry.name,
                    version=version,
                    sha256=sha256,
                    content=model.content,
                    classes=model.classes,
                    provenance=provenance(model, {"profile": str(self.profile.path)}),
                )
        except (ModelError, SchemaError) as error:
            problems.append(
                f"{self.profile.path}: model {entry.name} {version} cannot be loaded: {error}"
            )
            return None
        return Wanted(row.id, entry.name, version, sha256, entry.file, row.content, model=model)

    def _retired(self, published: Mapping[tuple[str, str], PublishedModel]) -> list[str]:
        """Name the models that were retired: somebody wants their outputs to be made no more."""
        named = [
            (one.name, one.version or self.profile.models_version) for one in self.profile.entries
        ]
        return [
            f"{self.profile.path}: model {name} {version} was retired: leave it out of the "
            "profile, or acoustic models publish takes it up again"
            for name, version in named
            if (name, version) in published and published[name, version].retired is not None
        ]

    def _opened(self, entry: Entry, file: Path) -> tuple[Model, str]:
        """Give the model of a file, as it was at first, and what the file hashed to."""
        if entry not in self._read:
            sha256 = entry.sha256 or _sha256(file)
            self._read[entry] = open_model(file, name=entry.name, sha256=sha256), sha256
        return self._read[entry]


class Models:
    """The models of a source, loaded when they change.

    Parameters
    ----------
    link
        How the database is reached.
    source
        Where it stands which they are.
    retry_seconds
        Between two attempts at files that could not be loaded: all are read for each.
    """

    def __init__(self, link: DatabaseLink, source: Source, *, retry_seconds: float = 0.0) -> None:
        self._retry_seconds = retry_seconds
        self._link = link
        self._source = source
        self._loaded: LoadedModels | None = None
        self._in_service = False
        self._refused: tuple[tuple[Wanted, ...], float, SettingsError] | None = None
        self._told = ""
        self._log = structlog.get_logger("worker.highlevel")

    def current(self) -> LoadedModels | None:
        """Look which models are to be computed now, and load those that are new.

        What was found once is kept when later one of them cannot be loaded, whose file may not be
        on this host yet. That is logged once, and looked at again.

        Returns
        -------
        LoadedModels or None
            The same object as before where nothing changed; None: there is no model.

        Raises
        ------
        SettingsError
            The first time only, naming each model that is missing or damaged: never some of them.
        RetiredError
            At any time.
        worker.database_link.Outage
            The database is away.
        """
        try:
            self._renew()
        except SettingsError as error:
            if not self._in_service or isinstance(error, RetiredError):
                raise
            if str(error) != self._told:
                self._told = str(error)
                self._log.error(
                    "models cannot be loaded; those of before are computed",
                    problems=list(error.problems),
                )
        else:
            self._in_service, self._told = True, ""
        return self._loaded

    def _renew(self) -> None:
        try:
            wanted, others = self._link.run(self._listed)
        except IncompleteError as error:
            if self._in_service:
                raise
            # Who starts it wants to mend all at once: what is wrong with the others, too.
            raise SettingsError([*error.problems, *self._opened(error.found)[1]]) from error
        before = self._loaded
        if wanted == (before.wanted if before else ()):
            self._refused = None
            if before and others != before.others:
                self._loaded = replace(before, others=others)
            return
        self._wait_to_try_again(wanted)
        try:
            self._loaded = self._load(wanted, others) if wanted else None
        except SettingsError as error:
            self._refused = wanted, time.monotonic() + self._retry_seconds, error
            raise
        self._refused = None
        if self._in_service:
            self._log.info("models changed", models=[f"{one.name} {one.version}" for one in wanted])

    def _listed(self, connection: Connection) -> tuple[tuple[Wanted, ...], frozenset[int]]:
        wanted = tuple(self._source.wanted(connection))
        published = {one.id for one in models.published_files(connection) if one.path is not None}
        return wanted, frozenset(published.difference(one.id for one in wanted))

    def _wait_to_try_again(self, wanted: tuple[Wanted, ...]) -> None:
        """Raise what was wrong with these models, unless some time has gone by since."""
        if self._refused is None:
            return
        refused, due, error = self._refused
        if refused == wanted and time.monotonic() < due:
            raise error

    def _load(self, wanted: tuple[Wanted, ...], others: frozenset[int]) -> LoadedModels:
        opened, problems = self._opened(wanted)
        if problems:
            raise SettingsError(problems)
        models_ = ModelSet(tuple(_distinct(wanted, opened)))
        self._tell_contradictions(wanted, models_)
        version = version_block(models_, self._source.merge_values(wanted))
        row = self._link.run(lambda connection: version_id(connection, version, "highlevel"))
        return LoadedModels(wanted, models_, version, row, others)

    def _tell_contradictions(self, wanted: Sequence[Wanted], opened: ModelSet) -> None:
        """Log what rows say otherwise than files: outputs are right, what people read is not."""
        rows, found = self._link.run(_rows_of_models)
        for one, model in zip(wanted, opened.models, strict=True):
            row = rows.get(one.id)
            if row is not None:
                found.extend(between_file_and_row(row, model, one.path))
        for contradiction in found:
            self._log.warning(
                "the database contradicts a model",
                problem=contradiction.found,
                remedy=contradiction.remedy,
            )

    def _opened(self, wanted: Sequence[Wanted]) -> tuple[list[Model], list[str]]:
        """Open files that are not open yet, and say what is wrong with those that cannot be."""
        before = self._loaded
        known = dict(zip(before.wanted, before.models.models, strict=True)) if before else {}
        opened: list[Model] = []
        problems: list[str] = []
        for one in wanted:
            model = known.get(one)
            try:
                model = model or one.model
                model = model or open_model(one.path, name=one.name, sha256=one.sha256)
                if other := of_content(f"model {one.name} {one.version}", one.content, model):
                    problems.append(str(other))
                opened.append(model)
            except ModelError as error:
                problems.append(f"model {one.name} {one.version} cannot be loaded: {error}")
        return opened, problems


def _rows_of_models(
    connection: Connection,
) -> tuple[Mapping[int, PublishedModel], list[Contradiction]]:
    """Give the rows of models that have files for all, and where tables contradict each other."""
    published = (one for one in models.published_files(connection) if one.path is not None)
    return {one.id: one for one in published}, list(between_tables(connection))


def _sha256(file: Path) -> str:
    try:
        with open_regular(file) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{file} cannot be read: {error.strerror}") from error


def _of_row(one: PublishedModel, files: PublishedFiles, problems: list[str]) -> Wanted | None:
    if one.path is None:
        problems.append(
            f"model {one.name} {one.version} is known from a profile only: acoustic models publish "
            "its file, or name that file in this profile too"
        )
        return None
    try:
        path = files.find(one.path)
    except ModelError as error:
        problems.append(f"model {one.name} {one.version} cannot be loaded: {error}")
        return None
    return Wanted(one.id, one.name, one.version, one.sha256, path, one.content)


def _distinct(wanted: Sequence[Wanted], opened: Iterable[Model]) -> Iterable[Model]:
    """Give a second version of a name another name: predictions go by names."""
    names = set()
    for one, model in zip(wanted, opened, strict=True):
        name = one.name if one.name not in names else f"{one.name} {one.version}"
        names.add(name)
        yield model if model.name == name else replace(model, name=name)
