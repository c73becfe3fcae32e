"""Tables and numbers as the commands show them; what is not of the expected shape is left out.

Results may have been written years ago by AcousticBrainz, or by hand. Whatever is read from them is
checked here, so that one odd value costs a line and not the page.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.commands.text import plain, visible

# Above this many columns of class names, columns get letters and the names are a legend.
_WIDEST_HEADER = 48

Matrix = dict[str, dict[str, int]]


def table(*columns: str, numbers: Iterable[str] = (), whole: Iterable[str] = ()) -> Table:
    """Give an empty table; `numbers` are right-aligned columns, `whole` ones are never folded."""
    right, unfolded = set(numbers), set(whole)
    made = Table(
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
        header_style="bold",
        show_edge=False,
    )
    for column in columns:
        made.add_column(
            plain(column),
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=column in unfolded,
        )
    return made


def pairs(rows: Iterable[tuple[str, object]], *, widest: int | None = None) -> Table:
    """Label and value, line by line; rich text as it is, anything else literally.

    Values are folded at `widest` columns, where the console itself is not narrower.
    """
    made = Table(box=None, show_header=False, pad_edge=False)
    made.add_column(style="bold", no_wrap=True)
    made.add_column(overflow="fold", max_width=widest)
    for label, value in rows:
        made.add_row(plain(label), value if isinstance(value, Text) else plain(value))
    return made


def show_rows(
    console: Console,
    rows: Sequence[Sequence[Any]],
    columns: Sequence[str],
    *,
    most: int | None,
) -> None:
    """Show a table of at most `most` rows, and how many more there are; a None is a dash."""
    made = table(*columns)
    for row in rows[:most]:
        made.add_row(*(plain("-" if cell is None else cell) for cell in row))
    console.print(made)
    if most is not None and len(rows) > most:
        console.print(f"… and {len(rows) - most} more")
    console.print()


def at(document: Any, *path: str) -> Any:
    """Return the value at `path` of nested JSON objects, or None."""
    for key in path:
        if not isinstance(document, Mapping):
            return None
        document = document.get(key)
    return document


def number(value: Any) -> float | None:
    """Return `value` as a finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def percent(value: Any) -> str:
    """Two decimals and a percent sign.

    Examples
    --------
    >>> percent(92.4), percent("?")
    ('92.40 %', '-')
    """
    given = number(value)
    return "-" if given is None else f"{given:.2f} %"


def matrix_of(value: Any) -> Matrix | None:
    """Return a confusion matrix (actual class to predicted class to count), or None."""
    if not isinstance(value, Mapping) or not value:
        return None
    rows: Matrix = {}
    for actual, counts in value.items():
        if not isinstance(counts, Mapping):
            return None
        rows[str(actual)] = {
            str(predicted): int(count)
            for predicted, count in counts.items()
            if number(count) is not None
        }
    return rows


def confusion_matrix(matrix: Matrix) -> Table:
    """Rows are actual classes, columns predicted ones, the diagonal is emphasised."""
    classes = _classes(matrix)
    labels = _labels(classes)
    made = table("actual \\ predicted", *labels, "recall", numbers=[*labels, "recall"])
    for name, label in zip(classes, labels, strict=True):
        counts = [matrix.get(name, {}).get(predicted, 0) for predicted in classes]
        title = visible(name) if label == visible(name) else f"{label}  {visible(name)}"
        made.add_row(Text(title), *_cells(classes, name, counts), _share(matrix, name, counts))
    return made


def _classes(matrix: Matrix) -> list[str]:
    # Old results leave out classes that were never met or never predicted.
    predicted = [name for counts in matrix.values() for name in counts]
    return list(dict.fromkeys([*matrix, *predicted]))


def _labels(classes: Sequence[str]) -> list[str]:
    shown = [visible(name) for name in classes]
    if sum(len(name) + 2 for name in shown) <= _WIDEST_HEADER and len(set(shown)) == len(shown):
        return shown
    return [_letters(position) for position in range(len(classes))]


def _letters(position: int) -> str:
    rest, last = divmod(position, len(ascii_lowercase))
    return (_letters(rest - 1) if rest else "") + ascii_lowercase[last]


def _cells(classes: Sequence[str], actual: str, counts: Sequence[int]) -> list[Text]:
    return [
        Text(str(count) if count else ".", style=_emphasis(count, hit=name == actual))
        for name, count in zip(classes, counts, strict=True)
    ]


def _emphasis(count: int, *, hit: bool) -> str:
    if hit:
        return "bold green"
    return "red" if count else "dim"


def _share(matrix: Matrix, name: str, counts: Sequence[int]) -> Text:
    whole = sum(counts)
    return Text(f"{100 * matrix.get(name, {}).get(name, 0) / whole:.1f} %" if whole else "-")
