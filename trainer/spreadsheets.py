"""Cells of a CSV that a spreadsheet takes for what they are."""

from typing import Any

# What a spreadsheet would take for a formula, and run.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(value: Any) -> Any:
    """Keep a spreadsheet from taking a name for a formula; what is no text stays as it is.

    Examples
    --------
    >>> harmless("=1+1"), harmless("rock"), harmless(-1)
    ("'=1+1", 'rock', -1)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
