"""The files that Gaia would read, from a small dataset trained for real."""

import csv
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
import yaml

from trainer.dataset import Dataset, prepare
from trainer.descriptors import flatten
from trainer.documents import read_documents
from trainer.evaluation import Evaluation
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions
from trainer.preprocessing.recipes import recipe
from trainer.training import train
from worker.attempt_folder import AttemptFolder
from worker.project_folder import ProjectFolder, parameters_hash, slug

JOB = UUID("ab1c0000-0000-4000-8000-000000000001")
OPTIONS = JobOptions.parse(
    {"preprocessing_values": ["basic", "gaussianized"], "c_values": [1], "gamma_values": [-3]}
)
NAME = "Köpfe & Straßen"
CLASSES = ("yes", "10", 'Ça va: "quoted" #1')


@pytest.fixture(scope="module")
def dataset_and_documents(
    make_documents: dict[str, Any],
) -> tuple[Dataset, dict[str, Any]]:
    ids = iter(make_documents)
    classes = [(name, [next(ids) for _ in range(5)]) for name in CLASSES]
    ground_truth = GroundTruth.from_classes(NAME, classes)
    flat = {mbid: flatten(document) for mbid, document in make_documents.items()}
    return prepare(ground_truth, flat, OPTIONS), make_documents


@pytest.fixture(scope="module")
def make_documents(make_document: Callable[..., Any]) -> dict[str, Any]:
    randomness = random.Random(3)
    return {str(uuid4()): make_document(randomness, number // 5) for number in range(15)}


@pytest.fixture(scope="module")
def evaluation(dataset_and_documents: Any) -> Evaluation:
    return train(dataset_and_documents[0], OPTIONS.project, OPTIONS.seed, jobs=1)


@pytest.fixture(scope="module")
def folder(
    tmp_path_factory: pytest.TempPathFactory, dataset_and_documents: Any, evaluation: Evaluation
) -> Path:
    dataset, documents = dataset_and_documents
    folder = ProjectFolder(AttemptFolder(tmp_path_factory.mktemp("pro jects"), JOB, 1))
    folder.prepare()
    for mbid, document in documents.items():
        folder.write_document(mbid, document)
    folder.publish_documents()
    folder.write_project(dataset, OPTIONS)
    folder.write_results(dataset, evaluation.report())
    return folder.path


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_bytes())


def test_the_file_list_names_a_readable_file_for_each_recording_that_is_trained_on(
    folder: Path, dataset_and_documents: Any
) -> None:
    dataset, documents = dataset_and_documents

    files = read(folder / "filelist.yaml")

    assert files.keys() == dataset.training.keys()
    for mbid, path in files.items():
        assert path == str(folder / "lowlevel" / f"{mbid}.sig")
        ((name, document),) = read_documents([Path(path)])
        assert name == mbid
        assert flatten(document).strings == flatten(documents[mbid]).strings


def test_keys_and_paths_are_plain_for_gaia_mangles_quoted_ones(folder: Path) -> None:
    text = (folder / "filelist.yaml").read_text()

    assert not set("'\"") & set(text)
    assert len(text.splitlines()) == 15  # a path with a space stays on its line


def test_the_ground_truth_has_gaias_keys_and_every_class_as_a_string(
    folder: Path, dataset_and_documents: Any
) -> None:
    assert read(folder / "groundtruth.yaml") == {
        "type": "singleClass",
        "version": 1.0,
        "className": "kopfe-straen",
        "groundTruth": dataset_and_documents[0].training,
    }


def test_the_project_has_exactly_the_keys_of_gaias_template(folder: Path) -> None:
    project = read(folder / "project.yaml")

    assert list(project) == [
        "templateVersion",
        "className",
        "datasetsDirectory",
        "resultsDirectory",
        "filelist",
        "groundtruth",
        "seed",
        "clusterMode",
        "excludedDescriptors",
        "failOnUnmatched",
        "preprocessing",
        "classifiers",
        "evaluations",
    ]
    assert project["filelist"] == str(folder / "filelist.yaml")
    assert project["classifiers"]["svm"] == [
        {
            "preprocessing": ["basic", "gaussianized"],
            "type": ["C-SVC"],
            "kernel": ["poly", "RBF"],
            "C": [1],
            "gamma": [-3],
            "balanceClasses": [False],
        }
    ]
    assert project["evaluations"] == {"nfoldcrossvalidation": [{"nfold": [5]}]}


def test_the_chains_are_those_that_were_applied(folder: Path) -> None:
    chains = read(folder / "project.yaml")["preprocessing"]

    assert list(chains) == ["basic", "gaussianized"]
    assert [step["transfo"] for step in chains["gaussianized"]] == [
        step.transformation for step in recipe("gaussianized")
    ]
    assert chains["gaussianized"][2] == {"transfo": "normalize"}
    assert chains["gaussianized"][3] == {
        "transfo": "gaussianize",
        "params": {"descriptorNames": "lowlevel.*"},
    }
    assert chains["basic"][0]["params"]["descriptorNames"] == list(recipe("basic")[0].patterns)


def test_the_chosen_combination_has_a_pair_of_results(folder: Path, evaluation: Evaluation) -> None:
    (result,) = (folder / "results").glob("*.result")
    (parameters,) = (folder / "results").glob("*.param")

    assert result.stem == parameters.stem
    assert result.name.startswith("kopfe-straen")
    assert read(parameters) == evaluation.parameters
    content = read(result)
    counts = {
        actual: {predicted: len(ids) for predicted, ids in row.items()}
        for actual, row in content["matrix"].items()
    }
    nonzero = {
        actual: {predicted: n for predicted, n in row.items() if n}
        for actual, row in evaluation.confusion_matrix.items()
    }
    assert counts == nonzero
    assert Counter(content["fold"].values()) == Counter(evaluation.fold_of.tolist())


def test_all_combinations_are_listed_the_best_first(folder: Path, evaluation: Evaluation) -> None:
    with (folder / "results" / "report.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))

    assert len(rows) == 4
    best = evaluation.parameters["model"]
    assert (rows[0]["preprocessing"], rows[0]["kernel"]) == (best["preprocessing"], best["kernel"])
    assert float(rows[0]["accuracy"]) == pytest.approx(evaluation.accuracy, abs=0.005)


def test_a_result_file_is_called_the_same_in_every_process() -> None:
    code = (
        "from worker.project_folder import parameters_hash; print(parameters_hash({'a': {'b': 1}}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7"},
        cwd=Path(__file__).parents[2],
    )

    assert done.stdout.strip() == parameters_hash({"a": {"b": 1}})


@pytest.mark.parametrize("name", ["../../etc/passwd", "..", "a/b", "", "\N{BULLET}", "x" * 5000])
def test_no_name_of_a_dataset_leads_out_of_the_folder(name: str) -> None:
    assert set(slug(name)) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-")
    assert 1 <= len(slug(name)) <= 100


def test_a_later_attempt_replaces_the_low_level_files_of_an_earlier_one(tmp_path: Path) -> None:
    for attempt, mbid in ((1, "first"), (2, "second")):
        folder = ProjectFolder(AttemptFolder(tmp_path, JOB, attempt))
        folder.prepare()
        folder.write_document(mbid, {"a": 1})
        folder.publish_documents()

    assert [path.name for path in (folder.path / "lowlevel").iterdir()] == ["second.sig"]
