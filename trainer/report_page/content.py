"""What the page shows, as values that the template only has to lay out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from trainer.errors import DocumentError
from trainer.report_page.document import (
    Estimate,
    Evaluated,
    Found,
    GridEntry,
    ReportDocument,
)
from trainer.visible import visible
from trainer.wording import counted

SHADES = 10  # steps of a heat map, from 0
MOST_CLASSES = 40  # of a confusion matrix; beyond, the list of confusions says more
MOST_CONFUSIONS = 10
MOST_MISCLASSIFIED = 500
MOST_CELLS = 10_000  # of all heat maps together
MOST_NAMED = 200  # descriptors or recordings in one list

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
_MBID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True)
class Bar:
    """A figure in percent from 0 to 100, with its interval and what it has to beat."""

    label: str
    value: float
    text: str
    remark: str = ""
    low: float | None = None
    high: float | None = None
    baseline: float | None = None


@dataclass(frozen=True)
class Cell:
    """A cell of a heat map: what stands in it, how dark it is, and what it is besides."""

    text: str
    shade: int
    kind: str = ""


@dataclass(frozen=True)
class MatrixRow:
    """An actual class, and what its recordings were predicted as."""

    name: str
    cells: tuple[Cell, ...]
    total: int
    recall: str


@dataclass(frozen=True)
class Confusion:
    """Recordings of one class that were taken for another."""

    actual: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class HeatMap:
    """Accuracies of one preprocessing and kernel over C and gamma."""

    title: str
    gammas: tuple[int, ...]
    rows: tuple[tuple[int, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Misclassified:
    """A recording that was taken for another class."""

    recording: str
    link: str | None
    actual: str
    predicted: str
    probability_of_actual: float | None
    probability_of_predicted: float | None
    fold: str


@dataclass(frozen=True)
class Named:
    """The first of a list of names, and how many there are."""

    title: str
    count: int
    names: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """All of the page."""

    title: str
    subtitle: str
    is_of_model: bool
    drawn: str
    estimates: tuple[Bar, ...]
    combinations: int
    verdict: str
    is_doubtful: bool
    findings: tuple[Found, ...]
    notes: tuple[str, ...]
    classes: tuple[str, ...]
    matrix: tuple[MatrixRow, ...]
    matrix_is_too_large: bool
    per_class: tuple[tuple[str, str, tuple[Bar | None, ...]], ...]
    confusions: tuple[Confusion, ...]
    heat_maps: tuple[HeatMap, ...]
    heat_range: tuple[str, str]
    winner: str
    ties: int
    folds: tuple[Bar, ...]
    repeats: tuple[Bar, ...]
    curve: tuple[Bar, ...]
    misclassified: tuple[Misclassified, ...]
    misclassified_in_all: int
    has_smaller_of_answer: bool
    left_out: tuple[tuple[str, str], ...]
    left_out_in_all: int
    removed: tuple[Named, ...]
    facts: tuple[tuple[str, str], ...]


def content_of(report: Mapping[str, Any]) -> Page:
    """Make the content of the page out of a report.

    Raises
    ------
    DocumentError
        There is neither an accuracy nor a confusion matrix in it.
    """
    document = ReportDocument.model_validate(report)
    matrix = _matrix_of(document.confusion_matrix)
    if document.accuracy is None and not matrix:
        raise DocumentError("this is no report: it holds neither 'accuracy' nor 'confusion_matrix'")
    classes = tuple(matrix)
    wrong = sorted(_misclassified(document), key=_doubt)
    maps, extent = _heat_maps(document)
    chosen = _chosen(document)
    left_out = document.left_out or {}
    return Page(
        title=visible(document.name or "Evaluation"),
        subtitle=_subtitle(document, matrix),
        is_of_model=document.evaluated is not None,
        drawn=f"only {_noun(document)}s" if _noun(document) else "",
        estimates=tuple(_with_baseline(_estimates(document), document, len(matrix))),
        combinations=len(document.grid or ()),
        verdict=visible(document.verdict.sentence) if document.verdict else "",
        is_doubtful=document.verdict is not None and document.verdict.kind != "better",
        findings=tuple(
            found.model_copy(
                update={
                    "sentence": visible(found.sentence),
                    "recordings": list(map(visible, found.recordings)),
                }
            )
            for found in document.findings or ()
        ),
        notes=tuple(map(visible, document.notes or ())),
        classes=tuple(map(visible, classes)),
        matrix=tuple(_matrix_rows(matrix)) if len(classes) <= MOST_CLASSES else (),
        matrix_is_too_large=len(classes) > MOST_CLASSES,
        per_class=tuple(_per_class(document)),
        confusions=tuple(_confusions(matrix)[:MOST_CONFUSIONS]),
        heat_maps=maps,
        heat_range=extent,
        winner=chosen,
        ties=_ties(document),
        folds=tuple(
            Bar(f"fold {number}", value, _percent(value), baseline=document.majority_baseline)
            for number, value in enumerate(document.fold_accuracies or ())
        ),
        repeats=tuple(
            Bar(f"folds {number}", value, _percent(value), baseline=document.majority_baseline)
            for number, value in enumerate(
                document.repeats.accuracies if document.repeats else (), start=1
            )
        ),
        curve=tuple(
            Bar(
                counted(point.recordings, "recording"),
                point.accuracy,
                _percent(point.accuracy),
                baseline=document.majority_baseline,
            )
            for point in document.learning_curve or ()
        ),
        misclassified=tuple(wrong[:MOST_MISCLASSIFIED]),
        misclassified_in_all=len(wrong),
        has_smaller_of_answer=any(map(_is_smaller_of_answer, wrong[:MOST_MISCLASSIFIED])),
        left_out=tuple(
            (visible(recording), visible(reason))
            for recording, reason in list(left_out.items())[:MOST_NAMED]
        ),
        left_out_in_all=len(left_out),
        removed=tuple(_removed(document)),
        facts=tuple(_facts(document)),
    )


def _subtitle(document: ReportDocument, matrix: Mapping[str, Mapping[str, int]]) -> str:
    count = len(document.recordings or ()) or sum(sum(row.values()) for row in matrix.values())
    return f"{counted(count, 'recording')} in {counted(len(matrix), 'class')}"


def _estimates(document: ReportDocument) -> Iterator[Bar]:
    if document.corrected:
        yield _estimate_bar(
            "accuracy, corrected",
            document.corrected.accuracy,
            "what to expect of recordings like these, the choice of the best combination "
            "taken into account",
        )
        yield _estimate_bar(
            "balanced accuracy, corrected",
            document.corrected.balanced_accuracy,
            "the same, each class counting alike",
        )
    if document.nested:
        yield _deviation_bar(
            "nested estimate",
            document.nested.accuracy,
            document.nested.std,
            "each fold predicted by what a search without it chose",
        )
    if document.held_out:
        yield _deviation_bar(
            "recordings left out of the training",
            document.held_out.accuracy,
            None,
            "further recordings of artists that were trained on, or of classes that were limited",
        )
    if document.accuracy is not None:
        low, high = document.accuracy_interval or (None, None)
        label, remark = _accuracy(document)
        yield Bar(label, document.accuracy, _percent(document.accuracy), remark, low, high)
    if document.balanced_accuracy is not None:
        yield Bar(
            "balanced accuracy",
            document.balanced_accuracy,
            _percent(document.balanced_accuracy),
            "mean recall of the classes",
        )
    if document.majority_baseline is not None:
        yield Bar(
            "largest class",
            document.majority_baseline,
            _percent(document.majority_baseline),
            "accuracy of always answering it: what a model has to beat",
        )


def _accuracy(document: ReportDocument) -> tuple[str, str]:
    """Name the accuracy, and say what it is worth."""
    if document.evaluated:
        known = document.evaluated.trained_on
        memory = f"; it was trained on {known:,} of them, which it may remember" if known else ""
        return "accuracy", f"of the model on these recordings{memory}"
    if len(document.grid or ()) > 1:
        remark = f"of the best combination, by the folds that chose it{_flattery(document)}"
    else:
        remark = "of the one combination that was tried"
    return "cross-validated accuracy", remark


def _flattery(document: ReportDocument) -> str:
    if document.corrected is None or document.accuracy is None:
        return ""
    lower = document.accuracy - document.corrected.accuracy.value
    worth = f"{lower:.1f} points lower" if lower >= 0.05 else "no lower"  # noqa: PLR2004 - rounds
    return f"; corrected for that choice it is {worth}"


def _with_baseline(bars: Iterator[Bar], document: ReportDocument, n_classes: int) -> Iterator[Bar]:
    """Mark what each figure has to beat: guessing, where classes count alike."""
    for bar in bars:
        chance = 100 / n_classes if n_classes else None
        balanced = bar.label.startswith("balanced")
        yield replace(bar, baseline=chance if balanced else document.majority_baseline)


def _estimate_bar(label: str, estimate: Estimate, remark: str) -> Bar:
    return Bar(label, estimate.value, _percent(estimate.value), remark, estimate.low, estimate.high)


def _deviation_bar(label: str, value: float, deviation: float | None, remark: str) -> Bar:
    spread = "" if deviation is None else f" ± {deviation:.1f}"
    return Bar(label, value, f"{value:.1f}{spread} %", remark)


def _percent(value: float) -> str:
    return f"{value:.1f} %"


def _matrix_of(matrix: Mapping[str, Any] | None) -> dict[str, dict[str, int]]:
    """Read a confusion matrix; old ones leave out classes that were never met or predicted."""
    if not matrix or not all(isinstance(row, Mapping) for row in matrix.values()):
        return {}
    predicted = [str(name) for row in matrix.values() for name in row]
    return {
        actual: {
            name: count if isinstance(count := matrix.get(actual, {}).get(name, 0), int) else 0
            for name in dict.fromkeys([*matrix, *predicted])
        }
        for actual in dict.fromkeys([*matrix, *predicted])
    }


def _matrix_rows(matrix: Mapping[str, Mapping[str, int]]) -> Iterator[MatrixRow]:
    for actual, counts in matrix.items():
        total = sum(counts.values())
        yield MatrixRow(
            name=visible(actual),
            cells=tuple(
                Cell(
                    f"{count:,}" if count else "",
                    round(SHADES * count / total) if total else 0,
                    "right" if name == actual else "",
                )
                for name, count in counts.items()
            ),
            total=total,
            recall=f"{100 * counts[actual] / total:.1f} %" if total else "",
        )


def _confusions(matrix: Mapping[str, Mapping[str, int]]) -> list[Confusion]:
    found = [
        Confusion(visible(actual), visible(predicted), count, 100 * count / sum(counts.values()))
        for actual, counts in matrix.items()
        for predicted, count in counts.items()
        if count > 0 and predicted != actual
    ]
    return sorted(found, key=lambda confusion: (-confusion.count, -confusion.share))


def _per_class(document: ReportDocument) -> Iterator[tuple[str, str, tuple[Bar | None, ...]]]:
    for name, figures in (document.per_class or {}).items():
        values = (figures.precision, figures.recall, figures.f1)
        bars = tuple(None if v is None else Bar("", v, _percent(v)) for v in values)
        yield visible(name), "" if figures.support is None else f"{figures.support:,}", bars


def _chosen(document: ReportDocument) -> str:
    model = (document.parameters or {}).get("model")
    if not isinstance(model, Mapping):
        return ""
    exponents = f"C = {_power(model.get('C'))}, gamma = {_power(model.get('gamma'))}"
    weights = ", classes weighted" if model.get("balanceClasses") is True else ""
    return visible(
        f"{model.get('preprocessing')}, {model.get('kernel')} kernel, {exponents}{weights}"
    )


def _power(exponent: Any) -> str:
    return "2" + str(exponent).translate(_SUPERSCRIPTS)


def _ties(document: ReportDocument) -> int:
    best = max((entry.accuracy or 0 for entry in document.grid or ()), default=0)
    return sum(_is_best(entry, best) for entry in document.grid or ())


def _is_best(entry: GridEntry, best: float) -> bool:
    return entry.accuracy is not None and round(entry.accuracy, 6) >= round(best, 6)


def _heat_maps(document: ReportDocument) -> tuple[tuple[HeatMap, ...], tuple[str, str]]:
    grid = document.grid or []
    known = [entry.accuracy for entry in grid if entry.accuracy is not None]
    if not known or len(grid) > MOST_CELLS:
        return (), ("", "")
    low, high = min(known), max(known)
    chosen = (document.parameters or {}).get("model")
    several = len({entry.balance_classes for entry in grid}) > 1

    def title(entry: GridEntry) -> str:
        kernel = {"rbf": "RBF", "poly": "polynomial"}.get(entry.kernel, entry.kernel)
        weights = f", classes {'' if entry.balance_classes else 'not '}weighted" if several else ""
        return visible(f"{entry.preprocessing}, {kernel}{weights}")

    ordered = sorted(
        grid, key=lambda entry: (entry.preprocessing, entry.kernel, entry.balance_classes)
    )
    maps = []
    for name, members in groupby(ordered, key=title):
        cells = {(e.C, e.gamma): _heat_cell(e, low, high, chosen) for e in members}
        gammas = tuple(sorted({gamma for _, gamma in cells}))
        rows = tuple(
            (c, tuple(cells.get((c, gamma), Cell("", 0)) for gamma in gammas))
            for c in sorted({c for c, _ in cells})
        )
        maps.append(HeatMap(name, gammas, rows))
    return tuple(maps), (_percent(low), _percent(high))


def _heat_cell(entry: GridEntry, low: float, high: float, chosen: Any) -> Cell:
    if entry.accuracy is None:
        return Cell("failed", 0, "failed")
    shade = round(SHADES * (entry.accuracy - low) / (high - low)) if high > low else SHADES
    kind = ""
    if _is_best(entry, high):
        kind = "winner" if _is_chosen(entry, chosen) else "tie"
    elif entry.converged is False:
        kind = "stopped"
    return Cell(f"{entry.accuracy:.1f}", shade, kind)


def _is_chosen(entry: GridEntry, chosen: Any) -> bool:
    if not isinstance(chosen, Mapping):
        return False
    kernel = str(chosen.get("kernel")).lower()
    return (entry.preprocessing, entry.kernel, entry.C, entry.gamma, entry.balance_classes) == (
        chosen.get("preprocessing"),
        kernel,
        chosen.get("C"),
        chosen.get("gamma"),
        bool(chosen.get("balanceClasses")),
    )


def _misclassified(document: ReportDocument) -> Iterator[Misclassified]:
    recordings = document.recordings or []
    columns = (document.actual or [], document.predicted or [])
    if not all(len(column) == len(recordings) for column in columns):
        return
    folds: Sequence[int | None] = document.folds or []
    probability = document.probability
    of_actual = probability.actual if probability else []
    of_predicted = probability.predicted if probability else []
    for row, (recording, actual, predicted) in enumerate(zip(recordings, *columns, strict=True)):
        if actual != predicted:
            fold = _at(folds, row)
            yield Misclassified(
                recording=visible(recording),
                link=f"https://musicbrainz.org/recording/{recording}"
                if _MBID.fullmatch(recording)
                else None,
                actual=visible(actual),
                predicted="none" if predicted is None else visible(predicted),
                probability_of_actual=_at(of_actual, row),
                probability_of_predicted=_at(of_predicted, row),
                fold="" if fold is None else str(fold),
            )


def _at(values: Sequence[Any], row: int) -> Any:
    return values[row] if row < len(values) else None


def _doubt(wrong: Misclassified) -> float:
    """Order by how sure the model is that the label is wrong, surest first."""
    of_actual = wrong.probability_of_actual
    return 1.0 if of_actual is None else of_actual


def _is_smaller_of_answer(wrong: Misclassified) -> bool:
    actual, predicted = wrong.probability_of_actual, wrong.probability_of_predicted
    return actual is not None and predicted is not None and predicted < actual


def _removed(document: ReportDocument) -> Iterator[Named]:
    for reason, names in (document.removed or {}).items():
        if names:
            shown = tuple(visible(name.removeprefix(".")) for name in names[:MOST_NAMED])
            yield Named(visible(reason), len(names), shown)


def _noun(document: ReportDocument) -> str:
    """Name what folds keep together, if they are grouped."""
    known = document.cross_validation
    group_by = (known.group_by if known else None) or ""
    return "album" if group_by == "release_group" else visible(group_by)


def _model_facts(evaluated: Evaluated) -> Iterator[tuple[str, str]]:
    yield "evaluated model", visible(evaluated.name)
    if evaluated.content:
        yield "digest of what predicts", visible(evaluated.content)
    if evaluated.renamed:
        renamed = (f"{theirs} = {ours}" for theirs, ours in evaluated.renamed.items())
        yield "classes called otherwise", visible(", ".join(renamed))


def _fold_facts(document: ReportDocument) -> Iterator[tuple[str, str]]:
    if folds := _cross_validation(document):
        yield "cross-validation", folds
    if document.repeats:
        spread = f"{document.repeats.mean:.1f} ± {document.repeats.std:.1f} %"
        assignments = counted(len(document.repeats.accuracies), "assignment")
        yield "over other folds", f"{spread} in {assignments}"


def _cross_validation(document: ReportDocument) -> str:
    known = document.cross_validation
    if known is None:  # a report of AcousticBrainz's, or of before
        asked = (document.parameters or {}).get("evaluation")
        count = asked.get("nfold") if isinstance(asked, Mapping) else None
        return f"{count} folds, stratified by class" if isinstance(count, int) else ""
    if known.given:
        return f"{known.folds} folds, as they were given"
    if known.group_by is None:
        return f"{known.folds} folds, stratified by class"
    noun = _noun(document)
    unknown = f", and of {counted(known.ungrouped, 'recording')} unknown" if known.ungrouped else ""
    return f"{known.folds} folds, no {noun} in two of them ({known.groups or 0:,}{unknown})"


def _facts(document: ReportDocument) -> Iterator[tuple[str, str]]:
    if document.evaluated:
        yield from _model_facts(document.evaluated)
    if _chosen(document):
        yield "chosen combination", _chosen(document)
    if document.grid:
        failed = sum(entry.error is not None for entry in document.grid)
        stopped = sum(entry.converged is False and not entry.error for entry in document.grid)
        more = f", {failed} failed" if failed else ""
        more += f", {stopped} did not converge" if stopped else ""
        yield "search", f"{counted(len(document.grid), 'combination')}{more}"
    yield from _fold_facts(document)
    if document.seed is not None:
        yield "seed", str(document.seed)
    if document.engine:
        yield "engine", visible(document.engine)
    seconds = (document.timings or {}).get("total_seconds")
    if isinstance(seconds, int | float) and not isinstance(seconds, bool):
        yield "time", f"{seconds:,.1f} s"
    for key, label in (("path", "model"), ("sha256", "SHA-256 of the model")):
        value = (document.model or {}).get(key)
        if isinstance(value, str):
            yield label, visible(value)
    if document.versions:
        yield "versions", visible(", ".join(f"{k} {v}" for k, v in document.versions.items()))
