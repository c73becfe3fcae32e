"""Datasets: recordings that a person sorted into named classes."""

from collections.abc import Iterable, Mapping
from uuid import UUID, uuid4

from sqlalchemy import Connection, text

from schema.documents import storable

__all__ = ["create"]

TEXT_LENGTH = 100_000  # characters; the columns have no limit

# The name is unique without regard to case as well, hence no target in ON CONFLICT.
ADD_AUTHOR = text("""INSERT INTO "user" (musicbrainz_id) VALUES (:author) ON CONFLICT DO NOTHING""")
FIND_AUTHOR = text("""SELECT id FROM "user" WHERE lower(musicbrainz_id) = lower(:author)""")

ADD_DATASET = text("""
    INSERT INTO dataset (id, name, description, author, public)
    VALUES (:dataset, :name, :description, :author, true)
""")

# A recording that is named twice in a class is in it once.
ADD_CLASS = text("""
    WITH added AS (
        INSERT INTO dataset_class (name, description, dataset) VALUES (:name, '', :dataset)
     RETURNING id
    )
    INSERT INTO dataset_class_member (class, mbid)
    SELECT DISTINCT added.id, mbid FROM added, unnest(CAST(:mbids AS uuid[])) AS m (mbid)
""")


def create(
    connection: Connection,
    *,
    name: str,
    description: str,
    classes: Mapping[str, Iterable[UUID]],
    author: str,
) -> UUID:
    """
    Store a public dataset with its classes and their recordings, and return its id.

    `author` is a MusicBrainz user name; the user is made where there is none.
    """
    dataset = uuid4()
    values = {
        "dataset": dataset,
        "name": storable(name, most=TEXT_LENGTH),
        "description": storable(description, most=TEXT_LENGTH),
        "author": _author(connection, storable(author, most=TEXT_LENGTH)),
    }
    connection.execute(ADD_DATASET, values)
    for label, mbids in classes.items():
        _add_class(connection, dataset, label, mbids)
    return dataset


def _add_class(connection: Connection, dataset: UUID, name: str, mbids: Iterable[UUID]) -> None:
    values = {
        "name": storable(name, most=TEXT_LENGTH),
        "dataset": dataset,
        "mbids": [str(mbid) for mbid in mbids],
    }
    connection.execute(ADD_CLASS, values)


def _author(connection: Connection, name: str) -> int:
    connection.execute(ADD_AUTHOR, {"author": name})
    author: int = connection.execute(FIND_AUTHOR, {"author": name}).scalar_one()
    return author
