"""``acoustic report``: an evaluation as a page, or its misclassified recordings as CSV."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from trainer.report_page import report_page
from trainer.spreadsheets import harmless
from worker.commands.evaluations import misclassified
from worker.commands.figures import at, pairs
from worker.commands.invocation import Invocation
from worker.commands.stored_reports import report_of
from worker.commands.writing import destination_of_no_report
from worker.whole_files import write_whole

_TARGET = click.Path(path_type=Path)


@click.command()
@click.argument("evaluation")
@click.option("--out", "-o", type=_TARGET, help="Where to write the page (EVALUATION.html).")
@click.option(
    "--misclassified",
    "wrong",
    type=_TARGET,
    help="Write the misclassified recordings there, as CSV; the page only if --out asks for it.",
)
@click.pass_obj
def report(invocation: Invocation, evaluation: str, out: Path | None, wrong: Path | None) -> None:
    """Make the page of an evaluation: one HTML file that needs no network and runs no script.

    EVALUATION is a report that `acoustic train --report` wrote, or a job: its id, or the beginning
    of one.
    """
    read = [("EVALUATION", Path(evaluation))] if Path(evaluation).is_file() else []
    if out is None and wrong is None:
        out = Path(f"{Path(evaluation).stem if read else evaluation}.html")
    page_file = out and destination_of_no_report(out, option="--out", apart_from=read)
    others = [*read, ("--out", page_file)] if page_file else read
    wrong_file = wrong and destination_of_no_report(
        wrong, option="--misclassified", apart_from=others
    )
    content = report_of(invocation, evaluation)
    written = []
    if page_file:
        write_whole(page_file, report_page(content))
        written.append(("page", out))
    if wrong_file:
        write_whole(wrong_file, _csv(content))
        written.append(("misclassified", wrong))
    invocation.out.print(pairs(written))


def _csv(content: dict[str, Any]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(
        (
            "recording",
            "actual",
            "predicted",
            "fold",
            "probability_of_actual",
            "probability_of_predicted",
        )
    )
    writer.writerows(_rows(content))
    return table.getvalue()


def _rows(content: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    columns = [at(content, "probability", key) for key in ("actual", "predicted")]
    places = {name: place for place, name in enumerate(content.get("recordings") or ())}
    for recording, actual, predicted, fold in misclassified(content):
        place = places[recording]
        probabilities = [
            column[place] if isinstance(column, list) and place < len(column) else None
            for column in columns
        ]
        yield tuple(map(harmless, (recording, actual, predicted, fold, *probabilities)))
