"""Evaluating a model from files: documents one after the other, however many there are."""

import hashlib
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.descriptors import flatten
from trainer.errors import DatasetError, DocumentError
from trainer.ground_truth import GroundTruth
from trainer.judgement import Document, judge
from trainer.models.opening import open_model
from trainer.near_ids import Wanted
from trainer.options import Missing
from trainer.regular_files import open_regular
from trainer.renaming import OtherNamesError
from trainer.report_page import report_page
from trainer.training import Progress
from worker.commands import progress
from worker.commands.document_stream import items
from worker.commands.evaluations import show_left_out, summary
from worker.commands.figures import pairs, show_rows
from worker.commands.invocation import Invocation
from worker.commands.signals import ended_by_signals
from worker.commands.text import visible
from worker.commands.writing import destination, destination_of_no_report
from worker.whole_files import write_whole

_FEW = 10  # recordings that are named; the report holds them all


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one call of ``acoustic evaluate`` is to do.

    Attributes
    ----------
    model, ground_truth, documents
        Files and folders to read.
    names
        What classes of the model are called in the ground truth.
    missing
        What to do with recordings that have no document.
    report, page
        Files to write, if any.
    """

    model: Path
    ground_truth: Path
    documents: tuple[Path, ...]
    names: Mapping[str, str]
    missing: Missing
    report: Path | None
    page: Path | None


def carry_out(invocation: Invocation, order: Order) -> int:
    """Read, predict, write, show.

    Raises
    ------
    click.UsageError
        A file cannot be written; said before anything is computed.
    trainer.errors.TrainerError
        Model, classes or documents have to change.
    """
    taken = [("MODEL", order.model), ("GROUND_TRUTH", order.ground_truth)]
    taken += [("DOCUMENTS", path) for path in order.documents]
    report_file = order.report and destination(order.report, option="--report", apart_from=taken)
    if report_file:
        taken.append(("--report", report_file))
    page_file = order.page and destination_of_no_report(
        order.page, option="--page", apart_from=taken
    )
    model = open_model(order.model)
    ground_truth = GroundTruth.read(order.ground_truth)
    with ended_by_signals(), progress.shown(invocation.notes) as told:
        wanted = Wanted(ground_truth.class_of)
        documents = _documents(order.documents, wanted, told)
        with _by_option():
            judged = judge(
                *(model, ground_truth, documents),
                names=order.names,
                missing=order.missing,
                wanted=wanted,
            )
    with open_regular(order.model) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    report = {**judged.report(), "model": {"path": order.model.name, "sha256": digest}}
    written = []
    if report_file:
        write_whole(report_file, json.dumps(report, ensure_ascii=False) + "\n")
        written.append(("report", order.report))
    if page_file:
        write_whole(page_file, report_page(report))
        written.append(("page", order.page))
    summary(invocation.out, report)
    _show_misclassified(invocation, report)
    show_left_out(invocation.out, report, most=_FEW)
    invocation.out.print(pairs([("model", order.model), ("SHA-256", digest), *written]))
    return 0


@contextmanager
def _by_option() -> Iterator[None]:
    """Tell of other names by the option of the command."""
    try:
        yield
    except OtherNamesError as error:
        options = [f"--map {shlex.quote(f'{their}={our}')}" for their, our in error.meant.items()]
        by = f" by {' '.join(options)} (the model's name before the =, yours after it)"
        raise DatasetError(f"{error.args[0]}{visible(by) if options else ''}") from error


def _show_misclassified(invocation: Invocation, report: Mapping[str, Any]) -> None:
    """Name those first whose label the model doubts most."""
    columns = [report[key] for key in ("recordings", "actual", "predicted")]
    columns += [report["probability"][key] for key in ("actual", "predicted")]
    wrong = [row for row in zip(*columns, strict=True) if row[1] != row[2]]
    if wrong:
        invocation.out.print(f"misclassified: {len(wrong)}")
        show_rows(
            invocation.out,
            sorted(wrong, key=lambda row: row[3]),
            ("recording", "actual", "predicted", "P(actual)", "P(predicted)"),
            most=_FEW,
        )


def _documents(paths: Sequence[Path], wanted: Wanted, told: progress.Watcher) -> Iterator[Document]:
    done = 0
    for item in items(paths):
        if item.recording not in wanted:
            continue
        done += 1
        told(Progress(done=done, total=len(wanted.ids), stage="documents"))
        if item.error:
            yield item.recording, DocumentError(item.error)
            continue
        try:
            yield item.recording, flatten(item.document)
        except DocumentError as error:
            yield item.recording, error
