"""Text of strangers, made safe for a terminal and for a log.

Dataset names, class names, error messages and ids come from documents and from the database:
anybody may have put terminal escapes or line breaks there.
"""

import unicodedata

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
    shown = escaped(text[:_LONGEST])
    return shown if len(text) <= _LONGEST else f"{shown}… ({len(text)} characters)"


def escaped(text: str) -> str:
    r"""Make each character visible, however many there are: for files, which have to be whole.

    Examples
    --------
    >>> escaped("a\x1b[31mb")
    'a\\x1b[31mb'
    """
    return "".join(map(_shown, text))


def visible_lines(text: str, *, before: str = "") -> str:
    r"""Make every line of `text` visible, and keep the line ends.

    Parameters
    ----------
    text
        Lines.
    before
        What each line is to begin with: a mark that it belongs to the one above.

    Examples
    --------
    >>> print(visible_lines("one\x07\ntwo", before="| "))
    | one\x07
    | two
    """
    return "\n".join(before + visible(line) for line in text.splitlines())


def _shown(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _ACTIVE:
        return character
    return character.encode("unicode_escape").decode("ascii")
