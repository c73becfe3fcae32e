"""Files of low-level documents: what is read, and what is said of those that cannot be."""

import gzip
import json
import math
import os
from collections.abc import Callable, Container
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainer.documents import parse_json, parse_yaml, read_documents, recording_id
from trainer.errors import DocumentError
from trainer.parsing import MAX_BYTES, MAX_DEPTH

MBID = "0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e"

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=20,
)


def write(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = text.encode() if isinstance(text, str) else text
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def read(*paths: Path, wanted: Container[str] | None = None) -> dict[str, Any]:
    return dict(read_documents(paths, wanted=wanted))


# JSON


@given(json_values)
def test_json_comes_back_as_it_was_written(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@given(st.binary() | st.text())
def test_whatever_the_bytes_json_raises_nothing_but_a_document_error(text: bytes | str) -> None:
    with suppress(DocumentError):
        parse_json(text)


def test_json_with_nan_and_infinity_is_read() -> None:
    value = parse_json(b'{"a": NaN, "b": [Infinity, -Infinity, 1e400]}')

    assert math.isnan(value["a"])
    assert value["b"] == [math.inf, -math.inf, math.inf]


@pytest.mark.parametrize("digits", [30, 5000])
@pytest.mark.parametrize("beside", ["1", "NaN"])
def test_an_integer_of_any_length_is_a_number(digits: int, beside: str) -> None:
    value = parse_json(f"[{'9' * digits}, {beside}]")[0]

    assert value == (pytest.approx(1e30) if digits == 30 else math.inf)


def test_json_with_a_byte_order_mark_is_read() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}
    assert parse_json('\ufeff{"a": 1}') == {"a": 1}


def test_half_a_surrogate_pair_becomes_a_character_that_can_be_stored() -> None:
    value = parse_json(rb'{"a\udc00": ["\ud800", "\ud83d\ude00"]}')

    assert value == {"a\ufffd": ["\ufffd", "\U0001f600"]}


def test_json_that_is_none_is_refused_with_line_and_column() -> None:
    with pytest.raises(DocumentError, match=r"not JSON: Expecting value \(line 2, column 6\)"):
        parse_json(b'{\n"a": oops}')


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_bytes_that_are_not_text_are_refused(parse: Callable[..., Any]) -> None:
    with pytest.raises(DocumentError, match=r"is not (UTF-8 text|YAML)"):
        parse(b'"\xff"')


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 3000, 300_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_nesting_is_bounded(parse: Callable[..., Any], depth: int, brackets: str) -> None:
    opening = brackets[0] if brackets == "[]" else '{"a": '

    with pytest.raises(DocumentError, match="more than 64 levels deep"):
        parse(opening * depth + "0" + brackets[1] * depth)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 300])
def test_nesting_is_bounded_in_json_that_orjson_refuses(depth: int) -> None:
    with pytest.raises(DocumentError, match="more than 64 levels deep"):
        parse_json("[" * depth + "NaN" + "]" * depth)


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_nesting_up_to_the_bound_is_read(parse: Callable[..., Any]) -> None:
    value = parse("[" * MAX_DEPTH + "]" * MAX_DEPTH)

    assert repr(value) == "[" * MAX_DEPTH + "]" * MAX_DEPTH


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
def test_a_text_of_more_than_16_mib_is_refused(parse: Callable[..., Any]) -> None:
    with pytest.raises(DocumentError, match="larger than 16 MiB"):
        parse(b" " * (MAX_BYTES + 1))


# YAML


@pytest.mark.parametrize(
    ("scalar", "number"),
    [
        ("1", 1.0),
        ("+5", 5.0),
        ("010", 10.0),
        ("1e5", 100000.0),
        ("-1.5E-3", -0.0015),
        (".5", 0.5),
        ("5.", 5.0),
        ("inf", math.inf),
        ("-inf", -math.inf),
        ("3.40282e+38", 3.40282e38),
    ],
)
def test_a_plain_scalar_that_qt_takes_for_a_float_is_a_number(scalar: str, number: float) -> None:
    assert parse_yaml(f"a: {scalar}") == {"a": number}
    assert parse_yaml(f"a: [{scalar}]") == {"a": [number]}


@pytest.mark.parametrize("scalar", ["nan", "NaN"])
def test_nan_is_a_number(scalar: str) -> None:
    assert math.isnan(parse_yaml(f"a: {scalar}")["a"])


NO_FLOATS = """.nan .inf true null ~ 0x10 1_000 1e400 1e39 -nan infinity 1,5 1e . + 1.2.3
\N{ARABIC-INDIC DIGIT ONE}"""


