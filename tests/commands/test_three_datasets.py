"""Noise, an album for each class, and real moods: whoever reads only the words tells them apart.

The three are trained alike; terminal and page are read as text, and the documentation quotes what
they say.
"""

import io
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import examples
import trainer
from trainer.dataset import Dataset, prepare
from trainer.descriptors import flatten
from trainer.errors import DatasetError
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions
from trainer.report_page import report_page
from worker.commands.evaluations import summary

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "evaluation.md"
PROJECT = trainer.Project(("basic", "gaussianized"), ("rbf",), (-1, 3, 7), (-3, -5))
ALBUMS, TRACKS, WIDTH = 4, 40, 12


def evaluated(dataset: Dataset, project: trainer.Project = PROJECT) -> dict[str, Any]:
    return trainer.train(dataset, project, jobs=2).report()


def kinds(report: dict[str, Any]) -> list[str]:
    return [one["kind"] for one in report["findings"] if one["severity"] == "warning"]


def on_terminal(report: dict[str, Any]) -> str:
    console = Console(file=io.StringIO(), width=400)
    summary(console, report)
    written = console.file
    assert isinstance(written, io.StringIO)
    return written.getvalue()


def ids(album: int) -> dict[str, Any]:
    artist, release_group = f"artist {album}", f"album {album}"
    return {"musicbrainz_artistid": [artist], "musicbrainz_releasegroupid": [release_group]}


def names(album: int) -> dict[str, Any]:
    """What most people's files say, and not always in the same letters."""
    return {"artist": [f"Artist {album}"], "album": [f"Greatest Hits {album}"]}


def one_album_each(tags_of: Callable[[int], dict[str, Any]] | None) -> Dataset:
    """Classes that differ in nothing but the sound of the album that each of them is."""
    generator = np.random.default_rng(7)
    sounds = generator.normal(size=(ALBUMS, WIDTH))
    documents, members = {}, {f"class {label}": [] for label in range(ALBUMS)}
    for row in range(ALBUMS * TRACKS):
        album = row % ALBUMS
        values = sounds[album] + 0.3 * generator.normal(size=WIDTH)
        recording = f"r{row:03}"
        tags = tags_of(album) if tags_of else {}
        documents[recording] = flatten(
            {"lowlevel": {"sound": values.tolist()}, "metadata": {"tags": tags}}
        )
        members[f"class {album}"].append(recording)
    ground_truth = GroundTruth.from_classes("albums", members.items())
    return prepare(ground_truth, documents, JobOptions.parse(None))


@pytest.fixture(scope="module")
def noise() -> dict[str, Any]:
    """The example's documents, with labels that were drawn by lot."""
    documents = trainer.load_documents(examples.documents())
    drawn = np.random.default_rng(4).permutation(sorted(documents))
    halves = [("liked", drawn[::2].tolist()), ("not", drawn[1::2].tolist())]
    return evaluated(Dataset.prepare(GroundTruth.from_classes("taste", halves), documents))


@pytest.fixture(scope="module")
def albums() -> dict[str, Any]:
    return evaluated(one_album_each(ids))


@pytest.fixture(scope="module")
def moods(shared_data: Path) -> Dataset:
    folder = shared_data / "moods"
    return Dataset.prepare(folder / "mood_happy.json", folder / "lowlevel.jsonl.gz")


@pytest.fixture(scope="module")
def real(moods: Dataset) -> dict[str, Any]:
    return evaluated(moods)


@pytest.fixture(scope="module")
def by_artist(moods: Dataset) -> dict[str, Any]:
    return evaluated(moods, replace(PROJECT, group_by="artist"))


@pytest.fixture(scope="module")
def untagged() -> dict[str, Any]:
    return evaluated(one_album_each(None))


