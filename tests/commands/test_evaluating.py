"""``acoustic evaluate``: a model on labels of one's own, from files."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import examples
from tests.trainer.history_writer import history_of
from trainer.models.bundle import Model

Acoustic = Callable[..., Result]

GROUND_TRUTH = examples.ground_truth("danceability")
DOCUMENTS = examples.documents()


@pytest.fixture
def members() -> dict[str, list[str]]:
    classes: dict[str, list[str]] = json.loads(GROUND_TRUTH.read_text())["classes"]
    return classes


def truth(folder: Path, classes: Any) -> Path:
    path = folder / "mine.json"
    path.write_text(json.dumps({"classes": classes}))
    return path


def test_recordings_of_its_own_training_are_warned_of(
    acoustic: Acoustic, model: Path, tmp_path: Path
) -> None:
    files = ("--report", tmp_path / "r.json", "--page", tmp_path / "p.html")

    result = acoustic("evaluate", model, GROUND_TRUTH, DOCUMENTS, *files)

    assert result.exit_code == 0, result.stderr
    said = json.loads((tmp_path / "r.json").read_text())
    low, high = said["accuracy_interval"]
    assert f"{said['accuracy']:.2f} %, interval of 95 %: {low:.2f} to {high:.2f} %" in result.stdout
    assert result.stdout.startswith("Cannot be believed: the model was trained on all of these")
    assert "warning" in result.stdout
    assert "trained on 212 recordings of the 212" in " ".join(result.stdout.split())
    assert said["evaluated"]["trained_on"] == 212
    assert said["model"]["path"] == model.name
    assert "trained on 212" in (tmp_path / "p.html").read_text()
    assert "best parameters" not in result.stdout


def test_misclassified_recordings_are_named_and_written_for_a_spreadsheet(
    acoustic: Acoustic, model: Path, tmp_path: Path, members: dict[str, list[str]]
) -> None:
    danceable, other = members.values()
    wrong = {"danceable": [*danceable[1:], other[0]], "not_danceable": [*other[1:], danceable[0]]}
    report, table = tmp_path / "r.json", tmp_path / "w.csv"

    result = acoustic("evaluate", model, truth(tmp_path, wrong), DOCUMENTS, "--report", report)
    listed = acoustic("report", report, "--misclassified", table)

    assert result.exit_code == listed.exit_code == 0, listed.stderr
    assert "misclassified: 2" in result.stdout
    assert all(recording in result.stdout for recording in (danceable[0], other[0]))
    assert len(table.read_text().splitlines()) == 1 + 2


def test_names_are_mapped_and_what_is_missing_is_left_out_on_request(
    acoustic: Acoustic, model: Path, tmp_path: Path, members: dict[str, list[str]]
) -> None:
    danceable, other = members.values()
    mine = truth(tmp_path, {"yes": [*danceable[:20], "gone"], "no": other[:20]})
    names = ("--map", "danceable=yes", "--map", "not_danceable=no")

    refused = acoustic("evaluate", model, mine, DOCUMENTS, *names)
    result = acoustic("evaluate", model, mine, DOCUMENTS, *names, "--missing", "leave out")

    assert refused.exit_code == 2
    assert "1 recording of the ground truth without low-level document: gone" in refused.stderr
    assert result.exit_code == 0, result.stderr
    assert "left out: 1" in result.stdout
    assert "gone" in result.stdout


def test_ids_that_match_but_for_a_folder_are_told_beside_those_of_the_documents(
    acoustic: Acoustic, model: Path, tmp_path: Path, members: dict[str, list[str]]
) -> None:
    mine = truth(
        tmp_path, {name: [f"low/{r}.json" for r in of[:9]] for name, of in members.items()}
    )

    for arguments in ((), ("--missing", "leave-out")):
        refused = acoustic("evaluate", model, mine, DOCUMENTS, *arguments)

        assert refused.exit_code == 2
        assert "all match but for folder and suffix" in refused.stderr


def test_other_names_are_suggested_as_the_options_to_type(
    acoustic: Acoustic, model: Path, tmp_path: Path, members: dict[str, list[str]]
) -> None:
    danceable, other = members.values()
    mine = truth(tmp_path, {"danceable": danceable[:9], "it isn't": other[:9]})

    refused = acoustic("evaluate", model, mine, DOCUMENTS)
    [options] = re.findall(r" by (--map .*) \(the model's name", refused.stderr)
    result = acoustic("evaluate", model, mine, DOCUMENTS, *shlex.split(options))

    assert refused.exit_code == 2
    assert "names=" not in refused.stderr
    assert result.exit_code == 0, result.stderr


@pytest.mark.parametrize(
    ("pairs", "sentence"),
    [
        (["yes"], "'yes' is not of the form theirs=ours"),
        (["a=b", "a=c"], "'a' is there twice"),
        (["x=yes"], "the model has no class 'x'"),
    ],
)
def test_a_mapping_that_is_none_is_told(
    acoustic: Acoustic, model: Path, pairs: list[str], sentence: str
) -> None:
    names = [word for pair in pairs for word in ("--map", pair)]

    result = acoustic("evaluate", model, GROUND_TRUTH, DOCUMENTS, *names)

    assert result.exit_code == 2
    assert sentence in result.stderr


def test_a_broken_document_is_named_and_the_others_go_on(
    acoustic: Acoustic, model: Path, tmp_path: Path, members: dict[str, list[str]]
) -> None:
    danceable, other = members.values()
    mine = truth(tmp_path, {"danceable": [*danceable[:9], "odd"], "not_danceable": other[:9]})
    odd = tmp_path / "odd.json"
    odd.write_text("{")

    result = acoustic("evaluate", model, mine, DOCUMENTS, odd)

    assert result.exit_code == 0, result.stderr
    assert "not JSON" in result.stdout


def test_nothing_that_is_read_is_written_over(acoustic: Acoustic, model: Path) -> None:
    result = acoustic("evaluate", model, GROUND_TRUTH, DOCUMENTS, "--report", model)

    assert result.exit_code == 2
    assert "the same file" in result.stderr


def test_its_page_is_not_written_over_an_earlier_report(
    acoustic: Acoustic, model: Path, tmp_path: Path
) -> None:
    report = tmp_path / "own"
    report.write_text('{"accuracy": 50.0}')

    result = acoustic("evaluate", model, GROUND_TRUTH, DOCUMENTS, "--page", report)

    assert result.exit_code == 2
    assert "holds JSON, such as a report" in result.stderr
    assert report.read_text() == '{"accuracy": 50.0}'


def test_a_history_of_gaias_answers_as_the_bundle_and_cannot_say_what_it_was_trained_on(
    acoustic: Acoustic, model: Path, tmp_path: Path
) -> None:
    history = tmp_path / "danceability.history"
    history.write_bytes(history_of(Model.load(model), c=2.0**5).content())

    result = acoustic("evaluate", history, GROUND_TRUTH, DOCUMENTS, "--report", tmp_path / "r.json")

    assert result.exit_code == 0, result.stderr
    said = json.loads((tmp_path / "r.json").read_text())
    bundle = tmp_path / "b.json"
    acoustic("evaluate", model, GROUND_TRUTH, DOCUMENTS, "--report", bundle)
    assert said["predicted"] == json.loads(bundle.read_text())["predicted"]
    assert said["evaluated"]["trained_on"] is None
    assert "training unknown" in [finding["kind"] for finding in said["findings"]]