@pytest.mark.parametrize("scalar", NO_FLOATS.split())
def test_any_other_plain_scalar_is_text(scalar: str) -> None:
    assert parse_yaml(f"a: {scalar}") == {"a": scalar}


@pytest.mark.parametrize("scalar", ['"7"', "'7'", "!!str 7", "|-\n  7", '"nan"'])
def test_a_quoted_scalar_is_text(scalar: str) -> None:
    assert parse_yaml(f"a: {scalar}") == {"a": "nan" if "nan" in scalar else "7"}


def test_keys_are_text_even_if_they_look_like_numbers() -> None:
    assert parse_yaml("1: {2: 3}") == {"1": {"2": 3.0}}


def test_untyped_yaml_keeps_every_scalar_as_it_is_written() -> None:
    assert parse_yaml("a: [010, true, ~, 1.50]", typed=False) == {"a": ["010", "true", "~", "1.50"]}


def test_the_last_of_equal_keys_counts_as_in_gaia() -> None:
    assert parse_yaml("a: 1\na: 2") == {"a": 2.0}


@pytest.mark.parametrize(
    ("parse", "text"), [(parse_yaml, "a: x\na: y"), (parse_json, '{"a": "x", "a": "y"}')]
)
def test_equal_keys_are_refused_where_they_must_be_unique(
    parse: Callable[..., Any], text: bytes | str
) -> None:
    with pytest.raises(DocumentError, match="'a' is there twice, as 'x' and as 'y'"):
        parse(text, unique_keys=True)


def test_aliases_are_refused() -> None:
    bomb = "a: &a [x, x]\n" + "\n".join(
        f"{new}: &{new} [*{old}, *{old}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )

    with pytest.raises(DocumentError, match="line 2 has an alias"):
        parse_yaml(bomb)


@pytest.mark.parametrize("text", ["? [1]\n: 2", "? {a: 1}\n: 2"])
def test_a_key_that_is_not_text_is_refused(text: bytes | str) -> None:
    with pytest.raises(DocumentError, match="line 1 has a list or a mapping as a key"):
        parse_yaml(text)


@pytest.mark.parametrize(("text", "number"), [("", 0), ("# nothing", 0), ("a: 1\n---\nb: 2", 2)])
def test_a_text_is_one_yaml_document(text: bytes | str, number: float) -> None:
    with pytest.raises(DocumentError, match=f"holds {number} YAML documents"):
        parse_yaml(text)


def test_yaml_text_with_half_a_surrogate_pair_is_refused() -> None:
    with pytest.raises(DocumentError, match="is not UTF-8 text"):
        parse_yaml("a: \ud800")


def test_yaml_that_is_none_is_refused_with_line_and_column() -> None:
    with pytest.raises(DocumentError, match=r"not YAML: .* \(line 2, column 1\)"):
        parse_yaml("a: 1\n}")


def test_a_long_line_of_digits_takes_no_time() -> None:
    assert parse_yaml("a: " + "1" * 2_000_000 + "x")["a"].endswith("1x")


@given(json_values.filter(lambda value: value is not None))
def test_quoted_yaml_comes_back_as_it_was_written(value: Any) -> None:
    text = yaml.dump(as_text(value), Dumper=yaml.SafeDumper, default_style='"')

    assert parse_yaml(text) == as_text(value)


def as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {as_text(key): as_text(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_text(item) for item in value]
    return str(value)


@given(st.floats(width=32))
def test_a_number_that_essentia_writes_comes_back(number: float) -> None:
    value = parse_yaml(f"a: {number!r}")["a"]

    assert value == number or math.isnan(number)


@given(st.binary() | st.text() | st.text(alphabet="{}[]:,-?!&*#|>'\"% \n\tab1"))
def test_whatever_the_bytes_yaml_raises_nothing_but_a_document_error(text: bytes | str) -> None:
    with suppress(DocumentError):
        parse_yaml(text)


# Files


def test_a_folder_is_read_recursively_in_order_of_names(tmp_path: Path) -> None:
    write(tmp_path / "b" / "two.yaml", "a: 2")
    write(tmp_path / "b" / "three.yml.gz", "a: 3")
    write(tmp_path / "a.json", '{"a": 1}')
    write(tmp_path / "c.sig.gz", "a: 4")
    write(tmp_path / "c.JSON.GZ", "")
    (tmp_path / "c.JSON.GZ").rename(tmp_path / "notes.txt")

    found = list(read_documents([tmp_path]))

    assert found == [("a", {"a": 1}), ("three", {"a": 3}), ("two", {"a": 2}), ("c", {"a": 4})]


def test_what_macos_puts_into_archives_is_skipped(tmp_path: Path) -> None:
    write(tmp_path / "song.json", "{}")
    write(tmp_path / "._song.json", b"\x00\x05\x16\x07")
    write(tmp_path / ".DS_Store", b"\x00")

    assert read(tmp_path) == {"song": {}}


def test_a_link_to_a_folder_above_is_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "a" / "song.json", "{}")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)

    assert read(tmp_path) == {"song": {}}


