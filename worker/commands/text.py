"""Text of strangers as the commands show it: every character visible, nothing interpreted."""

from rich.text import Text

from trainer.visible import visible, visible_lines

__all__ = ["plain", "visible", "visible_lines"]


def plain(value: object, style: str = "") -> Text:
    """`value` as rich text that is taken literally: ``[bold]`` stays ``[bold]``."""
    return Text(visible(value), style=style)
