"""``acoustic bench``: how fast this is beside the obvious alternative, on this machine."""

import json
import resource
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from worker.commands import progress
from worker.commands.bench_bounds import (
    CLASSES,
    DIMENSIONS,
    ITERATIONS,
    JOBS,
    MEMORY_MIB,
    MODELS,
    MOST_AT_A_TIME,
    RECORDINGS,
    ROUNDS,
    SEED,
    VECTORS,
    require_room,
)
from worker.commands.bench_claim import claim
from worker.commands.bench_highlevel import highlevel
from worker.commands.figures import pairs
from worker.commands.invocation import Invocation
from worker.commands.machine import machine, surroundings
from worker.commands.parameters import CommaSeparated, FiniteRange, SettingOption, whole
from worker.commands.signals import ended_by_signals
from worker.memory import MEBIBYTE

if TYPE_CHECKING:
    from trainer.bench import predict as predicting
    from trainer.bench.grid import Figures, Measured, Order, Variant
    from trainer.grid.engine import Engine

ONE_THREAD = "one-thread"

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def bench() -> None:
    """Measure side by side with the obvious alternative, on data that are made."""


@bench.command()
@click.option(
    "--n",
    default=600,
    show_default=True,
    help="Recordings, at least two for each class.",
    type=RECORDINGS,
)
@click.option("--d", default=674, show_default=True, help="Dimensions.", type=DIMENSIONS)
@click.option("--classes", default=4, show_default=True, help="Classes.", type=CLASSES)
@click.option(
    "--against",
    default="pool",
    show_default=True,
    type=CommaSeparated(str, "names"),
    help="pool (scikit-learn's SVC in as many processes as jobs), sklearn (in one), sklearnex "
    "(that of scikit-learn-intelex, in a pool), or none.",
)
@click.option(
    "--preprocessing",
    "preprocessings",
    default="basic",
    show_default=True,
    type=CommaSeparated(str, "names"),
    help="144 combinations each; all for the five of AcousticBrainz: 720.",
)
@click.option("--low-rank", is_flag=True, help="Rows of rank 3: hard where labels are noisy.")
@click.option(
    "--label-noise",
    default=0.0,
    show_default=True,
    type=FiniteRange(0, 1),
    help="The share of labels that are by chance.",
)
@click.option(
    "--max-iterations",
    default=10_000_000,
    show_default=True,
    type=ITERATIONS,
    help="Cap for each pair of classes, of both sides.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=1),
    help="Let alternatives solve so many of the combinations, and extrapolate: at least 18 of each "
    "preprocessing, one for each kernel and C.",
)
@click.option("--rounds", default=3, show_default=True, type=ROUNDS)
@click.option(
    "--against-rounds",
    type=ROUNDS,
    help="Rounds in which the alternatives are run as well (all).",
)
@click.option(
    "--jobs",
    cls=SettingOption,
    setting="ACOUSTIC_JOBS",
    default=2,
    show_default=True,
    type=JOBS,
)
@click.option("--seed", default=1, show_default=True, type=SEED)
@click.option(
    "--engine",
    cls=SettingOption,
    setting="ACOUSTIC_ENGINE",
    default="auto",
    show_default=True,
    help="What is measured.",
)
@click.option(
    "--memory",
    cls=SettingOption,
    setting="ACOUSTIC_MEMORY_MIB",
    default=2048,
    show_default=True,
    type=MEMORY_MIB,
    help="MiB that the native engine's matrices may take.",
)
@click.option("--instruction-set", default="", help="Of the native engine: sse2, avx2 or avx512.")
@click.option(
    "--also",
    default="none",
    show_default=True,
    type=CommaSeparated(str, "names"),
    help="Variants of the native engine to run in turns with it: instruction sets, one-thread.",
)
@_JSON
@click.pass_obj
def grid(
    invocation: Invocation,
    /,
    *,
    engine: str,
    memory: int,
    instruction_set: str,
    also: list[str],
    as_json: bool,
    **given: Any,
) -> None:
    """Solve 144 combinations (2 kernels, 9 C, 8 gamma) over 5 folds, and compare predictions.

    That is the search of one preprocessing; with more of them, as many times 144.

    The data are correlated descriptors in classes of equal size. Everything is run in turns;
    medians of wall time are reported.
    """
    if (given["against_rounds"] or 1) > given["rounds"]:
        raise click.UsageError(
            f"--against-rounds {given['against_rounds']} is more than --rounds {given['rounds']}"
        )
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from trainer.bench.grid import Order, measure, processes, room  # noqa: PLC0415
    from trainer.grid.engines import choose_engine, with_instruction_set  # noqa: PLC0415

    order = Order(
        **given
        | {
            "against": _alternatives(given["against"]),
            "preprocessings": _preprocessings(given["preprocessings"]),
        }
    )
    require_room(
        room(order),
        f"{order.n:,} recordings of {order.d:,} dimensions in {processes(order)} processes",
    )
    solver: Any = choose_engine(engine, jobs=order.jobs, memory=memory * MEBIBYTE)
    if instruction_set:
        solver = with_instruction_set(solver, instruction_set)
    solver = replace(solver, max_iterations=order.max_iterations)
    # Lines and no bar: one that is drawn all the time would take from what is measured.
    notes = invocation.notes
    told = progress.Lines(notes) if notes.is_terminal else lambda _: None
    with ended_by_signals():  # a pool's processes end with it
        figures = measure(order, solver, _variants(solver, also), told)
    if as_json:
        invocation.out.file.write(json.dumps(_document(order, figures, solver)) + "\n")
    else:
        invocation.out.print(pairs(_lines(order, figures, solver.description)))


