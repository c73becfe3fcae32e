"""``acoustic models``: what is in a model file, and which models the high-level worker computes."""

import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trainer.regular_files import open_regular
from trainer.wording import NAMED, listed
from worker.commands.evaluations import summary
from worker.commands.figures import at, pairs, table
from worker.commands.invocation import Invocation
from worker.commands.model_import import import_models
from worker.commands.text import plain

if TYPE_CHECKING:
    from schema.models import PublishedModel
    from trainer.models.bundle import Model

_MOST_CHARACTERS = 200  # of a name or a version
_SHORT = 12  # characters of a digest, enough to tell files apart

_IS_DIGEST = re.compile("[0-9a-f]{64}")

_json = click.option("--json", "json", is_flag=True, help="JSON, for a machine.")


@click.group(no_args_is_help=True)
def models() -> None:
    """Look into model files, and publish them for the high-level worker."""


@models.command()
@click.argument("source", metavar="JOB|FILE")
@click.option("--name", required=True, help="Of its outputs, such as danceability.")
@click.option("--version", required=True, help="Another file is another version.")
@click.option(
    "--status",
    required=True,
    type=click.Choice(["hidden", "evaluation", "show"]),
    help="Who sees its outputs; show takes the version down that was shown until now.",
)
@click.option(
    "--class-mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON object: what people read for each class.",
)
@click.pass_obj
def publish(
    invocation: Invocation,
    *,
    source: str,
    name: str,
    version: str,
    status: str,
    class_mapping: Path | None,
) -> None:
    """Have the high-level worker compute a model, or change who sees it.

    JOB is an evaluation job that is done (its id or a unique beginning), FILE a model file: a
    bundle, or a Gaia .history. The file is copied into the model folder.
    """
    given = {"--name": name, "--version": version}
    for option, value in given.items():
        if not value.strip() or not value.isprintable() or set(value) & set(":/\\"):
            problem = "has to be printable, without a colon and without slashes."
            raise click.BadParameter(problem, param_hint=option)
        if len(value) > _MOST_CHARACTERS:
            problem = f"has more than {_MOST_CHARACTERS} characters."
            raise click.BadParameter(problem, param_hint=option)
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from schema.models import Status  # noqa: PLC0415
    from worker import publishing  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_references import may_be_job, resolve  # noqa: PLC0415

    if not Path(source).is_file() and not may_be_job(source):
        raise click.UsageError(f"{source!r} is neither a file that is there nor the id of a job.")
    folder = invocation.settings().model_dir
    mapping = None if class_mapping is None else publishing.read_class_mapping(class_mapping)
    with database(invocation) as engine:
        file, origin = Path(source), None
        if not file.is_file():
            with engine.connect() as connection:
                job = resolve(connection, source)
                file, origin = publishing.bundle_of_job(connection, job, folder)
        done = publishing.publish(
            engine,
            folder,
            file,
            name=name,
            version=version,
            status=Status(status),
            class_mapping=mapping,
            origin=origin,
        )
    one = done.model
    invocation.out.print(plain(f"{one.name} {one.version} is published as {one.status}."))
    for other in done.taken_down:
        invocation.out.print(plain(f"{one.name} {other} is not shown any more."))
    if done.other_layout:
        invocation.notes.print(plain(done.other_layout), soft_wrap=True)
    invocation.notes.print(
        plain(
            "Recordings that were processed before get its outputs by: "
            f"acoustic highlevel backfill --model {shlex.quote(f'{one.name}:{one.version}')}"
        ),
        soft_wrap=True,
    )


models.add_command(import_models)


@models.command("list")
@_json
@click.pass_obj
def list_(invocation: Invocation, *, json: bool) -> None:
    """List published models, also those that were retired."""
    from schema.models import list_published  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_status import as_json  # noqa: PLC0415
    from worker.edited_rows import between_tables, of_published  # noqa: PLC0415

    with database(invocation) as engine, engine.connect() as connection:
        found = list_published(connection)
        odd = [*between_tables(connection), *of_published(found, invocation.settings().model_dir)]
    if json:
        for one in found:
            invocation.out.print(as_json(one), soft_wrap=True)
    elif found:
        _show_published(invocation, found)
    else:
        invocation.notes.print("No model is published; see acoustic models publish --help.")
    for note in (*odd, superseded_sentence(found)):
        if note:
            invocation.notes.print(plain(note), soft_wrap=True)


