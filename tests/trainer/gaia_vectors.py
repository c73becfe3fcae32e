"""Reading Gaia's recorded runs."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from trainer.dataset import Dataset
from trainer.descriptors import LowLevel


@dataclass(frozen=True)
class GaiaVectors:
    """What Gaia 2.4.6 was given and what it made of it."""

    folder: Path
    dataset: Dataset
    held_out: Mapping[str, LowLevel]

    def read(self, name: str) -> Any:
        """Read one of the recorded files."""
        path = self.folder / name
        return orjson.loads(
            gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        )


def read_lines(path: Path) -> list[Any]:
    with gzip.open(path) as lines:
        return [orjson.loads(line) for line in lines]
