"""Low-level documents into the database, by AcousticBrainz's rules for submissions."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Engine

from schema import lowlevel
from schema.lowlevel import Stored, Submission
from trainer.errors import DocumentError
from trainer.wording import shown

# A transaction holds so many documents, or as many as have so many characters: a real one has
# 80,000, the largest that is read 16 million.
CHUNK_DOCUMENTS = 100
CHUNK_CHARACTERS = 32 * 2**20

# Essentia writes the second one; AcousticBrainz renames it when a document is submitted.
_RECORDING, _TRACK = "musicbrainz_recordingid", "musicbrainz_trackid"
_SECTIONS = ("lowlevel", "rhythm", "tonal")

_MBID_LENGTH = 36
_MOST_OFFSET = 2**31 - 1


class Document(Protocol):
    """A document that was read, or why it could not be."""

    @property
    def recording(self) -> str: ...  # noqa: D102
    @property
    def document(self) -> Any: ...  # noqa: D102
    @property
    def error(self) -> str: ...  # noqa: D102


@dataclass(frozen=True)
class Loaded:
    """What became of documents.

    Attributes
    ----------
    stored, known, refused
        Those that are new in the database, those that were there already, and those that it cannot
        take.
    """

    stored: int = 0
    known: int = 0
    refused: int = 0

    @property
    def documents(self) -> int:
        """All of them."""
        return self.stored + self.known + self.refused


def load(
    engine: Engine,
    documents: Iterable[Document],
    *,
    refuse: Callable[[str, str], None],
    progress: Callable[[Loaded], None],
) -> Loaded:
    """Store documents, some at a time, each time in a transaction of their own.

    Called again with the same documents it stores what is missing, so it may be interrupted.

    Parameters
    ----------
    engine
        The database.
    documents
        What was read, one after the other.
    refuse
        Called with recording and reason for each that cannot be stored.
    progress
        Called when some have been stored.
    """
    loaded = Loaded()
    for chunk, unusable in _chunks(documents, refuse):
        with engine.begin() as connection:
            stored = lowlevel.store(connection, chunk)
        refused = sum(_is_refused(*pair, refuse) for pair in zip(chunk, stored, strict=True))
        new = sum(one.is_new for one in stored)
        loaded = Loaded(
            stored=loaded.stored + new,
            known=loaded.known + len(chunk) - refused - new,
            refused=loaded.refused + unusable + refused,
        )
        progress(loaded)
    return loaded


def submission(recording: str, document: Any) -> Submission:
    """Make a submission of a document, as AcousticBrainz's server does.

    The recording is the MBID that the document is named after, with ``-N`` for its submission N;
    where the name is none, the MBID in the document's tags.

    Raises
    ------
    DocumentError
        It is no low-level document, or of no recording, or name and tag are of two recordings, or a
        descriptor is no finite number.
    """
    missing = [key for key in _SECTIONS if not isinstance(_child(document, key), Mapping)]
    if missing:
        raise DocumentError(
            f"it is no low-level document of a recording: it has no {shown(missing[0])}"
        )
    named, tagged = _named(recording), _tagged(document)
    mbid, offset = named or (tagged, None)
    if mbid is None:
        raise DocumentError(
            "nothing says which recording it is: name it after its MBID, or give it the tag "
            f"{_RECORDING}"
        )
    if tagged not in (None, mbid):
        raise DocumentError(
            f"it is named after recording {mbid}, and its tag {_RECORDING} is {tagged}: one of "
            "them is wrong"
        )
    made = Submission.of(mbid, _as_submitted(document), offset)
    # JSONB has neither NaN nor infinity. Looked for only where something became null: a walk
    # through every document would take longer than all else here.
    if "null" in made.text:
        _check_finite({key: document[key] for key in _SECTIONS})
    return made


def _check_finite(value: Any, name: str = "") -> None:
    """Refuse descriptors that would be stored as null, and so look like something else later."""
    if isinstance(value, float) and not math.isfinite(value):
        raise DocumentError(
            f"{name} is {value}, and JSON in the database can hold finite numbers only"
        )
    if isinstance(value, Mapping):
        for key, child in value.items():
            _check_finite(child, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, child in enumerate(value):
            _check_finite(child, f"{name}[{place}]")


def _chunks(
    documents: Iterable[Document], refuse: Callable[[str, str], None]
) -> Iterator[tuple[list[Submission], int]]:
    """Gather submissions, and count those that were refused meanwhile."""
    chunk: list[Submission] = []
    refused = characters = 0
    for one in documents:
        try:
            if one.error:
                raise DocumentError(one.error)  # noqa: TRY301 - refused in one place
            made = submission(one.recording, one.document)
        except DocumentError as error:
            refuse(one.recording, str(error))
            refused += 1
        else:
            chunk.append(made)
            characters += len(made.text)
        if len(chunk) + refused >= CHUNK_DOCUMENTS or characters >= CHUNK_CHARACTERS:
            yield chunk, refused
            chunk, refused, characters = [], 0, 0
    if chunk or refused:
        yield chunk, refused


def _is_refused(given: Submission, stored: Stored, refuse: Callable[[str, str], None]) -> bool:
    if stored.holder == given.mbid:
        return False
    name = str(given.mbid) if given.offset in (None, 0) else f"{given.mbid}-{given.offset}"
    refuse(name, f"recording {stored.holder} has the same document, which can be stored once")
    return True


def _as_submitted(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Change what AcousticBrainz's server changes, so that a document has the same hash there."""
    metadata = _child(document, "metadata")
    tags, properties = _child(metadata, "tags"), _child(metadata, "audio_properties")
    changed = {}
    if isinstance(tags, Mapping) and _TRACK in tags:
        others = {key: value for key, value in tags.items() if key != _TRACK}
        changed["tags"] = {**others, _RECORDING: tags[_TRACK]}
    if isinstance(properties, Mapping) and "lossless" in properties:
        changed["audio_properties"] = {**properties, "lossless": bool(properties["lossless"])}
    return {**document, "metadata": {**metadata, **changed}} if changed else document


def _named(recording: str) -> tuple[UUID, int | None] | None:
    """MBID and submission of a name; the reader leaves away the number of the first one."""
    mbid, number = recording[:_MBID_LENGTH], recording[_MBID_LENGTH:]
    found = _uuid(mbid)
    if found is None:
        return None
    if not number:
        return found, 0
    digits = number.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= len(str(_MOST_OFFSET))):
        return None
    return found, int(digits) if int(digits) <= _MOST_OFFSET else None


def _tagged(document: Any) -> UUID | None:
    tags = _child(_child(document, "metadata"), "tags")
    values = _child(tags, _TRACK) or _child(tags, _RECORDING)
    first = values[0] if isinstance(values, list) and values else values
    return _uuid(first) if isinstance(first, str) else None


def _uuid(text: str) -> UUID | None:
    if len(text) != _MBID_LENGTH:  # UUID() takes braces, a prefix, and no hyphens at all
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _child(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else None
