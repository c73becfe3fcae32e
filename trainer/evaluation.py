"""What training yields: a model, how good it is, and how that was found out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainer.corrected import Corrected, Estimate
from trainer.dataset import Dataset
from trainer.figures import DECIMALS, matrix_of, per_class, percent, wilson
from trainer.findings import Finding, find
from trainer.frames import Frames, frames_of
from trainer.grid.fold_plan import Assignment
from trainer.grid.learning_curve import CurvePoint
from trainer.grid.nested import Nested
from trainer.grid.project import Combination, Project
from trainer.grid.repeats import Repeats
from trainer.grid.scores import Scores, balanced_accuracy, confusion, score
from trainer.grid.search import CombinationResult
from trainer.models.bundle import Model
from trainer.models.fitting import Outcome
from trainer.preprocessing.chain import fit_recipe
from trainer.preprocessing.recipes import recipe
from trainer.trained_on import trained_on
from trainer.verdict import Figures, Verdict, verdict_of
from trainer.wording import counted, listed, shown

Indices = NDArray[np.intp]

KERNEL_NAMES = {"poly": "poly", "rbf": "RBF"}  # as Gaia and AcousticBrainz spell them


@dataclass(frozen=True)
class HeldOut:
    """The recordings that the selection kept out of the training, predicted by the model.

    Attributes
    ----------
    actual, predicted : mapping of str to str
        Class of each recording.
    unusable : mapping of str to str
        Why a recording could not be predicted.
    """

    actual: Mapping[str, str]
    predicted: Mapping[str, str]
    unusable: Mapping[str, str]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A search with its outcome.

    Attributes
    ----------
    dataset : Dataset
    project : Project
    seed : int
    engine : str
        Name of the engine that solved the search; both, where one handed over to the other.
    assignment : Assignment
        How recordings came into folds.
    results : tuple of CombinationResult
        In grid order.
    best : CombinationResult
        The chosen one.
    model : Model
        It, trained on all recordings.
    probabilities : ndarray of float64, shape (n_recordings, n_classes)
        Of each recording, by machines that were trained without it; see
        `trainer.models.fitting.Calibrated`.
    corrected : Corrected or None
        What the choice of the best combination is worth.
    final : Outcome
        How that went.
    shortcuts : bool
        Whether combinations that are the same problem were solved once.
    nested : Nested or None
    repeats : Repeats or None
    learning_curve : tuple of CurvePoint or None
    held_out : HeldOut or None
    versions : mapping of str to str
    timings : mapping
        Seconds: `search_seconds`, `total_seconds`, and in `parts` by what was done.
    """

    dataset: Dataset
    project: Project
    seed: int
    engine: str
    assignment: Assignment
    results: tuple[CombinationResult, ...]
    best: CombinationResult
    model: Model
    probabilities: NDArray[np.float64]
    corrected: Corrected | None
    final: Outcome
    shortcuts: bool
    nested: Nested | None
    repeats: Repeats | None
    learning_curve: tuple[CurvePoint, ...] | None
    held_out: HeldOut | None
    versions: Mapping[str, str]
    timings: Mapping[str, Any]

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        best = self.best.combination
        return (
            f"<Evaluation of {shown(self.dataset.name)}: {self.accuracy:g} % of "
            f"{counted(len(self.dataset.recordings), 'recording')} by {best.preprocessing}, "
            f"{best.kernel}, C 2^{best.c_exponent}, gamma 2^{best.gamma_exponent}, "
            f"the best of {counted(len(self.results), 'combination')}>"
        )

    @property
    def fold_of(self) -> Indices:
        """Fold of each recording, shape (n_recordings,)."""
        return self.assignment.fold_of

    @property
    def scores(self) -> Scores:
        """Figures of the chosen combination."""
        return score(self.dataset.labels, self.best.predicted, self.fold_of)

    @property
    def accuracy(self) -> float:
        """Cross-validated accuracy in percent, by the folds that chose; see `corrected`."""
        return round(self.scores.accuracy, DECIMALS)

    @property
    def parameters(self) -> dict[str, Any]:
        """The chosen combination as AcousticBrainz stores it; C and gamma are exponents."""
        return {
            "model": parameters_json(self.best.combination),
            "evaluation": {"type": "nfoldcrossvalidation", "nfold": self.project.folds},
        }

    @property
    def confusion_matrix(self) -> dict[str, dict[str, int]]:
        """Recordings by actual class and predicted class; every class is a row and a column."""
        classes = self.dataset.classes
        counts = confusion(self.dataset.labels, self.best.predicted, len(classes))
        return matrix_of(counts, classes)

    def report(self, *, predictions: bool = False) -> dict[str, Any]:
        """Return everything there is to say, as JSON.

        Parameters
        ----------
        predictions : bool
            Also list the prediction of each recording by each combination.
        """
        dataset = self.dataset
        return {
            "verdict": asdict(self.verdict),
            **self.summary(),
            "recordings": list(dataset.recordings),
            "actual": _names(dataset.labels, dataset.classes),
            "predicted": _names(self.best.predicted, dataset.classes),
            "folds": self.fold_of.tolist(),
            "probability": self._probability_json(),
            "grid": [
                _result_json(result, dataset.classes, predictions=predictions)
                for result in self.results
            ],
            "shortcuts": self.shortcuts,
            "nested": self._nested_json(),
            "repeats": self._repeats_json(),
            "learning_curve": self._curve_json(),
            "held_out": self._held_out_json(),
            "left_out": dict(dataset.left_out),
            "removed": {reason: list(names) for reason, names in dataset.removed.items()},
            "findings": [_finding_json(finding) for finding in self.findings],
            "notes": [
                *dataset.notes,
                *self.assignment.notes,
                *self._preprocessing_notes(),
                *self._solver_notes(),
            ],
            "timings": dict(self.timings),
        }

    def to_pandas(self) -> Frames:
        """Return grid, predictions and confusion matrix as data frames.

        Raises
        ------
        ImportError
            pandas is not installed; nothing else here needs it.
        """
        return frames_of(self.report())

    def summary(self) -> dict[str, Any]:
        """Return the figures that belong with the model: nothing that changes from run to run."""
        counts = Counter(self.dataset.training.values())
        right = int((self.best.predicted == self.dataset.labels).sum())
        return {
            "name": self.dataset.name,
            "accuracy": self.accuracy,
            "accuracy_std": round(self.scores.std, DECIMALS),
            "fold_accuracies": [round(value, DECIMALS) for value in self.scores.fold_accuracies],
            "normalized_accuracy": round(self.scores.normalized_accuracy, DECIMALS),
            "balanced_accuracy": self._balanced_accuracy(),
            "majority_baseline": percent(max(counts.values()), counts.total()),
            "accuracy_interval": wilson(right, len(self.dataset.labels)),
            "corrected": _corrected_json(self.corrected),
            "parameters": self.parameters,
            "cross_validation": self._cross_validation_json(),
            "confusion_matrix": self.confusion_matrix,
            "classes": list(self.dataset.classes),
            "class_sizes": {name: counts[name] for name in self.dataset.classes},
            "per_class": per_class(self.confusion_matrix, counts),
            "seed": self.seed,
            "engine": self.engine,
            "final_model": {"engine": self.final.engine, "converged": self.final.converged},
            "template": self.dataset.template,
            "versions": dict(self.versions),
        }

    def signed(self, provenance: Mapping[str, Any]) -> Evaluation:
        """Return the evaluation with a model that tells where it comes from."""
        columns = self.dataset.layout.keep(self.model.layout.names)[1]
        training = {
            **self.summary(),
            "provenance": dict(provenance),
            "trained_on": trained_on(self.dataset.recordings, self.dataset.values[:, columns]),
        }
        return replace(self, model=replace(self.model, training=training))

    @property
    def findings(self) -> list[Finding]:
        """What casts doubt on the figures, or should be known beside them."""
        return find(self.dataset, self.fold_of, self.corrected, self._majority())

    @property
    def verdict(self) -> Verdict:
        """What all of it comes to, in a sentence."""
        figures = Figures(
            accuracy=self.accuracy,
            majority=self._majority(),
            corrected=self.corrected,
            combinations=len(self.results),
            recordings=len(self.dataset.recordings),
        )
        return verdict_of(figures, self.findings)

    def _majority(self) -> float:
        sizes = Counter(self.dataset.training.values())
        return 100 * max(sizes.values()) / sizes.total()

    def _probability_json(self) -> dict[str, list[float | None]]:
        """Return the probability of each recording's actual and of its predicted class."""
        rows = np.arange(len(self.dataset.labels))
        actual = self.probabilities[rows, self.dataset.labels]
        predicted = np.where(
            self.best.predicted >= 0, self.probabilities[rows, self.best.predicted], np.nan
        )
        return {"actual": _rounded(actual), "predicted": _rounded(predicted)}

    def _balanced_accuracy(self) -> float:
        return round(balanced_accuracy(self.dataset.labels, self.best.predicted), DECIMALS)

    def _cross_validation_json(self) -> dict[str, Any]:
        """Return how recordings came into folds."""
        groups = self.assignment.groups
        return {
            "folds": len(np.unique(self.fold_of)),
            "group_by": self.project.group_by,
            "groups": None
            if groups is None
            else len(np.unique(groups)) - self.assignment.ungrouped,
            "ungrouped": None if groups is None else self.assignment.ungrouped,
            "given": bool(self.project.given_folds),
        }

    def _repeats_json(self) -> dict[str, Any] | None:
        if self.repeats is None:
            return None
        mean, deviation = self.repeats.accuracy
        balanced_mean, balanced_deviation = self.repeats.balanced_accuracy
        each = self.repeats.each
        return {
            "accuracies": [round(one.scores.accuracy, DECIMALS) for one in each],
            "mean": round(mean, DECIMALS),
            "std": round(deviation, DECIMALS),
            "balanced_accuracies": [round(one.balanced_accuracy, DECIMALS) for one in each],
            "balanced_mean": round(balanced_mean, DECIMALS),
            "balanced_std": round(balanced_deviation, DECIMALS),
            "seeds": [one.seed for one in each],
        }

    def _curve_json(self) -> list[dict[str, Any]] | None:
        if self.learning_curve is None:
            return None
        return [
            {
                "recordings": point.recordings,
                "accuracy": round(point.scores.accuracy, DECIMALS),
                "std": round(point.scores.std, DECIMALS),
                "balanced_accuracy": round(point.balanced_accuracy, DECIMALS),
            }
            for point in self.learning_curve
        ]

    def _nested_json(self) -> dict[str, Any] | None:
        if self.nested is None:
            return None
        scores = score(self.dataset.labels, self.nested.predicted, self.nested.fold_of)
        return {
            "accuracy": round(scores.accuracy, DECIMALS),
            "fold_accuracies": [round(value, DECIMALS) for value in scores.fold_accuracies],
            "std": round(scores.std, DECIMALS),
            "normalized_accuracy": round(scores.normalized_accuracy, DECIMALS),
            "chosen": [_point(combination) for combination in self.nested.chosen],
        }

    def _held_out_json(self) -> dict[str, Any] | None:
        if self.held_out is None:
            return None
        classes = self.dataset.classes
        actual, predicted = self.held_out.actual, self.held_out.predicted
        matrix = {name: dict.fromkeys(classes, 0) for name in classes}
        for recording, value in predicted.items():
            matrix[actual[recording]][value] += 1
        right = sum(matrix[name][name] for name in classes)
        return {
            "accuracy": percent(right, len(predicted)),
            "recordings": list(predicted),
            "actual": [actual[recording] for recording in predicted],
            "predicted": list(predicted.values()),
            "confusion_matrix": matrix,
            "unusable": dict(self.held_out.unusable),
        }

    def _preprocessing_notes(self) -> list[str]:
        """Say what the chosen recipe could not use, and whether that matters."""
        chain, _ = fit_recipe(
            self.dataset.values,
            self.dataset.layout,
            self.best.combination.preprocessing,
            self.dataset.template,
        )
        steps = recipe(self.best.combination.preprocessing, self.dataset.template)
        removed = {p for step in steps if step.transformation == "remove" for p in step.patterns}
        # Metadata never gets here, so its pattern has nothing to match.
        unmatched = [p for p in chain.unmatched if not p.startswith("metadata")]
        notes = []
        if spared := [p for p in unmatched if p in removed]:
            notes.append(
                f"the preprocessing removes the descriptors {', '.join(spared)}, of which there "
                f"are none to remove: nothing is lost"
            )
        if lacking := [p for p in unmatched if p not in removed]:
            notes.append(
                f"the preprocessing uses the descriptors {', '.join(lacking)}, of which there are "
                f"none: the model does without what they say"
            )
        if chain.not_enumerated:
            names = ", ".join(name.removeprefix(".") for name in chain.not_enumerated)
            notes.append(
                f"the preprocessing has no use for text in {names}: the model goes by the other "
                f"descriptors, as it should"
            )
        return notes

    def _solver_notes(self) -> list[str]:
        """Say what another engine had to do than the one that was asked for, and why."""
        handed_over: dict[str, list[str]] = {}
        for result in self.results:
            if result.instead and result.engine:
                named = handed_over.setdefault(result.instead, [])
                if result.combination.preprocessing not in named:
                    named.append(result.combination.preprocessing)
        notes = [f"{listed(names)} solved {why}" for why, names in handed_over.items()]
        if self.final.instead:
            notes.append(f"the final model was trained {self.final.instead}")
        return notes


