"""``acoustic jobs``: evaluation jobs, asked for, looked at, watched, cancelled, tried again."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from sqlalchemy import Connection

from schema import evaluation_jobs
from schema.evaluation_jobs import JobStatus
from worker.commands.connections import database, transaction
from worker.commands.failures import CommandError
from worker.commands.invocation import Invocation
from worker.commands.job_details import show_details
from worker.commands.job_references import dataset_of, resolve
from worker.commands.job_status import (
    ENDED,
    as_json,
    paused_sentence,
    status_fields,
    told_totals,
)
from worker.commands.job_table import JobTable
from worker.commands.parameters import DATASET, DURATION, job_options
from worker.commands.text import plain, visible
from worker.commands.watching import follow

JOB_FAILED = 4

_STATUSES = click.Choice(["pending", "running", "done", "failed"])

_dataset = click.option(
    "--dataset",
    type=DATASET,
    metavar="NAME|ID",
    help="Only jobs of datasets whose name contains this, or of the dataset of this id.",
)
_json = click.option("--json", "json", is_flag=True, help="JSON, for a machine.")


@click.group(
    epilog="JOB is a job's id or a unique beginning of it, of at least 4 characters.",
    no_args_is_help=True,
)
def jobs() -> None:
    """Enqueue, look at, watch, cancel and retry evaluation jobs; pause and resume their queue."""


class _WithOptions(click.Command):
    """A command whose help ends with what each option of a job takes."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list, and what is said below it."""
        # Imported here: only this help needs the trainer.
        from trainer.options import TAKES  # noqa: PLC0415

        with formatter.section("Options of a job"):
            formatter.write_dl(list(TAKES.items()))
        super().format_epilog(ctx, formatter)


@jobs.command(cls=_WithOptions)
@click.argument("dataset", metavar="[DATASET]", required=False, type=DATASET)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Make the dataset of a ground truth file of MBIDs first.",
)
@click.option("--options", help="Options of the job as a JSON object.")
@click.option(
    "-o", "pairs", multiple=True, metavar="KEY=VALUE", help="One option, such as -o c_values=-5,1."
)
@click.option("--author", default="acoustic", help="User whose dataset --file makes (acoustic).")
@click.pass_obj
def enqueue(
    invocation: Invocation,
    dataset: UUID | str | None,
    *,
    file: Path | None,
    options: str | None,
    pairs: tuple[str, ...],
    author: str,
) -> None:
    """Ask for the evaluation of a dataset, and print the job's id.

    DATASET is its id, or its name where no other one is called so. It is frozen as it is now.
    Options that are left out have AcousticBrainz's values.
    """
    if (dataset is None) == (file is None):
        raise click.UsageError("Give either DATASET or --file.")
    chosen = _checked(invocation, job_options(options, pairs))
    with transaction(invocation) as connection:
        if file is not None:
            dataset = _dataset_of(connection, file, author=author)
        assert dataset is not None  # noqa: S101 - one of the two is given
        job = evaluation_jobs.enqueue(connection, dataset_of(connection, dataset), chosen)
    invocation.out.print(plain(job))


@jobs.command("list")
@click.option("--status", type=_STATUSES, multiple=True, help="Only jobs of this status; or these.")
@_dataset
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="At most so many (50).")
@_json
@click.pass_obj
def list_(
    invocation: Invocation,
    *,
    status: tuple[str, ...],
    dataset: UUID | str | None,
    limit: int,
    json: bool,
) -> None:
    """List jobs: running ones, the queue in its order, then those that ended last.

    Into a pipe go lines of fields between tabs, the first with their names.
    """
    with database(invocation) as engine, engine.connect() as connection:
        found = evaluation_jobs.list_jobs(connection, status=status, dataset=dataset, limit=limit)
        # Nobody needs a count of what is all there to see.
        cut = len(found) == limit
        totals = (
            evaluation_jobs.count_jobs(connection, status=status, dataset=dataset) if cut else {}
        )
        pause = evaluation_jobs.paused(connection)
    if pause is not None:
        invocation.notes.print(plain(paused_sentence(pause)), soft_wrap=True)
    if found:
        _show_list(invocation, found, json=json)
    elif not json:
        invocation.notes.print(plain(_none(status, dataset)), soft_wrap=True)
    total = sum(totals.values())
    if total > len(found):
        invocation.notes.print(
            f"{len(found):,} of {total:,} jobs ({told_totals(totals)}); --limit N shows more.",
            soft_wrap=True,
        )


