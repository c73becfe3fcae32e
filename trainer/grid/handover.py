"""Which engine takes what is too large for the one that was asked for, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainer.grid.engine import Engine
from trainer.grid.folds import Split

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Suited:
    """An engine with the memory for some splits.

    Attributes
    ----------
    engine : Engine
    instead : str or None
        Why it is not the one that was asked for, with figures; None if it is.
    """

    engine: Engine
    instead: str | None = None


def suited(engine: Engine, splits: Sequence[Split]) -> Suited:
    """Return the engine that is to solve these splits, see `Engine.suited_to`."""
    chosen = engine.suited_to(splits)
    if chosen is engine:
        return Suited(engine)
    return Suited(chosen, f"by {chosen.name} instead of {engine.name}{_shortage(engine, splits)}")


def _shortage(engine: Engine, splits: Sequence[Split]) -> str:
    # Imported here: where the native engine is not built nothing is ever handed over.
    from trainer.grid.native_engine import NativeEngine  # noqa: PLC0415
    from trainer.grid.native_matrices import Rows, bytes_of, bytes_of_thread  # noqa: PLC0415

    if not isinstance(engine, NativeEngine):
        return ""
    sets = [Rows.of(split) for split in splits]
    needed = max(bytes_of(rows) + bytes_of_thread(rows) for rows in sets)
    return (
        f", whose matrices need {-(-needed // MEBIBYTE):,} MiB for one fold on one thread, and "
        f"may have {engine.memory // MEBIBYTE:,} MiB (--memory, ACOUSTIC_MEMORY_MIB)"
    )
