"""Rows of models that somebody edited, so that they contradict each other or a model's file.

AcousticBrainz's operators changed its tables by SQL, and ours can be changed so too. What is
computed goes by the file, whose SHA-256 is checked; what people read goes by the rows.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from schema import models
from schema.models import PublishedModel
from trainer.errors import ModelError
from trainer.models.bundle import Model
from trainer.models.opening import open_model
from trainer.wording import listed
from worker.published_files import PublishedFiles


@dataclass(frozen=True)
class Contradiction:
    """Something that rows say, and that is not so.

    Attributes
    ----------
    found
        In a sentence without its full stop, beginning with the model.
    remedy
        What to do.
    is_fatal
        Whether the high-level worker cannot start with it.
    """

    found: str
    remedy: str
    is_fatal: bool = False

    def __str__(self) -> str:
        """Give both as one line."""
        return f"{self.found}: {self.remedy}"


def between_tables(connection: Connection) -> Iterator[Contradiction]:
    """Look for rows of AcousticBrainz's table that do not fit ours, or each other."""
    for name, versions in models.shown_twice(connection).items():
        yield Contradiction(
            f"{name} is shown in several versions at once, {', '.join(versions)}",
            "publish the right one again with --status show, which takes the others down",
        )
    for one in models.renamed(connection):
        yield Contradiction(
            f"{one.name} {one.version} is called {one.their_name} {one.their_version} in the table "
            "model, and answers call it so",
            f"set model and model_version of its row {one.id} back, or publish its file again",
        )
    for one in models.shown_though_retired(connection):
        yield Contradiction(
            f"{one.name} {one.version} is retired, and shown all the same where it was computed",
            f"set the status of its row {one.id} in the table model back to hidden, or publish its "
            "file again",
        )


def between_file_and_row(row: PublishedModel, model: Model, file: Path) -> Iterator[Contradiction]:
    """Look for what a row says of a model that its file does not."""
    called = f"{row.name} {row.version}"
    given = (str(file), "--name", row.name, "--version", row.version, "--status", row.status)
    again = f"{shlex.join(('acoustic', 'models', 'publish', *given))} sets that right"
    if set(row.classes) != set(model.classes):
        yield Contradiction(
            f"{called} has the classes {listed(row.classes)} in worker.models, and "
            f"{listed(model.classes)} in its file",
            again,
        )
    # AcousticBrainz's own rows may have no mapping at all.
    if row.class_mapping is not None and not _covers(row.class_mapping, model):
        yield Contradiction(
            f"{called} has a class mapping in the table model that does not have each of its "
            f"classes ({listed(model.classes)}) with a text",
            again,
        )


def of_content(called: str, recorded: str | None, model: Model) -> Contradiction | None:
    """Tell whether a file is another model than the one that a row means."""
    if recorded in (None, model.content):
        return None
    return Contradiction(
        f"{called} has the content {recorded} in worker.models, and its file has {model.content}",
        "set path, sha256 and content of its row back to what they were, and publish another model "
        "as another version",
        is_fatal=True,
    )


def of_published(published: Sequence[PublishedModel], folder: Path) -> Iterator[Contradiction]:
    """Look at the files of published models; one that is not there or not whole is passed over."""
    files = PublishedFiles(folder)
    for row in published:
        if row.path is None or row.retired is not None:
            continue
        try:
            file = files.find(row.path)
            model = open_model(file, name=row.name, sha256=row.sha256)
        except ModelError:
            continue
        other = of_content(f"{row.name} {row.version}", row.content, model)
        if other is not None:
            yield other
        yield from between_file_and_row(row, model, file)


def _covers(mapping: object, model: Model) -> bool:
    return isinstance(mapping, dict) and all(
        isinstance(mapping.get(name), str) and mapping[name] for name in model.classes
    )
