"""The container of a bundle: a safetensors file whose header holds a JSON manifest.

What is checked here is checked before any number is used: that there is a manifest, that it has
the agreed shape, that each array it implies is there, has its type and is finite, and that nothing
has changed since the file was made.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError

from trainer.wording import listed, shown

FORMAT = 1
HISTORY_MAGIC = bytes.fromhex("6AEA723D")

# Texts in the header.
_MANIFEST = "acoustic"
_DIGEST = "sha256"

Arrays = dict[str, NDArray[Any]]

TYPES: Mapping[str, type] = {
    "svm.support_vectors": np.float32,
    "svm.counts": np.int64,
    "svm.coefficients": np.float64,
    "svm.rho": np.float64,
    "sigmoids.slope": np.float64,
    "sigmoids.offset": np.float64,
}
STEP_TYPES: Mapping[str, Mapping[str, type]] = {
    "affine": {"slope": np.float32, "offset": np.float32},
    "rank": {"columns": np.int64, "distribution": np.float32},
}


class DescriptorJson(BaseModel):
    """A descriptor of the layout, see `trainer.layout.Descriptor`."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(pattern=r"^\.")]
    dimensions: Annotated[int, Field(ge=1, le=1_000_000)]
    values: tuple[str, ...] | None = None


class Manifest(BaseModel):
    """Everything of a bundle but its arrays, see `trainer.models.bundle`."""

    model_config = ConfigDict(extra="forbid")
    format: Literal[1]
    name: str
    labels: Annotated[tuple[str, ...], Field(min_length=2)]
    kernel: Literal["poly", "rbf"]
    gamma: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    layout: Annotated[tuple[DescriptorJson, ...], Field(min_length=1)]
    steps: tuple[Literal["affine", "rank"], ...]
    training: dict[str, Any]


def pack(manifest: Mapping[str, Any], arrays: Arrays) -> bytes:
    """Return the file of a manifest and its arrays; equal ones give equal bytes."""
    storable = _text(manifest)
    content = safetensors.numpy.save(arrays, metadata={_MANIFEST: storable})
    return _with_metadata(content, {_MANIFEST: storable, _DIGEST: _digest(storable, arrays)})


def digest(manifest: Mapping[str, Any], arrays: Arrays) -> str:
    """Return a SHA-256 of a manifest, or of a part of one, and of arrays."""
    return _digest(_text(manifest), arrays)


def _text(manifest: Mapping[str, Any]) -> str:
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # Half a surrogate pair, which a job's options may hold, has no encoding.
    return text.encode(errors="replace").decode()


def _with_metadata(content: bytes, metadata: Mapping[str, str]) -> bytes:
    """Write the metadata anew: safetensors itself puts several in a different order each time."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length]) | {"__metadata__": dict(metadata)}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # arrays begin at a multiple of their items' size
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _digest(manifest: str, arrays: Arrays) -> str:
    """Return a SHA-256 of everything that a model is made of, each part with its length."""
    found = hashlib.sha256()
    parts = [(b"manifest", manifest.encode())]
    for name in sorted(arrays):
        array = arrays[name]
        kind = f"{name} {array.dtype.str} {array.shape}".encode()
        parts.append((kind, np.ascontiguousarray(array).tobytes()))
    for what, part in parts:
        found.update(b"%d %d %b" % (len(what), len(part), what))
        found.update(part)
    return found.hexdigest()


def unpack(content: bytes) -> tuple[Manifest, Arrays]:
    """Read a file that `pack` made.

    Raises
    ------
    ValueError
        It is none, or is damaged; the message says how.
    """
    if content.startswith(HISTORY_MAGIC):
        raise ValueError("it is a Gaia .history file, which trainer.open_model reads")
    # Otherwise the first characters of a text file would be taken for the length of a header.
    require(content[8:9] == b"{", "it does not begin as a bundle does, nor as a Gaia .history")
    try:
        arrays = safetensors.numpy.load(content)
        metadata = _metadata(content)
        manifest = Manifest.model_validate_json(metadata[_MANIFEST])
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise ValueError(f"manifest {path}: {first['msg']}") from error
    except (SafetensorError, KeyError) as error:
        raise ValueError(str(error)) from error
    _check_types(arrays, manifest.steps)
    recorded = metadata.get(_DIGEST)
    same = recorded is None or recorded == _digest(metadata[_MANIFEST], arrays)
    require(same, "something in it has changed since it was made, for its digest is another")
    return manifest, arrays


def _metadata(content: bytes) -> dict[str, str]:
    """Return the texts of the header: safetensors.numpy does not hand them out."""
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
    require(metadata.get(_MANIFEST), "it has no manifest")
    odd = sorted(metadata.keys() - {_MANIFEST, _DIGEST})
    require(not odd, f"its header has the unknown text {listed(map(shown, odd))}")
    return dict(metadata)


def _check_types(arrays: Arrays, steps: Sequence[str]) -> None:
    expected = dict(TYPES)
    for number, kind in enumerate(steps):
        expected |= {f"steps.{number}.{part}": dtype for part, dtype in STEP_TYPES[kind].items()}
    lacking = sorted(expected.keys() - arrays.keys())
    require(not lacking, f"it lacks {listed(lacking)}")
    require(len(arrays) == len(expected), "it has other arrays than its manifest lists")
    for name, array in arrays.items():
        require(array.dtype == expected[name], f"{name} has type {array.dtype}")
        require(np.isfinite(array).all(), f"{name} holds a value that is not finite")


def require(holds: object, otherwise: str) -> None:
    """Raise a `ValueError` that says what is wrong, unless something holds."""
    if not holds:
        raise ValueError(otherwise)
