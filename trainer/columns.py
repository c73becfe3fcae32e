"""Tables of two columns as people write them: an id, and what is said of it.

Commas stand between the two, or what a spreadsheet puts there instead: semicolons, which Excel
writes wherever a comma is the decimal mark, or tabs. Which of them, the lines themselves say: one
that makes two columns of most lines. Commas come first, so that a table which can be read by them
always is.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import suppress

from trainer.errors import GroundTruthError
from trainer.parsing import decoded
from trainer.wording import counted, shown

_COLUMNS = 2
_MARKS = {",": "a comma", ";": "a semicolon", "\t": "a tab"}
_SHOWN = 60  # characters of a line that is refused
_HEADINGS = frozenset(
    {"mbid", "id", "recording", "recording_id", "recordingmbid", "recording_mbid"}
)
_DESCRIPTION = "description"

_Row = tuple[int, list[str]]  # number of the line, and its cells


def pairs_of_csv(text: bytes, *, of: str) -> Iterator[tuple[str, str]]:
    """Yield the recording ids of a table, each with what stands beside it.

    A heading and descriptions, as in AcousticBrainz's export, are passed over.

    Raises
    ------
    DocumentError, GroundTruthError
        It is no table of two columns; the message names the line, and calls the second one `of`.
    """
    mark, rows = _read(decoded(text))
    first = True
    for line, cells in rows:
        _check(line, cells, mark, of)
        if _is_description(cells[0]):
            continue
        if not (first and cells[0].lower() in _HEADINGS):
            yield cells[0], cells[1]
        first = False


def _read(text: str) -> tuple[str, list[_Row]]:
    """Return the mark between the columns, and the lines that are not blank."""
    found = {",": list(_rows(text, ","))}
    if _fitting(found[","]) < len(found[","]):
        for mark in (";", "\t"):
            with suppress(GroundTruthError):
                found[mark] = list(_rows(text, mark))
    mark = max(found, key=lambda mark: _fitting(found[mark]))
    return mark, found[mark]


def _rows(text: str, mark: str) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, skipinitialspace=True)
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise GroundTruthError(f"line {reader.line_num} is not CSV: {error}") from error


def _fitting(rows: list[_Row]) -> int:
    return sum(len(cells) == _COLUMNS for _, cells in rows)


def _check(line: int, cells: list[str], mark: str, of: str) -> None:
    place = f"line {line}, {shown(mark.join(cells), _SHOWN)},"
    if len(cells) != _COLUMNS:
        remedy = (
            f"write both with {_MARKS[mark]} between them, and take out what is no recording"
            if len(cells) < _COLUMNS
            else f"keep these two alone, and put in quotes what holds {_MARKS[mark]} of its own"
        )
        raise GroundTruthError(
            f"{place} has {counted(len(cells), 'column')} instead of the two of a recording id and "
            f"its {of}; {remedy}"
        )
    if not all(cells):
        lacking = of if cells[0] else "recording id"
        raise GroundTruthError(f"{place} has no {lacking}; write it, or take the line out")


def _is_description(cell: str) -> bool:
    # AcousticBrainz puts the descriptions of the dataset and of each class before the recordings.
    return cell == _DESCRIPTION or cell.startswith(f"{_DESCRIPTION}:")
