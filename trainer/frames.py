"""Evaluations as data frames, for those who have pandas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

# Of an entry of the grid, what a table of figures has use for.
_GRID = (
    *("preprocessing", "kernel", "C", "gamma", "balance_classes"),
    *("accuracy", "std", "normalized_accuracy", "normalized_std", "converged"),
)


@dataclass(frozen=True, eq=False)
class Frames:
    """An evaluation as data frames.

    Attributes
    ----------
    grid : DataFrame
        A row for each combination, in grid order. C and gamma are exponents of 2, figures percent.
        Without rows for a finished model, of which there was no search.
    predictions : DataFrame
        A row for each recording, by its id: `actual` and `predicted` class, `fold` (of a
        cross-validation only), and the held-out probability of both classes, 0 to 1.
    confusion_matrix : DataFrame
        Recordings by actual class (rows) and predicted class (columns).
    """

    grid: pd.DataFrame
    predictions: pd.DataFrame
    confusion_matrix: pd.DataFrame


def pandas_module() -> Any:
    """Return pandas, or say in an `ImportError` how to get it."""
    try:
        import pandas as pd  # noqa: PLC0415 - whoever does without need not have it
    except ImportError as error:
        raise ImportError(
            "data frames are made by pandas, which is not installed: pip install pandas"
        ) from error
    return pd


def frames_of(report: Mapping[str, Any]) -> Frames:
    """Make data frames of a report.

    Parameters
    ----------
    report : mapping
        What `Evaluation.report` or `Judgement.report` returned, or `acoustic train --report` and
        `acoustic evaluate --report` wrote.

    Raises
    ------
    ImportError
        pandas is not installed.
    """
    pd = pandas_module()
    recordings = pd.Index(report["recordings"], name="recording")
    columns = {
        "actual": report["actual"],
        "predicted": report["predicted"],
        **({"fold": report["folds"]} if "folds" in report else {}),
        "probability_actual": report["probability"]["actual"],
        "probability_predicted": report["probability"]["predicted"],
    }
    matrix = pd.DataFrame.from_dict(report["confusion_matrix"], orient="index")
    return Frames(
        grid=pd.DataFrame(
            [{key: entry[key] for key in _GRID} for entry in report.get("grid", ())], columns=_GRID
        ),
        predictions=pd.DataFrame(columns, index=recordings),
        confusion_matrix=matrix.rename_axis(index="actual", columns="predicted"),
    )
