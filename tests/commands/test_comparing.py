"""``acoustic compare extractor``: a line per model, on real files."""

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from trainer.bench.made_models import made_documents, made_models
from trainer.highlevel import high_level_document
from trainer.inference import ModelSet

Acoustic = Callable[..., Result]


@pytest.fixture(scope="module")
def made() -> tuple[ModelSet, dict[str, Any], dict[str, Any]]:
    """Models, documents by id, and what the models make of them."""
    models = ModelSet(tuple(one.model for one in made_models(3, 40, 16, seed=1)))
    rows = made_documents(70, models.models[0].layout, seed=2)
    documents = {f"r{number:02}": document for number, document in enumerate(rows)}
    outputs = {
        name: high_level_document(document, predicted, {})
        for (name, document), predicted in zip(documents.items(), models.predict(rows), strict=True)
        if isinstance(predicted, dict)
    }
    return models, documents, outputs


@pytest.fixture
def folder(tmp_path: Path, made: Any) -> Path:
    models, documents, outputs = made
    (tmp_path / "models").mkdir()
    for model in models.models:
        model.save(tmp_path / "models" / f"{model.name}.model")
    write_lines(tmp_path / "documents.jsonl.gz", documents)
    write_lines(tmp_path / "expected.jsonl.gz", outputs)
    return tmp_path


def write_lines(path: Path, documents: dict[str, Any]) -> None:
    lines = [json.dumps({"id": name, "document": one}) for name, one in documents.items()]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))


def compare(acoustic: Acoustic, folder: Path, *more: object, **other: object) -> Result:
    given = {
        "expected": folder / "expected.jsonl.gz",
        "documents": folder / "documents.jsonl.gz",
        "models": folder / "models",
    } | other
    options = [part for name, value in given.items() for part in (f"--{name}", value)]
    return acoustic("compare", "extractor", *options, *more)


def compared(result: Result) -> Any:
    assert result.exit_code in (0, 1), result.output
    return json.loads(result.stdout)


def changed(outputs: dict[str, Any]) -> dict[str, Any]:
    """Return expected outputs of which one says another class of one model."""
    outputs = json.loads(json.dumps(outputs))
    output = outputs["r05"]["highlevel"]["danceability"]
    first, second = output["all"]
    output["all"] = {first: output["all"][second], second: output["all"][first]}
    output["value"] = second if output["value"] == first else first
    return outputs


def test_outputs_of_the_same_models_agree_in_all(acoustic: Acoustic, folder: Path) -> None:
    found = compared(compare(acoustic, folder, "--json"))

    assert list(found["models"]) == ["danceability", "gender", "genre_dortmund"]
    for one in (*found["models"].values(),):
        assert one["documents"] == one["agreeing"] == 70
        assert one["agreement"] == 100
        assert one["largest_difference"] < 1e-12
    assert found["total"]["documents"] == 210


def test_a_difference_is_counted_and_measured(acoustic: Acoustic, folder: Path, made: Any) -> None:
    expected = changed(made[2])
    write_lines(folder / "expected.jsonl.gz", expected)
    of_all = made[2]["r05"]["highlevel"]["danceability"]["all"]
    difference = abs(float.__sub__(*of_all.values()))

    found = compared(compare(acoustic, folder, "--json"))["models"]

    assert found["danceability"]["agreeing"] == 69
    assert found["danceability"]["largest_difference"] == pytest.approx(difference)
    assert found["danceability"]["mean_difference"] == pytest.approx(difference / 70)
    assert found["gender"]["agreeing"] == 70


def test_text_has_a_line_for_each_model_and_the_total(acoustic: Acoustic, folder: Path) -> None:
    result = compare(acoustic, folder)

    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    assert [line[0] for line in lines if "100.00" in line] == [
        "danceability",
        "gender",
        "genre_dortmund",
        "total",
    ]


def test_markdown_is_a_table(acoustic: Acoustic, folder: Path) -> None:
    lines = compare(acoustic, folder, "--format", "markdown").stdout.splitlines()

    assert len(lines) == 6
    assert {line.count("|") for line in lines} == {7}
    assert lines[1] == "| --- | ---: | ---: | ---: | ---: | ---: |"
    assert lines[2].startswith("| danceability | 70 | 70 | 100.00 % | ")


def test_csv_reads_back(acoustic: Acoustic, folder: Path) -> None:
    text = compare(acoustic, folder, "--format", "csv").stdout

    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["model"] for row in rows] == ["danceability", "gender", "genre_dortmund", "total"]
    assert rows[-1]["documents"] == "210"
    assert float(rows[0]["largest_difference"]) < 1e-12


