"""Which engines there are on this computer."""

from __future__ import annotations

import importlib

from trainer.errors import OptionsError
from trainer.grid.engine import Engine

MEMORY = 2 * 2**30


def choose_engine(name: str, *, jobs: int | None = None, memory: int = MEMORY) -> Engine:
    """Return the engine of that name; ``auto`` is the native one where it is built.

    Parameters
    ----------
    name : {"auto", "native", "sklearn"}
    jobs : int, optional
        Fits at a time; as many as there are usable processors by default.

    memory : int
        Bytes that matrices of the native engine may take.

    Raises
    ------
    OptionsError
        There is no such engine here.
    """
    # Imported here: scikit-learn takes a second, and commands that train nothing come this way.
    missing = why_no_native()
    if name == "native" or (name == "auto" and not missing):
        if missing:
            raise OptionsError(
                f"engine 'native' is not available here: {missing}; use 'auto' or 'sklearn'"
            )
        from trainer.grid.native_engine import NativeEngine  # noqa: PLC0415

        return NativeEngine(jobs, memory=memory)
    if name in {"auto", "sklearn"}:
        from trainer.grid.sklearn_engine import SklearnEngine  # noqa: PLC0415

        return SklearnEngine(jobs)
    raise OptionsError(f"engine {name!r} is not available here: use 'auto', 'native' or 'sklearn'")


def why_no_native() -> str | None:
    """Say in half a sentence why the native engine cannot be used; None if it can."""
    try:
        importlib.import_module("trainer.grid.native._native")
    except ModuleNotFoundError:
        return "it was not compiled when this package was installed, which takes a C++ compiler"
    except ImportError as error:  # compiled for another system
        return f"it cannot be loaded ({error})"
    return None
