"""``acoustic highlevel-extract``: documents in, high-level documents out, as the old binary did."""

from pathlib import Path

import click

from worker.commands.invocation import Invocation

_USAGE = "IN OUT [IN OUT]... PROFILE"


@click.command(
    "highlevel-extract",
    epilog="Exit codes: 1 if a document cannot be used, 2 for a profile, models or paths that have "
    "to change; then nothing is written.",
)
@click.argument("paths", metavar=_USAGE, nargs=-1, required=True, type=click.Path(path_type=Path))
@click.pass_obj
def highlevel_extract(invocation: Invocation, *, paths: tuple[Path, ...]) -> int:
    """Write the high-level documents of low-level ones.

    Takes the arguments of Essentia's streaming_extractor_music_svm: pairs of a low-level document
    and the file to write, and at last the profile, which lists the models. A document that cannot
    be used is named, and the others are written.
    """
    *files, profile = paths
    if not files or len(files) % 2:
        raise click.UsageError(
            f"{len(paths)} paths are not pairs of input and output and a profile: give {_USAGE}."
        )
    # Imported here, because SciPy takes a second and `--help` needs none of it.
    from worker.commands.file_extraction import carry_out  # noqa: PLC0415

    return carry_out(invocation, list(zip(files[::2], files[1::2], strict=True)), profile)
