"""One dataset evaluated by the daemon, on the command line and from Python: one evaluation."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from trainer.models.bundle import Model

OPTIONS = {"preprocessing_values": ["basic", "gaussianized"], "c_values": [1, 5], "seed": 7}
ARGUMENTS = ("--preprocessing", "basic,gaussianized", "--c", "1,5", "--seed", "7", "--jobs", "2")
PROGRAM = """
import json, sys
from pathlib import Path
from trainer.dataset import prepare
from trainer.descriptors import flatten
from trainer.documents import read_documents
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions
from trainer.training import train

ground_truth, documents, model, report, options = sys.argv[1:]
options = JobOptions.parse(json.loads(options))
low_level = {name: flatten(document) for name, document in read_documents([Path(documents)])}
dataset = prepare(GroundTruth.read(Path(ground_truth)), low_level, options)
evaluation = train(dataset, options.project, options.seed)
evaluation.model.save(Path(model))
Path(report).write_text(json.dumps(evaluation.report()))
"""
# The evaluators of these tests get no more. A variable that chooses other BLAS kernels, which do
# sums in another order, would change the last bits of a model.
ENVIRONMENT = {"PATH": os.environ["PATH"]}

Way = tuple[dict[str, Any], Model]


@pytest.fixture
def ways(service: Any, start_evaluator: Callable[..., Any], tmp_path: Path) -> list[Way]:
    """Evaluate the same dataset in each way; the report and the model of each."""
    classes = [("a", service.recordings(9, 0.0)), ("b", service.recordings(7, 0.4))]
    job = service.job(service.snapshot(classes, name="mood"), OPTIONS)
    assert start_evaluator("--once", keep_lowlevel="1").exit_code() == 0
    result = service.show(job).result
    ground_truth = tmp_path / "mood.json"
    ground_truth.write_text(json.dumps({"classes": {k: list(map(str, v)) for k, v in classes}}))
    inputs = (ground_truth, Path(result["project_path"]) / "lowlevel")
    return [
        (result, Model.load(Path(result["model"]["path"]), sha256=result["model"]["sha256"])),
        on_the_command_line(*inputs, tmp_path / "command"),
        from_python(*inputs, tmp_path / "python"),
    ]


def on_the_command_line(ground_truth: Path, documents: Path, folder: Path) -> Way:
    folder.mkdir()
    model, report = folder / "model", folder / "report.json"
    outputs = ("--model", model, "--report", report)
    run("-m", "worker.commands", "train", ground_truth, documents, *outputs, *ARGUMENTS)
    return json.loads(report.read_bytes()), Model.load(model)


def from_python(ground_truth: Path, documents: Path, folder: Path) -> Way:
    folder.mkdir()
    model, report = folder / "model", folder / "report.json"
    run("-c", PROGRAM, ground_truth, documents, model, report, json.dumps(OPTIONS))
    return json.loads(report.read_bytes()), Model.load(model)


def run(*arguments: str | Path) -> None:
    checkout = Path(__file__).parents[2]
    subprocess.run([sys.executable, *arguments], check=True, cwd=checkout, env=ENVIRONMENT)


def test_daemon_command_line_and_python_give_the_same_evaluation(ways: list[Way]) -> None:
    daemon, command, python = (evaluation(report) for report, _ in ways)

    assert len(daemon["grid"]) == 64
    assert daemon == command
    assert command == python


def test_daemon_command_line_and_python_give_the_same_model_but_for_provenance(
    ways: list[Way],
) -> None:
    bundles = {without_provenance(model).to_bytes() for _, model in ways}

    assert len(bundles) == 1


def evaluation(report: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is of one run: where its files lie, and how long it took.

    And what is said of artists that are unknown: documents are kept without tags, as AcousticBrainz
    kept them.
    """
    of_one_run = {"timings", "project_path", "history_path", "model", "report_page"}
    findings = [one for one in report["findings"] if one["kind"] != "artists unknown"]
    kept = {key: value for key, value in report.items() if key not in of_one_run}
    return {**kept, "findings": findings, "verdict": report["verdict"]["kind"]}


def without_provenance(model: Model) -> Model:
    return replace(model, training=dict(model.training) | {"provenance": None})