def test_expected_outputs_may_be_files_lines_of_predict_or_one_mapping(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    outputs = made[2]
    (folder / "expected").mkdir()
    for name, document in outputs.items():
        (folder / "expected" / f"{name}.json").write_text(json.dumps(document))
    mapping = {name: document["highlevel"] for name, document in outputs.items()}
    (folder / "mapping.json").write_text(json.dumps(mapping))
    predicted = acoustic(
        "predict",
        *(folder / "models").iterdir(),
        *("--documents", folder / "documents.jsonl.gz"),
    )
    (folder / "lines.jsonl").write_text(predicted.stdout)

    for name in ("expected", "mapping.json", "lines.jsonl"):
        found = compared(compare(acoustic, folder, "--json", expected=folder / name))
        assert found["total"]["agreeing"] == 210
        assert not found["unusable"]


def test_models_may_be_a_profile_or_files(acoustic: Acoustic, folder: Path) -> None:
    merged = {"metadata": {"version": {"highlevel": {"models_essentia_git_sha": "v1"}}}}
    listed = ["models/gender.model", "models/danceability.model"]
    profile = folder / "profile.yaml"
    profile.write_text(yaml.safe_dump({"highlevel": {"svm_models": listed}, "mergeValues": merged}))

    by_profile = compared(compare(acoustic, folder, "--json", models=profile))
    by_files = compared(
        compare(
            acoustic,
            folder,
            *("--json", "--models", folder / "models" / "danceability.model"),
            models=folder / "models" / "gender.model",
        )
    )

    assert list(by_profile["models"]) == ["gender", "danceability"]
    assert list(by_files["models"]) == ["danceability", "gender"]
    assert by_profile["total"] == by_files["total"]


def test_documents_on_one_side_only_are_counted_and_named(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    expected = dict(list(made[2].items())[3:])
    write_lines(folder / "expected.jsonl.gz", expected | {"other": made[2]["r00"]})

    result = compare(acoustic, folder, "--json")

    found = compared(result)
    assert result.exit_code == 0
    assert found["models"]["gender"]["documents"] == 67
    assert (found["documents_without_expected"], found["expected_without_document"]) == (3, 1)
    assert "3 recordings without an expected output: r00, r01, r02" in result.stderr
    assert "1 recording expected but without a document: other" in result.stderr


@pytest.mark.parametrize("form", ["text", "markdown"])
def test_what_is_not_in_the_table_is_told_below_it(
    acoustic: Acoustic, folder: Path, made: Any, form: str
) -> None:
    expected = dict(list(made[2].items())[3:])
    write_lines(folder / "expected.jsonl.gz", expected | {"other": made[2]["r00"]})

    result = compare(acoustic, folder, "--format", form)

    assert result.exit_code == 0
    assert "\nNot compared: 3 recordings without an expected output." in result.stdout
    assert "Not compared: 1 recording expected but without a document." in result.stdout


def test_of_very_many_that_cannot_be_used_the_first_are_told(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    bad = {f"x{number}": {"no": "outputs"} for number in range(50)}
    write_lines(folder / "expected.jsonl.gz", made[2] | bad)

    result = compare(acoustic, folder)

    assert result.exit_code == 1
    assert result.stderr.count("Error: ") == 20
    assert "30 recordings more cannot be used" in result.stderr


def test_what_cannot_be_used_is_named_and_the_rest_compared(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    _, documents, outputs = made
    write_lines(folder / "documents.jsonl.gz", documents | {"r07": {"lowlevel": {"x": 1}}})
    bad = {"r09": {"highlevel": {"gender": 3}}, "r11": {"no": "outputs"}}
    write_lines(folder / "expected.jsonl.gz", outputs | bad)

    result = compare(acoustic, folder, "--json")

    found = compared(result)
    assert result.exit_code == 1
    assert found["unusable"].keys() == {"r07", "r09", "r11"}
    assert found["models"]["gender"]["documents"] == 67
    assert "Error: r09: 'gender': 3 is no output of a model" in result.stderr


def test_one_that_has_no_outputs_costs_a_mapping_nothing_else(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    mapping = {name: document["highlevel"] for name, document in made[2].items()}
    (folder / "mapping.json").write_text(json.dumps(mapping | {"r03": []}))

    found = compared(compare(acoustic, folder, "--json", expected=folder / "mapping.json"))

    assert found["unusable"] == {"r03": "a list in place of the outputs of models"}
    assert found["total"]["documents"] == 207


def test_ids_that_do_not_fit_are_told(acoustic: Acoustic, folder: Path, made: Any) -> None:
    write_lines(folder / "expected.jsonl.gz", {f"x{name}": one for name, one in made[2].items()})

    result = compare(acoustic, folder)

    assert result.exit_code == 2
    assert "do the ids of both sides fit?" in result.stderr


def test_a_folder_without_models_is_refused(acoustic: Acoustic, folder: Path) -> None:
    (folder / "empty").mkdir()

    result = compare(acoustic, folder, models=folder / "empty")

    assert result.exit_code == 2
    assert "holds no model" in result.stderr


def test_production_s_models_predict_as_expected_on_real_documents(
    acoustic: Acoustic, shared_data: Path
) -> None:
    histories = shared_data / "histories"

    result = acoustic(
        *("compare", "extractor", "--json", "--models", histories),
        *("--expected", histories / "expected.json"),
        *("--documents", shared_data / "music1" / "lowlevel.jsonl.gz"),
    )

    found = compared(result)
    assert result.exit_code == 0, result.stderr
    assert found["total"]["documents"] == found["total"]["agreeing"] == 309
    assert found["total"]["largest_difference"] < 1e-6


def test_a_line_without_a_document_is_named_with_what_to_write(
    acoustic: Acoustic, folder: Path
) -> None:
    path = folder / "documents.jsonl"
    path.write_text('{"id": "r00"}\n{"id": "r01", "document": null}\n"r02"\n')

    result = compare(acoustic, folder, documents=path)

    assert f'Error: r00: {path}, line 1: the line has no "document": write' in result.stderr
    assert f'Error: r01: {path}, line 2: the line has no "document": write' in result.stderr
    assert f"Error: {path}, line 3: the line is not an object" in result.stderr


def test_an_expected_line_without_outputs_is_named_with_what_to_write(
    acoustic: Acoustic, folder: Path
) -> None:
    path = folder / "expected.jsonl"
    path.write_text('{"id": "r00"}\n{"id": "r01", "document": 5}\n')

    result = compare(acoustic, folder, expected=path)

    assert f'Error: r00: {path}, line 1: the line has no "highlevel": write' in result.stderr
    assert f'Error: r01: {path}, line 2: the line has no "highlevel": write' in result.stderr
