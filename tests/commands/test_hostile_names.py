"""Hostile names of files, ids and descriptors: what commands on files print."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import examples
from tests.hostile_text import NASTY, acting

Acoustic = Callable[..., Result]

# A slash separates folders, and a name has 255 bytes at most.
FILE_NAMES = {
    name: text for name, text in NASTY.items() if "/" not in text and len(text.encode()) < 200
}


@pytest.fixture(scope="module")
def sound() -> Any:
    with gzip.open(examples.documents()) as lines:
        return json.loads(lines.readline())["document"]


@pytest.mark.parametrize("name", NASTY)
def test_an_id_comes_back_as_it_was_and_acts_on_nothing(
    acoustic: Acoustic, model: Path, sound: Any, tmp_path: Path, name: str
) -> None:
    file = tmp_path / "documents.jsonl"
    lines = [{"id": NASTY[name], "document": document} for document in (sound, {NASTY[name]: 1})]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))

    result = acoustic("predict", model, "--documents", file)

    good, bad = [json.loads(line) for line in result.stdout.splitlines()]
    assert acting(result.output) == set()
    assert good["id"] == bad["id"] != ""
    assert ("highlevel" in good, "error" in bad) == (True, True)


@pytest.mark.parametrize("name", sorted(FILE_NAMES.keys() - {"dots"}))
def test_the_name_of_a_file_is_shown_and_acts_on_nothing(
    acoustic: Acoustic, model: Path, tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / f"{FILE_NAMES[name]}.json").write_text("{")
    truth = tmp_path / f"{FILE_NAMES[name]}.csv"
    truth.write_text("x")
    broken = tmp_path / f"{FILE_NAMES[name]}.model"
    broken.write_text("x")

    results = [
        acoustic("predict", model, "--documents", folder),
        acoustic("train", truth, folder, "--model", tmp_path / "new.model"),
        acoustic("models", "inspect", broken),
        acoustic("predict", broken, "--documents", folder),
        acoustic("models", "import", broken, "--out", tmp_path),
        acoustic("highlevel-extract", broken, tmp_path / "out.json", truth),
        acoustic(
            "compare", "extractor", "--expected", folder, "--documents", folder, "--models", broken
        ),
        acoustic("jobs", FILE_NAMES[name]),
        acoustic(FILE_NAMES[name]),
        acoustic("train", f"--{FILE_NAMES[name]}"),
    ]

    assert [result.exit_code for result in results if result.exit_code not in (1, 2)] == []
    assert acting("".join(result.output for result in results)) == set()


def test_what_is_unforeseen_is_told_with_a_traceback_that_acts_on_nothing(
    acoustic: Acoustic, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def unforeseen(*_: object, **__: object) -> None:
        raise RuntimeError(NASTY["escape"] + NASTY["line"])

    monkeypatch.setattr("trainer.models.opening.open_model", unforeseen)
    file = tmp_path / "x.model"
    file.touch()

    for options in ([], ["--debug"]):
        result = acoustic(*options, "models", "inspect", file)
        assert result.exit_code == 1
        assert "RuntimeError: " in result.output
        assert acting(result.output) == set()
