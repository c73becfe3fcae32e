"""Training from files: the same options, the same calls as a job of the daemon."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from trainer.account import Account
from trainer.dataset import prepare
from trainer.descriptors import LowLevel
from trainer.evaluation import Evaluation
from trainer.given_folds import read_folds
from trainer.grid.engines import check_engine
from trainer.ground_truth import GroundTruth
from trainer.loading import load_documents
from trainer.near_ids import Wanted
from trainer.options import JobOptions
from trainer.report_page import report_page
from trainer.training import Progress
from trainer.training import train as train_dataset
from worker.commands import progress
from worker.commands.evaluations import show_left_out, summary
from worker.commands.figures import pairs
from worker.commands.invocation import Invocation
from worker.commands.signals import ended_by_signals
from worker.commands.writing import destination, destination_of_no_report
from worker.memory import MEBIBYTE
from worker.whole_files import write_whole

# Flags and options of the command that go into the job options under their own name.
_SAME_NAME = (
    "preprocessing_values",
    "kernel_values",
    "c_values",
    "gamma_values",
    "folds",
    "group_by",
    "seed",
    "repeats",
    "missing",
)
# The report holds them all.
_FEW = 10

_FLAGS = ("balance_classes", "nested", "learning_curve")
_FLAGS_OFF = ("shortcuts",)


@dataclass(frozen=True, kw_only=True)
class Order:
    """What one call of ``acoustic train`` is to do.

    Attributes
    ----------
    ground_truth, documents, folds_file
        Files and folders to read; no folds are given if None.
    model, report, page
        Files to write; no report or page if None.
    predictions
        Whether the report holds the predictions of every combination.
    options
        Options as a job of the database has them.
    engine, jobs, memory
        What solves the grid, in how many threads, and with how many MiB.
    """

    ground_truth: Path
    documents: tuple[Path, ...]
    folds_file: Path | None
    model: Path
    report: Path | None
    page: Path | None
    predictions: bool
    options: Mapping[str, Any]
    engine: str
    jobs: int | None
    memory: int

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """Sort the arguments of the command into options of a job and the rest."""
        return cls(
            **{name: given[name] for name in cls.__dataclass_fields__ if name != "options"},
            options=_job_options(given),
        )


def carry_out(invocation: Invocation, order: Order) -> int:
    """Read, train, write, show.

    Raises
    ------
    click.UsageError
        A file cannot be written; said before anything is computed.
    trainer.errors.TrainerError
        Options, classes or documents have to change.
    """
    taken = list(_read(order))
    model = destination(order.model, option="--model", apart_from=taken)
    taken.append(("--model", model))
    report_file = order.report and destination(order.report, option="--report", apart_from=taken)
    if report_file:
        taken.append(("--report", report_file))
    page_file = order.page and destination_of_no_report(
        order.page, option="--page", apart_from=taken
    )
    account = Account()
    with ended_by_signals():
        evaluation = _evaluate(invocation, order, account)
    with account.of("writing"):
        written = [("model", order.model), ("SHA-256", evaluation.model.save(model))]
    report = evaluation.report(predictions=order.predictions)
    report["timings"] |= account.timings()
    if report_file:
        write_whole(report_file, json.dumps(report, ensure_ascii=False) + "\n")
        written.append(("report", order.report))
    if page_file:
        write_whole(page_file, report_page(report))
        written.append(("page", order.page))
    summary(invocation.out, report)
    show_left_out(invocation.out, report, most=_FEW)
    invocation.out.print(pairs(written))
    return 0


def _read(order: Order) -> Iterator[tuple[str, Path]]:
    """Yield what is read, each with its argument or option."""
    yield "GROUND_TRUTH", order.ground_truth
    yield from (("DOCUMENTS", path) for path in order.documents)
    if order.folds_file:
        yield "--folds-file", order.folds_file


def _job_options(given: Mapping[str, Any]) -> dict[str, Any]:
    options = {name: given[name] for name in _SAME_NAME if given[name] is not None}
    options |= {name: True for name in _FLAGS if given[name]}
    options |= {name: False for name in _FLAGS_OFF if not given[name]}
    if given["artist_filter"]:
        options["filter_type"] = "artist"
    if given["normalize_mode"]:
        options |= {"normalize": True, "normalize_mode": given["normalize_mode"]}
    return options


def _evaluate(invocation: Invocation, order: Order, account: Account) -> Evaluation:
    check_engine(order.engine)  # before an hour of reading, not after
    options = JobOptions.parse(order.options)
    project = options.project
    if order.folds_file is not None:
        project = options.project_over(read_folds(order.folds_file))
    with account.of("reading"):
        ground_truth = GroundTruth.read(order.ground_truth)
    with progress.shown(invocation.notes) as told:
        wanted = Wanted(ground_truth.class_of)
        with account.of("reading"):
            documents = read_flat(order.documents, wanted, told)
        with account.of("preparing"):
            dataset = prepare(ground_truth, documents, options, others=wanted.others)
        return train_dataset(
            dataset,
            project,
            options.seed,
            engine=order.engine,
            jobs=order.jobs,
            memory=order.memory * MEBIBYTE,
            collapse=options.shortcuts,
            account=account,
            progress=told,
            provenance=_provenance(order),
        )


def _provenance(order: Order) -> dict[str, Any]:
    # Names, not paths: equal training on another machine gives an equal file.
    return {
        "ground_truth": order.ground_truth.name,
        "documents": [path.name for path in order.documents],
        **({"folds_file": order.folds_file.name} if order.folds_file else {}),
    }


def read_flat(
    paths: tuple[Path, ...], wanted: Wanted | None, told: progress.Watcher
) -> dict[str, LowLevel]:
    """Read and flatten the documents that are wanted, or all that there are.

    Raises
    ------
    trainer.errors.DocumentError
        One cannot be read or used; the message names it.
    """
    wanted_number = None if wanted is None else len(wanted.ids)

    def loaded(done: int) -> None:
        told(Progress(done=done, total=wanted_number or done, stage="documents"))

    return load_documents(*paths, wanted=wanted, loaded=loaded)
