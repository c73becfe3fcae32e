"""Publishing a model: its file into the model folder, then its row into the database."""

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import Connection, Engine

from schema import evaluation_jobs, models
from schema.models import PublishedModel, Status
from trainer.documents import parse_json
from trainer.errors import ModelError, TrainerError
from trainer.models.extractors import extractor_of
from trainer.models.opening import open_model
from trainer.parsing import MAX_BYTES
from trainer.regular_files import read_regular
from trainer.wording import listed
from worker.model_store import ModelStore
from worker.published_files import PublishedFiles, StoredFile

if TYPE_CHECKING:
    from trainer.models.bundle import Model

# What is kept of a model's own account of its training; the rest is in the file.
_TOLD = ("provenance", "parameters", "accuracy", "class_sizes", "seed", "versions")


@dataclass(frozen=True)
class Publication:
    """What publishing did.

    Attributes
    ----------
    model
        The model as it is now.
    taken_down
        Versions of the same name that were shown until now.
    other_layout
        What to heed where it was trained on documents of another extractor than models that are
        shown; empty where that cannot be told from the descriptors that they need.
    """

    model: PublishedModel
    taken_down: tuple[str, ...]
    other_layout: str = ""


def publish(
    engine: Engine,
    folder: Path,
    source: Path,
    *,
    name: str,
    version: str,
    status: Status,
    class_mapping: Mapping[str, str] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Publication:
    """Publish a bundle or a Gaia ``.history``.

    Doing it again changes nothing, or the status only.

    Parameters
    ----------
    engine
        The database.
    folder
        The model folder.
    source
        The file; it is copied.
    name, version, status
        As what it is published, and who sees it. With ``show``, the version that was shown until
        now is taken down in the same transaction.
    class_mapping
        What people read for each class; see `schema.models.publish` for what stands without it.
    origin
        Where the file came from, as JSON.

    Raises
    ------
    ModelError
        The file is no intact model, or the mapping does not fit its classes.
    schema.errors.SchemaError
        Name and version are those of another model.
    """
    given = open_model(source, name=name)
    _check(class_mapping, given)
    files = PublishedFiles(folder)
    stored = _stored(engine, files, name, version, given.content) or files.add(source)
    # What counts is the copy, whatever became of the source meanwhile.
    model = open_model(files.find(stored.path), name=name, sha256=stored.sha256)
    with engine.begin() as connection:
        published, taken_down = models.publish(
            connection,
            name=name,
            version=version,
            status=status,
            sha256=stored.sha256,
            content=model.content,
            path=stored.path,
            classes=model.classes,
            class_mapping=class_mapping,
            provenance=provenance(model, origin or {"file": source.name}),
        )
    with engine.connect() as connection:
        others = [one for one in models.published_files(connection) if one.id != published.id]
    return Publication(published, tuple(taken_down), _other_layout(published, model, others, files))


def _other_layout(
    published: PublishedModel,
    model: "Model",
    others: Sequence[PublishedModel],
    files: PublishedFiles,
) -> str:
    """Say what comes of it where no document suits both a model and those that are shown."""
    extractor = extractor_of(model.layout.names)
    if extractor is None:
        return ""
    of_others: dict[str, list[str]] = {}
    for one in others:
        if one.status != Status.SHOW or one.path is None:
            continue
        with suppress(ModelError):
            theirs = open_model(files.find(one.path), name=one.name, sha256=one.sha256).layout
            of_others.setdefault(extractor_of(theirs.names) or extractor, []).append(one.name)
    of_others.pop(extractor, None)
    if not of_others:
        return ""
    theirs_told = "; ".join(
        f"{listed(names)} needs those of {by}"
        if len(names) == 1
        else f"{listed(names)} need those of {by}"
        for by, names in of_others.items()
    )
    consequence = (
        "a recording whose document one of the shown models cannot use gets no outputs at all"
        if published.status == Status.SHOW
        else "documents that it cannot use are listed by acoustic highlevel failed, and get the "
        "outputs of the others"
    )
    return (
        f"{published.name} {published.version} needs documents of {extractor}, and of the models "
        f"that are shown {theirs_told}: {consequence}."
    )


def provenance(model: "Model", origin: Mapping[str, Any]) -> dict[str, Any]:
    """Say what is kept of where a model came from: of its training, and of its file."""
    told = {key: model.training[key] for key in _TOLD if key in model.training}
    return {"training": told, "kernel": model.svm.kernel, "origin": dict(origin)}


def bundle_of_job(connection: Connection, job: UUID, folder: Path) -> tuple[Path, dict[str, Any]]:
    """Give the bundle of an evaluation job, and where it came from.

    The path that the job's result has is not used: anybody may have written it, and another host
    may have the model folder elsewhere. Its digest is.

    Raises
    ------
    ModelError
        The job is not done, or its bundle does not lie in the model folder.
    schema.errors.NotFound
        There is no such job.
    """
    details = evaluation_jobs.show(connection, job)
    if details.status.status != "done":
        raise ModelError(f"job {job} is {details.status.status}: only one that is done has a model")
    if not details.result:
        raise ModelError(
            f"job {job} is done and has no result, so nothing says which model is its own: give "
            "the model file in place of the job, or have it evaluated again"
        )
    recorded = details.result.get("model")
    digest = recorded.get("sha256") if isinstance(recorded, dict) else None
    if not isinstance(digest, str):
        raise ModelError(
            f"job {job} was evaluated by another program, which recorded no digest of its model: "
            "give the model file in place of the job"
        )
    store = ModelStore(folder)
    for attempt in store.attempts(job):
        path = store.path(job, attempt)
        if path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == digest:
            return path, {"job": str(job), "attempt": attempt}
    raise ModelError(
        f"the model of job {job} (its SHA-256 is {digest}) does not lie in {folder}: "
        "set ACOUSTIC_MODEL_DIR to the folder that the evaluator had"
    )


def read_class_mapping(path: Path) -> dict[str, str]:
    """Read what people are to read for each class: a JSON object of texts.

    Raises
    ------
    ModelError
        The file is none.
    """
    try:
        content = parse_json(read_regular(path, MAX_BYTES), unique_keys=True)
    except OSError as error:
        raise ModelError(f"class mapping {path} cannot be read: {error.strerror}") from error
    except TrainerError as error:
        raise ModelError(f"class mapping {path}: {error}") from error
    readable = isinstance(content, dict) and all(
        isinstance(name, str) and name for name in content.values()
    )
    if not readable:
        raise ModelError(
            f"class mapping {path} is not an object of class names and what people read for them, "
            'such as {"not_danceable": "Not danceable"}'
        )
    return dict(content)


def _check(class_mapping: Mapping[str, str] | None, model: "Model") -> None:
    if class_mapping is None:
        return
    missing = sorted(set(model.classes) - class_mapping.keys())
    if missing:
        raise ModelError(f"the class mapping lacks {listed(missing)}: the model may answer so")
    unknown = sorted(class_mapping.keys() - set(model.classes))
    if unknown:
        raise ModelError(
            f"the class mapping names {listed(unknown)}, and the model has "
            f"{listed(list(model.classes))}"
        )


def _stored(
    engine: Engine, files: PublishedFiles, name: str, version: str, content: str
) -> StoredFile | None:
    """Give the file that a model is published with, if it is there and whole.

    It stays, whatever file of the same content comes: other hosts may have copied it.
    """
    with engine.connect() as connection:
        known = models.list_published(connection, name=name)
    for one in known:
        if one.version == version and one.content == content and one.path is not None:
            with suppress(ModelError):
                files.check(one.path, one.sha256)
                return StoredFile(one.path, one.sha256)
    return None
