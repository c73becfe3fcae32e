"""``acoustic highlevel``: the high-level daemon, its queue, and what people do with it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from trainer.wording import listed
from worker.commands.failures import daemon_settings, told_in_log
from worker.commands.figures import pairs, table
from worker.commands.invocation import Invocation
from worker.commands.text import plain
from worker.ending import ended_by_sigterm

if TYPE_CHECKING:
    from rich.table import Table

    from schema.highlevel import Backlog, FailedRecording, Pass
    from schema.models import PublishedModel

# Recordings that a step of a backfill looks at: some tenths of a second, and a line of progress.
_STEP = 5_000
# Classes of a model that are named beside each other; there are up to 11.
_OTHERS = 4

# What `run --once` ends with where recordings are left because the queue is paused.
LEFT_BY_PAUSE = 1

_json = click.option("--json", "json", is_flag=True, help="JSON, for a machine.")


@click.group(no_args_is_help=True)
def highlevel() -> None:
    """Give recordings the outputs of the published models."""


@highlevel.command()
@click.option("--once", is_flag=True, help="End when nothing is left to do.")
@click.option(
    "--profile",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that lists the models; without it, all that are published are computed.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 10_000),
    help="Recordings taken at once (ACOUSTIC_BATCH_SIZE).",
)
@click.pass_obj
def run(invocation: Invocation, *, once: bool, profile: Path | None, batch: int | None) -> int:
    """Run the daemon.

    It takes recordings from the queue in batches, computes the outputs that they lack, and writes
    them as AcousticBrainz does. SIGTERM ends it after the batch that it is at. Any number of them
    may work on one database, on any number of hosts; one uses about one processor. With --once the
    exit code is 1 where recordings are left because the queue is paused.
    """
    with ended_by_sigterm():
        # Further imports are below, so that wrong settings are told at once.
        from worker.telemetry import HIGHLEVEL_KEYS  # noqa: PLC0415

        settings = daemon_settings(invocation, keys=HIGHLEVEL_KEYS)
        if batch is not None:
            settings = replace(settings, batch_size=batch)
        from worker.commands.connections import in_words  # noqa: PLC0415
        from worker.highlevel import run as run_worker  # noqa: PLC0415

        with told_in_log(settings.log_format), in_words(settings.database_url):
            code = run_worker(settings, once=once, profile=profile)
    return code or (_left_by_pause(invocation) if once else 0)


@highlevel.command()
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, help="At most so many (50).")
@_json
@click.pass_obj
def failed(invocation: Invocation, *, limit: int, json: bool) -> None:
    """List recordings whose document could not be used, with the reason; the latest first."""
    from schema import highlevel as queue  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_status import as_json  # noqa: PLC0415

    with database(invocation) as engine, engine.connect() as connection:
        found = queue.list_failed(connection, limit=limit)
    if json:
        for recording in found:
            invocation.out.print(as_json(recording), soft_wrap=True)
    elif found:
        _show_failed(invocation, found)
    else:
        invocation.notes.print("No recording has failed.")


@highlevel.command()
@click.argument("recordings", metavar="[ID...]", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All that have failed.")
@click.pass_obj
def retry(invocation: Invocation, *, recordings: tuple[str, ...], everything: bool) -> None:
    """Have recordings looked at again, with a fresh count of attempts.

    ID is the id of a low-level document, or an MBID: then all of its documents.
    """
    if everything == bool(recordings):
        raise click.UsageError("Give either ids or --all.")
    from schema import highlevel as queue  # noqa: PLC0415
    from worker.commands.connections import transaction  # noqa: PLC0415

    wanted = [_document(recording) for recording in recordings]
    with transaction(invocation) as connection:
        if everything:
            changed = queue.retry_all(connection)
        else:
            ids: list[int] = []
            for one in wanted:
                ids += queue.submissions(connection, one) if isinstance(one, UUID) else [one]
            changed = queue.retry(connection, ids)
    invocation.out.print(_counted(changed, "will be looked at again"))
    if not changed:
        reason = "none has failed" if everything else "what waits or is being computed stays as is"
        invocation.notes.print(f"None was changed: {reason}.")


@highlevel.command()
@click.option("--model", metavar="NAME[:VERSION]", help="One model; without it, all published.")
@click.option("--limit", type=click.IntRange(1), help="Look at no more recordings this time.")
@click.pass_obj
def backfill(invocation: Invocation, *, model: str | None, limit: int | None) -> None:
    """Put recordings into the queue that lack outputs of a published model.

    It may be interrupted: called again, it goes on where it was. Outputs that are there stay as
    they are. What the daemon computes meanwhile is what was submitted first, then this. Models that
    only profiles name are backfilled where they are named by --model, for workers that have them.
    """
    from schema import highlevel as queue  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415

    looked = enqueued = 0
    through = False
    with database(invocation) as engine:
        with engine.connect() as connection:
            chosen = _published(connection, model)
        ids = [one.id for one in chosen]
        of_profile = any(one.path is None for one in chosen)
        names = ", ".join(f"{one.name} {one.version}" for one in chosen)
        invocation.notes.print(plain(f"Looking for recordings that lack {names}."))
        while not through and (limit is None or looked < limit):
            size = _STEP if limit is None else min(_STEP, limit - looked)
            with engine.begin() as connection:
                step = queue.backfill(
                    connection, ids, limit=size, first=looked == 0, of_profile=of_profile
                )
            looked, enqueued = looked + step.looked, enqueued + step.enqueued
            through = step.after is None
            invocation.notes.print(_progress(step, looked, enqueued))
    done = "All were looked at" if through else "Not all were looked at yet"
    invocation.out.print(f"{done}: {_counted(enqueued, 'put into the queue')}")
    if of_profile:
        invocation.notes.print(plain(_for_profiles(chosen)), soft_wrap=True)


@highlevel.command()
@click.argument("recording", metavar="MBID[:N]")
@click.option("--hidden", is_flag=True, help="Also outputs of models that are not shown.")
@_json
@click.pass_obj
def show(invocation: Invocation, *, recording: str, hidden: bool, json: bool) -> None:
    """Show the outputs of a recording, as the API would answer.

    N is the submission, from 0 (the first). --json prints the document.
    """
    from schema import highlevel as queue  # noqa: PLC0415
    from schema.models import shown_twice  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_status import as_json  # noqa: PLC0415

    mbid, offset = _submission(recording)
    with database(invocation) as engine, engine.connect() as connection:
        document = queue.document_of(connection, mbid, offset=offset, hidden=hidden)
        several = shown_twice(connection)
    for name in document["highlevel"].keys() & several.keys():
        invocation.notes.print(
            plain(
                f"{name} is shown in several versions ({', '.join(several[name])}): this is the "
                "last of them that the recording has; acoustic models publish takes others down."
            ),
            soft_wrap=True,
        )
    if json:
        invocation.out.print(as_json(document), soft_wrap=True)
    else:
        invocation.out.print(outputs(document["highlevel"]))


@highlevel.command()
@_json
@click.pass_obj
def status(invocation: Invocation, *, json: bool) -> None:
    """Show the queue, and how far the sweep and backfills are."""
    from schema import highlevel as queue  # noqa: PLC0415
    from schema.models import list_published  # noqa: PLC0415
    from schema.pauses import Queue, paused  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_status import as_json, paused_sentence  # noqa: PLC0415
    from worker.commands.models import superseded_sentence  # noqa: PLC0415

    with database(invocation) as engine, engine.connect() as connection:
        found = queue.backlog(connection)
        known = list_published(connection)
        pause = paused(connection, Queue.HIGHLEVEL)
    if pause is not None:
        told = paused_sentence(pause, resume="acoustic highlevel resume")
        invocation.notes.print(plain(told), soft_wrap=True)
    if superfluous := superseded_sentence(known):
        invocation.notes.print(plain(superfluous), soft_wrap=True)
    if json:
        computed = [
            {"name": one.name, "version": one.version, "status": one.status}
            for one in known
            if one.retired is None
        ]
        everything = {**vars(found), "paused": pause, "models": computed}
        invocation.out.print(as_json(everything), soft_wrap=True)
    else:
        invocation.out.print(pairs(_facts(found, known)))


@highlevel.command()
@click.option("--reason", help="Why, for others to see.")
@click.pass_obj
def pause(invocation: Invocation, *, reason: str | None) -> None:
    """Give no further recording outputs; batches that run are finished, queueing goes on."""
    from schema import pauses  # noqa: PLC0415
    from worker.commands.connections import transaction  # noqa: PLC0415

    with transaction(invocation) as connection:
        answer = pauses.pause(connection, pauses.Queue.HIGHLEVEL, reason=reason)
    invocation.out.print(plain(answer), soft_wrap=True)


@highlevel.command()
@click.pass_obj
def resume(invocation: Invocation) -> None:
    """Give recordings outputs again."""
    from schema import pauses  # noqa: PLC0415
    from worker.commands.connections import transaction  # noqa: PLC0415

    with transaction(invocation) as connection:
        answer = pauses.resume(connection, pauses.Queue.HIGHLEVEL)
    invocation.out.print(plain(answer), soft_wrap=True)


def _left_by_pause(invocation: Invocation) -> int:
    """Say that a pause left recordings without outputs, if it did; the exit code."""
    from schema import highlevel as queue  # noqa: PLC0415
    from schema.pauses import Queue, paused  # noqa: PLC0415
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.job_status import paused_sentence  # noqa: PLC0415

    with database(invocation) as engine, engine.connect() as connection:
        pause = paused(connection, Queue.HIGHLEVEL)
        if pause is None:
            return 0
        left = queue.backlog(connection)
    told = paused_sentence(pause, resume="acoustic highlevel resume")
    waiting = left.waiting + left.again
    invocation.notes.print(
        plain(f"{told} {_counted(waiting, 'left without outputs')}"), soft_wrap=True
    )
    return LEFT_BY_PAUSE if waiting else 0


def _facts(found: "Backlog", known: "Sequence[PublishedModel]") -> list[tuple[str, object]]:
    from schema.highlevel import MOST_COUNTED  # noqa: PLC0415
    from worker.commands.job_status import age  # noqa: PLC0415

    def number(count: int) -> str:
        return f"{count:,}{' or more' if count == MOST_COUNTED else ''}"

    names = {one.id: f"{one.name} {one.version}" for one in known}
    computed = [names[one.id] for one in known if one.retired is None]
    swept = (
        "never through" if found.sweep_ended is None else f"through {age(found.sweep_ended)} ago"
    )
    if found.swept_after is not None:
        swept += f"; at document {found.swept_after:,}"
    return [
        ("models", ", ".join(computed) or "none"),
        ("waiting", number(found.waiting)),
        ("left for workers with other models", number(found.left_for_others)),
        ("tried, to be tried again", number(found.again)),
        ("failed", number(found.failed)),
        ("waiting for", "-" if found.oldest is None else f"{age(found.oldest)} at most"),
        ("sweep", swept),
        *(("backfill", _backfill(one, names)) for one in found.backfills),
    ]


def _backfill(one: "Mapping[str, Any]", names: "Mapping[int, str]") -> str:
    models = listed(names.get(model, f"model {model}") for model in one["models"])
    counts = f"{one['looked']:,} looked at, {one['enqueued']:,} put into the queue"
    return f"{models}: {counts}"


def _show_failed(invocation: Invocation, found: "Sequence[FailedRecording]") -> None:
    from worker.commands.job_status import age  # noqa: PLC0415

    made = table(
        "id", "recording", "tries", "age", "reason", numbers=("id", "tries", "age"), whole=("id",)
    )
    for one in found:
        recording = "gone" if one.mbid is None else f"{one.mbid}:{one.submission_offset}"
        made.add_row(str(one.id), recording, str(one.attempts), age(one.failed), plain(one.error))
    invocation.out.print(made)


def outputs(predictions: "Mapping[str, Any]") -> "Table":
    """Make a table of a recording's outputs: what each model says, and how sure it is."""
    made = table("model", "value", "probability", "others", numbers=("probability",))
    for name, output in predictions.items():
        others = sorted(output["all"].items(), key=lambda pair: -pair[1])
        said = ", ".join(f"{value} {share:.2f}" for value, share in others[1:_OTHERS])
        more = ", …" if len(others) > _OTHERS else ""
        made.add_row(
            plain(name), plain(output["value"]), f"{output['probability']:.2f}", plain(said + more)
        )
    return made


