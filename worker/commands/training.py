"""``acoustic train`` and ``acoustic predict``: files in, files out, no database."""

from pathlib import Path
from typing import Any

import click

from worker.commands.invocation import Invocation
from worker.commands.parameters import MISSING, CommaSeparated, SettingOption

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_DOCUMENTS = click.Path(exists=True, path_type=Path)
_TARGET = click.Path(path_type=Path)
_NAMES = CommaSeparated(str, "names")
_EXPONENTS = CommaSeparated(int, "whole numbers")


@click.command(
    epilog="Exit codes: 2 for options or input files that have to change, 130 when interrupted; "
    "then nothing is left behind."
)
@click.argument("ground_truth", type=_FILE)
@click.argument("documents", nargs=-1, required=True, type=_DOCUMENTS)
@click.option("--model", required=True, type=_TARGET, help="Where to write the model.")
@click.option("--report", type=_TARGET, help="Where to write the evaluation, as JSON.")
@click.option("--page", type=_TARGET, help="Where to write the evaluation, as an HTML page.")
@click.option(
    "--predictions", is_flag=True, help="Put the predictions of every combination into the report."
)
@click.option(
    "--preprocessing",
    "preprocessing_values",
    type=_NAMES,
    help="Preprocessings to try, such as basic,normalized.",
)
@click.option("--kernel", "kernel_values", type=_NAMES, help="Kernels to try: poly,rbf.")
@click.option(
    "--c", "c_values", type=_EXPONENTS, help="Exponents of C to try (powers of two), such as -5,1."
)
@click.option(
    "--gamma", "gamma_values", type=_EXPONENTS, help="Exponents of gamma to try, such as -7,-3."
)
@click.option("--folds", type=int, help="Folds of the cross-validation (5).")
@click.option(
    "--group-by",
    type=click.Choice(["artist", "release_group"]),
    help="Let no two folds share an artist, or an album.",
)
@click.option(
    "--folds-file",
    type=_FILE,
    help="The folds themselves: CSV of id,fold, or JSON {id: fold}.",
)
@click.option("--seed", type=int, help="Decides every random choice (1).")
@click.option("--balance-classes", is_flag=True, help="Weight classes by their size.")
@click.option("--artist-filter", is_flag=True, help="Train on one recording per artist and class.")
@click.option(
    "--normalize-mode",
    type=click.Choice(["acousticbrainz", "smallest"]),
    help="Make classes equally large: by AcousticBrainz's rule, or as the smallest class.",
)
@click.option(
    "--nested", is_flag=True, help="Add a nested cross-validation estimate (slow, honest)."
)
@click.option(
    "--repeats",
    type=int,
    help="Cross-validate the chosen combination so often, each time over other folds (1).",
)
@click.option(
    "--learning-curve",
    is_flag=True,
    help="Also train the chosen combination on parts of the recordings.",
)
@click.option(
    "--missing",
    type=MISSING,
    help="What to do with recordings that have no document (fail).",
)
@click.option(
    "--shortcuts/--no-shortcuts",
    default=True,
    show_default=True,
    help="Solve combinations that are the same problem once. The results are equal either way.",
)
@click.option(
    "--engine",
    cls=SettingOption,
    setting="ACOUSTIC_ENGINE",
    default="auto",
    show_default=True,
    help="What solves the grid: auto, native or sklearn.",
)
@click.option(
    "--jobs",
    cls=SettingOption,
    setting="ACOUSTIC_JOBS",
    type=click.IntRange(1, 1024),
    help="Problems solved at a time (one per processor).",
)
@click.option(
    "--memory",
    cls=SettingOption,
    setting="ACOUSTIC_MEMORY_MIB",
    type=click.IntRange(1, 16_777_216),
    default=2048,
    show_default=True,
    help="MiB that the native engine's matrices may take.",
)
@click.pass_obj
def train(invocation: Invocation, /, **given: Any) -> int:
    """Train a model on labelled documents and evaluate it.

    GROUND_TRUTH says which recording is of which class: Gaia's YAML, AcousticBrainz's CSV of
    `mbid,class` (semicolons or tabs will do), or JSON {"classes": {name: [ids]}} or {id: class}.

    DOCUMENTS are low-level documents of Essentia's music extractor: folders of .json, .yaml or .sig
    files, .jsonl or .jsonl.gz files with {"id", "document"} a line, or single files. Their ids are
    the file names without ending.

    Without options the search is that of AcousticBrainz: five preprocessings, two kernels, nine C
    and eight gamma are 720 combinations, each cross-validated over five folds.
    """
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from worker.commands.file_training import Order, carry_out  # noqa: PLC0415

    return carry_out(invocation, Order.of(given))


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True, type=_FILE)
@click.option(
    "--documents", required=True, multiple=True, type=_DOCUMENTS, help="May be given several times."
)
@click.pass_obj
def predict(
    invocation: Invocation, *, models: tuple[Path, ...], documents: tuple[Path, ...]
) -> int:
    """Classify low-level documents with trained models.

    Prints a line of JSON per document: {"id", "highlevel": {model: {"all", "probability",
    "value"}}}, or {"id", "error"} for one that cannot be used; then the exit code is 1.

    MODEL is a file that `acoustic train` or the evaluator wrote, or a .history of Gaia's. Documents
    may be folders of .json, .yaml or .sig files, .jsonl or .jsonl.gz files, or single files.
    """
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from worker.commands.predicting import carry_out  # noqa: PLC0415

    return carry_out(invocation, models, documents)
