"""Names that somebody might give to a dataset, a class or a file, to see what happens."""

import unicodedata

# What acts on a terminal, or is taken for the end of a line, and what a pathname makes of a name.
NASTY = {
    "escape": "\x1b[2J\x1b[31mred\x1b]0;title\x07",
    "eight-bit escape": "\x9b31m\x90q\x9c",
    "line": "x\n2026-01-01T00:00:00Z [info     ] job done   accuracy=100.0",
    "carriage return": "harmless\rOVERWRITTEN",
    "backspaces": "abc\b\b\bxyz\x7f",
    "line separators": "a\u2028b\u2029c\x85d\x0be\x0cf",
    "right to left": "\u202egnp.exe\u2066x\u2069",
    "invisible": "pay\u200bpal\ufeff\u00ad",
    "up": "../../../../escaped",
    "root": "/tmp/escaped-by-name/x",
    "backslashes": "..\\..\\escaped",
    "dots": "..",
    "home": "~root/$HOME/`id`/$(id)",
    "markup": "[bold red]x[/] [link=http://example.org]y[/link] :smile:",
    "template": "{0.__class__} %s %n ${jndi:ldap://x} {{7*7}}",
    "html": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "yaml": "!!python/object/apply:os.system ['id']",
    "yaml alias": "*a &a : - {x: [",
    "sql": "'; DROP TABLE dataset_eval_jobs; --",
    "quotes": "\"'`\\",
    "number": "1e5",
    "boolean": "null",
    "spaces": "  \t x \t  ",
    "long": "x" * 500,
    "far eastern": "音楽 🎵" + "e\u0301" * 40,
}

_HARMLESS = {"\n", "\u200c", "\u200d"}


def acting(text: str) -> set[str]:
    """Characters of `text` that would act on a terminal rather than show."""
    return {
        character
        for character in text
        if unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    } - _HARMLESS