def _submission(given: str) -> tuple[UUID, int]:
    mbid, _, offset = given.partition(":")
    try:
        return UUID(mbid), int(offset or "0")
    except ValueError:
        raise click.UsageError(f"{given!r} is not an MBID, or an MBID with :N after it.") from None


def _document(given: str) -> int | UUID:
    if given.isascii() and given.isdecimal() and int(given) < 2**31:
        return int(given)
    try:
        return UUID(given)
    except ValueError:
        raise click.UsageError(
            f"{given!r} is neither the id of a low-level document nor an MBID."
        ) from None


def _published(connection: object, model: str | None) -> "list[PublishedModel]":
    from schema.errors import NotFound  # noqa: PLC0415
    from schema.models import published_files  # noqa: PLC0415

    name, _, version = (model or "").partition(":")
    known = published_files(connection)  # type: ignore[arg-type]
    chosen = [one for one in known if name in ("", one.name) and version in ("", one.version)]
    # Earlier versions of a profile are known too, and nobody computes them any more.
    if not version:
        of_profiles = [one for one in chosen if one.path is None]
        chosen = [one for one in chosen if one.path is not None]
        if of_profiles and not chosen:
            named = listed(f"{one.name}:{one.version}" for one in of_profiles)
            raise NotFound(f"Only profiles name such a model: say which by --model, {named}.")
    if not chosen:
        what = "No model" if model is None else f"No model {model}"
        raise NotFound(f"{what} is published; see acoustic models list.")
    return chosen


def _for_profiles(chosen: "Sequence[PublishedModel]") -> str:
    """Say who takes these recordings."""
    named = []
    for one in chosen:
        origin = one.provenance.get("origin", {})
        named.append(f"{one.name} {one.version} ({origin.get('profile', 'a profile')})")
    return (
        f"They wait for a worker whose profile has {listed(named)}; recordings that wait for other "
        "reasons were left alone: call it again when the queue is empty."
    )


def _progress(step: "Pass", looked: int, enqueued: int) -> str:
    share = ""
    if step.after is not None and step.last:
        share = f", {100 * step.after / step.last:.0f} %"
    return f"{looked:,} looked at{share}: {_counted(enqueued, 'put into the queue')}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} recording{'' if number == 1 else 's'} {what}."
