"""Two evaluations side by side, as ``acoustic compare evaluations`` shows them."""

from collections.abc import Iterator

from rich.table import Table

from trainer.mcnemar import Compared, compare
from worker.commands.figures import pairs, percent, table
from worker.commands.invocation import Invocation
from worker.commands.stored_reports import report_of
from worker.commands.text import plain

_NAMED = 20  # recordings; the JSON has all


def carry_out(invocation: Invocation, first: str, second: str, *, as_json: bool) -> int:
    """Read two reports, compare them, and show it.

    Raises
    ------
    click.UsageError, trainer.errors.DocumentError
        One of them cannot be read, or they cannot be compared.
    """
    compared = compare(report_of(invocation, first), report_of(invocation, second))
    if as_json:
        invocation.out.print_json(data={"a": first, "b": second, **compared.report()})
        return 0
    invocation.out.print(pairs(_head(compared, first, second)))
    invocation.out.print()
    invocation.out.print(_right(compared))
    invocation.out.print()
    invocation.out.print(plain(compared.meaning))
    rest = list(_rest(compared))
    if rest:
        invocation.out.print()
        invocation.out.print(pairs(rest))
    return 0


def _head(compared: Compared, first: str, second: str) -> Iterator[tuple[str, str]]:
    of_first, of_second = compared.accuracies
    yield "A", f"{percent(of_first)}  {first}"
    yield "B", f"{percent(of_second)}  {second}"
    yield "recordings", f"{compared.recordings:,} that both have"
    yield "McNemar, exact", f"p = {compared.p:.3g}"


def _right(compared: Compared) -> Table:
    made = table("", "B right", "B wrong", numbers=("B right", "B wrong"))
    made.add_row("A right", f"{compared.both:,}", f"{compared.only_a:,}")
    made.add_row("A wrong", f"{compared.only_b:,}", f"{compared.neither:,}")
    return made


def _rest(compared: Compared) -> Iterator[tuple[str, str]]:
    for caution in compared.cautions:
        yield "but", caution
    for label, recordings in (
        ("only in A", compared.only_in_a),
        ("only in B", compared.only_in_b),
        ("of another class in B", compared.contradicting),
    ):
        if recordings:
            more = len(recordings) - _NAMED
            named = ", ".join(recordings[:_NAMED]) + (f" and {more:,} more" if more > 0 else "")
            yield label, f"{len(recordings):,}, not counted: {named}"
