"""Real histories: five that Gaia trained, on documents whose outputs are recorded."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from tests.trainer.gaia_vectors import read_lines
from trainer.descriptors import flatten
from trainer.errors import DocumentError, ModelError
from trainer.models.bundle import Model
from trainer.models.gaia_history.conversion import convert
from trainer.models.gaia_history.faults import DamagedError, UnsupportedError
from trainer.models.opening import open_model

FILES = (
    "histories/danceability",
    "histories/mood_relaxed",
    "histories/tonal_atonal",
    "pairs201/moods_mirex",
    "pairs201/mood_aggressive",
)
CLOSE = 1e-6

Recorded = Callable[[str], tuple[list[Any], list[Any]]]


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Recorded:
    """Documents, and what a model of this file says of each."""
    rows = read_lines(shared_data / "music1" / "lowlevel.jsonl.gz")
    expected = orjson.loads((shared_data / "histories" / "expected.json").read_bytes())
    music1 = [flatten(row["document"]) for row in rows], [expected[row["id"]] for row in rows]
    pairs = read_lines(shared_data / "pairs201" / "pairs.jsonl.gz")
    of_gaia = [row["highlevel"]["highlevel"] for row in pairs]
    pairs201 = [flatten(row["lowlevel"]) for row in pairs], of_gaia

    def of(file: str) -> tuple[list[Any], list[Any]]:
        folder, name = file.split("/")
        documents, outputs = music1 if folder == "histories" else pairs201
        return documents, [output[name] for output in outputs]

    return of


@pytest.mark.parametrize("file", FILES)
def test_a_history_predicts_what_gaia_did(
    shared_data: Path,
    recorded: Recorded,
    file: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Print how far probabilities are from Gaia's at most."""
    model = open_model(shared_data / f"{file}.history")
    documents, outputs = recorded(file)
    assert len(documents) == (103 if file.startswith("histories") else 20)

    predictions = model.predict(documents)

    assert [prediction.value for prediction in predictions] == [o["value"] for o in outputs]
    assert {frozenset(output["all"]) for output in outputs} == {frozenset(model.classes)}
    difference = max(
        abs(prediction.all[label] - probability)
        for prediction, output in zip(predictions, outputs, strict=True)
        for label, probability in output["all"].items()
    )
    with capsys.disabled():
        print(f"\n{file}: {difference:.3e}")  # noqa: T201 - the figure is what this is for
    assert difference < CLOSE
    model.save(tmp_path / "bundle.model")
    again = Model.load(tmp_path / "bundle.model")
    assert again.probabilities(documents).tobytes() == model.probabilities(documents).tobytes()


@pytest.mark.parametrize("file", FILES)
def test_a_copy_that_is_cut_anywhere_is_refused(
    shared_data: Path, file: str, tmp_path: Path
) -> None:
    content = (shared_data / f"{file}.history").read_bytes()
    places = {0, 1, 4, 8, 12, len(content) - 1, *range(0, len(content), len(content) // 12)}

    for place in places:
        (tmp_path / "cut.history").write_bytes(content[:place])
        with pytest.raises(ModelError, match=r"cut\.history"):
            open_model(tmp_path / "cut.history")


@pytest.mark.parametrize("file", FILES)
def test_line_ends_made_cr_lf_are_named(shared_data: Path, file: str, tmp_path: Path) -> None:
    content = (shared_data / f"{file}.history").read_bytes()
    (tmp_path / "copy.history").write_bytes(content.replace(b"\n", b"\r\n"))

    with pytest.raises(ModelError, match="line ends were converted from LF to CR LF"):
        open_model(tmp_path / "copy.history")


def test_line_ends_made_lf_are_named(shared_data: Path, tmp_path: Path) -> None:
    content = (shared_data / "histories" / "tonal_atonal.history").read_bytes()
    assert content.count(b"\r\n") == 6
    (tmp_path / "copy.history").write_bytes(content.replace(b"\r\n", b"\n"))

    with pytest.raises(ModelError, match="line ends were converted from CR LF to LF"):
        open_model(tmp_path / "copy.history")


@pytest.mark.parametrize("file", ["histories/danceability", "pairs201/moods_mirex"])
def test_documents_of_another_extractor_are_told_which_one_is_needed(
    shared_data: Path, file: str
) -> None:
    row = next(iter(read_lines(shared_data / "moods" / "lowlevel.jsonl.gz")))
    needed = {"histories": '"music 1.0"', "pairs201": "Essentia 2.0"}[file.partition("/")[0]]

    with pytest.raises(DocumentError) as refused:
        open_model(shared_data / f"{file}.history").predict([flatten(row["document"])])

    assert "written by Essentia '1.2'" in str(refused.value)
    assert "the model needs documents of" in str(refused.value)
    assert needed in str(refused.value)
    assert " more; it was written by" in str(refused.value)


def test_most_single_flipped_bits_are_caught(
    shared_data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Print how many are; ``FLIPS=1000`` in the environment flips so many in each file."""
    flips = int(os.environ.get("FLIPS", "12"))
    passed, lines = 0, []
    for file in FILES:
        content = (shared_data / f"{file}.history").read_bytes()
        bits = np.random.default_rng(1).integers(0, 8 * len(content), flips)
        survivors = sum(is_read(flipped(content, int(bit))) for bit in bits)
        lines.append(f"{file}: {flips - survivors} of {flips} flipped bits are caught")
        passed += survivors

    with capsys.disabled():
        print("", *lines, sep="\n")  # noqa: T201 - the figure is what this is for
    assert passed / (flips * len(FILES)) < 0.2


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << (bit % 8)
    return bytes(damaged)


def is_read(content: bytes) -> bool:
    try:
        convert(content, name="flipped", provenance={})
    except (DamagedError, UnsupportedError):
        return False
    return True
