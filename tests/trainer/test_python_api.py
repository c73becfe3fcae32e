"""What a program gets that imports `trainer`."""

import csv
import gzip
import inspect
import json
import pkgutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import examples
import trainer
from trainer.dataset import CHOICES
from trainer.errors import DocumentError, GroundTruthError, OptionsError
from trainer.evaluation import Evaluation
from trainer.frames import frames_of
from trainer.judgement import Judgement

SMALL = trainer.Project(
    preprocessings=["basic"],  # type: ignore[arg-type]  # as a person writes it
    kernels=["rbf"],  # type: ignore[arg-type]
    c_exponents=[1, 5],  # type: ignore[arg-type]
    gamma_exponents=[-3],  # type: ignore[arg-type]
)


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    dataset = trainer.Dataset.prepare(examples.ground_truth("timbre"), examples.documents())
    return trainer.train(dataset, SMALL)


def test_every_name_that_is_promised_is_there_and_listed() -> None:
    for name in trainer.__all__:
        assert getattr(trainer, name).__name__ == name
        assert name in dir(trainer)


def test_no_name_is_that_of_a_module_which_would_take_its_place() -> None:
    modules = {module.name for module in pkgutil.iter_modules(trainer.__path__)}

    assert not set(trainer.__all__) & modules


def test_a_name_that_is_not_there_is_said_to_be_missing() -> None:
    with pytest.raises(AttributeError, match="module 'trainer' has no attribute 'Datasets'"):
        trainer.Datasets  # noqa: B018 - looking is the test


def test_importing_the_package_loads_nothing_until_a_name_is_used() -> None:
    program = "import sys, trainer; print(sorted({'numpy', 'sklearn', 'pandas'} & {*sys.modules}))"
    command = [sys.executable, "-c", program]

    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_what_a_session_shows_is_a_line_each(evaluation: Evaluation) -> None:
    files = examples.ground_truth("timbre"), examples.documents()
    documents = trainer.load_documents(examples.documents())
    judged = trainer.evaluate(evaluation.model, *files)
    labels = trainer.GroundTruth.from_classes(
        "a\nb" * 99, {"\x1b" * 99: ["a", "b"], "c": ["d", "e"]}
    )

    assert repr(evaluation.dataset) == (
        "<Dataset 'timbre': 218 recordings of 2 classes ('bright', 'dark'), 2,616 columns>"
    )
    assert repr(evaluation).startswith(f"<Evaluation of 'timbre': {evaluation.accuracy:g} % of 218")
    assert repr(evaluation.model).startswith("<Model 'timbre': 2 classes ('bright', 'dark') of ")
    first = next(iter(documents.values()))
    for value in (evaluation, evaluation.model, evaluation.dataset, judged, labels, first):
        assert len(repr(value)) < 300
        assert repr(value).isprintable()


@pytest.mark.parametrize("document", [{}, None, "x.json", b"{}", 3, [1]])
def test_what_is_no_document_is_refused_in_a_sentence(
    evaluation: Evaluation, document: Any
) -> None:
    with pytest.raises(DocumentError, match=r"^recording 'x' is .*trainer\.load_documents"):
        evaluation.model.predict({"x": document})
    with pytest.raises(DocumentError, match=r"^document 0 is .*trainer\.load_documents"):
        evaluation.model.predict([document])


