"""Text to values: JSON, and YAML as Gaia reads it, from people one knows nothing about.

Both parsers bound the size of the text and the depth of what it holds, and raise nothing but
`DocumentError`, whatever the bytes.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable
from typing import Any

import orjson
import yaml

from trainer.errors import DocumentError
from trainer.wording import shown

MAX_BYTES = 16 * 2**20  # a real document has about 80 kB
MAX_DEPTH = 64  # a real document has 5 levels
FLOAT32_MAX = 3.4028234663852886e38

# What QString::toFloat takes. The parts do not overlap, so a long line of digits is no trap.
_NUMBER = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:e[+-]?[0-9]+)?|nan|[+-]?inf",
    re.IGNORECASE,
)
# libyaml where PyYAML was built with it: four times faster.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def parse_json(text: bytes | str, *, unique_keys: bool = False) -> Any:
    """Parse a JSON document, NaN and Infinity included.

    Parameters
    ----------
    text : bytes or str
        UTF-8, at most 16 MiB, at most 64 levels deep.
    unique_keys : bool
        Refuse an object that has a key twice with different values; otherwise the last counts.

    Raises
    ------
    DocumentError
        With line and column where it is not JSON.
    """
    check_size(text)
    if not unique_keys:
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError:
            pass  # NaN, a byte order mark, half a surrogate pair; or no JSON at all
        else:
            check_depth(value)
            return value
    return _parse_json_leniently(decoded(text), unique_keys=unique_keys)


def parse_yaml(text: bytes | str, *, typed: bool = True, unique_keys: bool = False) -> Any:
    """Parse a YAML document as Gaia reads one.

    An unquoted scalar that Qt takes for a float is a number (``+5``, ``010`` is 10, ``1e5``,
    ``nan``, ``-inf``); everything else is text, also what YAML itself would type: ``true``,
    ``null``, ``.nan``, ``0x10``, ``1_000``, ``1e400`` and all that is quoted.

    Parameters
    ----------
    text : bytes or str
        At most 16 MiB, at most 64 levels deep, without aliases.
    typed : bool
        False keeps every scalar as text.
    unique_keys : bool
        Refuse a mapping that has a key twice with different values; otherwise the last counts,
        as in Gaia.

    Raises
    ------
    DocumentError
        With line and column where it is not such YAML.
    """
    check_size(text)
    try:
        found = _build(text, _typed if typed else _text, unique_keys=unique_keys)
    except yaml.reader.ReaderError as error:
        decoded(text)  # has the sentence for bytes that are no text
        raise DocumentError(f"the text is not YAML: {_yaml_problem(error)}") from error
    except yaml.YAMLError as error:
        raise DocumentError(f"the text is not YAML: {_yaml_problem(error)}") from error
    except UnicodeError as error:
        raise _not_utf8(text) from error
    if len(found) != 1:
        raise DocumentError(f"the text holds {len(found)} YAML documents instead of one")
    return found[0]


def check_size(text: bytes | str) -> None:
    """Raise DocumentError if a text is longer than `MAX_BYTES`."""
    if len(text) > MAX_BYTES:
        raise DocumentError(f"the text is larger than {MAX_BYTES // 2**20} MiB")


def check_depth(value: Any) -> None:
    """Refuse what would overflow the stack of whoever walks, compares or prints it later."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [child for parent in level for child in _containers(parent)]
        if not level:
            return
    raise _too_deep()


def _containers(value: Any) -> list[Any]:
    children = value.values() if type(value) is dict else value if type(value) is list else ()
    return [child for child in children if type(child) is list or type(child) is dict]


def _too_deep() -> DocumentError:
    return DocumentError(f"the text is nested more than {MAX_DEPTH} levels deep")


def decoded(text: bytes | str) -> str:
    """Return UTF-8 as text, without a byte order mark; DocumentError if it is none."""
    if isinstance(text, str):
        return text.removeprefix("\ufeff")
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _not_utf8(text, error.start) from error


