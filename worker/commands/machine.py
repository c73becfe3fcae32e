"""What a measurement was made on."""

import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

_PROGRAMS = ("acoustic-workers", "numpy", "scipy", "scikit-learn")


def machine() -> dict[str, Any]:
    """Give processor, number of processors, load and versions, as JSON."""
    return {
        "processor": _processor(),
        "processors": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "versions": {
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("acoustic-workers", "numpy", "scipy", "scikit-learn")
            },
        },
    }


def surroundings() -> Iterator[tuple[str, str]]:
    """Say the same for a person, label and value."""
    found = machine()
    yield "machine", f"{found['processor']}, {found['processors']} processors"
    yield "load", f"{found['load']} (of the last minute)"
    yield "versions", ", ".join(f"{name} {value}" for name, value in found["versions"].items())


def _processor() -> str:
    """Name the processor as Linux does; other systems say less."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()
