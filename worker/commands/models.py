"""``acoustic models``: what is in a model file."""

import hashlib
from collections.abc import Iterator
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from worker.commands.evaluations import summary
from worker.commands.figures import at, pairs
from worker.commands.invocation import Invocation

if TYPE_CHECKING:
    from trainer.models.bundle import Model


@click.group(no_args_is_help=True)
def models() -> None:
    """Look into model files."""


@models.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "json", is_flag=True, help="JSON, for a machine; with the whole layout.")
@click.pass_obj
def inspect(invocation: Invocation, file: Path, *, json: bool) -> None:
    """Show where a model comes from, how good it is and what it needs."""
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from worker.commands.predicting import load_model  # noqa: PLC0415

    model = load_model(file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    if json:
        content = {"path": str(file), "sha256": digest, "manifest": model.manifest}
        invocation.out.print(dumps(content), soft_wrap=True)
        return
    invocation.out.print(pairs([("file", file), ("SHA-256", digest), *_facts(model)]))
    invocation.out.print()
    summary(invocation.out, model.training)


def _facts(model: "Model") -> Iterator[tuple[str, object]]:
    training = model.training
    sizes = at(training, "class_sizes")
    yield "model", model.name
    yield "format", model.manifest["format"]
    yield "classes", ", ".join(_with_size(name, sizes) for name in model.classes)
    enumerated = sum(descriptor.values is not None for descriptor in model.layout.descriptors)
    yield (
        "layout",
        f"{len(model.layout.descriptors)} descriptors of {model.layout.width} dimensions"
        + (f", {enumerated} of text" if enumerated else ""),
    )
    yield "support vectors", len(model.svm.support_vectors)
    for key, value in _mapping(at(training, "provenance")).items():
        yield str(key), value if isinstance(value, str) else dumps(value, ensure_ascii=False)
    yield "seed", at(training, "seed")
    yield (
        "versions",
        ", ".join(
            f"{name} {number}" for name, number in _mapping(at(training, "versions")).items()
        ),
    )


def _with_size(name: str, sizes: Any) -> str:
    size = at(sizes, name)
    return name if size is None else f"{name} ({size})"


def _mapping(value: Any) -> dict[Any, Any]:
    return dict(value) if isinstance(value, dict) else {}
