"""What can be the name of a class or the id of a recording, here and in a database."""

from __future__ import annotations

MAX_LENGTH = 500  # characters


def why_no_name(text: str) -> str | None:
    """Say why a text cannot be a name, with the text as the subject; None if it can.

    >>> why_no_name("jazz"), why_no_name(" ")
    (None, 'is blank')
    """
    if not text.strip():
        return "is blank"
    if len(text) > MAX_LENGTH:
        return f"is longer than {MAX_LENGTH} characters"
    # Found out now, and not when the result of an hour's training cannot be stored.
    if "\0" in text or not _is_encodable(text):
        return "holds a character that cannot be stored"
    return None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