def _none(status: tuple[str, ...], dataset: UUID | str | None) -> str:
    """Say that there is no such job, and of which kind."""
    if not status and dataset is None:
        return "No job yet."
    told = f"There is no {' or '.join(status)} job" if status else "There is no job"
    if isinstance(dataset, UUID):
        return f"{told} of the dataset {dataset}; acoustic jobs list shows those of all."
    if dataset is not None:
        named = f"a dataset whose name contains {dataset!r}"
        return f"{told} of {named}; acoustic jobs list shows those of all."
    return f"{told}."


def _show_list(invocation: Invocation, found: list[JobStatus], *, json: bool) -> None:
    if json:
        for job in found:
            invocation.out.print(as_json(job), soft_wrap=True)
    elif invocation.out.is_terminal:
        invocation.out.print(JobTable(found))
    else:
        for fields in status_fields(found):
            # Not by rich, which would make spaces of the tabs.
            invocation.out.file.write("\t".join(fields) + "\n")


@jobs.command()
@click.argument("job")
@click.option("--all", "everything", is_flag=True, help="Name every misclassified recording.")
@click.option("--traceback", is_flag=True, help="Show where failed attempts went wrong.")
@_json
@click.pass_obj
def show(
    invocation: Invocation, job: str, *, everything: bool, traceback: bool, json: bool
) -> None:
    """Show options, attempts, and what the evaluation says."""
    with database(invocation) as engine, engine.connect() as connection:
        details = evaluation_jobs.show(connection, resolve(connection, job))
        waits = details.status.position is not None
        pause = evaluation_jobs.paused(connection) if waits else None
    if pause is not None:
        invocation.notes.print(plain(paused_sentence(pause)), soft_wrap=True)
    if json:
        invocation.out.print(as_json(details), soft_wrap=True)
    else:
        show_details(invocation.out, details, everything=everything, traceback=traceback)


@jobs.command()
@click.argument("job", required=False)
@_dataset
@_json
@click.pass_obj
def watch(
    invocation: Invocation, job: str | None, *, dataset: UUID | str | None, json: bool
) -> int:
    """Follow a job, or all that are pending or running, until they end.

    A live table on a terminal, a line for each change elsewhere. Exit code 4 if the job that was
    named failed.
    """
    if job is not None and dataset is not None:
        raise click.UsageError("Give either a job or --dataset.")
    with database(invocation) as engine:
        with engine.connect() as connection:
            wanted = None if job is None else resolve(connection, job)
        ended = follow(engine, invocation, job=wanted, dataset=dataset, json=json)
    if not ended:
        invocation.notes.print("No job is pending or running.")
    left = [str(found.id) for found in ended if found.status not in ENDED]
    if left:
        invocation.notes.print(
            f"Not waited for, because no worker of this database does them: {', '.join(left)}.",
            soft_wrap=True,
        )
    return JOB_FAILED if job is not None and ended[0].status == "failed" else 0


@jobs.command()
@click.argument("job")
@click.pass_obj
def cancel(invocation: Invocation, job: str) -> None:
    """End a pending or running job as failed; its worker stops within seconds."""
    with transaction(invocation) as connection:
        answer = evaluation_jobs.cancel(connection, resolve(connection, job))
    invocation.out.print(plain(answer), soft_wrap=True)


@jobs.command()
@click.argument("job", required=False)
@click.option("--failed", is_flag=True, help="All jobs that failed, but those that were cancelled.")
@click.option("--since", type=DURATION, metavar="AGE", help="… within this time, such as 2h or 7d.")
@click.option("--reason", help="… for a reason that contains this; also cancelled ones.")
@click.option("--dry-run", is_flag=True, help="Print their ids and change nothing.")
@click.option("--again", is_flag=True, help="Evaluate a job anew that is done; with JOB alone.")
@click.pass_obj
def retry(
    invocation: Invocation,
    job: str | None,
    *,
    again: bool,
    failed: bool,
    since: timedelta | None,
    reason: str | None,
    dry_run: bool,
) -> None:
    """Set a job that failed or waits, or all failed ones, back to pending, with fresh attempts."""
    if (job is None) != failed:
        raise click.UsageError("Name a job, or take all that failed with --failed.")
    if job is not None and (since or reason or dry_run):
        raise click.UsageError("--since, --reason and --dry-run go with --failed.")
    if failed and again:
        raise click.UsageError("--again goes with a job: --failed takes none that are done.")
    with transaction(invocation) as connection:
        if job is not None:
            answer = _retry_one(connection, job, again=again)
            invocation.out.print(plain(answer), soft_wrap=True)
            return
        found = evaluation_jobs.retry_failed(connection, age=since, reason=reason, dry_run=dry_run)
    for one in found:
        invocation.out.print(plain(one))
    done = "would be pending again" if dry_run else "are pending again"
    invocation.notes.print(f"{len(found)} failed jobs {done}.")


