"""``acoustic predict``: a line of JSON for each document, whatever some of them are."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import examples

Acoustic = Callable[..., Result]


def lines(result: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_every_document_gets_a_line_in_the_order_of_the_file(
    acoustic: Acoustic, model: Path, corpus: dict[str, Any]
) -> None:
    result = acoustic("predict", model, "--documents", examples.documents())

    assert result.exit_code == 0
    assert [line["id"] for line in lines(result)] == list(corpus)
    output = lines(result)[0]["highlevel"]["danceability"]
    assert set(output) == {"all", "probability", "value"}
    assert set(output["all"]) == {"danceable", "not_danceable"}
    assert sum(output["all"].values()) == pytest.approx(1)
    assert output["probability"] == output["all"][output["value"]]


def test_the_ids_are_those_of_the_lines(
    acoustic: Acoustic, model: Path, corpus: dict[str, Any], tmp_path: Path
) -> None:
    mbid = "00C47EA6-0000-4000-8000-00000000000a"
    given = [f"{mbid}-0", f"{mbid}-1", mbid]
    document = next(iter(corpus.values()))
    documents = tmp_path / "documents.jsonl"
    documents.write_text("\n".join(json.dumps({"id": i, "document": document}) for i in given))

    result = acoustic("predict", model, "--documents", documents)

    assert [line["id"] for line in lines(result)] == given


def test_the_ids_are_what_files_are_called(
    acoustic: Acoustic, model: Path, corpus: dict[str, Any], tmp_path: Path
) -> None:
    names = [f"00c47ea6-0000-4000-8000-00000000000a-{number}" for number in range(2)]
    good = json.dumps(next(iter(corpus.values()))).encode()
    documents = folder(tmp_path / "documents", {f"{name}.json": good for name in names})

    result = acoustic("predict", model, "--documents", documents)

    assert [line["id"] for line in lines(result)] == names


def folder(path: Path, documents: dict[str, bytes]) -> Path:
    path.mkdir()
    for name, content in documents.items():
        (path / name).write_bytes(content)
    return path


def test_a_broken_file_gets_an_error_and_the_others_their_output(
    acoustic: Acoustic, model: Path, corpus: dict[str, Any], tmp_path: Path
) -> None:
    good = json.dumps(next(iter(corpus.values()))).encode()
    documents = folder(
        tmp_path / "documents",
        {"a.json": good, "b.json": b"{", "c.json": b"null", "d.json": b'{"x": 1}', "e.json": good},
    )

    result = acoustic("predict", model, "--documents", documents)

    assert result.exit_code == 1
    found = lines(result)
    assert [line["id"] for line in found] == ["a", "b", "c", "d", "e"]
    assert ["error" in line for line in found] == [False, True, True, True, False]
    assert "b.json" in found[1]["error"]
    assert found[0]["highlevel"] == found[4]["highlevel"]
    assert "Traceback" not in result.stderr


def test_a_broken_line_gets_an_error_and_the_others_their_output(
    acoustic: Acoustic, model: Path, corpus: dict[str, Any], tmp_path: Path
) -> None:
    name, value = next(iter(corpus.items()))
    good = json.dumps({"id": name, "document": value})
    documents = tmp_path / "documents.jsonl.gz"
    written = [good, "garbage", "", "[]", '{"id": "x"}', '{"id": 3}', good]
    documents.write_bytes(gzip.compress("\n".join(written).encode()))

    result = acoustic("predict", model, "--documents", documents)

    assert result.exit_code == 1
    found = lines(result)
    assert [line["id"] for line in found] == [
        name,
        f"{documents}, line 2",
        f"{documents}, line 4",
        "x",
        f"{documents}, line 6",
        name,
    ]
    assert found[0] == found[5]


def test_a_file_that_was_cut_off_gives_what_it_has(
    acoustic: Acoustic, model: Path, tmp_path: Path
) -> None:
    documents = tmp_path / "documents.jsonl.gz"
    documents.write_bytes(examples.documents().read_bytes()[:100_000])

    result = acoustic("predict", model, "--documents", documents)

    assert result.exit_code == 1
    assert "highlevel" in lines(result)[0]
    assert "cannot be read beyond line" in lines(result)[-1]["error"]
    assert "Traceback" not in result.stderr


def test_two_models_of_one_name_are_refused(acoustic: Acoustic, model: Path) -> None:
    result = acoustic("predict", model, model, "--documents", examples.documents())

    assert result.exit_code == 2
    assert "both models of 'danceability'" in result.stderr
    assert result.stdout == ""


def test_a_damaged_gaia_history_is_refused_as_such(acoustic: Acoustic, tmp_path: Path) -> None:
    history = tmp_path / "danceability.history"
    history.write_bytes(bytes.fromhex("6AEA723D 00000066"))

    result = acoustic("predict", history, "--documents", examples.documents())

    assert result.exit_code == 2
    assert "not an intact Gaia history: it ends early" in result.stderr


def test_a_file_that_is_no_model_is_refused(acoustic: Acoustic) -> None:
    result = acoustic("predict", __file__, "--documents", examples.documents())

    assert result.exit_code == 2
    assert "not an intact model bundle" in result.stderr


def test_an_empty_folder_is_refused(acoustic: Acoustic, model: Path, tmp_path: Path) -> None:
    result = acoustic("predict", model, "--documents", tmp_path)

    assert result.exit_code == 2
    assert "holds no low-level document" in result.stderr


def test_an_id_with_escapes_stays_json(
    acoustic: Acoustic, model: Path, corpus: dict[str, Any], tmp_path: Path
) -> None:
    documents = tmp_path / "documents.jsonl"
    document = next(iter(corpus.values()))
    documents.write_text(json.dumps({"id": "\x1b[31m\x9b", "document": document}))

    result = acoustic("predict", model, "--documents", documents)

    assert lines(result)[0]["id"] == "\x1b[31m\x9b"
    assert result.stdout.isascii()
    assert "\x1b" not in result.stdout
