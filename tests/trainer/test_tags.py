"""Artists and albums by the names in the tags."""

import numpy as np
import pytest

from trainer.dataset import prepare
from trainer.descriptors import LowLevel, flatten
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions
from trainer.tags import album_name, artist_name, identified


def tagged(**tags: object) -> dict[str, object]:
    return {"metadata": {"tags": tags}}


@pytest.mark.parametrize(
    ("tags", "artist", "album"),
    [
        ({"artist": "ABBA", "album": "Arrival"}, "ABBA", "Arrival by ABBA"),
        ({"artist": ["ABBA"], "album": ["Arrival", "x"]}, "ABBA", "Arrival by ABBA"),
        ({"albumartist": "ABBA", "album": "Arrival"}, "ABBA", "Arrival by ABBA"),
        (
            {"artist": "ABBA", "albumartist": "Various Artists", "album": "Hits"},
            "ABBA",
            "Hits by Various Artists",
        ),
        ({"artist": "various  artists", "albumartist": "ABBA"}, "ABBA", None),
        ({"artist": "Unknown Artist", "album": "Unknown Album"}, None, None),
        ({"album": "Greatest Hits"}, None, None),
        ({"artist": "  ", "album": 7}, None, None),
        ({}, None, None),
    ],
)
def test_names_are_read_and_placeholders_are_none(
    tags: dict[str, object], artist: str | None, album: str | None
) -> None:
    assert artist_name(tagged(**tags)) == artist
    assert album_name(tagged(**tags)) == album


def test_names_differ_by_more_than_case_and_white_space() -> None:
    names = ["Sigur  Rós", "SIGUR RÓS ", "Sigur Ro\u0301s", "Sigur Ros"]

    assert identified([None] * 4, names) == ("Sigur  Rós",) * 3 + ("Sigur Ros",)


def test_two_artists_of_one_name_are_not_taken_for_one_by_their_ids() -> None:
    assert identified(["1", "2", None], ["Nirvana"] * 3) == ("1", "2", "Nirvana")


def test_a_dataset_knows_artists_and_albums_by_name() -> None:
    tags = [{"artist": f"artist {row // 3}", "album": "Greatest Hits"} for row in range(6)]
    documents: dict[str, LowLevel] = {
        f"r{row}": flatten({"lowlevel": {"x": float(np.sin(row))}, **tagged(**one)})
        for row, one in enumerate(tags)
    }
    truth = GroundTruth.from_classes("t", [("a", ["r0", "r1", "r3"]), ("b", ["r2", "r4", "r5"])])

    dataset = prepare(truth, documents, JobOptions.parse(None))

    assert dataset.artists == ("artist 0",) * 3 + ("artist 1",) * 3
    assert len(set(dataset.release_groups)) == 2  # one name, but of two artists