def test_a_folder_without_documents_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "documents.jsonl", "")

    with pytest.raises(DocumentError, match=r"holds no low-level document .*name .jsonl files"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["documents.jsonl", "documents.jsonl.gz"])
@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_file_of_lines_without_documents_is_refused(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(DocumentError, match=f"{name}' holds no low-level document"):
        read(write(tmp_path / name, text))


def test_lines_that_are_not_packed_as_their_name_says_are_told(tmp_path: Path) -> None:
    path = tmp_path / "documents.jsonl.gz"
    path.write_text("{}")

    with pytest.raises(DocumentError, match="it is not packed by gzip as its name says"):
        read(path)


def test_single_files_are_read_in_the_order_given(tmp_path: Path) -> None:
    paths = [write(tmp_path / "b.json", "{}"), write(tmp_path / "a.sig", "a: 1")]

    assert list(read_documents(paths)) == [("b", {}), ("a", {"a": 1})]


def test_a_sig_file_that_holds_json_is_json(tmp_path: Path) -> None:
    path = write(tmp_path / "a.sig", '{"lowlevel": {"x": 1}, "title": "\\ud83d\\ude00"}')

    assert read(path) == {"a": {"lowlevel": {"x": 1}, "title": "\U0001f600"}}


def test_the_first_submission_of_a_dump_goes_by_its_mbid_and_others_by_their_whole_name(
    tmp_path: Path,
) -> None:
    write(tmp_path / f"{MBID.upper()}-0.json", '{"a": 0}')
    write(tmp_path / f"{MBID}-1.json", '{"a": 1}')
    write(tmp_path / "track-0.json", '{"a": 2}')

    assert read(tmp_path) == {MBID: {"a": 0}, f"{MBID}-1": {"a": 1}, "track-0": {"a": 2}}


def test_lines_of_a_dump_have_the_ids_of_its_files(tmp_path: Path) -> None:
    ids = (f"{MBID.upper()}-0", f"{MBID.upper()}-1", "track-0")
    lines = [f'{{"id": "{one}", "document": {{"a": {n}}}}}\n' for n, one in enumerate(ids)]
    write(tmp_path / "dump.jsonl", "".join(lines))

    found = read(tmp_path / "dump.jsonl")

    assert found == {MBID: {"a": 0}, f"{MBID}-1": {"a": 1}, "track-0": {"a": 2}}


def test_a_submission_is_not_there_under_both_of_its_names(tmp_path: Path) -> None:
    ids = (MBID, f"{MBID}-0")
    lines = [f'{{"id": "{one}", "document": {{}}}}\n' for one in ids]
    write(tmp_path / "dump.jsonl", "".join(lines))

    with pytest.raises(DocumentError, match=f"{MBID}' is there twice"):
        read(tmp_path / "dump.jsonl")


def test_ids_are_written_one_way(tmp_path: Path) -> None:
    write(tmp_path / "Bjo\u0308rk.json", "{}")

    assert list(read(tmp_path)) == ["Bj\u00f6rk"]
    assert recording_id(MBID.upper()) == MBID
    assert recording_id("Track") == "Track"


def test_a_file_name_that_is_not_utf8_is_an_id_that_can_be_written(tmp_path: Path) -> None:
    name = os.fsdecode(b"Bj\xf6rk.json")
    write(tmp_path / name, "{}")

    assert list(read(tmp_path)) == ["Bj\\xf6rk"]


@pytest.mark.parametrize("name", ["documents.jsonl", "documents.jsonl.gz"])
def test_lines_are_read(tmp_path: Path, name: str) -> None:
    lines = [
        '{"id": "a", "document": {"x": 1}}',
        "",
        '{"source": 1, "document": null, "id": "b"}',
        f'{{"id":"{MBID.upper()}","document":[NaN]}}',
    ]
    path = write(tmp_path / name, "\ufeff" + "\n".join(lines))

    found = read(path)

    assert list(found) == ["a", "b", MBID]
    assert found["a"] == {"x": 1}
    assert found["b"] is None


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "not JSON"),
        ("[]", 'not an object with "id" and "document"'),
        ('{"document": {}}', '"id" is null'),
        ('{"document": {}, "id": 7}', '"id" is 7'),
        ('{"document": {}, "id": ""}', "\"id\" is ''"),
        ('{"id": "b"}', 'no "document"'),
        ('{"id": "b", "document": oops}', "not JSON"),
        (b'{"id": "\xff", "document": {}}', "not UTF-8"),
    ],
)
def test_a_garbled_line_is_named(tmp_path: Path, line: bytes | str, problem: str) -> None:
    line = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path / "x.jsonl", b'{"id": "a", "document": {}}\n\n' + line + b"\n")

    with pytest.raises(DocumentError, match=problem) as raised:
        read(path)

    assert "x.jsonl', line 3" in str(raised.value)


