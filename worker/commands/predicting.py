"""Predictions for a stream of documents, a line of JSON each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click
from threadpoolctl import threadpool_limits

from trainer.errors import ModelError
from trainer.inference import ModelSet
from trainer.models.bundle import Model, Prediction
from trainer.models.opening import open_model
from worker.commands.document_stream import Item, items
from worker.commands.invocation import Invocation

# Enough for one matrix product to do the work of many; few enough that lines come steadily and
# memory stays small.
_BATCH = 64


def carry_out(invocation: Invocation, models: Sequence[Path], documents: Sequence[Path]) -> int:
    """Print a line for each document; 1 if any cannot be used, else 0.

    Raises
    ------
    trainer.errors.TrainerError
        A model cannot be loaded, or there is nothing to read.
    """
    del invocation  # JSON goes to standard output as it is
    loaded = ModelSet(tuple(load(models).values()))
    usable = True
    stream = items(documents)
    with threadpool_limits(1, user_api="blas"):
        while batch := list(islice(stream, _BATCH)):
            for line in _lines(loaded, batch):
                usable = usable and "error" not in line
                click.echo(json.dumps(line))
    return 0 if usable else 1


def load(paths: Sequence[Path]) -> dict[str, Model]:
    """Load models by the names under which their predictions appear.

    Raises
    ------
    ModelError
        A file is no intact model, or two have the same name.
    """
    path_of: dict[str, Path] = {}
    models: dict[str, Model] = {}
    for path in paths:
        model = open_model(path)
        if model.name in models:
            raise ModelError(
                f"{path_of[model.name]} and {path} are both models of {model.name!r}, "
                "and a line can hold one of this name: leave one out"
            )
        models[model.name], path_of[model.name] = model, path
    return models


def _lines(models: ModelSet, batch: Sequence[Item]) -> Iterator[dict[str, Any]]:
    outcomes = iter(models.predict([item.document for item in batch if not item.error]))
    for item in batch:
        outcome = item.error or next(outcomes)
        if isinstance(outcome, Mapping):
            output = {name: _output(predicted) for name, predicted in outcome.items()}
            yield {"id": item.given or item.recording, "highlevel": output}
        else:
            yield {"id": item.given or item.recording, "error": str(outcome)}


def _output(prediction: Prediction) -> dict[str, Any]:
    return {
        "all": dict(prediction.all),
        "probability": prediction.probability,
        "value": prediction.value,
    }