@bench.command()
@click.option("--models", default=18, show_default=True, help="Models.", type=MODELS)
@click.option(
    "--vectors",
    default=7000,
    show_default=True,
    help="Support vectors of all models together, about.",
    type=VECTORS,
)
@click.option("--d", default=679, show_default=True, help="Dimensions.", type=DIMENSIONS)
@click.option(
    "--batch",
    default="1,32,256",
    show_default=True,
    type=CommaSeparated(
        whole(1, MOST_AT_A_TIME), f"whole numbers between 1 and {MOST_AT_A_TIME:,}"
    ),
    help="Recordings at a time.",
)
@click.option(
    "--against",
    default="sklearn",
    show_default=True,
    type=CommaSeparated(str, "names"),
    help="sklearn (predict_proba of one recording), sklearn-batch (of as many as ours), or none.",
)
@click.option("--rounds", default=3, show_default=True, type=ROUNDS)
@click.option("--seed", default=1, show_default=True, type=SEED)
@_JSON
@click.pass_obj
def predict(invocation: Invocation, /, *, as_json: bool, **given: Any) -> None:
    """Predict with a set of models on one core, and compare probabilities.

    Rates are recordings a second: from the matrix of descriptor values, from parsed documents, and
    from JSON to the outputs of all models. scikit-learn gets its inputs preprocessed.
    """
    # Imported here, because scikit-learn takes a second and `--help` needs none of it.
    from trainer.bench import predict as predicting  # noqa: PLC0415

    given |= {"batch": _once(given["batch"]), "against": _alternatives(given["against"])}
    order = predicting.Order(**given)
    require_room(
        predicting.room(order),
        f"{order.models:,} models of {order.vectors:,} support vectors, {order.d:,} dimensions and "
        f"{max(order.batch):,} recordings at a time",
    )
    figures = predicting.measure(order)
    if as_json:
        document = _prediction_document(order, figures)
        invocation.out.file.write(json.dumps(document) + "\n")
    else:
        invocation.out.print(pairs(_prediction_lines(order, figures)))


def _prediction_lines(
    order: "predicting.Order", figures: "predicting.Figures"
) -> Iterator[tuple[str, str]]:
    yield "models", f"{order.models} of {figures.vectors} support vectors, {order.d} dimensions"
    for one in figures.rates:
        yield f"{one.stretch}, {one.batch} at a time", _said_of_rates(one)
    if figures.compared:
        differing = f"{figures.mismatches} of {figures.compared} classes"
        yield "differing", f"{differing}, probabilities by {figures.largest_difference:.1e} at most"
    yield from surroundings()


def _said_of_rates(rates: "predicting.Rates") -> str:
    """Rates of the clock, and those of processor time behind them."""
    ours = rates.ours
    said = f"{ours.wall:.0f} recordings/s ({ours.core:.0f} per core)"
    for name, theirs in rates.theirs.items():
        said += f"; {name} {theirs.wall:.0f} ({theirs.core:.0f}), ours {_times(rates, name)} times"
    return said


def _times(rates: "predicting.Rates", name: str) -> str:
    return f"{rates.ours.wall / rates.theirs[name].wall:.2g}"


def _prediction_document(
    order: "predicting.Order", figures: "predicting.Figures"
) -> dict[str, Any]:
    return {
        **asdict(order),
        "ratio": {
            f"{one.stretch}-{one.batch}-{name}": one.ours.wall / theirs.wall
            for one in figures.rates
            for name, theirs in one.theirs.items()
        },
        "mismatches": figures.mismatches,
        "figures": asdict(figures),
        "machine": machine(),
    }


def _variants(engine: Any, names: Sequence[str]) -> dict[str, Any]:
    return {name: _variant(engine, name) for name in _alternatives(names)}


