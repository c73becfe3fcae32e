"""Compare this trainer with what Gaia itself computed, and print the figures of the README.

``python -m benchmarks.parity [FOLDER]`` reads the reference data (the folder of ``gaia-vectors``
and ``moods``; ``../shared/data`` by default). The tests in ``tests/trainer/test_gaia_vectors.py``
and ``tests/worker/test_moods.py`` hold the same figures.
"""

import gzip
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import orjson

from trainer.dataset import Dataset, prepare
from trainer.descriptors import LowLevel, flatten
from trainer.grid.engines import choose_engine
from trainer.grid.folds import assign_folds
from trainer.grid.project import Combination, Project
from trainer.grid.search import search
from trainer.ground_truth import GroundTruth
from trainer.models.fitting import fit, with_probabilities
from trainer.models.probability import PairwiseSigmoids
from trainer.options import JobOptions
from trainer.preprocessing.chain import fit_inner, fit_recipe
from trainer.preprocessing.recipes import NAMES
from trainer.training import train

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
MATRICES = ("X", "H", "X_svm", "H_svm")
ENGINE = choose_engine("sklearn")

Line = tuple[str, str]


def main(folder: Path) -> None:
    """Print every figure, each as soon as it is known."""
    vectors = folder / "gaia-vectors"
    if not vectors.is_dir():
        sys.exit(f"{folder} has no folder gaia-vectors: name the folder of gaia-vectors and moods")
    dataset, held_out = read_vectors(vectors)
    for title, figure in (
        *matrices(vectors, dataset, held_out),
        *folds(vectors, dataset),
        *predictions(vectors, dataset),
        *final_models(vectors, dataset, held_out),
        *moods(folder / "moods"),
    ):
        print(f"{title:<66} {figure}", flush=True)  # noqa: T201 - what it is for


def read_vectors(vectors: Path) -> tuple[Dataset, dict[str, LowLevel]]:
    """Prepare Gaia's training items; its held-out items stay documents."""
    rows = read_lines(vectors / "data.jsonl.gz")
    rows.sort(key=lambda row: row["class"])
    classes = {
        name: [row["id"] for row in members]
        for name, members in groupby(rows, key=lambda row: row["class"])
    }
    dataset = prepare(
        GroundTruth.from_classes("vectors", classes.items()),
        {row["id"]: flatten(row["document"]) for row in rows},
        JobOptions.parse(None),
    )
    held_out = read_lines(vectors / "heldout.jsonl.gz")
    return dataset, {row["id"]: flatten(row["document"]) for row in held_out}


def matrices(vectors: Path, dataset: Dataset, held_out: dict[str, LowLevel]) -> Iterator[Line]:
    """Count matrices that are equal to the bit."""
    equal = 0
    for name in NAMES:
        recorded = np.load(vectors / f"pre_{name}.npz")
        chain, X = fit_recipe(dataset.values, dataset.layout, name, dataset.template)
        documents = [held_out[recording] for recording in recorded["heldout_ids"]]
        H = chain.apply(dataset.layout.matrix(documents))
        inner = fit_inner(X, chain.layout)
        ours = (X, H, inner.apply(X), inner.apply(H))
        equal += sum(o.tobytes() == recorded[m].tobytes() for o, m in zip(ours, MATRICES))  # noqa: B905
    yield "matrices of the chains, training and held-out, equal to the bit", of(equal, 24)


def folds(vectors: Path, dataset: Dataset) -> Iterator[Line]:
    """Count recordings in the same fold."""
    recorded = read(vectors / "folds_seed1.json.gz")["folds"]
    assigned = assign_folds(dataset.recordings, dataset.labels, 5, seed=1).tolist()
    equal = sum(map(int.__eq__, assigned, [recorded[r] for r in dataset.recordings]))
    yield "recordings in Gaia's fold of seed 1", of(equal, len(recorded))


