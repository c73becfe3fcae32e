"""Published models: which ones the high-level worker computes, and who sees their outputs."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, text

from schema.documents import json_text
from schema.errors import NotFound, SchemaError

__all__ = [
    "PublishedModel",
    "Row",
    "Status",
    "list_published",
    "publish",
    "published_files",
    "register",
    "renamed",
    "retire",
    "shown_though_retired",
    "shown_twice",
    "superseded",
]


class Status(StrEnum):
    """Who sees a model's outputs, as AcousticBrainz's `model.status` says it."""

    HIDDEN = "hidden"  # computed, and in the dumps
    EVALUATION = "evaluation"  # to be judged by people
    SHOW = "show"  # part of every answer


@dataclass(frozen=True, kw_only=True)
class PublishedModel:
    """A row of the view worker.published_models."""

    id: int  # in AcousticBrainz's `model`
    name: str
    version: str
    status: str  # of `Status`, or "retired"
    classes: tuple[str, ...]
    class_mapping: Mapping[str, str] | None
    sha256: str  # of its file
    path: str | None  # of its file, below the model folder; None: only profiles name it
    provenance: Mapping[str, Any]
    published: datetime
    retired: datetime | None
    content: str | None  # SHA-256 over what predicts; None: published before that was known


@dataclass(frozen=True, kw_only=True)
class Row:
    """A published model, and what AcousticBrainz's table calls it."""

    id: int
    name: str
    version: str
    their_name: str
    their_version: str


COLUMNS = ", ".join(field.name for field in fields(PublishedModel))

# Of one name the shown version first: it is the one that has the name for itself.
LIST = text(f"""
    SELECT {COLUMNS} FROM worker.published_models
     WHERE (:retired OR retired IS NULL) AND (CAST(:name AS text) IS NULL OR name = :name)
  ORDER BY name, status = 'retired', status <> 'show', published DESC, id
""")  # noqa: S608 - names of our own

ONE = text(f"""
    SELECT {COLUMNS} FROM worker.published_models WHERE name = :name AND version = :version
""")  # noqa: S608

# Nothing in AcousticBrainz's `model` is unique. One lock for all models: publishing takes
# milliseconds, and it changes other versions of the name too.
LOCK = text("SELECT pg_advisory_xact_lock(hashtext('acoustic-workers model'))")

FIND_ROW = text("SELECT min(id) FROM model WHERE model = :name AND model_version = :version")

INSERT_ROW = text("""
    INSERT INTO model (model, model_version, status) VALUES (:name, :version, 'hidden')
 RETURNING id
""")

INSERT = text("""
    INSERT INTO worker.models (model, name, version, sha256, content, classes, provenance)
    VALUES (:id, :name, :version, :sha256, :content, CAST(:classes AS text[]),
            CAST(:provenance AS jsonb))
""")

# Where a profile's model came from is told anew, by whoever has a file for all workers.
TAKE_UP = text("""
    UPDATE worker.models
       SET retired = NULL, sha256 = :sha256, content = :content, path = :path,
           classes = CAST(:classes AS text[]),
           provenance = CASE WHEN path IS NULL THEN CAST(:provenance AS jsonb) ELSE provenance END
     WHERE model = :id
""")

SET_ROW = text("""
    UPDATE model
       SET model = :name, model_version = :version,
           status = CAST(:status AS model_status), class_mapping = CAST(:class_mapping AS jsonb)
     WHERE id = :id
""")

# Two shown models of one name are one answer by chance: readers keep whichever comes last.
TAKE_DOWN = text("""
    UPDATE model SET status = 'hidden'
     WHERE model = :name AND id <> :id AND status = 'show'
 RETURNING model_version
""")

MAPPING = text("SELECT class_mapping FROM model WHERE id = :id")

RETIRE = text("UPDATE worker.models SET retired = now() WHERE model = :id")
HIDE = text("UPDATE model SET status = 'hidden' WHERE id = :id")

SHOWN_TWICE = text("""
    SELECT model AS name, array_agg(model_version ORDER BY id) AS versions
      FROM model WHERE status = 'show'
  GROUP BY model HAVING count(*) > 1
  ORDER BY model
""")

