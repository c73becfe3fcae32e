"""Training: ground truth and descriptors in, a model out. No database, daemon or network.

What a program needs of it, by the names that are listed here:

>>> import examples, trainer
>>> dataset = trainer.Dataset.prepare(examples.ground_truth("timbre"), examples.documents())
>>> project = trainer.Project(preprocessings=["basic"], kernels=["rbf"], c_exponents=[5])
>>> evaluation = trainer.train(dataset, project)
>>> evaluation.accuracy > 90
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainer.dataset import Dataset
    from trainer.exporting import export
    from trainer.grid.project import Project
    from trainer.ground_truth import GroundTruth
    from trainer.judgement import evaluate
    from trainer.loading import load_documents
    from trainer.mcnemar import compare
    from trainer.models.bundle import Model
    from trainer.models.opening import open_model
    from trainer.preprocessing.estimator import FeatureChain
    from trainer.training import train

__all__ = [
    "Dataset",
    "FeatureChain",
    "GroundTruth",
    "Model",
    "Project",
    "compare",
    "evaluate",
    "export",
    "load_documents",
    "open_model",
    "train",
]

_HOMES = {
    "Dataset": "trainer.dataset",
    "FeatureChain": "trainer.preprocessing.estimator",
    "GroundTruth": "trainer.ground_truth",
    "Model": "trainer.models.bundle",
    "Project": "trainer.grid.project",
    "compare": "trainer.mcnemar",
    "evaluate": "trainer.judgement",
    "export": "trainer.exporting",
    "load_documents": "trainer.loading",
    "open_model": "trainer.models.opening",
    "train": "trainer.training",
}


def __getattr__(name: str) -> Any:
    # Late: scikit-learn takes a second to import, and most commands do without.
    if name not in _HOMES:
        raise AttributeError(f"module 'trainer' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