def test_a_line_without_end_is_refused_before_it_fills_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl.gz", b" " * (MAX_BYTES + 2))

    with pytest.raises(DocumentError, match=r"line 1: the text is larger than 16 MiB"):
        read(path)


def test_a_file_that_unpacks_to_more_than_16_mib_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.json.gz", b" " * (MAX_BYTES + 2))

    with pytest.raises(DocumentError, match=r"x.json.gz': the text is larger than 16 MiB"):
        read(path)


def test_a_recording_that_is_there_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    write(tmp_path / "a" / "song.json", "{}")
    write(tmp_path / "b.jsonl", '{"id": "song", "document": {}}')

    with pytest.raises(
        DocumentError, match=r"'song' is there twice, in .*song.json' and in .*b.jsonl', line 1"
    ):
        read(tmp_path / "a", tmp_path / "b.jsonl")


@pytest.mark.parametrize("name", ["song.json", "song.yaml", "song.sig"])
def test_a_garbled_file_is_named(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, b"{\xff\x00")

    with pytest.raises(DocumentError, match=f"{name}': the text is not"):
        read(path)


@pytest.mark.parametrize("name", ["song.json.gz", "songs.jsonl.gz"])
def test_a_truncated_gzip_is_named(tmp_path: Path, name: str) -> None:
    content = gzip.compress(os.urandom(2000).hex().encode())
    path = tmp_path / name
    path.write_bytes(content[:-100])

    with pytest.raises(DocumentError, match=rf"{name}'.*: the compressed file ends early"):
        read(path)


@pytest.mark.parametrize("content", [b"no gzip", gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 30])
def test_a_damaged_gzip_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "song.json.gz"
    path.write_bytes(content)

    with pytest.raises(DocumentError, match=r"song.json.gz' cannot be read"):
        read(path)


@pytest.mark.parametrize("name", ["none", "none.json", "none.jsonl"])
def test_a_path_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(DocumentError, match=rf"{name}' (does not exist|cannot be read: No such)"):
        read(tmp_path / name)


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "song.mp3", b"")

    with pytest.raises(DocumentError, match=r"song.mp3' is not a low-level document; give"):
        read(path)


def test_a_path_is_shown_on_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "two\nlines\x1b.json", "{")

    with pytest.raises(DocumentError, match=r"two\\nlines\\x1b\.json"):
        read(path)


def test_documents_that_are_not_wanted_are_neither_parsed_nor_compared(tmp_path: Path) -> None:
    write(tmp_path / "a" / "broken.json", "{")
    write(tmp_path / "b" / "broken.yaml", ": :")
    write(tmp_path / "b" / "song.json", "{}")
    lines = '{"id": "broken", oops\n{"id": "line", "document": 1}\n'
    path = write(tmp_path / "x.jsonl", lines)

    assert read(tmp_path / "a", tmp_path / "b", path, wanted={"song", "line"}) == {
        "song": {},
        "line": 1,
    }


def test_documents_are_read_one_at_a_time(tmp_path: Path) -> None:
    write(tmp_path / "a.json", "{}")
    write(tmp_path / "b.json", "{")

    documents = read_documents([tmp_path])

    assert next(documents) == ("a", {})
    with pytest.raises(DocumentError):
        next(documents)


def test_the_real_documents_are_read(shared_data: Path) -> None:
    found = list(read_documents([shared_data / "moods" / "lowlevel.jsonl.gz"]))

    assert len(found) == 485
    assert all(isinstance(document, dict) for _, document in found)
