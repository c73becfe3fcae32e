"""``acoustic evaluate``: a finished model on labels of one's own."""

from pathlib import Path
from typing import Any

import click

from worker.commands.invocation import Invocation
from worker.commands.parameters import MISSING, renamed

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DOCUMENTS = click.Path(exists=True, path_type=Path)
_TARGET = click.Path(path_type=Path)


@click.command(
    epilog="Recordings whose document the model cannot use are named and left out. Exit code 2 if "
    "classes, documents or the model have to change."
)
@click.argument("model", type=_FILE)
@click.argument("ground_truth", type=_FILE)
@click.argument("documents", nargs=-1, required=True, type=_DOCUMENTS)
@click.option(
    "--map",
    "names",
    multiple=True,
    callback=renamed,
    metavar="THEIRS=OURS",
    help="What a class of the model is called in the ground truth. May be given several times.",
)
@click.option(
    "--missing",
    type=MISSING,
    default="fail",
    show_default=True,
    help="What to do with recordings that have no document.",
)
@click.option("--report", type=_TARGET, help="Where to write the evaluation, as JSON.")
@click.option("--page", type=_TARGET, help="Where to write the evaluation, as an HTML page.")
@click.pass_obj
def evaluate(invocation: Invocation, /, **given: Any) -> int:
    """Evaluate a model on labelled recordings that it was not trained on.

    MODEL is a file that `acoustic train` or the evaluator wrote, or a .history of Gaia's.
    GROUND_TRUTH and DOCUMENTS are as for `acoustic train`; archives of AcousticBrainz's dumps will
    do, too. Warns of recordings that the model was trained on, where it says so.
    """
    # Imported here, because SciPy takes a second and `--help` needs none of it.
    from worker.commands.file_evaluation import Order, carry_out  # noqa: PLC0415

    return carry_out(invocation, Order(**given))
