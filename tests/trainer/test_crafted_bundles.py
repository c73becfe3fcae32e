"""Model files made by somebody who knows the format: refused, whatever their headers claim."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainer.errors import ModelError
from trainer.grid.project import Project
from trainer.models.bundle import Model
from trainer.models.opening import open_model
from trainer.training import train

PROJECT = Project(("gaussianized",), ("rbf",), (1,), (-3,))
MEBIBYTE = 2**20
VECTORS = "svm.support_vectors"

Header = dict[str, Any]
Change = Callable[[Header], object]


@pytest.fixture(scope="module")
def content(make_dataset: Any) -> bytes:
    made: Model = train(make_dataset(classes=2, size=6), PROJECT, 1, jobs=1).model
    return made.to_bytes()


def crafted(content: bytes, change: Change, *, data: bytes | None = None) -> bytes:
    """Change the header, and with `data` what lies behind it; the digest inside is left out."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    del header["__metadata__"]["sha256"]
    change(header)
    text = json.dumps(header).encode()
    behind = content[8 + length :] if data is None else data
    return len(text).to_bytes(8, "little") + text + behind


def manifest(change: Callable[[dict[str, Any]], object]) -> Change:
    """Change the manifest inside the header."""

    def changed(header: Header) -> None:
        found = json.loads(header["__metadata__"]["acoustic"])
        change(found)
        header["__metadata__"]["acoustic"] = json.dumps(found)

    return changed


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


HEADERS: dict[str, Change] = {
    "an array behind the end of the file": lambda h: h[VECTORS].update(data_offsets=[0, 2**40]),
    "an array before its beginning": lambda h: h[VECTORS].update(data_offsets=[-8, 0]),
    "an array that ends before it begins": lambda h: h[VECTORS].update(data_offsets=[64, 0]),
    "a shape beyond 64 bits": lambda h: h[VECTORS].update(shape=[2**62, 2**62]),
    "a negative shape": lambda h: h[VECTORS].update(shape=[-1, 4]),
    "a shape of petabytes and no values": lambda h: h[VECTORS].update(shape=[2**50, 0]),
    "a thousand million dimensions": lambda h: h[VECTORS].update(shape=[1] * 10**5),
    "another type": lambda h: h[VECTORS].update(dtype="I8"),
    "a type that is none": lambda h: h[VECTORS].update(dtype="object"),
    "two arrays in one place": lambda h: h["svm.rho"].update(
        data_offsets=h["sigmoids.slope"]["data_offsets"]
    ),
    "the path of a file": lambda h: h.update({"../../../etc/passwd": h[VECTORS]}),
    "a file beside it": lambda h: h.update({"external": {"location": "/etc/passwd"}}),
    "more levels than a stack has": lambda h: h["__metadata__"].update(acoustic="[" * 10**6),
    "training of a thousand levels": manifest(lambda m: m["training"].update(x=nested(900))),
    "a million descriptors of a million dimensions": manifest(
        lambda m: m.update(
            layout=[{"name": f".lowlevel.x{n}", "dimensions": 10**6} for n in range(10**4)]
        )
    ),
    "a million steps": manifest(lambda m: m.update(steps=["affine"] * 10**5)),
    "a step that is none": manifest(lambda m: m.update(steps=["os.system"])),
    "a class of objects": manifest(lambda m: m.update(__reduce__=["os.system", ["id"]])),
    "a class with a NUL": manifest(lambda m: m["labels"].__setitem__(0, "a\0")),
    "a class of 501 characters": manifest(lambda m: m["labels"].__setitem__(0, "a" * 501)),
    "a hundred thousand classes": manifest(
        lambda m: m.update(labels=[f"c{n}" for n in range(10**5)])
    ),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("claim", HEADERS)
def test_a_header_that_claims_too_much_is_refused_and_fills_no_memory(
    content: bytes, tmp_path: Path, claim: str
) -> None:
    file = tmp_path / "crafted.model"
    file.write_bytes(crafted(content, HEADERS[claim]))

    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match=r"crafted\.model is not an intact model bundle"):
            open_model(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 40 * file.stat().st_size + 8 * MEBIBYTE


@pytest.mark.parametrize("length", [0, 7, 2**20, 2**31, 2**40, 2**63, 2**64 - 1])
def test_a_header_of_any_length_is_refused_before_it_is_made_room_for(
    content: bytes, tmp_path: Path, length: int
) -> None:
    file = tmp_path / "crafted.model"
    file.write_bytes(length.to_bytes(8, "little") + content[8:])

    tracemalloc.start()
    try:
        with pytest.raises(ModelError):
            open_model(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * MEBIBYTE


def test_a_file_larger_than_any_model_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "sparse.model"
    with file.open("wb") as stream:
        stream.truncate(2**31 + 1)

    tracemalloc.start()
    try:
        with pytest.raises(ModelError, match="larger than"):
            open_model(file)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < MEBIBYTE


def test_what_is_crafted_is_refused_for_what_was_changed(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "sound.model"
    file.write_bytes(crafted(content, lambda _: None))

    assert open_model(file).classes
