"""A job's rows as what the trainer takes: classes and flattened low-level documents.

The one module that knows the types of both sides. It reads twice, whatever the size of the dataset:
the snapshot, and all low-level documents in one stream.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema import lowlevel, snapshots
from schema.snapshots import Snapshot
from trainer.descriptors import LowLevel, flatten
from trainer.documents import parse_json
from trainer.errors import DocumentError
from trainer.ground_truth import GroundTruth

OnDocument = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True)
class Material:
    """What a job is made of.

    Attributes
    ----------
    snapshot
        The dataset as it was when the job was made.
    ground_truth
        Its classes; recordings are named by their MBID in lower case.
    documents
        A document for each recording that has one.
    """

    snapshot: Snapshot
    ground_truth: GroundTruth
    documents: Mapping[str, LowLevel]


def materialise(connection: Connection, snapshot_id: UUID, *, on_document: OnDocument) -> Material:
    """Read a snapshot and the low-level documents of its recordings.

    Parameters
    ----------
    connection
        Only read from.
    snapshot_id
        The job's snapshot.
    on_document
        Called with each recording's MBID and parsed document, while only one is in memory.

    Raises
    ------
    schema.errors.NotFound, schema.errors.InvalidDocument
        There is no such snapshot, or its JSON is not of the agreed shape, or holds something
        that is no MBID.
    trainer.errors.TrainerError
        Its classes cannot be trained on, or a document is malformed; the MBID is named.
    """
    snapshot = snapshots.read(connection, snapshot_id)
    ground_truth = GroundTruth.from_classes(snapshot.name, snapshot.classes)
    documents = {}
    recordings = [UUID(recording) for recording in ground_truth.class_of]
    for mbid, text in lowlevel.read_many(connection, recordings):
        recording = str(mbid)
        documents[recording] = _low_level(recording, text, on_document)
    return Material(snapshot, ground_truth, documents)


def _low_level(recording: str, text: str, on_document: OnDocument) -> LowLevel:
    try:
        document = parse_json(text)
        flat = flatten(document)
    except DocumentError as error:
        raise DocumentError(
            f"the low-level document of recording {recording} cannot be used: {error}"
        ) from error
    on_document(recording, document)
    return flat
