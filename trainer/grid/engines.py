"""Which engines there are on this computer."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from trainer.errors import OptionsError
from trainer.grid.engine import Engine
from trainer.wording import shown

if TYPE_CHECKING:
    from typing_extensions import CapsuleType

MEMORY = 2 * 2**30


def check_engine(name: str) -> None:
    """Raise the `OptionsError` that `choose_engine` would raise for this name, if any."""
    if name not in {"auto", "native", "sklearn"}:
        raise OptionsError(
            f"engine {name!r} is not available here: use 'auto', 'native' or 'sklearn'"
        )
    if name == "native" and (missing := why_no_native()):
        raise OptionsError(
            f"engine 'native' is not available here: {missing}; use 'auto' or 'sklearn'"
        )


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
    check_engine(name)
    # Imported here: scikit-learn takes a second, and commands that train nothing come this way.
    if name == "native" or (name == "auto" and not why_no_native()):
        from trainer.grid.native_engine import NativeEngine  # noqa: PLC0415

        return NativeEngine(jobs, memory=memory)
    from trainer.grid.sklearn_engine import SklearnEngine  # noqa: PLC0415

    return SklearnEngine(jobs)


def with_instruction_set(engine: Engine, name: str) -> Engine:
    """Return the native engine, with the instruction set of that name.

    Raises
    ------
    OptionsError
        This processor has no such instruction set, or the engine is another one.
    """
    # Imported here: a computer without a compiler has neither.
    if why_no_native() is None:
        from trainer.grid.native._native import instruction_sets  # noqa: PLC0415
        from trainer.grid.native_engine import NativeEngine  # noqa: PLC0415

        if isinstance(engine, NativeEngine):
            check_instruction_set(name, instruction_sets())
            return replace(engine, instruction_set=name)
    raise OptionsError(
        f"instruction set {name!r} is for the native engine, and {engine.name!r} is what runs "
        "here: leave it out"
    )


def check_instruction_set(name: str, known: Sequence[str]) -> None:
    """Refuse what is neither "", the widest, nor among the known.

    Raises
    ------
    OptionsError
        This processor has no such instruction set.
    """
    if name and name not in known:
        raise OptionsError(
            f"instruction set {shown(name)} is not available on this processor: "
            f"use {', '.join(known)}"
        )


def instruction_set_of(engine: Engine) -> str | None:
    """Return the name of the instruction set that an engine uses; None if that is not known."""
    if engine.name != "native":
        return None
    from trainer.grid.native._native import instruction_sets  # noqa: PLC0415 - not everywhere

    return getattr(engine, "instruction_set", "") or instruction_sets()[0]


def why_no_native() -> str | None:
    """Say in half a sentence why the native engine cannot be used; None if it can."""
    try:
        native = importlib.import_module("trainer.grid.native._native")
    except ModuleNotFoundError:
        return "it was not compiled when this package was installed, which takes a C++ compiler"
    except ImportError as error:  # compiled for another system
        return f"it cannot be loaded ({error})"
    try:
        native.check_inner_product(shared_inner_product())
    except (ImportError, AttributeError, KeyError, TypeError, ValueError) as error:
        return f"this version of scipy shares its inner product in another way ({error})"
    return None


def shared_inner_product() -> CapsuleType:
    """Return the function that scikit-learn's kernels call, as scipy shares it with compiled code.

    Raises
    ------
    ImportError, AttributeError, KeyError
        This version of scipy does not.
    """
    blas = importlib.import_module("scipy.linalg.cython_blas")
    shared: CapsuleType = blas.__pyx_capi__["ddot"]
    return shared
