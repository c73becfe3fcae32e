"""Cells of a CSV that a spreadsheet takes for what they are."""

from typing import Any

from trainer.visible import escaped

# What a spreadsheet would take for a formula, and run.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def harmless(value: Any) -> Any:
    r"""Keep a spreadsheet from taking a name for a formula, and a terminal from obeying it.

    What is no text stays as it is.

    Examples
    --------
    >>> harmless("=1+1"), harmless("rock"), harmless(-1)
    ("'=1+1", 'rock', -1)
    >>> print(harmless("a\x1b[31m"))
    a\x1b[31m
    """
    if not isinstance(value, str):
        return value
    safe = f"'{value}" if value.startswith(_FORMULA) else value
    return escaped(safe)