def _variant(engine: Any, name: str) -> Any:
    from trainer.grid.engines import check_instruction_set, with_instruction_set  # noqa: PLC0415

    if name == ONE_THREAD:
        return _on_one_thread(engine)
    if engine.name == "native":
        from trainer.grid.native._native import instruction_sets  # noqa: PLC0415 - not everywhere

        check_instruction_set(name, [*instruction_sets(), ONE_THREAD])
    return with_instruction_set(engine, name)


def _on_one_thread(engine: Any) -> Any:
    if engine.name != "native":
        raise click.UsageError(
            f"{ONE_THREAD} is a variant of the native engine, and {engine.name!r} is what runs "
            "here: leave it out"
        )
    return replace(engine, jobs=1)


def _once(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _alternatives(names: Sequence[str]) -> tuple[str, ...]:
    once = _once(names)
    if once == ("none",):
        return ()
    if "none" in once:
        raise click.UsageError("none is beside other names in a list: leave it out, or the others")
    return once


def _preprocessings(names: Sequence[str]) -> tuple[str, ...]:
    from trainer.grid.project import Project  # noqa: PLC0415
    from trainer.preprocessing.recipes import NAMES  # noqa: PLC0415

    if list(names) == ["all"]:
        return Project().preprocessings
    for name in names:
        if name not in NAMES:
            raise click.UsageError(
                f"there is no preprocessing {name!r}: use all or {', '.join(NAMES)}"
            )
    return _once(names)


def _lines(order: "Order", figures: "Figures", engine: str) -> Iterator[tuple[str, str]]:
    kind = ", rank 3" if order.low_rank else ""
    if order.label_noise:
        kind += f", {100 * order.label_noise:g} % of labels by chance"
    yield "data", f"{order.n} x {order.d}, {order.classes} classes, seed {order.seed}{kind}"
    low, high = figures.accuracy
    yield "accuracy", f"{low:.1f} to {high:.1f} %"
    yield "engine", f"{engine}, {order.jobs} jobs"
    if figures.instead:
        yield "note", f"solved {figures.instead}"
    yield "solved", f"{figures.solved} of {figures.combinations} combinations"
    capped = figures.combinations - figures.converged
    if capped:
        yield "capped", f"{capped} combinations met {order.max_iterations:,} iterations"
    yield "seconds", f"{figures.seconds:.3f} (median of {order.rounds})"
    for name, measured in figures.alternatives.items():
        yield name, _said(measured, figures)
    for name, variant in figures.variants.items():
        yield name, _said_of_variant(variant, figures)
    yield "memory", f"{_peak_memory():,} MiB at most, the data included"
    yield from surroundings()


def _said(measured: "Measured", figures: "Figures") -> str:
    partial = measured.solved < figures.combinations
    how = f" extrapolated from {measured.solved}" if partial else ""
    return (
        f"{measured.seconds:.1f} s{how}, {measured.seconds / figures.seconds:.0f} times ours; "
        f"{measured.mismatches} of {measured.compared} predictions differ"
    )


def _said_of_variant(variant: "Variant", figures: "Figures") -> str:
    said = f"{variant.seconds:.3f} s, {variant.seconds / figures.seconds:.2f} times the above"
    for name, measured in figures.alternatives.items():
        said += f"; {name} takes {measured.seconds / variant.seconds:.0f} times as long"
    return f"{said}; {variant.mismatches} predictions differ"


def _document(order: "Order", figures: "Figures", engine: "Engine") -> dict[str, Any]:
    from trainer.grid.engines import instruction_set_of  # noqa: PLC0415

    return {
        **asdict(order),
        "combinations": figures.combinations,
        "engine": engine.description,
        "instead": figures.instead,
        "instruction_set": instruction_set_of(engine),
        "seconds": figures.seconds,
        "ratio": {
            name: measured.seconds / figures.seconds
            for name, measured in figures.alternatives.items()
        },
        "mismatches": sum(one.mismatches for one in figures.alternatives.values()),
        "figures": {
            "ours": figures.ours,
            "solved": figures.solved,
            "converged": figures.converged,
            "peak_memory_mib": _peak_memory(),
            "accuracy": figures.accuracy,
            "variants": {
                name: {
                    **asdict(variant),
                    "ratio": {
                        other: measured.seconds / variant.seconds
                        for other, measured in figures.alternatives.items()
                    },
                }
                for name, variant in figures.variants.items()
            },
            "alternatives": {
                name: {
                    "seconds": measured.seconds,
                    "solved": measured.solved,
                    "extrapolated": measured.solved < figures.combinations,
                    "mismatches": measured.mismatches,
                    "compared": measured.compared,
                }
                for name, measured in figures.alternatives.items()
            },
        },
        "machine": machine(),
    }


def _peak_memory() -> int:
    """Return the most memory that this process, without its children, has had; in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


bench.add_command(highlevel)
bench.add_command(claim)
