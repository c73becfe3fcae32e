"""Text of strangers, made safe to show.

Dataset names, class names, error messages and ids come from documents and from the database:
anybody may have put terminal escapes, line breaks or rich's own markup there.
"""

import unicodedata

from rich.text import Text

# Joiners shape letters in several scripts and hold emoji together; they move no cursor.
_JOINERS = {"\u200c", "\u200d"}

# Controls (Cc), formatting such as the bidirectional overrides (Cf), lone surrogates (Cs) and the
# two Unicode line ends (Zl, Zp): whatever acts on the terminal and not on the page.
_ACTIVE = {"Cc", "Cf", "Cs", "Zl", "Zp"}

# Enough for any honest name; a megabyte of one would hide everything else on the screen.
_LONGEST = 2000


def visible(value: object) -> str:
    r"""One line in which every character shows and none acts.

    Parameters
    ----------
    value
        Anything; its ``str()`` is shown.

    Examples
    --------
    >>> visible("a\x1b[31mb\n")
    'a\\x1b[31mb\\n'
    >>> visible("café")
    'café'
    """
    text = str(value)
    shown = "".join(map(_shown, text[:_LONGEST]))
    return shown if len(text) <= _LONGEST else f"{shown}… ({len(text)} characters)"


def visible_lines(text: str) -> str:
    r"""Make every line of `text` visible, and keep the line ends.

    Examples
    --------
    >>> print(visible_lines("one\x07\ntwo"))
    one\x07
    two
    """
    return "\n".join(visible(line) for line in text.splitlines())


def plain(value: object, style: str = "") -> Text:
    """`value` as rich text that is taken literally: ``[bold]`` stays ``[bold]``."""
    return Text(visible(value), style=style)


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _ACTIVE:
        return character
    return character.encode("unicode_escape").decode("ascii")
