"""``acoustic compare``: our results beside those of others, and beside each other."""

from pathlib import Path

import click

from worker.commands.invocation import Invocation

_PATH = click.Path(exists=True, path_type=Path)


@click.group(no_args_is_help=True)
def compare() -> None:
    """Compare results with those of others, or with each other."""


@compare.command(epilog="Exit code 1 if a document or an expected output cannot be used.")
@click.option(
    "--expected",
    required=True,
    type=_PATH,
    help="High-level documents: a folder, .jsonl[.gz], or JSON of {id: {model: output}}.",
)
@click.option(
    "--documents",
    required=True,
    multiple=True,
    type=_PATH,
    help="Low-level documents of the same ids. May be given several times.",
)
@click.option(
    "--models",
    required=True,
    multiple=True,
    type=_PATH,
    help="A profile, a folder of models, or model files. May be given several times.",
)
@click.option(
    "--format",
    "form",
    default="text",
    show_default=True,
    type=click.Choice(["text", "markdown", "csv"]),
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def extractor(
    invocation: Invocation,
    *,
    expected: Path,
    documents: tuple[Path, ...],
    models: tuple[Path, ...],
    form: str,
    as_json: bool,
) -> int:
    """Compare our outputs with high-level documents that another extractor wrote.

    Prints a line per model: documents, how many have the same class, and the largest and the mean
    difference of probabilities.
    """
    # Imported here, because SciPy takes a second and `--help` needs none of it.
    from worker.commands.extractor_comparison import carry_out  # noqa: PLC0415

    return carry_out(
        invocation,
        expected=expected,
        documents=documents,
        models=models,
        form="json" if as_json else form,
    )


@compare.command(epilog="Exit code 2 if they cannot be compared.")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def evaluations(invocation: Invocation, first: str, second: str, *, as_json: bool) -> int:
    """Say whether one of two evaluations of the same recordings is better, or was lucky.

    A and B are reports that `acoustic train --report` or `acoustic evaluate --report` wrote, or
    jobs: their ids, or the beginnings of them.

    Prints both accuracies, how many recordings both, one or neither have right, and the p-value of
    McNemar's exact test. Recordings that only one of them has are named and not counted.
    """
    # Imported here, because SciPy takes a second and `--help` needs none of it.
    from worker.commands.evaluation_comparison import carry_out  # noqa: PLC0415

    return carry_out(invocation, first, second, as_json=as_json)
