"""``acoustic bench claim``: what the queue of jobs costs."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from worker.commands.figures import pairs
from worker.commands.invocation import Invocation
from worker.commands.machine import machine, surroundings
from worker.commands.parameters import CommaSeparated, FiniteRange
from worker.commands.signals import ended_by_signals

if TYPE_CHECKING:
    from worker.bench.claim import Figures, Order


@click.command()
@click.option(
    "--jobs", default=2000, show_default=True, help="Jobs to drain.", type=click.IntRange(min=1)
)
@click.option(
    "--picked",
    default=200,
    show_default=True,
    help="Jobs that come one by one.",
    type=click.IntRange(min=2),
)
@click.option(
    "--poll-seconds",
    default=1.0,
    show_default=True,
    help="Between two looks, where notifications are off.",
    type=FiniteRange(min=0.05),
)
@click.option(
    "--against",
    default="none",
    show_default=True,
    type=CommaSeparated(str, "names"),
    help="procrastinate, pgqueuer (ten jobs at a time), pgqueuer-1 (one), or none.",
)
@click.option("--rounds", default=1, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def claim(invocation: Invocation, /, *, as_json: bool, against: list[str], **given: Any) -> None:
    """Claim and end jobs whose training takes no time, on an embedded Postgres.

    One worker each, ours and procrastinate's with one job at a time: every claim and every end is
    a commit, and what is waited for is the disk. PgQueuer notes the end of jobs later, many at
    once, and runs those again that a crash made it forget.
    """
    from worker.bench.claim import Order, measure  # noqa: PLC0415 - not for `--help`
    from worker.bench.claim_peers import MissingPeer  # noqa: PLC0415

    order = Order(**given, against=tuple(name for name in against if name != "none"))
    try:
        with ended_by_signals():  # or the data of its server stay
            figures = measure(order)
    except MissingPeer as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        invocation.out.file.write(json.dumps(_document(order, figures)) + "\n")
    else:
        invocation.out.print(pairs(_lines(order, figures)))


def _lines(order: "Order", figures: Mapping[str, "Figures"]) -> Iterator[tuple[str, str]]:
    yield "data", f"{order.jobs} jobs that wait, {order.picked} that come one by one"
    for name, one in figures.items():
        said = f"{one.rate:.0f} jobs/s"
        if name != "ours":
            said += f", ours {figures['ours'].rate / one.rate:.2g} times"
        yield name, said
        for way, latency in one.latency.items():
            yield f"{name}, {way}", f"p50 {latency.p50:.0f} ms, p99 {latency.p99:.0f} ms"
    yield "missing", f"{sum(one.missing for one in figures.values())} jobs not done once"
    yield from surroundings()


def _document(order: "Order", figures: Mapping[str, "Figures"]) -> dict[str, Any]:
    ours = figures["ours"]
    return {
        **asdict(order),
        "ratio": {name: ours.rate / one.rate for name, one in figures.items() if name != "ours"},
        "mismatches": sum(one.missing for one in figures.values()),
        "figures": {name: asdict(one) for name, one in figures.items()},
        "machine": machine(),
    }
