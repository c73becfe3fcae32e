"""``acoustic bench highlevel``: the daemon from Postgres to Postgres."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click

from worker.commands.bench_bounds import (
    DIMENSIONS,
    MODELS,
    PROCESSES,
    SEED,
    VECTORS,
    require_room,
)
from worker.commands.figures import pairs
from worker.commands.invocation import Invocation
from worker.commands.machine import machine, surroundings
from worker.commands.signals import ended_by_signals

if TYPE_CHECKING:
    from worker.bench.highlevel import Figures, Order

# One document more than the sample is done to warm up.
RECORDINGS = click.IntRange(2, 1_000_000)
SAMPLE = click.IntRange(1, 999_999)
BATCH = click.IntRange(1, 10_000)  # as ACOUSTIC_BATCH_SIZE

Command = TypeVar("Command", bound=Callable[..., Any])


def _number(
    name: str, default: int, text: str, bounds: click.IntRange
) -> Callable[[Command], Command]:
    return click.option(name, default=default, show_default=True, help=text, type=bounds)


@click.command()
@_number("--recordings", 2000, "Low-level documents.", RECORDINGS)
@_number("--models", 18, "Models.", MODELS)
@_number("--vectors", 7000, "Support vectors of all models together, about.", VECTORS)
@_number("--d", 679, "Dimensions.", DIMENSIONS)
@_number("--processes", 1, "Daemons.", PROCESSES)
@_number("--batch", 100, "Recordings that a daemon takes at a time.", BATCH)
@_number("--sample", 30, "Recordings that the alternative does: fewer than there are.", SAMPLE)
@_number("--seed", 1, "Of all that is made.", SEED)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def highlevel(invocation: Invocation, /, *, as_json: bool, **given: Any) -> None:
    """Run the high-level worker on an embedded Postgres, and compare its outputs.

    Beside it scikit-learn's predict_proba, one document at a time, its rows inserted one by one.
    Both read JSON from the database and write all that AcousticBrainz's server reads.
    """
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from worker.bench.highlevel import Order, measure, room  # noqa: PLC0415

    if given["sample"] >= given["recordings"]:
        raise click.UsageError(
            f"--sample {given['sample']} has to be less than --recordings {given['recordings']}: "
            "one more is done to warm up."
        )
    order = Order(**given)
    require_room(
        room(order), f"models of {order.vectors:,} support vectors and {order.d:,} dimensions"
    )
    with ended_by_signals():  # or the data of its server stay
        figures = measure(order)
    if as_json:
        invocation.out.file.write(json.dumps(_document(order, figures)) + "\n")
    else:
        invocation.out.print(pairs(_lines(order, figures)))


def _lines(order: "Order", figures: "Figures") -> Iterator[tuple[str, str]]:
    documents = f"{order.recordings} documents of {figures.document_bytes:,} bytes"
    yield "data", f"{documents}, {order.models} models of {order.vectors} support vectors"
    yield "rate", f"{figures.rate:.0f} recordings/s in {order.processes} processes"
    yield "per process", f"{figures.per_process:.0f} recordings/s"
    yield "processor", f"{figures.processor:.2f} ms a recording, without the server's"
    stages = (f"{stage} {spent:.2f}" for stage, spent in figures.stages.items())
    yield "stages", f"{', '.join(stages)} ms a recording"
    times = figures.per_process / figures.their_rate
    yield "sklearn", f"{figures.their_rate:.1f} recordings/s, ours {times:.1f} times"
    differing = f"{figures.mismatches} of {figures.compared} classes"
    yield "differing", f"{differing}, probabilities by {figures.largest_difference:.1e} at most"
    yield from surroundings()


def _document(order: "Order", figures: "Figures") -> dict[str, Any]:
    return {
        **asdict(order),
        "ratio": {"sklearn": figures.per_process / figures.their_rate},
        "mismatches": figures.mismatches,
        "figures": asdict(figures),
        "machine": machine(),
    }
