"""The documents have the layout of AcousticBrainz's, and identifiers by rule."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import examples
from examples.corpus import artist_id, recording_id
from examples.draw import draw
from examples.layout import Shape, music_1_0, shapes_of

Documents = dict[str, dict[str, Any]]  # by recording


@pytest.fixture(scope="module")
def documents() -> Documents:
    with gzip.open(examples.documents(), "rt") as file:
        entries = [json.loads(line) for line in file]
    return {entry["id"]: entry["document"] for entry in entries}


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif not isinstance(value, str):
        yield value


def test_there_are_240_in_the_order_of_the_clips(documents: Documents) -> None:
    assert list(documents) == [recording_id(1, index) for index in range(240)]


def test_every_document_has_the_512_descriptors_of_music_1_0(documents: Documents) -> None:
    expected = music_1_0()
    assert len(expected) == 512
    for document in documents.values():
        assert shapes_of(document) == expected


def test_that_layout_is_the_one_of_real_documents(shared_data: Path) -> None:
    with gzip.open(shared_data / "music1" / "lowlevel.jsonl.gz", "rt") as file:
        for line in file:
            document = json.loads(line)["document"]
            document.pop("highlevel", None)
            assert shapes_of(document) == music_1_0()


def test_metadata_other_than_tags_is_laid_out_as_in_real_documents(
    documents: Documents, shared_data: Path
) -> None:
    with gzip.open(shared_data / "music1" / "lowlevel.jsonl.gz", "rt") as file:
        real = [json.loads(line)["document"]["metadata"] for line in file]
    always = set.intersection(*(set(metadata["audio_properties"]) for metadata in real))
    for document in documents.values():
        found = document["metadata"]["audio_properties"]
        assert set(found) == always | {"lossless"}
        for name in always:
            assert isinstance(found[name], str) is isinstance(
                real[0]["audio_properties"][name], str
            )


def test_shapes_tell_texts_numbers_lists_and_matrices_apart() -> None:
    document = {
        "tonal": {"key_key": "A", "thpcp": [0, 1]},
        "lowlevel": {"gfcc": {"cov": [[1.0, 2.0, 3.0]] * 2}},
        "rhythm": {"bpm": 90, "beats_position": []},
        "metadata": {"tags": {}},
    }
    assert shapes_of(document) == {
        "tonal.key_key": Shape((), text=True),
        "tonal.thpcp": Shape((2,)),
        "lowlevel.gfcc.cov": Shape((2, 3)),
        "rhythm.bpm": Shape(()),
        "rhythm.beats_position": Shape((-1,)),
    }


def test_all_numbers_are_finite(documents: Documents) -> None:
    assert all(math.isfinite(number) for number in numbers(documents))


def test_no_two_documents_are_the_same_but_for_their_tags(documents: Documents) -> None:
    assert len({json.dumps(document["lowlevel"]["mfcc"]) for document in documents.values()}) == 240


def test_the_version_leads_to_the_template_of_2_1_beta2(documents: Documents) -> None:
    versions = {document["metadata"]["version"]["essentia"] for document in documents.values()}
    assert versions == {"2.1-beta6-dev"}
    assert not versions & {"2.1-beta5", "2.1-beta6"}


def test_the_version_says_that_the_documents_are_made(documents: Documents) -> None:
    for document in documents.values():
        version = document["metadata"]["version"]
        assert version["generator"] == "acoustic-workers examples"
        assert "in the layout of music 1.0" in version["extractor"]


def test_tags_carry_recording_and_artist_identifiers(documents: Documents) -> None:
    for index, (identifier, document) in enumerate(documents.items()):
        tags = document["metadata"]["tags"]
        assert tags["musicbrainz_recordingid"] == [identifier]
        assert tags["musicbrainz_artistid"] == [artist_id(1, draw(index, 1).artist)]
        assert len(tags["title"]) == len(tags["artist"]) == 1


def test_about_60_artists_have_several_recordings_each(documents: Documents) -> None:
    artists = Counter(
        document["metadata"]["tags"]["musicbrainz_artistid"][0] for document in documents.values()
    )
    assert len(artists) == 62
    assert set(artists.values()) == {3, 4}


def test_the_file_is_small_enough_for_a_repository() -> None:
    assert examples.documents().stat().st_size < 6_000_000
