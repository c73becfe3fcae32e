import json
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine

from schema import snapshots
from schema.errors import InvalidDocument, NotFound

Step = Callable[..., Any]  # a fixture that does one thing to the database


MBID = "a1b2c3d4-0000-4000-8000-000000000001"


@pytest.fixture
def store(execute: Step) -> Step:
    def store(document: Any) -> Any:
        snapshot = uuid4()
        execute(
            "INSERT INTO dataset_snapshot (id, data) VALUES (:s, CAST(:d AS jsonb))",
            s=snapshot,
            d=json.dumps(document),
        )
        return snapshot

    return store


@pytest.fixture
def read(engine: Engine) -> Step:
    def read(snapshot_id: UUID) -> Any:
        with engine.connect() as connection:
            return snapshots.read(connection, snapshot_id)

    return read


def test_classes_and_recordings_keep_their_order(store: Step, read: Step) -> None:
    mbids = [str(uuid4()) for _ in range(5)]
    classes = [{"name": "z", "recordings": mbids}, {"name": "a", "recordings": mbids[::-1]}]

    snapshot = read(store({"name": "moods", "description": None, "classes": classes}))

    assert snapshot.classes == (("z", tuple(mbids)), ("a", tuple(mbids[::-1])))
    assert (snapshot.name, snapshot.description) == ("moods", "")


def test_mbids_are_read_in_lower_case_and_with_hyphens(store: Step, read: Step) -> None:
    classes = [{"name": "a", "recordings": [MBID.upper(), MBID.replace("-", "")]}]

    assert read(store({"name": "", "classes": classes})).classes == (("a", (MBID, MBID)),)


def test_a_snapshot_without_classes_is_read_as_it_is(store: Step, read: Step) -> None:
    assert read(store({"name": "empty", "classes": []})).classes == ()


def test_a_missing_snapshot_is_named(read: Step) -> None:
    missing = uuid4()

    with pytest.raises(NotFound, match=str(missing)):
        read(missing)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (None, r"\$ must be an object, not None"),
        ([], r"\$ must be an object, not \[\]"),
        ({"classes": []}, r"\$\.name must be text, not nothing"),
        ({"name": 3, "classes": []}, r"\$\.name must be text, not 3"),
        ({"name": "n", "description": 1, "classes": []}, r"\$\.description must be text, not 1"),
        ({"name": "n"}, r"\$\.classes must be a list, not nothing"),
        ({"name": "n", "classes": {"a": 1}}, r"\$\.classes must be a list"),
        ({"name": "n", "classes": ["a"]}, r"\$\.classes\[0\] must be an object, not 'a'"),
        ({"name": "n", "classes": [{"recordings": []}]}, r"\$\.classes\[0\]\.name must be text"),
        (
            {"name": "n", "classes": [{"name": "a", "recordings": MBID}]},
            r"\$\.classes\[0\]\.recordings must be a list",
        ),
        (
            {"name": "n", "classes": [{"name": "a", "recordings": [MBID, "x" * 500]}]},
            r"\$\.classes\[0\]\.recordings\[1\] must be a MusicBrainz id, not 'x{50,60}….$",
        ),
        (
            {"name": "n", "classes": [{"name": "a", "recordings": [7]}]},
            r"\$\.classes\[0\]\.recordings\[0\] must be text, not 7",
        ),
    ],
)
def test_a_snapshot_of_the_wrong_shape_is_refused_with_the_place(
    store: Step, read: Step, document: Any, complaint: str
) -> None:
    with pytest.raises(InvalidDocument, match=complaint):
        read(store(document))
