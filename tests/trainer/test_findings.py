"""What an evaluation warns of."""

from typing import Any

import numpy as np
import pytest

from trainer.corrected import correct
from trainer.dataset import Dataset
from trainer.findings import Finding, find
from trainer.layout import Descriptor, Layout


def dataset(sizes: dict[str, int], **attributes: Any) -> Dataset:
    labels = np.repeat(np.arange(len(sizes)), list(sizes.values()))
    recordings = tuple(f"r{number}" for number in range(len(labels)))
    values = np.arange(2 * len(labels), dtype=np.float32).reshape(-1, 2)
    layout = Layout((Descriptor(".a", 1), Descriptor(".b", 1)))
    return Dataset(
        **{
            "name": "made",
            "recordings": recordings,
            "values": values,
            "layout": layout,
            "classes": tuple(sizes),
            "labels": labels,
            "artists": tuple(f"artist {row % 5}" for row in range(len(labels))),
        }
        | attributes
    )


def found(data: Dataset, predictions: Any = None, folds: int = 5) -> dict[str, Finding]:
    fold_of = np.arange(len(data.recordings)) % folds
    corrected = None if predictions is None else correct(data.labels, predictions, 1)
    majority = 100 * np.bincount(data.labels).max() / len(data.labels)
    return {finding.kind: finding for finding in find(data, fold_of, corrected, majority)}


def test_a_sound_dataset_gives_no_cause() -> None:
    data = dataset({"a": 40, "b": 50})

    assert found(data, [data.labels]) == {}


def test_guesses_are_told_from_a_model() -> None:
    data = dataset({"a": 60, "b": 60})
    generator = np.random.default_rng(0)

    (finding,) = found(data, [generator.integers(2, size=120) for _ in range(50)]).values()

    assert (finding.kind, finding.severity) == ("chance", "warning")
    assert "guessing reaches 50.0 %" in finding.sentence


def test_a_corrected_figure_below_guessing_is_said_not_to_be_knowledge() -> None:
    data = dataset({"a": 40, "b": 40})
    half = np.arange(80) % 2 == 0
    predictions = [np.where(part, data.labels, 1 - data.labels) for part in (half, ~half)]

    sentence = found(data, predictions)["chance"].sentence

    assert "below guessing does not make the opposite answers right" in sentence
    generator = np.random.default_rng(0)
    mostly = [np.where(generator.random(80) < 0.55, data.labels, 1 - data.labels)]
    assert "below guessing" not in found(data, mostly)["chance"].sentence


def test_a_model_that_gains_nothing_over_the_largest_class_is_named() -> None:
    data = dataset({"a": 180, "b": 70})
    predicted = np.where(np.arange(250) % 4 == 0, 1 - data.labels, data.labels)

    assert "right for 72.0 % of the recordings" in found(data, [predicted])["majority"].sentence


@pytest.mark.parametrize(
    ("attribute", "noun"), [("artists", "artist"), ("release_groups", "album")]
)
def test_a_class_of_one_album_or_artist_is_named(attribute: str, noun: str) -> None:
    groups = ("one",) * 40 + tuple(f"g{number}" for number in range(40))

    found_here = found(dataset({"a": 40, "b": 40}, **{attribute: groups}))

    assert f"All recordings of class 'a' are of one {noun}" in (
        found_here[f"class of one {noun}"].sentence
    )
    assert "40 recordings of 80 share" in found_here[f"{noun} in several folds"].sentence


def test_what_is_unknown_is_not_one_artist() -> None:
    artists = (None,) * 30 + ("one",) * 10 + (None,) * 40

    assert "class of one artist" not in found(dataset({"a": 40, "b": 40}, artists=artists))


def test_groups_that_keep_to_their_fold_are_fine() -> None:
    artists = tuple(f"artist {number % 5}" for number in range(80))

    assert found(dataset({"a": 40, "b": 40}, artists=artists)) == {}


