"""Small models of the example tasks: for the demo's high-level worker, not for music."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from trainer.dataset import prepare
from trainer.descriptors import LowLevel, flatten
from trainer.documents import read_documents
from trainer.ground_truth import GroundTruth
from trainer.models.bundle import Model
from trainer.options import JobOptions
from trainer.training import train

# One preprocessing and kernel: what is to be seen is that there are outputs, not how good they are.
OPTIONS = {
    "preprocessing_values": ["basic"],
    "kernel_values": ["rbf"],
    "c_values": [1, 5],
    "gamma_values": [-5, -7],
}


def train_examples(
    ground_truths: Iterable[Path], documents: Path, told: Callable[[str, float], None]
) -> Mapping[str, Model]:
    """Train a model of each task.

    Parameters
    ----------
    ground_truths, documents
        Files.
    told
        Called with the name of each task, and the accuracy in percent, when it is trained.

    Returns
    -------
    mapping of str to Model
        By the task's name.
    """
    options = JobOptions.parse(OPTIONS)
    low_level: dict[str, LowLevel] = {
        recording: flatten(document) for recording, document in read_documents([documents])
    }
    models: dict[str, Model] = {}
    for path in ground_truths:
        ground_truth = GroundTruth.read(path)
        dataset = prepare(ground_truth, low_level, options)
        evaluation = train(dataset, options.project, options.seed)
        models[ground_truth.name] = evaluation.model
        told(ground_truth.name, evaluation.accuracy)
    return models
