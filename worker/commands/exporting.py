"""``acoustic export``: descriptors as a table."""

from pathlib import Path
from typing import Any

import click

from worker.commands.invocation import Invocation
from worker.commands.parameters import MISSING

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DOCUMENTS = click.Path(exists=True, path_type=Path)
_TARGET = click.Path(path_type=Path)


@click.command()
@click.argument("documents", nargs=-1, required=True, type=_DOCUMENTS)
@click.option(
    "--out", "-o", required=True, type=_TARGET, help="A file of .csv, .npz or .parquet to write."
)
@click.option("--ground-truth", type=_FILE, help="Classes; only their recordings are written then.")
@click.option(
    "--preprocessing", help="Write what it makes of the descriptors, such as basic or gaussianized."
)
@click.option(
    "--missing",
    type=MISSING,
    default="fail",
    show_default=True,
    help="What to do with recordings of the ground truth that have no document.",
)
@click.pass_obj
def export(invocation: Invocation, /, **given: Any) -> int:
    """Write descriptors as a table: a recording a row, a dimension of a descriptor a column.

    DOCUMENTS are as for `acoustic train`. The table is what a training starts from: descriptors
    that all documents have in one length, that differ and are finite. Text stays text, but a
    preprocessing makes numbers of it. .parquet needs pyarrow.
    """
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from worker.commands.file_export import Order, carry_out  # noqa: PLC0415

    return carry_out(invocation, Order(**given))