def test_recordings_of_equal_descriptors_are_named_and_contradictions_counted() -> None:
    data = dataset({"a": 40, "b": 40})
    data.values[[0, 1, 50]] = data.values[2]

    finding = found(data)["duplicates"]

    assert finding.recordings == ("r0", "r1", "r2", "r50")
    assert "4 recordings" in finding.sentence
    assert "1 time in classes that contradict" in finding.sentence


@pytest.mark.parametrize(("size", "severity"), [(29, "note"), (4, "warning")])
def test_small_classes_are_named(size: int, severity: str) -> None:
    finding = found(dataset({"a": 30, "tiny": size}))["small classes"]

    assert f"'tiny' ({size})" in finding.sentence
    assert finding.severity == severity


def test_classes_of_unequal_size_are_named() -> None:
    assert (
        "'a', has 90 recordings"
        in found(dataset({"a": 90, "b": 30}))["unbalanced classes"].sentence
    )
    assert "unbalanced classes" not in found(dataset({"a": 89, "b": 30}))


def test_recordings_and_descriptors_that_were_not_used_are_counted() -> None:
    data = dataset(
        {"a": 30, "b": 30}, left_out={"x": "lacks y"}, removed={"constant": (".c", ".d")}
    )

    assert found(data)["left out"].recordings == ("x",)
    assert "2 descriptors of 4 are not used: 2 constant" in (
        found(data)["descriptors removed"].sentence
    )


def test_warnings_come_first() -> None:
    data = dataset({"a": 90, "b": 29}, left_out={"x": "lacks y"})

    assert [finding.severity for finding in find(data, np.arange(119) % 5, None, 75)] == [
        "warning",
        "note",
        "note",
    ]


def test_recordings_without_document_are_told_apart_from_those_of_another_layout() -> None:
    data = dataset(
        {"a": 30, "b": 30},
        left_out={"x": "lacks y", "z": "has no low-level document"},
        missing=("z",),
    )

    assert found(data)["left out"].recordings == ("x",)
    assert found(data)["missing"].recordings == ("z",)
    assert "1 recording of 62 left out, without low-level" in found(data)["missing"].sentence
    assert "1 recording could not be used: of another" in found(data)["left out"].sentence


def test_a_single_descriptor_that_is_not_used_is_one() -> None:
    data = dataset({"a": 30, "b": 30}, removed={"constant": (".c",)})

    assert "1 descriptor of 3 is not used" in found(data)["descriptors removed"].sentence


def told_of_artists(known: int) -> Finding | None:
    artists = tuple(f"artist {row % 5}" if row < known else None for row in range(80))
    findings = found(dataset({"a": 40, "b": 40}, artists=artists))
    return next((one for kind, one in findings.items() if "artists unknown" in kind), None)


@pytest.mark.parametrize("known", [0, 40])
def test_what_could_not_be_looked_for_is_said(known: int) -> None:
    finding = told_of_artists(known)

    assert finding is not None
    assert (finding.kind, finding.severity) == ("artists unknown", "note")
    assert finding.sentence.startswith(
        f"Artists and albums are unknown for {80 - known} of 80 recordings, so neither"
    )


def test_what_could_be_looked_for_in_part_is_said() -> None:
    finding = told_of_artists(60)

    assert finding is not None
    assert finding.kind == "some artists unknown"
    assert "unknown for 20 of 80 recordings: whether these" in finding.sentence
    assert told_of_artists(77) is None


def test_albums_that_are_known_are_looked_for_without_artists() -> None:
    albums = tuple(f"album {row % 5}" for row in range(80))

    assert found(dataset({"a": 40, "b": 40}, artists=(), release_groups=albums)) == {}


def test_classes_of_one_album_each_are_listed_at_the_end_of_their_sentence() -> None:
    albums = tuple(f"album {row // 40}" for row in range(120))

    sentence = found(dataset({"a": 40, "b": 40, "c": 40}, release_groups=albums))[
        "class of one album"
    ].sentence

    assert "3 classes have recordings of one album only, as far as their tags say: " in sentence
    assert "'a', 'b', 'c'. What tells" in sentence