def test_noise_is_called_no_better_than_guessing(noise: dict[str, Any]) -> None:
    corrected = noise["corrected"]["balanced_accuracy"]

    assert noise["verdict"]["kind"] == "chance"
    assert "Not shown to be better than guessing" in noise["verdict"]["sentence"]
    assert "Do not rely on this model" in noise["verdict"]["sentence"]
    assert "chance" in kinds(noise)
    assert corrected["low"] < 50 < corrected["high"]
    assert noise["corrected"]["accuracy"]["value"] < noise["accuracy"]


def test_an_album_for_each_class_is_not_believed_for_all_its_accuracy(
    albums: dict[str, Any],
) -> None:
    assert albums["accuracy"] > 95
    assert albums["corrected"]["accuracy"]["low"] > 90
    assert albums["verdict"]["kind"] == "doubtful"
    assert "may be the album that is recognised" in albums["verdict"]["sentence"]
    assert {"class of one album", "album in several folds"} <= set(kinds(albums))
    assert "chance" not in kinds(albums)


def test_an_advice_that_cannot_be_followed_yet_says_so(albums: dict[str, Any]) -> None:
    shared = next(f for f in albums["findings"] if f["kind"] == "album in several folds")

    assert "once each class has several albums, folds grouped by album" in shared["sentence"]


@pytest.mark.parametrize("tags_of", [ids, names])
def test_an_album_for_each_class_is_noticed_by_ids_and_by_names(
    tags_of: Callable[[int], dict[str, Any]],
) -> None:
    report = evaluated(one_album_each(tags_of))

    assert report["verdict"]["kind"] == "doubtful"
    assert {"class of one album", "class of one artist"} <= set(kinds(report))


@pytest.mark.parametrize(
    ("tags_of", "said"),
    [
        (ids, "all recordings of class 'class 0' are of one album, 'album 0'"),
        (names, "of one album, 'Greatest Hits 0 by Artist 0'"),
        (None, "cannot be grouped by album: it is unknown for 160 of 160 recordings"),
    ],
)
def test_folds_grouped_by_album_do_what_they_say_or_refuse(tags_of: Any, said: str) -> None:
    with pytest.raises(DatasetError, match=re.escape(said)):
        evaluated(one_album_each(tags_of), replace(PROJECT, group_by="release_group"))


def test_a_real_dataset_is_called_better_than_guessing(by_artist: dict[str, Any]) -> None:
    corrected = by_artist["corrected"]["accuracy"]

    assert by_artist["verdict"]["kind"] == "better"
    assert f"about {corrected['value']:.0f} " in by_artist["verdict"]["sentence"]
    assert kinds(by_artist) == []
    assert corrected["low"] > by_artist["majority_baseline"] + 10


def test_artists_in_several_folds_are_told_from_names_in_tags(
    real: dict[str, Any], by_artist: dict[str, Any]
) -> None:
    assert real["verdict"]["kind"] == "heard"
    assert kinds(real) == ["artist in several folds"]
    assert by_artist["corrected"]["accuracy"]["value"] < real["corrected"]["accuracy"]["value"]


def test_albums_without_tags_are_not_passed_off_as_tested(untagged: dict[str, Any]) -> None:
    report = untagged

    assert report["verdict"]["kind"] == "better"
    assert "could not be tested: the documents do not name them" in report["verdict"]["sentence"]
    assert "artists unknown" in [finding["kind"] for finding in report["findings"]]


@pytest.mark.parametrize("which", ["noise", "albums", "real"])
def test_the_sentence_comes_first_on_terminal_and_page(
    which: str, request: pytest.FixtureRequest
) -> None:
    report = request.getfixturevalue(which)
    said = report["verdict"]["sentence"]
    page = report_page(report)

    assert " ".join(on_terminal(report).split()).startswith(said)
    assert page.index(said) < page.index('class="bars"')


@pytest.mark.parametrize("which", ["noise", "albums", "real", "by_artist", "untagged"])
def test_the_documentation_quotes_what_is_said(which: str, request: pytest.FixtureRequest) -> None:
    quoted = " ".join(re.sub(r"^> ?", "", PAGE.read_text(), flags=re.MULTILINE).split())

    assert request.getfixturevalue(which)["verdict"]["sentence"] in quoted
