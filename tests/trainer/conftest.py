"""Documents that tests make themselves, and Gaia's recorded ones where they are at hand."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trainer.gaia_vectors import GaiaVectors, read_lines
from trainer.dataset import Dataset, prepare
from trainer.descriptors import flatten
from trainer.grid.engine import Engine
from trainer.grid.engines import choose_engine, why_no_native
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions

MakeDocument = Callable[..., dict[str, Any]]


@pytest.fixture(scope="session")
def make_document() -> MakeDocument:
    """Make a small low-level document whose descriptors lean towards a class."""

    def make(number: int, lean: float = 0.0, **more: Any) -> dict[str, Any]:
        rng = np.random.default_rng(number)
        document = {
            "lowlevel": {
                "average_loudness": float(rng.random()),
                "mfcc": {
                    "mean": (rng.normal(size=13) + lean).tolist(),
                    "cov": rng.normal(size=(3, 3)).tolist(),
                },
                "barkbands": {"mean": rng.random(6).tolist(), "min": rng.random(6).tolist()},
                "spectral_rms": {"mean": float(rng.random() + lean / 10)},
            },
            "rhythm": {
                "bpm": float(100 + 20 * rng.random()),
                "beats_position": rng.random(5 + number % 3).tolist(),
            },
            "tonal": {
                "key_key": str(rng.choice(["A", "C", "F#"])),
                "key_scale": str(rng.choice(["major", "minor"])),
            },
            "metadata": {
                "version": {"essentia": "2.1-beta1"},
                "tags": {"musicbrainz_artistid": [f"artist-{number // 2}"]},
            },
        }
        return document | more

    return make


@pytest.fixture(scope="session")
def make_dataset(make_document: MakeDocument) -> Callable[..., Dataset]:
    """Prepare a dataset of `size` recordings per class, told apart by `lean`."""

    def make(
        classes: int = 2,
        size: int = 8,
        lean: float = 1.0,
        options: Mapping[str, Any] | None = None,
    ) -> Dataset:
        documents, members = {}, {}
        for label in range(classes):
            ids = [f"recording-{number * classes + label:03}" for number in range(size)]
            members[f"class-{label}"] = ids
            for recording in ids:
                number = int(recording[-3:])
                documents[recording] = flatten(make_document(number, lean * label))
        ground_truth = GroundTruth.from_classes("made", members.items())
        return prepare(ground_truth, documents, JobOptions.parse(options))

    return make


@pytest.fixture(scope="session")
def gaia(shared_data: Path) -> GaiaVectors:
    """Gaia's recorded runs, and our dataset of the same documents."""
    folder = shared_data / "gaia-vectors"
    rows = read_lines(folder / "data.jsonl.gz")
    classes: dict[str, list[str]] = {}
    for row in rows:
        classes.setdefault(row["class"], []).append(row["id"])
    return GaiaVectors(
        folder,
        prepare(
            GroundTruth.from_classes("vectors", classes.items()),
            {row["id"]: flatten(row["document"]) for row in rows},
            JobOptions.parse(None),
        ),
        {row["id"]: flatten(row["document"]) for row in read_lines(folder / "heldout.jsonl.gz")},
    )


@pytest.fixture(scope="session", params=["sklearn", "native"])
def make_engine(request: pytest.FixtureRequest) -> Callable[..., Engine]:
    """Make an engine, of each kind in turn."""
    missing = why_no_native()
    if request.param == "native" and missing:
        pytest.skip(f"no native engine: {missing}")

    def make(jobs: int = 2, **more: Any) -> Engine:
        return replace(choose_engine(request.param, jobs=jobs), **more)  # type: ignore[type-var]

    return make
