"""``acoustic report``: an evaluation as a page, or its misclassified recordings as CSV."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import orjson

from trainer.errors import DocumentError
from trainer.report_page import report_page
from worker.commands.evaluations import misclassified
from worker.commands.figures import at, pairs
from worker.commands.invocation import Invocation
from worker.commands.job_references import may_be_job
from worker.commands.writing import destination
from worker.whole_files import write_whole

_MOST_BYTES = 2**30  # with the predictions of every combination a report is large
_TARGET = click.Path(path_type=Path)
# What a spreadsheet would take for a formula, and run.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


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
    read = (Path(evaluation),) if Path(evaluation).is_file() else ()
    if out is None and wrong is None:
        out = Path(f"{Path(evaluation).stem if read else evaluation}.html")
    page_file = out and destination(out, apart_from=read)
    others = (*read, page_file) if page_file else read
    wrong_file = wrong and destination(wrong, apart_from=others)
    content = _read(read[0]) if read else _of_job(invocation, evaluation)
    written = []
    if page_file:
        write_whole(page_file, report_page(content))
        written.append(("page", out))
    if wrong_file:
        write_whole(wrong_file, _csv(content))
        written.append(("misclassified", wrong))
    invocation.out.print(pairs(written))


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DocumentError(f"{path} is larger than {_MOST_BYTES // 2**20:,} MiB")
        document = orjson.loads(path.read_bytes())
    except OSError as error:
        raise click.UsageError(f"{path} cannot be read ({error.strerror}).") from error
    except orjson.JSONDecodeError as error:
        raise DocumentError(f"{path} is no report: it is not JSON ({error})") from error
    if not isinstance(document, dict):
        raise DocumentError(f"{path} is no report: it is not a JSON object")
    return document


def _of_job(invocation: Invocation, reference: str) -> dict[str, Any]:
    # Imported here: with a file no database is asked.
    from schema import evaluation_jobs  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_references import resolve  # noqa: PLC0415

    if not may_be_job(reference):
        raise click.UsageError(f"{reference!r} is neither a file nor the id of a job.")
    with database(invocation) as engine, engine.connect() as connection:
        details = evaluation_jobs.show(connection, resolve(connection, reference))
    if not isinstance(details.result, dict):
        raise click.UsageError(
            f"Job {details.status.id} is {details.status.status} and has no result to report on."
        )
    return {"name": details.status.dataset, **details.result}


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
        yield tuple(map(_harmless, (recording, actual, predicted, fold, *probabilities)))


def _harmless(value: Any) -> Any:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