def predictions(vectors: Path, dataset: Dataset) -> Iterator[Line]:
    """Count combinations whose cross-validated predictions are all equal."""
    project = Project(preprocessings=NAMES, balance_classes=(False, True))
    fold_of = assign_folds(dataset.recordings, dataset.labels, 5, seed=1)
    results = search(dataset, project, fold_of, ENGINE, collapse=False)
    found = {r.combination: r.predicted.tolist() for r in results}
    different = {}
    for entry in read(vectors / "grid_full.json.gz")["grid"]:
        wrong = sum(map(int.__ne__, map(int, entry["pred"]), found[combination_of(entry)]))
        different[combination_of(entry)] = wrong
    of_720 = [different[combination] for combination in Project().combinations()]
    yield "AcousticBrainz's combinations with identical predictions", of(of_720.count(0), 720)
    everything = list(different.values())
    yield "Gaia 2.4.6's combinations with identical predictions", of(everything.count(0), 1728)
    yield "most items that differ in one combination", str(max(everything))


def final_models(vectors: Path, dataset: Dataset, held_out: dict[str, LowLevel]) -> Iterator[Line]:
    """Compare labels and probabilities of held-out items with those of Gaia's final models."""
    labels, own, gaias = 0, 0.0, 0.0
    paths = sorted(vectors.glob("final_*.json.gz"))
    for path in paths:
        recorded = read(path)
        ids = list(recorded["heldout"])
        documents = [held_out[recording] for recording in ids]
        fitted = fit(dataset, combination_of(recorded["combo"]), ENGINE)
        model = with_probabilities(fitted, dataset, seed=1, engine=ENGINE).model
        header = recorded["libsvm_header"]
        slope, offset = (np.array(header[key], dtype=float) for key in ("probA", "probB"))
        told = [recorded["heldout"][recording] for recording in ids]
        expected = np.array([[item["all"][name] for name in model.labels] for item in told])
        with_gaias = replace(model, sigmoids=PairwiseSigmoids(slope, offset))
        predicted = [prediction.value for prediction in model.predict(documents)]
        labels += sum(map(str.__eq__, predicted, [item["value"] for item in told]))
        own = max(own, np.abs(model.probabilities(documents) - expected).max())
        gaias = max(gaias, np.abs(with_gaias.probabilities(documents) - expected).max())
    spread = max(s["max_abs"] for s in read(vectors / "platt_seed_spread.json.gz").values())
    yield "labels of held-out items by the final models", of(labels, 20 * len(paths))
    yield "largest difference of probabilities, with Gaia's sigmoids", f"{gaias:.1e}"
    yield "largest difference of probabilities, with our own", f"{own:.1e}"
    yield "the same of Gaia against itself with other random seeds", f"{spread:.1e}"


def moods(folder: Path) -> Iterator[Line]:
    """Train on the collections that Gaia's authors trained on, by two sets of ids.

    The order of the ids decides the folds: by name, and by the UUIDs that a database needs.
    """
    documents = {r["id"]: flatten(r["document"]) for r in read_lines(folder / "lowlevel.jsonl.gz")}
    for name in ("mood_aggressive", "mood_happy"):
        classes = read(folder / f"{name}.json")["classes"]
        for kind, rename in (("ids by name", str), ("ids by UUID", uuid_of)):
            ground_truth = GroundTruth.from_classes(
                name, ((label, map(rename, ids)) for label, ids in classes.items())
            )
            renamed = {rename(recording): document for recording, document in documents.items()}
            dataset = prepare(ground_truth, renamed, JobOptions.parse(None))
            evaluation = train(dataset, Project(), 1)
            figures = f"{evaluation.accuracy:.2f} % ± {evaluation.scores.std:.2f}"
            yield f"{name}, {kind}, accuracy of the best of 720", figures


def uuid_of(recording: str) -> str:
    """Give the UUID that stands for a recording of the collections in a database."""
    return str(uuid5(NAMESPACE_URL, f"https://github.com/MTG/gaia#{recording}"))


def combination_of(entry: dict[str, Any]) -> Combination:
    """Read a combination as the recordings write it."""
    return Combination(
        entry["preprocessing"],
        entry["kernel"].lower(),
        entry.get("C", entry.get("C_exp")),
        entry.get("gamma", entry.get("gamma_exp")),
        entry["balanceClasses"],
    )


def of(part: int, whole: int) -> str:
    """Write a count."""
    return f"{part:,} of {whole:,}"


def read(path: Path) -> Any:
    """Read JSON, compressed or not."""
    content = path.read_bytes()
    return orjson.loads(gzip.decompress(content) if path.suffix == ".gz" else content)


def read_lines(path: Path) -> list[Any]:
    """Read compressed JSON lines."""
    with gzip.open(path) as lines:
        return [orjson.loads(line) for line in lines]


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED_DATA)
