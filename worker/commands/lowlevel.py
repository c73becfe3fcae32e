"""``acoustic lowlevel``: documents into the database."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.commands.invocation import Invocation
from worker.commands.text import plain

if TYPE_CHECKING:
    from worker.loading import Loaded

_SECONDS_BETWEEN_LINES = 10.0

SOME_REFUSED = 1


@click.group(no_args_is_help=True)
def lowlevel() -> None:
    """Put low-level documents into the database."""


@lowlevel.command()
@click.argument(
    "documents",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, path_type=Path),
)
@click.option("--json", "json", is_flag=True, help="Counts as JSON, for a machine.")
@click.pass_obj
def load(invocation: Invocation, *, documents: tuple[Path, ...], json: bool) -> int:
    """Store low-level documents, by the rules of AcousticBrainz's server.

    DOCUMENTS are folders, .json, .yaml or .jsonl files, or archives (.tar, .tar.zst, .tar.bz2,
    .tar.gz, .tar.xz) such as AcousticBrainz's JSON dumps, which are read as a stream. A document is
    named after its MBID, with -N for its submission N, or has it as tag musicbrainz_recordingid.

    What is stored already is passed over, so it may be interrupted and called again. A document
    that cannot be stored is named, with the reason, and the others go on; then the exit code is 1.
    The high-level worker gets to know of each one.
    """
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.commands.document_stream import items  # noqa: PLC0415
    from worker.commands.job_status import as_json  # noqa: PLC0415
    from worker.loading import load as load_documents  # noqa: PLC0415

    def refuse(recording: str, reason: str) -> None:
        named = reason if reason.startswith(recording) else f"{recording}: {reason}"
        invocation.notes.print(plain(f"Refused: {named}"), soft_wrap=True)

    with database(invocation) as engine:
        lines = _Lines(invocation)
        loaded = load_documents(engine, items(documents), refuse=refuse, progress=lines)
    if json:
        invocation.out.print(as_json(loaded), soft_wrap=True)
    else:
        invocation.out.print(_said(loaded))
    return SOME_REFUSED if loaded.refused else 0


class _Lines:
    """Says now and then how far it is."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._began = self._last = time.monotonic()

    def __call__(self, loaded: "Loaded") -> None:
        """Write a line if it is time for one."""
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            rate = loaded.documents / (now - self._began)
            self._invocation.notes.print(f"{_said(loaded)} {rate:,.0f} documents a second.")


def _said(loaded: "Loaded") -> str:
    ending = "" if loaded.documents == 1 else "s"
    refused = f", {loaded.refused:,} refused" if loaded.refused else ""
    return (
        f"{loaded.documents:,} document{ending}: {loaded.stored:,} stored, "
        f"{loaded.known:,} there already{refused}."
    )