def _retry_one(connection: Connection, job: str, *, again: bool) -> str:
    wanted = resolve(connection, job)
    before = evaluation_jobs.show(connection, wanted).status
    if before.status == "done" and not again:
        raise CommandError(
            f"Job {wanted} is done, and nothing of it has to be retried; --again evaluates it anew."
        )
    answer = evaluation_jobs.retry(connection, wanted)
    after = evaluation_jobs.show(connection, wanted).status
    # The answer is a sentence for people; what was done is in the job.
    waits_as_before = before.status == "pending" and before.retry_at == after.retry_at
    if after.status == "running" or waits_as_before:
        raise CommandError(answer)
    return answer


@jobs.command()
@click.option("--reason", help="Why, for others to see.")
@click.pass_obj
def pause(invocation: Invocation, *, reason: str | None) -> None:
    """Have no further job begun; jobs that run go on, and new ones can be enqueued."""
    with transaction(invocation) as connection:
        answer = evaluation_jobs.pause(connection, reason=reason)
    invocation.out.print(plain(answer), soft_wrap=True)


@jobs.command()
@click.pass_obj
def resume(invocation: Invocation) -> None:
    """Have jobs begun again."""
    with transaction(invocation) as connection:
        answer = evaluation_jobs.resume(connection)
    invocation.out.print(plain(answer), soft_wrap=True)


@jobs.command()
@click.option(
    "--older-than", "age", type=DURATION, metavar="AGE", required=True, help="Such as 90d."
)
@click.option("--dry-run", is_flag=True, help="Say what would go, and remove nothing.")
@click.pass_obj
def prune(invocation: Invocation, *, age: timedelta, dry_run: bool) -> None:
    """Remove what is left of jobs that ended long ago.

    Project folders of all of them; attempts that came to nothing, but the last of each job; and
    everything, bundles too, of jobs that were deleted. Results and bundles of other jobs stay.
    """
    from worker.retention import prune as prune_files  # noqa: PLC0415

    settings = invocation.settings()
    with transaction(invocation) as connection:
        pruned = prune_files(connection, settings, age=age, dry_run=dry_run)
    done = "would go" if dry_run else "removed"
    invocation.out.print(
        plain(
            f"{done}: {pruned.attempts} attempts, {pruned.projects} project folders, "
            f"{pruned.bundles} bundles of {pruned.deleted} deleted jobs"
        ),
        soft_wrap=True,
    )


def _checked(invocation: Invocation, options: dict[str, Any]) -> dict[str, Any]:
    """Refuse wrong values and keys that look like slips; keys of others stay, and are told of."""
    # Imported here: only this command needs the trainer.
    from trainer.options import JobOptions  # noqa: PLC0415

    parsed = JobOptions.parse(options)
    if parsed.misspelt:
        key, meant = next(iter(parsed.misspelt.items()))
        raise click.UsageError(
            f"there is no option {visible(key)!r} of a job: did you mean {meant}?"
        )
    for note in parsed.notes:
        invocation.notes.print(plain(note), soft_wrap=True)
    return options


def _dataset_of(connection: Connection, file: Path, *, author: str) -> UUID:
    from schema import datasets  # noqa: PLC0415
    from trainer.ground_truth import GroundTruth  # noqa: PLC0415

    ground_truth = GroundTruth.read(file)
    return datasets.create(
        connection,
        name=ground_truth.name,
        description=f"made of {file.name}",
        classes={
            name: [_mbid(recording) for recording in recordings]
            for name, recordings in ground_truth.classes.items()
        },
        author=author,
    )


def _mbid(recording: str) -> UUID:
    try:
        return UUID(recording)
    except ValueError:
        raise click.UsageError(
            f"{recording!r} is no MBID, and the database knows recordings by theirs; "
            "acoustic train takes any ids."
        ) from None