def test_training_needs_no_pandas() -> None:
    program = (
        "import sys, examples, trainer\n"
        "sys.modules['pandas'] = None\n"
        "data = trainer.Dataset.prepare(examples.ground_truth('gender'), examples.documents())\n"
        "found = trainer.train(data, trainer.Project(['basic'], ['rbf'], [1], [-3]))\n"
        "try:\n"
        "    found.to_pandas()\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    command = [sys.executable, "-c", program]

    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert said == "data frames are made by pandas, which is not installed: pip install pandas\n"


def test_files_become_a_dataset_by_their_paths_alone(tmp_path: Path) -> None:
    wanted = json.loads(examples.ground_truth("timbre").read_text())["classes"]
    labels = tmp_path / "labels.csv"
    labels.write_text("".join(f"{r},{name}\n" for name, ids in wanted.items() for r in ids))

    dataset = trainer.Dataset.prepare(str(labels), str(examples.documents()))

    assert dataset.name == "labels"
    assert dataset.classes == tuple(sorted(wanted))
    assert len(dataset.recordings) == sum(map(len, wanted.values()))


def test_values_become_the_same_dataset_as_the_files_that_hold_them() -> None:
    labels = trainer.GroundTruth.read(examples.ground_truth("gender"))
    documents = trainer.load_documents(examples.documents())

    of_values = trainer.Dataset.prepare(labels, documents)
    of_files = trainer.Dataset.prepare(examples.ground_truth("gender"), examples.documents())

    assert set(documents) > set(of_values.recordings)
    assert of_values.recordings == of_files.recordings
    assert of_values.values.tobytes() == of_files.values.tobytes()


def test_a_choice_says_which_recordings_are_trained_on() -> None:
    files = examples.ground_truth("gender"), examples.documents()

    chosen = trainer.Dataset.prepare(*files, filter_type="artist")

    assert chosen.testing
    assert len(chosen.recordings) < len(trainer.Dataset.prepare(*files).recordings)


def test_a_choice_that_is_none_is_refused_by_name() -> None:
    with pytest.raises(OptionsError, match="'c_values' is nothing that a dataset depends on"):
        trainer.Dataset.prepare("labels.csv", "lowlevel/", c_values=[1])


def test_the_choices_are_in_the_signature() -> None:
    signature = inspect.signature(trainer.Dataset.prepare)

    assert set(CHOICES) < set(signature.parameters)


@pytest.mark.parametrize("seed", ["x", -1, 1.5, 2**32])
def test_a_seed_that_is_none_is_refused_before_anything_is_trained(seed: Any) -> None:
    dataset = trainer.Dataset.prepare(examples.ground_truth("timbre"), examples.documents())

    with pytest.raises(OptionsError, match=f"seed {seed!r} is no whole number from 0 to"):
        trainer.train(dataset, seed=seed)


def test_labels_that_are_not_there_are_named() -> None:
    with pytest.raises(GroundTruthError, match=r"nowhere\.csv' cannot be read"):
        trainer.Dataset.prepare("nowhere.csv", examples.documents())


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"kernels": "rbf"}, "kernels of a project are 'rbf'; give a list"),
        ({"kernels": []}, "kernels of a project are .*; give a list"),
        ({"kernels": 1}, "kernels of a project are 1; give a list"),
        ({"kernels": ["linear"]}, "hold 'linear'; possible are poly, rbf"),
        ({"preprocessings": ["bsic"]}, "hold 'bsic'; possible are basic, "),
        ({"c_exponents": [31]}, "hold 31; possible are -30 to 30"),
        ({"gamma_exponents": [0.5]}, "hold 0.5; possible are -30 to 30"),
        ({"folds": 1}, "folds of a project are 1; at least 2"),
    ],
)
def test_a_project_that_cannot_be_searched_is_refused(axes: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionsError, match=said):
        trainer.Project(**axes)


def test_lists_make_the_same_project_as_tuples() -> None:
    assert trainer.Project(("basic",), ("rbf",), (1, 5), (-3,)) == SMALL


