"""What a model was trained on, kept with it so that nobody takes a memory for an ability.

A model that is evaluated on recordings it was trained on looks better than it is. Its manifest
therefore holds a digest of each recording's id, and one of the values that it was trained on, which
finds a recording that goes by another id. Digests are the first 8 bytes of SHA-256, sorted,
together as Base64: 22 characters a recording.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from trainer.descriptors import Float32

LENGTH = 8  # bytes; two of a hundred thousand recordings agree once in a thousand million times


@dataclass(frozen=True)
class TrainedOn:
    """Digests of the recordings that a model was trained on."""

    ids: frozenset[bytes]
    values: frozenset[bytes]

    @classmethod
    def of(cls, training: Mapping[str, Any]) -> Self | None:
        """Read what `trained_on` wrote; None where a model does not say."""
        known = training.get("trained_on")
        if not isinstance(known, Mapping):
            return None
        try:
            return cls(_unpacked(known["ids"]), _unpacked(known["values"]))
        except (KeyError, TypeError, ValueError, binascii.Error):
            return None

    def has(self, recording: str, values: Float32) -> bool:
        """Tell whether a recording is among them, by its id or by its values."""
        return _of_id(recording) in self.ids or _of_values(values) in self.values


def trained_on(recordings: Sequence[str], values: Float32) -> dict[str, Any]:
    """Return digests of recordings and their rows, as JSON for a manifest."""
    return {
        "recordings": len(recordings),
        "ids": _packed(map(_of_id, recordings)),
        "values": _packed(map(_of_values, values)),
    }


def _of_id(recording: str) -> bytes:
    return hashlib.sha256(recording.encode(errors="replace")).digest()[:LENGTH]


def _of_values(values: Float32) -> bytes:
    # Adding 0 makes one of the two zeros.
    row = np.ascontiguousarray(values + np.float32(0), dtype="<f4")
    return hashlib.sha256(row.tobytes()).digest()[:LENGTH]


def _packed(digests: Iterable[bytes]) -> str:
    return base64.b64encode(b"".join(sorted(digests))).decode()


def _unpacked(text: str) -> frozenset[bytes]:
    content = base64.b64decode(text, validate=True)
    return frozenset(content[at : at + LENGTH] for at in range(0, len(content), LENGTH))
