"""Small libraries that are put into programs (LD_PRELOAD), built when a test asks for one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

_COMPILERS = ("cc", "gcc", "clang")


def built(name: str, folder: Path) -> Path:
    """Build ``<name>.c`` into a folder; skip where that cannot be.

    Returns
    -------
    Path
        What to put into ``LD_PRELOAD``.
    """
    if sys.platform != "linux":
        pytest.skip("libraries are put into programs on Linux only")
    compiler = next(filter(shutil.which, _COMPILERS), None)
    if compiler is None:
        pytest.skip(f"no C compiler here ({', '.join(_COMPILERS)})")
    library = folder / f"{name}.so"
    flags = ["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, *flags, str(source), "-o", str(library), "-ldl"], check=True)
    return library
