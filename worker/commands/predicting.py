"""Predictions for a stream of documents, a line of JSON each."""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from trainer.descriptors import LowLevel
from trainer.errors import DocumentError, ModelError
from trainer.models.bundle import Model, Prediction
from trainer.models.manifest import HISTORY_MAGIC
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
    loaded = load(models)
    usable = True
    stream = items(documents)
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
        model = load_model(path)
        if model.name in models:
            raise ModelError(
                f"{path_of[model.name]} and {path} are both models of {model.name!r}, "
                "and a line can hold one of this name: leave one out"
            )
        models[model.name], path_of[model.name] = model, path
    return models


def load_model(path: Path) -> Model:
    """Load one model.

    Raises
    ------
    ModelError
        The file is no intact model.
    """
    with path.open("rb") as stream:
        if stream.read(len(HISTORY_MAGIC)) == HISTORY_MAGIC:
            raise ModelError(
                f"{path} is a Gaia .history file, which this version cannot read yet; "
                "give a model that acoustic train or the evaluator wrote"
            )
    return Model.load(path)


def _lines(models: Mapping[str, Model], batch: Sequence[Item]) -> Iterator[dict[str, Any]]:
    predicted = _predicted(models, [item.document for item in batch if item.document is not None])
    for item in batch:
        outcome = item.error if item.document is None else next(predicted)
        if isinstance(outcome, dict):
            yield {"id": item.recording, "highlevel": outcome}
        else:
            yield {"id": item.recording, "error": outcome}


def _predicted(
    models: Mapping[str, Model], documents: Sequence[LowLevel]
) -> Iterator[dict[str, Any] | str]:
    """Give for each document the outputs of all models, or why there are none."""
    try:
        columns = [model.predict(documents) for model in models.values()]
    except (DocumentError, ModelError) as error:
        # One document spoils the matrix of its batch: find out which.
        if len(documents) == 1:
            yield str(error)
            return
        for document in documents:
            yield from _predicted(models, [document])
        return
    for row in zip(*columns, strict=True):
        yield {name: _output(answer) for name, answer in zip(models, row, strict=True)}


def _output(prediction: Prediction) -> dict[str, Any]:
    return {
        "all": dict(prediction.all),
        "probability": prediction.probability,
        "value": prediction.value,
    }
