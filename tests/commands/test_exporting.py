"""``acoustic export``: descriptors as a table."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import examples

GROUND_TRUTH = examples.ground_truth("danceability")
DOCUMENTS = examples.documents()


def test_all_documents_become_a_csv(acoustic: Any, tmp_path: Path) -> None:
    result = acoustic("export", DOCUMENTS, "--out", tmp_path / "all.csv")

    assert result.exit_code == 0, result.stderr
    with (tmp_path / "all.csv").open(newline="") as file:
        heading, *rows = csv.reader(file)
    assert heading[0] == "id"
    assert f"{len(rows):,}" in result.stdout
    assert all(len(row) == len(heading) for row in rows)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)


def test_labelled_ones_have_their_class(acoustic: Any, tmp_path: Path) -> None:
    out = tmp_path / "x.npz"

    result = acoustic(
        *("export", DOCUMENTS, "-o", out, "--ground-truth", GROUND_TRUTH),
        *("--preprocessing", "Gaussianized"),
    )

    assert result.exit_code == 0, result.stderr
    members = json.loads(GROUND_TRUTH.read_text())["classes"]
    with np.load(out, allow_pickle=False) as content:
        told = dict(zip(content["ids"].tolist(), content["classes"].tolist(), strict=True))
    assert told == {recording: name for name, ids in members.items() for recording in ids}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("-o", "x.xlsx"), "'x.xlsx' is of no known format"),
        (("-o", "x.csv", "--preprocessing", "basik"), "did you mean 'basic'?"),
    ],
)
def test_what_cannot_be_written_is_told_and_nothing_is(
    acoustic: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: Any, sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)

    result = acoustic("export", DOCUMENTS, *arguments)

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert list(tmp_path.iterdir()) == []
