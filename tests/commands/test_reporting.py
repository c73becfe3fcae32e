"""``acoustic report``: a page of a report or of a job, and its misclassified recordings."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

REPORT = {
    "name": "made",
    "accuracy": 50.0,
    "confusion_matrix": {"a": {"a": 1, "b": 1}, "b": {"a": 1, "b": 1}},
    "recordings": ["r1", "=cmd()", "r3", "r4"],
    "actual": ["a", "a", "b", "b"],
    "predicted": ["a", "b", "a", "b"],
    "folds": [0, 1, 0, 1],
    "probability": {"actual": [0.9, 0.2, 0.4, 0.6], "predicted": [0.9, 0.8, 0.6, 0.6]},
}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "made.json"
    path.write_text(json.dumps(REPORT))
    return path


def test_a_report_becomes_a_page(acoustic: Any, report: Path, tmp_path: Path) -> None:
    result = acoustic("report", report, "--out", tmp_path / "a.html")

    assert result.exit_code == 0, result.stderr
    assert "50.0 %" in (tmp_path / "a.html").read_text()


def test_without_a_name_the_page_is_named_after_the_report(
    acoustic: Any, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert acoustic("report", report).exit_code == 0
    assert (tmp_path / "made.html").exists()


def test_misclassified_recordings_are_written_for_a_spreadsheet(
    acoustic: Any, report: Path, tmp_path: Path
) -> None:
    result = acoustic("report", report, "--misclassified", tmp_path / "wrong.csv")

    assert result.exit_code == 0, result.stderr
    with (tmp_path / "wrong.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["recording"] for row in rows] == ["'=cmd()", "r3"]
    assert [row["probability_of_actual"] for row in rows] == ["0.2", "0.4"]
    assert not (tmp_path / "made.html").exists()


def test_a_page_is_not_written_over_its_report(acoustic: Any, report: Path) -> None:
    result = acoustic("report", report, "--out", report)

    assert result.exit_code == 2
    assert json.loads(report.read_text()) == REPORT


@pytest.mark.parametrize("option", ["--out", "--misclassified"])
@pytest.mark.parametrize("name", ["other.json", "other", "OTHER.JSON"])
def test_neither_page_nor_table_is_written_over_the_report_of_another_evaluation(
    acoustic: Any, report: Path, tmp_path: Path, name: str, option: str
) -> None:
    other = tmp_path / name
    other.write_text(report.read_text())

    result = acoustic("report", report, option, other)

    assert result.exit_code == 2
    assert "holds JSON, such as a report, and writing it would destroy" in result.stderr
    assert json.loads(other.read_text()) == REPORT


def test_a_page_does_not_get_the_name_of_a_report(
    acoustic: Any, report: Path, tmp_path: Path
) -> None:
    result = acoustic("report", report, "--out", tmp_path / "new.json")

    assert result.exit_code == 2
    assert "has the name of a report, which is JSON" in result.stderr
    assert not (tmp_path / "new.json").exists()


def test_an_earlier_page_is_written_over(acoustic: Any, report: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.html"

    assert acoustic("report", report, "--out", page).exit_code == 0
    assert acoustic("report", report, "--out", page).exit_code == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [("[1]", "not a JSON object"), ("{", "it is not JSON"), ("{}", "this is no report")],
)
def test_a_file_that_is_no_report_is_told(
    acoustic: Any, tmp_path: Path, content: str, sentence: str
) -> None:
    path = tmp_path / "x.json"
    path.write_text(content)

    result = acoustic("report", path, "--out", tmp_path / "a.html")

    assert result.exit_code == 2
    assert sentence in result.stderr
    assert not (tmp_path / "a.html").exists()


@pytest.mark.parametrize("command", [("report",), ("compare", "evaluations")])
def test_a_model_in_place_of_a_report_is_called_one(
    acoustic: Any, model: Path, report: Path, command: tuple[str, ...]
) -> None:
    given = (model,) if command == ("report",) else (report, model)

    result = acoustic(*command, *given)

    assert result.exit_code == 2
    assert f"{model} is no report: it is a model; acoustic train" in result.stderr


def test_bytes_that_are_no_report_are_told_without_the_words_of_python(
    acoustic: Any, tmp_path: Path
) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(b'"J\xf6rg"')

    result = acoustic("report", path)

    assert result.exit_code == 2
    assert "is no report: it is not JSON; acoustic train" in result.stderr


def test_what_is_neither_a_file_nor_a_job_is_told(acoustic: Any) -> None:
    result = acoustic("report", "missing.json")

    assert result.exit_code == 2
    assert "'missing.json' is neither a file nor the id of a job" in result.stderr


def test_a_job_without_result_is_told(on_database: Any, job: Any) -> None:
    result = on_database("report", str(job()))

    assert result.exit_code == 2
    assert "is pending and has no result" in result.stderr