def test_a_model_predicts_documents_by_their_ids_and_in_their_order(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    evaluation.model.save(str(tmp_path / "timbre.model"))
    documents = trainer.load_documents(examples.documents())
    model = trainer.Model.load(str(tmp_path / "timbre.model"))

    by_id = model.predict(documents)

    assert list(by_id) == list(documents)
    assert list(by_id.values()) == model.predict(list(documents.values()))
    assert model.predict({}) == {}


def test_an_evaluation_becomes_data_frames(evaluation: Evaluation) -> None:
    frames = evaluation.to_pandas()
    best = frames.grid.accuracy.idxmax()

    assert len(frames.grid) == 2
    assert round(frames.grid.accuracy[best], 2) == evaluation.accuracy
    right = (frames.predictions.actual == frames.predictions.predicted).mean()
    assert round(100 * right, 2) == evaluation.accuracy
    assert tuple(frames.predictions.index) == evaluation.dataset.recordings
    assert frames.predictions.fold.tolist() == evaluation.fold_of.tolist()
    assert frames.predictions.probability_actual.between(0, 1).all()
    for actual, row in evaluation.confusion_matrix.items():
        assert frames.confusion_matrix.loc[actual].to_dict() == row


def test_a_report_that_was_written_becomes_the_same_data_frames(evaluation: Evaluation) -> None:
    written = json.loads(json.dumps(evaluation.report(predictions=True)))

    assert frames_of(written).grid.equals(evaluation.to_pandas().grid)
    assert frames_of(written).predictions.equals(evaluation.to_pandas().predictions)


@pytest.fixture(scope="module")
def judged(evaluation: Evaluation) -> Judgement:
    return trainer.evaluate(evaluation.model, examples.ground_truth("timbre"), examples.documents())


def test_a_model_is_evaluated_by_files_as_by_values(
    evaluation: Evaluation, judged: Judgement, tmp_path: Path
) -> None:
    evaluation.model.save(tmp_path / "timbre.model")

    of_values = trainer.evaluate(
        str(tmp_path / "timbre.model"),
        trainer.GroundTruth.read(examples.ground_truth("timbre")),
        trainer.load_documents(examples.documents()),
    )

    assert of_values.report() == judged.report()
    assert set(judged.seen) == set(evaluation.dataset.recordings)


def test_a_document_that_a_model_cannot_use_is_left_out_and_named(
    evaluation: Evaluation, tmp_path: Path
) -> None:
    with gzip.open(examples.documents(), "rt") as lines:
        documents = [json.loads(line) for line in lines]
    del documents[0]["document"]["lowlevel"]["mfcc"]
    documents[1]["document"] = {"lowlevel": {"mfcc": "none"}}
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(one) + "\n" for one in documents))
    ids = [one["id"] for one in documents]
    labels = trainer.GroundTruth.from_classes("t", [("bright", ids[::2]), ("dark", ids[1::2])])

    judged = trainer.evaluate(evaluation.model, labels, tmp_path / "own.jsonl")

    assert set(judged.unusable) == set(ids[:2])


def test_a_judgement_becomes_data_frames(judged: Judgement) -> None:
    frames = judged.to_pandas()

    assert frames.grid.empty
    right = (frames.predictions.actual == frames.predictions.predicted).mean()
    assert round(100 * right, 2) == judged.report()["accuracy"]
    assert "fold" not in frames.predictions.columns


def test_evaluations_are_compared_as_values_as_reports_and_as_files(
    evaluation: Evaluation, judged: Judgement, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(evaluation.report()))

    compared = trainer.compare(evaluation, judged)

    assert compared == trainer.compare(tmp_path / "a.json", judged.report())
    assert compared.recordings == len(evaluation.dataset.recordings)
    assert compared.only_b > compared.only_a  # what it was trained on, it remembers


@pytest.mark.parametrize("written", ["{", "[1]", "[" * 100_000])
def test_a_file_that_is_no_report_is_named(
    evaluation: Evaluation, tmp_path: Path, written: str
) -> None:
    (tmp_path / "odd.json").write_text(written)

    with pytest.raises(DocumentError, match=r"odd\.json is no report"):
        trainer.compare(evaluation, tmp_path / "odd.json")


@pytest.mark.parametrize("ending", ["csv", "npz"])
def test_what_is_exported_is_the_table_that_is_returned(
    evaluation: Evaluation, tmp_path: Path, ending: str
) -> None:
    table = trainer.export(evaluation.dataset, tmp_path / f"made/timbre.{ending}")

    frame = table.to_pandas()
    assert dict(zip(frame.index, frame["class"], strict=True)) == evaluation.dataset.training
    assert list(frame.columns[1:]) == list(table.columns)
    key = frame["tonal.key_key"]
    assert set(key) <= {*"ABCDEFG", *(f"{note}#" for note in "ACDFG"), "Eb", "Bb", "Ab"}
    if ending == "csv":
        with (tmp_path / "made/timbre.csv").open(newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert [row["tonal.key_key"] for row in rows] == list(key)
    else:
        with np.load(tmp_path / "made/timbre.npz", allow_pickle=False) as arrays:
            assert arrays["values"].tobytes() == table.values.tobytes()


def test_documents_without_classes_are_exported_too(tmp_path: Path) -> None:
    table = trainer.export(examples.documents(), tmp_path / "all.csv")

    assert len(table.recordings) == 240
    assert "class" not in table.to_pandas().columns


def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("before")

    with pytest.raises(OptionsError, match="bsic"):
        trainer.export(examples.documents(), tmp_path / "a.csv", preprocessing="bsic")

    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "before"
