"""AcousticBrainz's own models on real documents, from the database to the database."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from schema.models import Status
from tests.highlevel.mirror import Mirror
from trainer.documents import read_documents, recording_id
from worker.highlevel_models import Published
from worker.publishing import publish


def test_production_models_give_production_outputs(
    mirror: Mirror, work: Callable[..., int], shared_data: Path
) -> None:
    told = json.loads((shared_data / "histories" / "expected.json").read_bytes())
    expected = {recording_id(name): outputs for name, outputs in told.items()}
    lines = shared_data / "music1" / "lowlevel.jsonl.gz"
    documents: dict[str, Any] = dict(read_documents([lines]))
    for history in sorted((shared_data / "histories").glob("*.history")):
        publish(
            mirror.engine,
            mirror.models,
            history,
            name=history.stem,
            version="v2.1_beta1",
            status=Status.SHOW,
        )
    ids = dict(zip(documents, mirror.store(list(documents.values())), strict=True))

    assert work(batch=25) == 0

    assert len(ids) == 103
    assert mirror.queue() == {}
    for name, identifier in ids.items():
        served = mirror.served(identifier)
        assert served is not None
        assert served["highlevel"].keys() == expected[name].keys()
        for model, output in expected[name].items():
            answer = served["highlevel"][model]
            assert answer["value"] == output["value"]
            assert answer["all"] == pytest.approx(output["all"], abs=1e-6)
            assert answer["probability"] == pytest.approx(output["probability"], abs=1e-6)
            assert answer["version"]["models_essentia_git_sha"] == "v2.1_beta1"


def test_a_history_is_published_as_it_is(mirror: Mirror, shared_data: Path) -> None:
    history = shared_data / "histories" / "danceability.history"

    publish(mirror.engine, mirror.models, history, name="d", version="v", status=Status.HIDDEN)

    with mirror.engine.begin() as connection:
        [wanted] = Published(mirror.models).wanted(connection)
    assert wanted.path.read_bytes() == history.read_bytes()