def parameters_json(combination: Combination) -> dict[str, Any]:
    """Return a combination as Gaia's ``.param`` files and AcousticBrainz's results have it."""
    return {
        "classifier": "svm",
        "preprocessing": combination.preprocessing,
        "type": "C-SVC",
        "kernel": KERNEL_NAMES[combination.kernel],
        "C": combination.c_exponent,
        "gamma": combination.gamma_exponent,
        "balanceClasses": combination.balance_classes,
    }


def _point(combination: Combination) -> dict[str, Any]:
    return {
        "preprocessing": combination.preprocessing,
        "kernel": combination.kernel,
        "C": combination.c_exponent,
        "gamma": combination.gamma_exponent,
        "balance_classes": combination.balance_classes,
    }


def _result_json(
    result: CombinationResult,
    classes: tuple[str, ...],
    *,
    predictions: bool,
) -> dict[str, Any]:
    scores = result.scores
    entry = {
        **_point(result.combination),
        "accuracy": scores and scores.accuracy,
        "std": scores and scores.std,
        "normalized_accuracy": scores and scores.normalized_accuracy,
        "normalized_std": scores and scores.normalized_std,
        "converged": result.converged,
        "error": result.error,
        "same_as": result.same_as and _point(result.same_as),
        "identity_machines": result.identities,
    }
    if predictions:
        entry["predicted"] = _names(result.predicted, classes)
    return entry


def _names(labels: Indices, classes: tuple[str, ...]) -> list[str | None]:
    return [classes[label] if label >= 0 else None for label in labels]


def _rounded(probabilities: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else round(value, 4) for value in probabilities.tolist()]  # noqa: PLR0124 - NaN


def _corrected_json(corrected: Corrected | None) -> dict[str, Any] | None:
    if corrected is None:
        return None
    return {
        "method": "BBC-CV",
        "draws": corrected.draws,
        "accuracy": _estimate_json(corrected.accuracy),
        "balanced_accuracy": _estimate_json(corrected.balanced_accuracy),
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    return {**asdict(finding), "recordings": list(finding.recordings)}


def _estimate_json(estimate: Estimate) -> dict[str, float]:
    return {key: round(value, DECIMALS) for key, value in asdict(estimate).items()}
