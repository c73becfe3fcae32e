"""``acoustic models import``: Gaia's models as bundles, one or all at once."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.commands.failures import USAGE
from worker.commands.figures import table
from worker.commands.invocation import Invocation
from worker.commands.text import plain, visible

if TYPE_CHECKING:
    from trainer.models.bundle import Model

_SOURCE = click.Path(exists=True, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_SUFFIX = ".history"
_BUNDLE = ".model"
_SHORT = 12  # characters of a digest, enough to tell files apart


@dataclass(frozen=True)
class Outcome:
    """What became of one file.

    Attributes
    ----------
    source
        The file.
    model, sha256, target
        The model, the digest of its bundle and where that lies; None if it was refused.
    written
        Whether the bundle was written; otherwise an equal one was there.
    error
        Why it was refused, in a sentence.
    """

    source: Path
    model: "Model | None" = None
    sha256: str | None = None
    target: Path | None = None
    written: bool = False
    error: str | None = None

    def json(self) -> dict[str, Any]:
        """Return the outcome for a machine."""
        if self.model is None:
            return {"source": str(self.source), "error": self.error}
        return {
            "source": str(self.source),
            "name": self.model.name,
            "classes": list(self.model.classes),
            "support_vectors": len(self.model.svm.support_vectors),
            "path": str(self.target),
            "sha256": self.sha256,
            "written": self.written,
        }


@click.command(
    "import",
    epilog="Exit codes: 2 if a file was refused; the others are imported all the same, and what "
    "was refused leaves nothing behind.",
)
@click.argument("sources", metavar="FILE|FOLDER...", nargs=-1, required=True, type=_SOURCE)
@click.option("--name", help="Of its outputs, for a single file; by default the file's name.")
@click.option("--version", help="Of the models, such as v2.1_beta1; kept in their provenance.")
@click.option("--out", type=_FOLDER, help="Where to write; by default ACOUSTIC_MODEL_DIR.")
@click.option("--force", is_flag=True, help="Replace another model that is there already.")
@click.option("--json", "json", is_flag=True, help="JSON, for a machine.")
@click.pass_obj
def import_models(
    invocation: Invocation,
    *,
    sources: tuple[Path, ...],
    name: str | None,
    version: str | None,
    out: Path | None,
    force: bool,
    json: bool,
) -> int:
    """Make bundles of models that Gaia trained.

    FILE is a .history as Gaia wrote it; of a FOLDER all that are directly in it are imported. Each
    becomes NAME.model, which predicts what the .history predicts.
    """
    targets = _targets(_files(sources), name, out or _model_folder(invocation))
    outcomes = [
        _imported(source, target, version=version, force=force)
        for source, target in targets.items()
    ]
    if json:
        invocation.out.print(dumps([outcome.json() for outcome in outcomes]), soft_wrap=True)
    else:
        _show(invocation, [outcome for outcome in outcomes if outcome.model])
    refused = [outcome for outcome in outcomes if outcome.error]
    for outcome in refused:
        invocation.notes.print(plain(f"Error: {outcome.error}"), soft_wrap=True)
    if refused and len(outcomes) > 1:
        remark = f"{len(refused)} of {len(outcomes)} files were refused: "
        names = ", ".join(visible(outcome.source.name) for outcome in refused)
        invocation.notes.print(plain(remark + names), soft_wrap=True)
    return USAGE if refused else 0


def _model_folder(invocation: Invocation) -> Path:
    from worker.settings import Settings  # noqa: PLC0415

    # Somebody who only has files need not name a database for where they go.
    environment = {"DATABASE_URL": "postgresql://", **invocation.environment}
    return Settings.from_environment(environment).model_dir


def _files(sources: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for source in sources:
        files = list(_in_folder(source)) if source.is_dir() else [source]
        if not files:
            raise click.UsageError(f"{source} holds no {_SUFFIX} file: name the folder that does.")
        found += files
    return list(dict.fromkeys(found))


def _in_folder(folder: Path) -> Iterator[Path]:
    # "._danceability.history" is what macOS puts beside a file in archives.
    for path in sorted(folder.iterdir()):
        if path.name.lower().endswith(_SUFFIX) and not path.name.startswith(".") and path.is_file():
            yield path


def _targets(files: Sequence[Path], name: str | None, folder: Path) -> dict[Path, Path]:
    """Say where each file's bundle goes, before anything is written."""
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from trainer.models.gaia_history import default_name  # noqa: PLC0415

    if name is not None and len(files) > 1:
        raise click.UsageError("--name is for a single file, and these are several.")
    names = [name or default_name(file) for file in files]
    for each in names:
        if not each or each != Path(each).name or "\0" in each or each.startswith("."):
            raise click.UsageError(f"{each!r} cannot be the name of a file: give another --name.")
    twice = [each for each, count in Counter(names).items() if count > 1]
    if twice:
        raise click.UsageError(f"several files are called {twice[0]!r}: import one by --name.")
    return {file: folder / f"{each}{_BUNDLE}" for file, each in zip(files, names, strict=True)}


def _imported(source: Path, target: Path, *, version: str | None, force: bool) -> Outcome:
    from trainer.errors import ModelError  # noqa: PLC0415
    from trainer.models.gaia_history import load_history  # noqa: PLC0415

    try:
        model = load_history(source, name=target.name.removesuffix(_BUNDLE), version=version)
        content, present = model.to_bytes(), _present(target)
    except ModelError as error:
        return Outcome(source, error=str(error))
    if present is not None and present != content and not force:
        problem = f"{target} is there and is another model; --force replaces it"
        return Outcome(source, error=f"{source} is not imported: {problem}")
    sha256 = model.save(target)
    return Outcome(source, model, sha256, target, written=present != content)


def _present(target: Path) -> bytes | None:
    from trainer.errors import ModelError  # noqa: PLC0415

    if target.is_dir():
        raise ModelError(f"{target} is a folder: name another with --out, or another --name")
    if not target.exists():
        return None
    if not target.is_file():
        raise ModelError(
            f"{target} is a pipe, a socket or a device: name another folder with --out"
        )
    return target.read_bytes()


def _show(invocation: Invocation, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    made = table(
        *("model", "classes", "vectors", "SHA-256", "bundle"), numbers=["vectors"], whole=["bundle"]
    )
    for outcome in outcomes:
        cells = outcome.json()
        note = "" if outcome.written else " (was there)"
        made.add_row(
            plain(cells["name"]),
            plain(", ".join(cells["classes"])),
            plain(cells["support_vectors"]),
            plain(cells["sha256"][:_SHORT]),
            plain(f"{cells['path']}{note}"),
        )
    invocation.out.print(made)
