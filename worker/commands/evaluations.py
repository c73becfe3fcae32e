"""What an evaluation says, as ``train``, ``jobs show``, ``models inspect`` and ``demo`` show it."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from trainer.wording import counted
from worker.commands.figures import (
    Matrix,
    at,
    confusion_matrix,
    matrix_of,
    number,
    pairs,
    percent,
    show_rows,
    table,
)
from worker.commands.progress import duration
from worker.commands.text import plain, visible

# Enough to see what they have in common.
_NAMED = 10
_MINUTE = 60.0
# A pipe has no width, but its lines are read, too.
_SENTENCE = 100
# Confusions that are named; the matrix has the others.
_WORST = 5
_COUNTED = ("recordings", "of its class")
_WORTH_SAYING = 0.005  # seconds


def summary(console: Console, report: Any) -> None:
    """Show accuracy, parameters, confusion matrix and the figures of each class.

    Parameters
    ----------
    console
        Where to write.
    report
        The JSON of an evaluation: a report of the trainer, or a job's result, also one that
        AcousticBrainz wrote.
    """
    if isinstance(verdict := at(report, "verdict", "sentence"), str):
        console.print(Text(visible(verdict), "bold"), width=min(console.width, _SENTENCE))
        console.print()
    console.print(pairs(_headline(report), widest=_SENTENCE))
    _show_findings(console, at(report, "findings"))
    matrix = matrix_of(at(report, "confusion_matrix"))
    if matrix:
        console.print()
        console.print(confusion_matrix(matrix))
        _show_confusions(console, matrix)
    per_class = at(report, "per_class")
    if isinstance(per_class, Mapping) and per_class:
        console.print()
        console.print(_per_class(per_class))
    console.print()


def show_left_out(console: Console, report: Any, *, most: int | None) -> None:
    """Name at most `most` of the recordings that were left out, each with its reason."""
    left_out = at(report, "left_out")
    if isinstance(left_out, Mapping) and left_out:
        console.print(f"left out: {len(left_out)}")
        show_rows(console, list(left_out.items()), ("recording", "reason"), most=most)


def parameters(report: Any) -> str:
    """Name the chosen combination in one line."""
    model = at(report, "parameters", "model")
    exponents = (f"C 2^{at(model, 'C')}", f"gamma 2^{at(model, 'gamma')}")
    return ", ".join((f"{at(model, 'preprocessing')}", f"{at(model, 'kernel')}", *exponents))


def misclassified(report: Any) -> list[tuple[Any, ...]]:
    """List what the chosen combination got wrong while it was not trained on it.

    Returns
    -------
    list of tuple
        Recording, actual class, predicted class, fold. Empty where the report does not say; the
        fold is None where there are none, as of a finished model.
    """
    columns = [at(report, key) for key in ("recordings", "actual", "predicted")]
    if not all(isinstance(column, list) for column in columns):
        return []
    folds = at(report, "folds")
    columns.append(folds if isinstance(folds, list) else [None] * len(columns[0]))
    rows = zip(*columns, strict=False)
    return [row for row in rows if row[1] != row[2]]


def _show_findings(console: Console, findings: Any) -> None:
    """Say what a reader has to know before they believe the figures; warnings first."""
    told = [one for one in _list(findings) if isinstance(at(one, "sentence"), str)]
    if not told:
        return
    console.print()
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold", max_width=_SENTENCE)
    for one in sorted(told, key=lambda one: at(one, "severity") != "warning"):
        warning = at(one, "severity") == "warning"
        label = Text("warning", "bold yellow") if warning else Text("note", "bold")
        made.add_row(label, plain(at(one, "sentence")))
    console.print(made)


def _show_confusions(console: Console, matrix: Matrix) -> None:
    """Name what is taken for what most often; of two classes the matrix says it."""
    found = sorted(
        (
            (count, actual, predicted, count / max(1, sum(counts.values())))
            for actual, counts in matrix.items()
            for predicted, count in counts.items()
            if actual != predicted and count
        ),
        key=lambda one: (-one[0], -one[3]),
    )
    if len(matrix) <= 2 or not found:  # noqa: PLR2004
        return
    console.print()
    made = table("worst confusions", "taken for", "recordings", "of its class", numbers=_COUNTED)
    for count, actual, predicted, share in found[:_WORST]:
        made.add_row(plain(actual), plain(predicted), str(count), f"{100 * share:.1f} %")
    console.print(made)


def _headline(report: Any) -> Iterator[tuple[str, str]]:
    yield "accuracy", _accuracy(report)
    if number(at(report, "corrected", "accuracy", "value")) is not None:
        yield "corrected", f"{_estimate(report)}  ({_below(report)}expect this of new recordings)"
    for key, label, remark in (
        ("balanced_accuracy", "balanced accuracy", "mean recall of the classes"),
        ("majority_baseline", "majority baseline", "always answering the largest class"),
    ):
        if number(at(report, key)) is not None:
            yield label, f"{percent(at(report, key))}  ({remark})"
    if number(at(report, "nested", "accuracy")) is not None:
        yield "nested estimate", _with_deviation(at(report, "nested"))
    if number(at(report, "held_out", "accuracy")) is not None:
        yield "left-out artists", percent(at(report, "held_out", "accuracy"))
    if number(at(report, "repeats", "mean")) is not None:
        yield "over other folds", _repeats(at(report, "repeats"))
    if curve := _curve(at(report, "learning_curve")):
        yield "learning curve", curve
    if at(report, "parameters", "model") is not None:
        yield "best parameters", parameters(report)
    yield from _search(report)


def _estimate(report: Any) -> str:
    estimate = at(report, "corrected", "accuracy")
    low, high = (number(at(estimate, end)) for end in ("low", "high"))
    between = "" if low is None or high is None else f", 95 % of draws {low:.2f} to {high:.2f} %"
    return f"{percent(at(estimate, 'value'))}{between}"


def _repeats(repeats: Any) -> str:
    each = [value for value in map(number, _list(at(repeats, "accuracies"))) if value is not None]
    spread = number(at(repeats, "std"))
    around = "" if spread is None else f" ± {spread:.2f}"
    extent = f", {percent(min(each))} to {percent(max(each))}" if each else ""
    assignments = counted(len(each), "assignment")
    return f"{percent(at(repeats, 'mean'))}{around} over {assignments} of folds{extent}"


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _curve(points: Any) -> str:
    """Say how many recordings gave which accuracy, growing."""
    known = [(number(at(point, "recordings")), at(point, "accuracy")) for point in _list(points)]
    return ", ".join(f"{count:.0f}: {percent(value)}" for count, value in known if count)


def _search(report: Any) -> Iterator[tuple[str, str]]:
    grid = at(report, "grid")
    if isinstance(grid, list):
        yield "search", _grid(grid)
    recordings, left_out = at(report, "recordings"), at(report, "left_out")
    if isinstance(recordings, list):
        without = len(left_out) if isinstance(left_out, Mapping) else 0
        yield "recordings", f"{len(recordings)}" + (f", {without} left out" if without else "")
    seconds = number(at(report, "timings", "total_seconds"))
    if seconds is not None:
        # Where the parts below are told in hundredths, so is their sum.
        taken = f"{seconds:.2f} s" if seconds < _MINUTE else duration(seconds)
        yield "time", f"{taken} ({visible(at(report, 'engine'))})"
    if at(report, "final_model", "converged") is False:
        yield "final model", "did not converge: its training met the iteration cap"
    parts = at(report, "timings", "parts")
    if isinstance(parts, Mapping) and parts:
        yield "spent on", ", ".join(_spent(parts))
    lost = at(report, "removed", "not finite")
    if isinstance(lost, list) and lost:
        yield "not finite", _lost(lost)
    notes = at(report, "notes")
    for note in notes if isinstance(notes, list) else []:
        yield "note", str(note)


def _spent(parts: Mapping[Any, Any]) -> Iterator[str]:
    known = {what: seconds for what, seconds in parts.items() if number(seconds) is not None}
    # The largest first: a JSON column forgets the order in which they were.
    for what, seconds in sorted(known.items(), key=lambda part: -part[1]):
        if seconds >= _WORTH_SAYING:
            yield f"{visible(what)} {seconds:.2f} s"


def _lost(names: list[Any]) -> str:
    named = ", ".join(map(str, names[:_NAMED])) + ("…" if len(names) > _NAMED else "")
    return f"{counted(len(names), 'descriptor')} not used, for a value is not finite: {named}"


def _accuracy(report: Any) -> str:
    shown = _with_deviation(report, deviation="accuracy_std")
    combinations = at(report, "grid")
    if isinstance(combinations, list) and len(combinations) > 1:
        # The best of many is chosen by the very figure that is shown.
        return f"{shown}, the best of {len(combinations)} combinations"
    if at(report, "evaluated") is not None:
        # Of a finished model there are no folds whose deviation would say how sure it is.
        return f"{shown}{_interval(report)}"
    return shown


def _interval(report: Any) -> str:
    match [number(limit) for limit in _list(at(report, "accuracy_interval"))]:
        case [float(low), float(high)]:
            return f", interval of 95 %: {low:.2f} to {high:.2f} %"
        case _:
            return ""


def _below(report: Any) -> str:
    """Say by how much the choice of the best combination had flattered itself."""
    accuracy = number(at(report, "accuracy"))
    corrected = number(at(report, "corrected", "accuracy", "value"))
    if accuracy is None or corrected is None:
        return ""
    lower = round(accuracy, 2) - round(corrected, 2)
    return f"{lower:.2f} points lower: " if lower > 0 else "no lower: "


def _with_deviation(estimate: Any, deviation: str = "std") -> str:
    spread = number(at(estimate, deviation))
    around = "" if spread is None else f" ± {spread:.2f} over the folds"
    return f"{percent(at(estimate, 'accuracy'))}{around}"


def _grid(grid: list[Any]) -> str:
    failed = sum(at(entry, "error") is not None for entry in grid)
    unsettled = sum(
        at(entry, "converged") is False and at(entry, "error") is None for entry in grid
    )
    parts = [counted(len(grid), "combination")]
    if any("same_as" in entry for entry in grid if isinstance(entry, Mapping)):
        same = sum(at(entry, "same_as") is not None for entry in grid)
        parts += [f"{same} of them the same problem as another"] if same else ["each solved"]
    identities = sum((number(at(entry, "identity_machines")) or 0) > 0 for entry in grid)
    parts += [f"{identities} with machines trained once for several gammas"] if identities else []
    parts += [f"{failed} failed"] if failed else []
    parts += [f"{unsettled} did not converge"] if unsettled else []
    return ", ".join(parts)


def _per_class(per_class: Mapping[str, Any]) -> Table:
    columns = ("precision", "recall", "f1")
    made = table("class", "recordings", *columns, numbers=("recordings", *columns))
    for name, figures in per_class.items():
        support = number(at(figures, "support"))
        counted = "-" if support is None else f"{support:.0f}"
        made.add_row(plain(name), counted, *(percent(at(figures, key)) for key in columns))
    return made
