"""Files that would block a command, or fill its memory, its terminal or its time."""

import gzip
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import examples

Acoustic = Callable[..., Result]

# Without its guard each of these would go on for ever, or for longer than anybody waits.
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(params=["pipe", "device"])
def endless(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path]:
    """Make something that can be opened like a file and has no end."""

    def make(name: str) -> Path:
        path = tmp_path / name
        if request.param == "pipe":
            os.mkfifo(path)
        else:
            path.symlink_to("/dev/zero")
        return path

    return make


def refused(result: Result, *said: str) -> None:
    assert result.exit_code in (1, 2), result.output
    assert all(part in result.output for part in said), result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("command", [("predict",), ("models", "inspect")])
@pytest.mark.parametrize("name", ["x.model", "x.history"])
def test_a_model_that_is_no_file_is_refused(
    acoustic: Acoustic, endless: Any, command: tuple[str, ...], name: str
) -> None:
    documents = ("--documents", examples.documents()) if command == ("predict",) else ()

    refused(acoustic(*command, endless(name), *documents), "a pipe, a socket or a device")


@pytest.mark.parametrize(
    "name", ["x.json", "x.yaml", "x.sig", "x.jsonl", "x.json.gz", "x.jsonl.gz"]
)
def test_documents_that_are_no_file_are_refused(
    acoustic: Acoustic, endless: Any, model: Path, name: str
) -> None:
    result = acoustic("predict", model, "--documents", endless(name))

    refused(result, "a pipe, a socket or a device")
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("name", ["x.json", "x.csv", "x.yaml", "x.csv.gz"])
def test_a_ground_truth_that_is_no_file_is_refused(
    acoustic: Acoustic, endless: Any, tmp_path: Path, name: str
) -> None:
    arguments = (endless(name), examples.documents(), "--model", tmp_path / "new.model")

    refused(acoustic("train", *arguments), "a pipe, a socket or a device")


def test_a_profile_that_is_no_file_is_refused(
    acoustic: Acoustic, endless: Any, tmp_path: Path
) -> None:
    pair = (tmp_path / "low.json", tmp_path / "high.json")

    refused(
        acoustic("highlevel-extract", *pair, endless("profile.yaml")),
        "a pipe, a socket or a device",
    )


def packed(path: Path, block: bytes, times: int) -> Path:
    """Write as many blocks in one stream, of which the first alone is compressed.

    After a full flush nothing refers to what came before, so its bytes can be repeated. The
    checksum at the end would be wrong, and who gets there has lost already.
    """
    compressor = zlib.compressobj(9, wbits=-15)
    once = compressor.compress(block) + compressor.flush(zlib.Z_FULL_FLUSH)
    header = b"\x1f\x8b\x08" + bytes(7)
    path.write_bytes(header + once * times + compressor.flush() + bytes(8))
    return path


@pytest.mark.parametrize("name", ["bomb.csv.gz", "bomb.json.gz", "bomb.yaml.gz"])
def test_a_ground_truth_that_unpacks_to_gigabytes_is_refused_at_its_limit(
    acoustic: Acoustic, tmp_path: Path, name: str
) -> None:
    bomb = packed(tmp_path / name, b"0" * 2**20, 2048)
    arguments = (bomb, examples.documents(), "--model", tmp_path / "new.model")

    refused(acoustic("train", *arguments), name, "larger than 16 MiB")


def test_a_line_that_is_too_long_ends_its_file_in_one_sentence(
    acoustic: Acoustic, model: Path, tmp_path: Path
) -> None:
    bomb = packed(tmp_path / "bomb.jsonl.gz", b"\0" * 2**20, 1024)

    result = acoustic("predict", model, "--documents", bomb)

    refused(result, "line 1 is larger than 16 MiB, so what follows is not read")
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("line", [b"x\n", b"\n", b"{}\n"])
def test_a_file_of_millions_of_broken_lines_is_given_up_after_a_hundred(
    acoustic: Acoustic, model: Path, tmp_path: Path, line: bytes
) -> None:
    bomb = packed(tmp_path / "bomb.jsonl.gz", line * 2**20, 100)

    result = acoustic("predict", model, "--documents", bomb)

    refused(result, "100 lines in a row hold no document, so what follows is not read")
    assert len(result.output.splitlines()) <= 101


def test_a_few_broken_lines_between_documents_are_named_each_and_end_nothing(
    acoustic: Acoustic, model: Path, tmp_path: Path
) -> None:
    with gzip.open(examples.documents()) as packed_lines:
        sound = [packed_lines.readline() for _ in range(3)]
    file = tmp_path / "some.jsonl"
    file.write_bytes(b"".join(b"x\n" * 60 + line for line in sound))

    result = acoustic("predict", model, "--documents", file)

    lines = result.output.splitlines()
    assert len(lines) == 3 * 61
    assert sum('"highlevel"' in line for line in lines) == 3


def test_the_id_of_a_line_has_a_length(acoustic: Acoustic, model: Path, tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    file.write_text('{"id": "' + "x" * 10_000 + '", "document": {}}')

    result = acoustic("predict", model, "--documents", file)

    refused(result, "longer than 500 characters")
    assert len(result.output) < 1_000
