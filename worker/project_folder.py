"""A job's project folder: what Gaia would need to run the same search, and the chosen result.

::

    <project dir>/<job id>/
        project.yaml filelist.yaml groundtruth.yaml    of Gaia's formats
        lowlevel/<mbid>.sig                            gone when the job ends, unless kept
        results/<class name><hash>_0.param .result     the chosen combination
        results/report.tsv                             all combinations, the best first

It is an output. No step of ours reads it. Gaia writes a pair of result files for each combination;
720 of them, which name every recording twice, would be larger than all that they report on.
"""

import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from trainer.grid.project import Project
from trainer.options import JobOptions
from trainer.preprocessing.recipes import Step, recipe
from trainer.whole_file import sync_folder
from worker import descriptor_yaml
from worker.attempt_folder import LOWLEVEL, AttemptFolder

if TYPE_CHECKING:  # it loads scikit-learn, which a job with wrong input ends without
    from trainer.dataset import Dataset

# Gaia's names of the kernels.
_KERNELS = {"poly": "poly", "rbf": "RBF"}
_REPORT = ("accuracy", "accuracy_std", "normalized_accuracy", "normalized_accuracy_std")


@dataclass(frozen=True)
class ProjectFolder:
    """Writes the project folder of one attempt; each file is complete from the moment it is there.

    Attributes
    ----------
    folder
        The attempt's working folder, on the same file system.
    """

    folder: AttemptFolder

    @property
    def path(self) -> Path:
        """The folder, ``<project dir>/<job id>``."""
        return self.folder.project

    def prepare(self) -> None:
        """Make the folders."""
        self.path.mkdir(parents=True, exist_ok=True)
        self._unfinished.mkdir(parents=True, exist_ok=True)

    def write_document(self, recording: str, document: Mapping[str, Any]) -> None:
        """Write one low-level document; `recording` is an MBID, hence a file name."""
        (self._unfinished / f"{recording}.sig").write_bytes(descriptor_yaml.dump(document))

    def publish_documents(self) -> None:
        """Move the low-level documents, all at once, to where ``filelist.yaml`` says they are."""
        published = self.path / LOWLEVEL
        shutil.rmtree(published, ignore_errors=True)  # of an earlier attempt
        self._unfinished.replace(published)

    def write_project(self, dataset: "Dataset", options: JobOptions) -> None:
        """Write project, file list and ground truth of a training set."""
        class_name = slug(dataset.name)
        recordings = dataset.training
        lowlevel = self.path / LOWLEVEL
        self._put("filelist.yaml", _yaml({r: str(lowlevel / f"{r}.sig") for r in recordings}))
        self._put("groundtruth.yaml", _yaml(ground_truth(class_name, recordings)))
        self._put("project.yaml", _yaml(self._project(class_name, dataset, options)))

    def write_results(self, dataset: "Dataset", report: Mapping[str, Any]) -> None:
        """Write the chosen combination's result as Gaia does, and a table of all combinations."""
        parameters = report["parameters"]
        (self.path / "results").mkdir(exist_ok=True)
        name = f"{slug(dataset.name)}{parameters_hash(parameters)}_0"
        self._put(f"results/{name}.param", _yaml(parameters))
        self._put(f"results/{name}.result", _yaml(result(dataset.training, report)))
        self._put("results/report.tsv", "".join(_table(report["grid"])).encode())
        for folder in (self.path / "results", self.path, self.path.parent):
            sync_folder(folder)

    @property
    def _unfinished(self) -> Path:
        return self.folder.path / LOWLEVEL

    def _put(self, name: str, text: bytes) -> None:
        aside = self.folder.path / "aside"
        with aside.open("wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(self.path / name)

    def _project(self, class_name: str, dataset: "Dataset", options: JobOptions) -> dict[str, Any]:
        return {
            "templateVersion": dataset.template,
            "className": class_name,
            "datasetsDirectory": str(self.path / "datasets"),
            "resultsDirectory": str(self.path / "results"),
            "filelist": str(self.path / "filelist.yaml"),
            "groundtruth": str(self.path / "groundtruth.yaml"),
            "seed": options.seed,
            "clusterMode": True,
            "excludedDescriptors": ["metadata.tags*"],
            "failOnUnmatched": False,
            **search(options.project, dataset.template),
        }


def slug(name: str) -> str:
    """Give a dataset's name as a file name, as AcousticBrainz gives it to Gaia.

    >>> slug("Mood: Ça va? / ../etc"), slug("音楽")
    ('mood-ca-va-etc', 'dataset')
    """
    ascii_only = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    words = re.findall(r"\w+", ascii_only)
    return "-".join(words).lower()[:100] or "dataset"


def ground_truth(class_name: str, recordings: Mapping[str, str]) -> dict[str, Any]:
    """Give Gaia's ground truth of recordings and their classes."""
    return {
        "type": "singleClass",
        "version": 1.0,
        "className": class_name,
        "groundTruth": dict(recordings),
    }


def search(project: Project, template: Any) -> dict[str, Any]:
    """Give the search as the last three sections of Gaia's project file."""
    axes = {
        "preprocessing": list(project.preprocessings),
        "type": ["C-SVC"],
        "kernel": [_KERNELS[kernel] for kernel in project.kernels],
        "C": list(project.c_exponents),
        "gamma": list(project.gamma_exponents),
        "balanceClasses": list(project.balance_classes),
    }
    chains = {
        name: [_transformation(step) for step in recipe(name, template)]
        for name in project.preprocessings
    }
    return {
        "preprocessing": chains,
        "classifiers": {"svm": [axes]},
        "evaluations": {"nfoldcrossvalidation": [{"nfold": [project.folds]}]},
    }


def result(recordings: Mapping[str, str], report: Mapping[str, Any]) -> dict[str, Any]:
    """Give Gaia's result of a combination: folds, and the ids in each non-empty cell."""
    matrix: dict[str, dict[str, list[str]]] = {}
    for recording, predicted in zip(report["recordings"], report["predicted"], strict=True):
        if predicted is None:  # not every combination can be solved for every fold
            continue
        row = matrix.setdefault(recordings[recording], {})
        row.setdefault(predicted, []).append(recording)
    folds = dict(zip(report["recordings"], report["folds"], strict=True))
    return {"fold": folds, "matrix": matrix}


def parameters_hash(parameters: Mapping[str, Any]) -> str:
    """Give a name for a combination that is the same in every process, as Gaia's is not."""
    text = json.dumps(parameters, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _transformation(step: Step) -> dict[str, Any]:
    if step.patterns == ("*",):
        return {"transfo": step.transformation}
    names: Any = list(step.patterns)
    return {
        "transfo": step.transformation,
        "params": {"descriptorNames": names if len(names) > 1 else names[0]},
    }


def _table(grid: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    axes = ("kernel", "C", "preprocessing", "balance_classes", "gamma")
    yield "\t".join(("accuracy_rank", *_REPORT, *axes)) + "\n"
    # Sorting is stable: of equals, the first in grid order is the one that is chosen.
    ranked = sorted(grid, key=lambda entry: -(entry["accuracy"] or 0.0))
    for rank, entry in enumerate(ranked, start=1):
        figures = (entry["accuracy"], entry["std"], entry["normalized_accuracy"])
        point = {**entry, "kernel": _KERNELS[entry["kernel"]]}
        cells = (rank, *figures, entry["normalized_std"], *(point[axis] for axis in axes))
        yield "\t".join("" if cell is None else str(cell) for cell in cells) + "\n"


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    def ignore_aliases(self, _data: Any) -> bool:
        return True  # two chains share a step; a person wants to read both


def _yaml(value: Any) -> bytes:
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=False,
        sort_keys=False,
        allow_unicode=True,
        width=2**31 - 1,  # else paths with spaces are broken over two lines
    )
    return text.encode()
