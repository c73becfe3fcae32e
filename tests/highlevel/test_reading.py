"""A recording's outputs, read back."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from schema import highlevel
from schema.errors import NotFound
from schema.models import Status
from tests.highlevel.mirror import CLASSES, Mirror

Work = Callable[..., int]


def mbid_of(mirror: Mirror, identifier: int) -> UUID:
    return UUID(str(mirror.value("SELECT gid FROM lowlevel WHERE id = :i", i=identifier)))


def test_the_document_is_what_the_server_answers(mirror: Mirror, work: Work) -> None:
    mirror.publish_all()
    [identifier] = mirror.recordings(1)
    work()

    with mirror.engine.connect() as connection:
        document = highlevel.document_of(connection, mbid_of(mirror, identifier))

    assert document == mirror.served(identifier)
    assert document["highlevel"].keys() == set(CLASSES)


def test_hidden_models_are_read_on_request_only(mirror: Mirror, work: Work) -> None:
    mirror.publish("gender", status=Status.HIDDEN)
    [identifier] = mirror.recordings(1)
    work()

    with mirror.engine.connect() as connection:
        mbid = mbid_of(mirror, identifier)
        assert highlevel.document_of(connection, mbid)["highlevel"] == {}
        assert "gender" in highlevel.document_of(connection, mbid, hidden=True)["highlevel"]


def test_a_recording_that_waits_or_is_not_there_is_said_to_be(mirror: Mirror) -> None:
    [identifier] = mirror.recordings(1)

    with mirror.engine.connect() as connection:
        with pytest.raises(NotFound, match="has no outputs: it waits"):
            highlevel.document_of(connection, mbid_of(mirror, identifier))
        with pytest.raises(NotFound, match="no low-level document"):
            highlevel.document_of(connection, uuid4())
        with pytest.raises(NotFound, match=":1"):
            highlevel.document_of(connection, mbid_of(mirror, identifier), offset=1)