def _not_utf8(text: bytes | str, position: int = 0) -> DocumentError:
    """Say in which line it shows, where there are several, and what it is, where that is known."""
    if isinstance(text, bytes) and text.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return DocumentError("the text is not UTF-8 text but UTF-16; save it as UTF-8")
    where = ""
    if isinstance(text, bytes) and b"\n" in text.rstrip():
        before = text[:position].count(b"\n")
        where = f" (line {before + 1})"
    return DocumentError(f"the text is not UTF-8 text{where}; save it as UTF-8")


def _parse_json_leniently(text: str, *, unique_keys: bool) -> Any:
    """Parse with the standard library, which takes NaN, at a quarter of orjson's speed."""
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            object_pairs_hook=_unique if unique_keys else None,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DocumentError(f"the text is not JSON: {error.msg} ({where})") from error
    except RecursionError as error:
        raise _too_deep() from error
    check_depth(value)
    return _encodable(value)


def _integer(text: str) -> float:
    # Beyond 64 bits a float, as orjson has it; int() refuses more than 4,300 digits.
    return int(text) if len(text) < len("18446744073709551615") else float(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    _check_unique(pairs)
    return dict(pairs)


def _encodable(value: Any) -> Any:
    """Replace half surrogate pairs: no file and no database takes them."""
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return value


def _check_unique(pairs: Iterable[tuple[str, Any]]) -> None:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if values.setdefault(key, value) != value:
            raise DocumentError(
                f"{shown(key)} is there twice, as {shown(values[key])} and as {shown(value)}; "
                "keep one of them"
            )


def _build(
    text: bytes | str,
    scalar: Callable[[yaml.ScalarEvent], Any],
    *,
    unique_keys: bool,
) -> list[Any]:
    """Build values from parser events, without recursion.

    PyYAML's own composer recurses in C: a line of 200,000 brackets ends the process. It is also
    four times slower.
    """
    found: list[Any] = []
    # A mapping is collected as key, value, key, value ... until it ends.
    open_: list[tuple[list[Any], bool]] = [(found, False)]
    for event in yaml.parse(text, Loader=_LOADER):
        values, is_mapping = open_[-1]
        is_key = is_mapping and not len(values) % 2
        if isinstance(event, yaml.ScalarEvent):
            values.append(event.value if is_key else scalar(event))
        elif isinstance(event, yaml.CollectionStartEvent):
            _check_collection(event, depth=len(open_), is_key=is_key)
            open_.append(([], isinstance(event, yaml.MappingStartEvent)))
        elif isinstance(event, yaml.CollectionEndEvent):
            open_.pop()
            open_[-1][0].append(_mapping(values, unique_keys) if is_mapping else values)
        elif isinstance(event, yaml.AliasEvent):  # a few lines of them expand to gigabytes
            raise DocumentError(f"{_line(event)} has an alias; write it out")
    return found


def _check_collection(event: yaml.CollectionStartEvent, *, depth: int, is_key: bool) -> None:
    if is_key:
        raise DocumentError(f"{_line(event)} has a list or a mapping as a key; a key is text")
    if depth > MAX_DEPTH:
        raise _too_deep()


def _line(event: yaml.Event) -> str:
    return f"line {event.start_mark.line + 1}" if event.start_mark else "the text"


def _mapping(values: list[Any], unique_keys: bool) -> dict[str, Any]:  # noqa: FBT001
    pairs = list(zip(values[::2], values[1::2], strict=True))
    if unique_keys:
        _check_unique(pairs)
    return dict(pairs)


def _typed(event: yaml.ScalarEvent) -> float | str:
    value = str(event.value)
    # implicit[0]: plain style and no tag. Quotes make text of anything.
    if not event.implicit[0] or not _NUMBER.fullmatch(value):
        return value
    number = float(value)
    # Qt has text where the number is beyond float32, but takes "inf" itself.
    beyond = abs(number) > FLOAT32_MAX and value[-1] not in "fF"
    return value if beyond else number


def _text(event: yaml.ScalarEvent) -> str:
    return str(event.value)


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return " ".join(str(error).split())
    problem = getattr(error, "problem", None) or "it cannot be parsed"
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})"
