"""``acoustic compare``: our results beside those of others."""

from pathlib import Path

import click

from worker.commands.invocation import Invocation

_PATH = click.Path(exists=True, path_type=Path)


@click.group(no_args_is_help=True)
def compare() -> None:
    """Compare results with those of others."""


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
