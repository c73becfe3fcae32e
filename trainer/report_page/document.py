"""A report as JSON holds it, read without trusting it.

A report may have been written by an earlier version, by AcousticBrainz, or by hand: whatever is
missing or of another kind reads as None, and costs its part of the page and no more.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    StrictInt,
    StrictStr,
    ValidationError,
    WrapValidator,
)

T = TypeVar("T")


def _or_none(value: Any, check: Callable[[Any], Any]) -> Any:
    try:
        return check(value)
    except ValidationError:
        return None


Maybe = Annotated[T | None, WrapValidator(_or_none)]

Percent = Annotated[FiniteFloat, Field(ge=0, le=100)]
Count = Annotated[StrictInt, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Estimate(_Part):
    """A figure with its interval of 95 %."""

    value: Percent
    low: Percent
    high: Percent


class Corrected(_Part):
    """See `trainer.corrected`."""

    accuracy: Estimate
    balanced_accuracy: Estimate


class Point(_Part):
    """A combination."""

    preprocessing: StrictStr
    kernel: StrictStr
    C: StrictInt
    gamma: StrictInt
    balance_classes: bool = False


class GridEntry(Point):
    """A combination, and what came of it."""

    accuracy: Maybe[Percent] = None
    converged: Maybe[bool] = None
    error: Maybe[StrictStr] = None


class Estimated(_Part):
    """An estimate on recordings that had no part in the choice: nested, or held out."""

    accuracy: Percent
    std: Maybe[Percent] = None


class ClassFigures(_Part):
    """Figures of one class."""

    precision: Maybe[Percent] = None
    recall: Maybe[Percent] = None
    f1: Maybe[Percent] = None
    support: Maybe[Count] = None


class Found(_Part):
    """See `trainer.findings.Finding`."""

    severity: StrictStr
    sentence: StrictStr
    recordings: list[StrictStr] = []


class Summed(_Part):
    """See `trainer.verdict.Verdict`."""

    kind: StrictStr
    sentence: StrictStr


class Probability(_Part):
    """Of each recording's actual and predicted class."""

    actual: list[float | None]
    predicted: list[float | None]


class CurvePoint(_Part):
    """Accuracy of the chosen combination, trained on a part of the recordings."""

    recordings: Count
    accuracy: Percent


class Repeats(_Part):
    """The chosen combination, cross-validated over other folds."""

    accuracies: list[Percent]
    mean: Percent
    std: Percent


class CrossValidation(_Part):
    """How recordings came into folds."""

    folds: Count
    group_by: Maybe[StrictStr] = None
    groups: Maybe[Count] = None
    ungrouped: Maybe[Count] = None
    given: Maybe[bool] = None


class Evaluated(_Part):
    """The finished model that was evaluated, see `trainer.judgement`."""

    name: StrictStr
    content: Maybe[StrictStr] = None
    renamed: Maybe[dict[StrictStr, StrictStr]] = None
    trained_on: Maybe[Count] = None


class ReportDocument(_Part):
    """What the page shows of a report; see `trainer.evaluation.Evaluation.report`."""

    name: Maybe[StrictStr] = None
    evaluated: Maybe[Evaluated] = None
    accuracy: Maybe[Percent] = None
    accuracy_std: Maybe[Percent] = None
    accuracy_interval: Maybe[tuple[Percent, Percent]] = None
    balanced_accuracy: Maybe[Percent] = None
    majority_baseline: Maybe[Percent] = None
    fold_accuracies: Maybe[list[Percent]] = None
    corrected: Maybe[Corrected] = None
    nested: Maybe[Estimated] = None
    held_out: Maybe[Estimated] = None
    repeats: Maybe[Repeats] = None
    learning_curve: Maybe[list[CurvePoint]] = None
    cross_validation: Maybe[CrossValidation] = None
    parameters: Maybe[dict[str, Any]] = None
    confusion_matrix: Maybe[dict[StrictStr, Any]] = None
    per_class: Maybe[dict[StrictStr, ClassFigures]] = None
    recordings: Maybe[list[StrictStr]] = None
    actual: Maybe[list[StrictStr]] = None
    predicted: Maybe[list[StrictStr | None]] = None
    folds: Maybe[list[Count]] = None
    probability: Maybe[Probability] = None
    grid: Maybe[list[GridEntry]] = None
    left_out: Maybe[dict[StrictStr, StrictStr]] = None
    removed: Maybe[dict[StrictStr, list[StrictStr]]] = None
    verdict: Maybe[Summed] = None
    findings: Maybe[list[Found]] = None
    notes: Maybe[list[StrictStr]] = None
    seed: Maybe[StrictInt] = None
    engine: Maybe[StrictStr] = None
    versions: Maybe[dict[StrictStr, StrictStr]] = None
    timings: Maybe[dict[StrictStr, Any]] = None
    model: Maybe[dict[StrictStr, Any]] = None