RENAMED = text("""
    SELECT theirs.id, ours.name, ours.version, theirs.model AS their_name,
           theirs.model_version AS their_version
      FROM worker.models ours JOIN model theirs ON theirs.id = ours.model
     WHERE (ours.name, ours.version) <> (theirs.model, theirs.model_version)
  ORDER BY ours.name, ours.version
""")

SHOWN_THOUGH_RETIRED = text("""
    SELECT theirs.id, ours.name, ours.version, theirs.model AS their_name,
           theirs.model_version AS their_version
      FROM worker.models ours JOIN model theirs ON theirs.id = ours.model
     WHERE ours.retired IS NOT NULL AND theirs.status = 'show'
  ORDER BY ours.name, ours.version
""")

NOTIFY = text("SELECT pg_notify('acoustic_highlevel', '')")


def list_published(
    connection: Connection, *, name: str | None = None, retired: bool = True
) -> list[PublishedModel]:
    """Give published models in order of names, the shown version of each first."""
    rows = connection.execute(LIST, {"name": name, "retired": retired})
    return [_published(row._asdict()) for row in rows]


def published_files(connection: Connection) -> list[PublishedModel]:
    """Give the models that are computed: all that are not retired, those of profiles too."""
    return list_published(connection, retired=False)


def publish(
    connection: Connection,
    *,
    name: str,
    version: str,
    status: Status,
    sha256: str,
    content: str,
    path: str,
    classes: Sequence[str],
    class_mapping: Mapping[str, str] | None,
    provenance: Mapping[str, Any],
) -> tuple[PublishedModel, list[str]]:
    """
    Publish a model, or change the status of one that is; with `show`, take other versions down.

    Parameters
    ----------
    connection : Connection
    name, version : str
        Together they mean one content, for ever.
    status : Status
    sha256, path : str
        Of its file, which has to lie there before.
    content : str
        SHA-256 over what predicts, whatever the file.
    classes : sequence of str
        All that it may answer.
    class_mapping : mapping of str to str, optional
        What people read for each class. Without it the one that is there stays, where it covers all
        classes; else names are made of the classes' own.
    provenance : mapping
        Where the file came from, as JSON.

    Returns
    -------
    tuple of (PublishedModel, list of str)
        The model as it is now, and the versions that were taken down.

    Raises
    ------
    SchemaError
        The name and version are those of another model.
    """
    identity = {"name": name, "version": version}
    ours = {"sha256": sha256, "content": content, "provenance": provenance}
    found = register(connection, **identity, **ours, classes=classes).id  # type: ignore[arg-type]
    # All that the file says is written again: somebody may have edited it.
    taken = {"sha256": sha256, "content": content, "path": path, "classes": list(classes)}
    connection.execute(TAKE_UP, {"id": found, **taken, "provenance": json_text(provenance)})
    mapping = class_mapping or _mapping(connection, found, classes)
    row = {"status": status.value, "class_mapping": json_text(mapping)}
    connection.execute(SET_ROW, {"id": found, **identity, **row})
    taken_down: list[str] = []
    if status is Status.SHOW:
        taken_down += connection.execute(TAKE_DOWN, {"name": name, "id": found}).scalars()
    connection.execute(NOTIFY)
    return _published(connection.execute(ONE, identity).one()._asdict()), sorted(taken_down)


def register(
    connection: Connection,
    *,
    name: str,
    version: str,
    sha256: str,
    content: str,
    classes: Sequence[str],
    provenance: Mapping[str, Any],
) -> PublishedModel:
    """
    List a model that a profile names; one that is listed already stays as it is.

    A new one is hidden. Only workers with such a profile compute it, until its file is published.

    Parameters
    ----------
    connection : Connection
    name, version : str
        Together they mean one content, for ever.
    sha256 : str
        Of the file that the profile names.
    content : str
        SHA-256 over what predicts, whatever the file.
    classes : sequence of str
        All that it may answer.
    provenance : mapping
        Where the file came from, as JSON.

    Raises
    ------
    SchemaError
        The name and version are those of another model.
    """
    connection.execute(LOCK)
    identity = {"name": name, "version": version}
    old = connection.execute(ONE, identity).one_or_none()
    if old is None:
        ours = {"sha256": sha256, "content": content, "classes": list(classes)}
        given = {"id": _row(connection, identity), **identity, **ours}
        connection.execute(INSERT, {**given, "provenance": json_text(provenance)})
        old = connection.execute(ONE, identity).one()
    what, theirs, mine = "model (its content", old.content, content
    if theirs is None:
        what, theirs, mine = "file (its SHA-256", old.sha256, sha256
    if theirs != mine:
        raise SchemaError(
            f"{name} {version} is published already, and is another {what} is {theirs}, this "
            f"one's {mine}): give this one another version."
        )
    return _published(old._asdict())