@models.command()
@click.argument("model", metavar="NAME[:VERSION]")
@click.pass_obj
def retire(invocation: Invocation, *, model: str) -> None:
    """Have a model not computed any more, nor shown; what it computed stays.

    Recordings that failed at nothing but this model are looked at again. Publishing the same file
    again takes it back.
    """
    from schema import highlevel  # noqa: PLC0415
    from schema import models as published  # noqa: PLC0415
    from worker.commands.connections import transaction  # noqa: PLC0415

    name, _, version = model.partition(":")
    with transaction(invocation) as connection:
        before = {one.id: one.status for one in published.list_published(connection, name=name)}
        one = published.retire(connection, name=name, version=version or None)
        again = highlevel.retry_refused(connection, one.id)
        after = {one.status for one in published.list_published(connection, name=name)}
    invocation.out.print(plain(f"{one.name} {one.version} is retired."))
    if again:
        ending = "" if again == 1 else "s"
        told = f"{again:,} recording{ending} that failed at nothing but it will be looked at again."
        invocation.out.print(told)
    if before[one.id] == "show" and "show" not in after:
        invocation.out.print(plain(f"No version of {one.name} is shown now."))


@models.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "json", is_flag=True, help="JSON, for a machine; with the whole layout.")
@click.pass_obj
def inspect(invocation: Invocation, file: Path, *, json: bool) -> None:
    """Show where a model comes from, how good it is and what it needs."""
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from trainer.models.opening import open_model  # noqa: PLC0415

    model = open_model(file)
    with open_regular(file) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if json:
        content = {"path": str(file), "sha256": digest, "manifest": model.manifest}
        invocation.out.print(dumps(content), soft_wrap=True)
        return
    facts = [(label, value) for label, value in _facts(model) if value not in (None, "")]
    invocation.out.print(pairs([("file", file), ("SHA-256", digest), *facts]))
    invocation.out.print()
    summary(invocation.out, model.training)


def _show_published(invocation: Invocation, found: "Sequence[PublishedModel]") -> None:
    columns = ("model", "version", "status", "published", "SHA-256", "classes")
    made = table(*columns, whole=columns[:-1])
    for one in found:
        made.add_row(
            plain(one.name),
            plain(one.version),
            one.status if one.path is not None else f"{one.status}, by profile",
            f"{one.published:%Y-%m-%d}",
            one.sha256[:_SHORT],
            plain(", ".join(one.classes)),
        )
    invocation.out.print(made)


def superseded_sentence(found: "Sequence[PublishedModel]") -> str:
    """Say which hidden versions a shown one has taken the place of, and what they cost; or ''."""
    from schema.models import superseded  # noqa: PLC0415

    old = superseded(found)
    if not old:
        return ""
    computed = [one for one in found if one.retired is None and one.path is not None]
    named = listed(f"{one.name} {one.version}" for one in old)
    commands = "; ".join(
        f"acoustic models retire {shlex.quote(f'{one.name}:{one.version}')}" for one in old[:NAMED]
    )
    return (
        f"A later version is shown of {named}, and still every recording gets their outputs too, "
        f"{len(old)} of {len(computed)}. If nobody needs them: {commands}"
    )


def _facts(model: "Model") -> Iterator[tuple[str, object]]:
    from trainer.models.extractors import extractor_of  # noqa: PLC0415

    training = model.training
    sizes = at(training, "class_sizes")
    # A history has no name inside, and in the model folder its digest for a file name.
    yield "model", "" if _IS_DIGEST.fullmatch(model.name) else model.name
    yield "format", model.manifest["format"]
    yield "classes", ", ".join(_with_size(name, sizes) for name in model.classes)
    enumerated = sum(descriptor.values is not None for descriptor in model.layout.descriptors)
    yield (
        "layout",
        f"{len(model.layout.descriptors)} descriptors of {model.layout.width} dimensions"
        + (f", {enumerated} of text" if enumerated else ""),
    )
    yield "documents of", extractor_of(model.layout.names)
    yield "support vectors", len(model.svm.support_vectors)
    for key, value in _mapping(at(training, "provenance")).items():
        yield str(key), value if isinstance(value, str) else dumps(value, ensure_ascii=False)
    yield "seed", at(training, "seed")
    yield (
        "versions",
        ", ".join(
            f"{name} {number}" for name, number in _mapping(at(training, "versions")).items()
        ),
    )


def _with_size(name: str, sizes: Any) -> str:
    size = at(sizes, name)
    return name if size is None else f"{name} ({size})"


def _mapping(value: Any) -> dict[Any, Any]:
    return dict(value) if isinstance(value, dict) else {}
