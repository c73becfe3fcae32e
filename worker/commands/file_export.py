"""Descriptors from files into a table."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.dataset import Dataset, Merged, merge, prepare
from trainer.exporting import format_of, table_of, write
from trainer.ground_truth import GroundTruth
from trainer.near_ids import Wanted
from trainer.options import JobOptions, Missing
from worker.commands import progress
from worker.commands.evaluations import show_left_out
from worker.commands.figures import pairs
from worker.commands.file_training import read_flat
from worker.commands.invocation import Invocation
from worker.commands.signals import ended_by_signals
from worker.commands.writing import destination
from worker.whole_files import whole

_FEW = 10


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one call of ``acoustic export`` is to do.

    Attributes
    ----------
    documents, ground_truth
        Files and folders to read; all documents if there is no ground truth.
    out
        File to write.
    preprocessing
        Name of a recipe, or None for the values as they are.
    missing
        What to do with recordings that have no document.
    """

    documents: tuple[Path, ...]
    out: Path
    ground_truth: Path | None
    preprocessing: str | None
    missing: Missing


def carry_out(invocation: Invocation, order: Order) -> int:
    """Read, write, and say what was left out.

    Raises
    ------
    click.UsageError
        The file cannot be written; said before anything is computed.
    trainer.errors.TrainerError
        Options, classes or documents have to change.
    """
    read = [("DOCUMENTS", path) for path in order.documents]
    if order.ground_truth:
        read.append(("--ground-truth", order.ground_truth))
    target = destination(order.out, option="--out", apart_from=read)
    form = format_of(order.out.name)
    named = {"preprocessing_values": [order.preprocessing]} if order.preprocessing else {}
    options = JobOptions.parse({**named, "missing": order.missing})
    with ended_by_signals(), progress.shown(invocation.notes) as told:
        merged = _merged(order, options, told)
        recipe = options.preprocessing_values[0] if order.preprocessing else None
        table = table_of(merged, preprocessing=recipe)
        with whole(target) as stream:
            write(table, stream, form)
    show_left_out(invocation.out, {"left_out": dict(merged.left_out)}, most=_FEW)
    invocation.out.print(pairs(_said(order, merged, len(table.columns))))
    return 0


def _merged(order: Order, options: JobOptions, told: progress.Watcher) -> Dataset | Merged:
    if order.ground_truth is None:
        return merge(read_flat(order.documents, None, told))
    ground_truth = GroundTruth.read(order.ground_truth)
    wanted = Wanted(ground_truth.class_of)
    documents = read_flat(order.documents, wanted, told)
    return prepare(ground_truth, documents, options, others=wanted.others)


def _said(order: Order, merged: Dataset | Merged, columns: int) -> Iterator[tuple[str, object]]:
    yield "table", order.out
    yield "recordings", f"{len(merged.recordings):,}"
    yield "columns", f"{columns:,}"
    for reason, names in merged.removed.items():
        if names:
            yield f"without, {reason}", ", ".join(name.removeprefix(".") for name in names)
