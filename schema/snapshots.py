"""Snapshots: datasets as they were when somebody asked for their evaluation."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema import tables
from schema.errors import InvalidDocument, NotFound

__all__ = ["Snapshot", "read"]

SHOWN = 60  # characters of a wrong value in a message


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A frozen dataset: named classes and the MBIDs of their recordings, in stored order."""

    id: UUID
    dataset_id: UUID | None
    name: str
    description: str
    classes: tuple[tuple[str, tuple[str, ...]], ...]  # (class, MBIDs in lower case)


def read(connection: Connection, snapshot_id: UUID) -> Snapshot:
    """
    Read a snapshot.

    Whether its classes make sense (enough of them, no recording twice) is for who trains on them.

    Raises
    ------
    NotFound
        There is no such snapshot.
    InvalidDocument
        Its JSON is not `{"name", "description", "classes": [{"name", "recordings": [MBID]}]}`.
    """
    snapshots = tables.dataset_snapshot
    query = snapshots.select().where(snapshots.c.id == snapshot_id)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound(f"There is no dataset snapshot {snapshot_id}.")
    try:
        return _snapshot(row.id, row.dataset_id, row.data)
    except _WrongShapeError as error:
        raise InvalidDocument(f"Snapshot {snapshot_id}: {error}.") from None


class _WrongShapeError(Exception):
    def __init__(self, path: str, wanted: str, value: Any) -> None:
        shown = "nothing" if value is _ABSENT else repr(value)
        shown = shown if len(shown) <= SHOWN else shown[: SHOWN - 1] + "…"
        super().__init__(f"{path} must be {wanted}, not {shown}")


_ABSENT = object()


def _snapshot(snapshot_id: UUID, dataset_id: UUID | None, data: Any) -> Snapshot:
    document = _object(data, "$")
    classes = _list(document.get("classes", _ABSENT), "$.classes")
    return Snapshot(
        id=snapshot_id,
        dataset_id=dataset_id,
        name=_text(document.get("name", _ABSENT), "$.name"),
        # Nobody computes with it, and old snapshots have null.
        description=_text(document.get("description") or "", "$.description"),
        classes=tuple(_class(item, f"$.classes[{place}]") for place, item in enumerate(classes)),
    )


def _class(value: Any, path: str) -> tuple[str, tuple[str, ...]]:
    document = _object(value, path)
    recordings = _list(document.get("recordings", _ABSENT), f"{path}.recordings")
    mbids = (_mbid(item, f"{path}.recordings[{place}]") for place, item in enumerate(recordings))
    return _text(document.get("name", _ABSENT), f"{path}.name"), tuple(mbids)


def _object(value: Any, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _WrongShapeError(path, "an object", value)
    return value


def _list(value: Any, path: str) -> list[Any]:
    if not isinstance(value, list):
        raise _WrongShapeError(path, "a list", value)
    return value


def _text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise _WrongShapeError(path, "text", value)
    return value


def _mbid(value: Any, path: str) -> str:
    try:
        return str(UUID(_text(value, path)))
    except ValueError:
        raise _WrongShapeError(path, "a MusicBrainz id", value) from None