def retire(connection: Connection, *, name: str, version: str | None = None) -> PublishedModel:
    """
    Have a model not computed any more, nor shown; what it computed stays.

    Parameters
    ----------
    connection : Connection
    name : str
    version : str, optional
        Needed where several versions are published.

    Raises
    ------
    NotFound
        No such model is published.
    SchemaError
        Several versions are, and none was named.
    """
    connection.execute(LOCK)
    known = list_published(connection, name=name)
    known = [one for one in known if version in (None, one.version)]
    active = [one for one in known if one.retired is None]
    if not known:
        what = name if version is None else f"{name} {version}"
        raise NotFound(f"No model {what} is published; see acoustic models list.")
    if not active:
        return known[0]
    if len(active) > 1:
        named = ", ".join(shlex.quote(f"{name}:{one.version}") for one in active)
        raise SchemaError(f"Several versions of {name} are published: name one of {named}.")
    connection.execute(RETIRE, {"id": active[0].id})
    connection.execute(HIDE, {"id": active[0].id})
    connection.execute(NOTIFY)
    identity = {"name": name, "version": active[0].version}
    return _published(connection.execute(ONE, identity).one()._asdict())


def shown_twice(connection: Connection) -> dict[str, list[str]]:
    """
    Give names of which several versions are shown at once, and these, by id.

    Publishing never leaves any; somebody who writes the table can. Of each recording's outputs the
    server answers with the last.
    """
    return {row.name: list(row.versions) for row in connection.execute(SHOWN_TWICE)}


def renamed(connection: Connection) -> list[Row]:
    """Give models that AcousticBrainz's table calls otherwise: the server answers so."""
    return [Row(**row._asdict()) for row in connection.execute(RENAMED)]


def shown_though_retired(connection: Connection) -> list[Row]:
    """Give models that nobody computes any more, and that the server goes on answering with."""
    return [Row(**row._asdict()) for row in connection.execute(SHOWN_THOUGH_RETIRED)]


def superseded(published: Sequence[PublishedModel]) -> list[PublishedModel]:
    """
    Give hidden versions that are older than the one of their name that is shown.

    They go on being computed for every recording, until somebody retires them. A later one that is
    hidden is being tried out.
    """
    shown = {one.name: one for one in published if one.status == Status.SHOW}
    return [
        one
        for one in published
        if one.status == Status.HIDDEN
        and one.path is not None
        and one.name in shown
        and one.published < shown[one.name].published
    ]


def _row(connection: Connection, identity: Mapping[str, str]) -> int:
    """Find or insert the row in AcousticBrainz's table; the lock is held."""
    found: int | None = connection.execute(FIND_ROW, identity).scalar()
    return connection.execute(INSERT_ROW, identity).scalar_one() if found is None else found


def _mapping(connection: Connection, found: int, classes: Sequence[str]) -> Mapping[str, str]:
    there = connection.execute(MAPPING, {"id": found}).scalar()
    if isinstance(there, dict) and set(classes) <= there.keys():
        return there
    return {name: readable(name) for name in classes}


def readable(name: str) -> str:
    """
    Make of a class's name what people read.

    Examples
    --------
    >>> readable("not_danceable")
    'Not danceable'
    """
    words = name.replace("_", " ").strip() or name
    return words[:1].upper() + words[1:]


def _published(row: Mapping[str, Any]) -> PublishedModel:
    return PublishedModel(**{**row, "classes": tuple(row["classes"])})
