"""Datasets: recordings that a person sorted into named classes."""

from collections.abc import Iterable, Mapping
from uuid import UUID, uuid4

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from schema import tables
from schema.documents import storable

__all__ = ["called", "create"]

TEXT_LENGTH = 100_000  # characters; the columns have no limit

# A recording that is named twice in a class is in it once.
ADD_CLASS = text("""
    WITH added AS (
        INSERT INTO dataset_class (name, description, dataset) VALUES (:name, '', :dataset)
     RETURNING id
    )
    INSERT INTO dataset_class_member (class, mbid)
    SELECT DISTINCT added.id, mbid FROM added, unnest(CAST(:mbids AS uuid[])) AS m (mbid)
""")

# Those that are called so before those whose name contains it.
CALLED = text("""
    SELECT id, name FROM dataset
     WHERE strpos(lower(name), lower(:name)) > 0
     ORDER BY lower(name) <> lower(:name), lower(name), created, id
     LIMIT :limit
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
        "id": dataset,
        "name": storable(name, most=TEXT_LENGTH),
        "description": storable(description, most=TEXT_LENGTH),
        "author": _author(connection, storable(author, most=TEXT_LENGTH)),
        "public": True,
    }
    connection.execute(tables.dataset.insert(), values)
    for label, mbids in classes.items():
        _add_class(connection, dataset, label, mbids)
    return dataset


def called(connection: Connection, name: str, *, limit: int) -> list[tuple[UUID, str]]:
    """
    Return id and name of datasets whose name contains this, in either case.

    Those whose name it is come first.
    """
    values = {"name": storable(name, most=TEXT_LENGTH), "limit": limit}
    return [(row.id, row.name) for row in connection.execute(CALLED, values)]


def _add_class(connection: Connection, dataset: UUID, name: str, mbids: Iterable[UUID]) -> None:
    values = {
        "name": storable(name, most=TEXT_LENGTH),
        "dataset": dataset,
        "mbids": [str(mbid) for mbid in mbids],
    }
    connection.execute(ADD_CLASS, values)


def _author(connection: Connection, name: str) -> int:
    users = tables.user
    # No target: the name is unique as it is, and again without regard to case.
    added = insert(users).values(musicbrainz_id=name).on_conflict_do_nothing()
    connection.execute(added)
    same = func.lower(users.c.musicbrainz_id) == func.lower(name)
    author: int = connection.execute(select(users.c.id).where(same)).scalar_one()
    return author
