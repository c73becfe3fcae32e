"""What a job may choose, checked before anything is computed.

The keys are those that AcousticBrainz writes into a job's row, and some more:

======================== ================================================================
``preprocessing_values`` of basic, lowlevel, nobands, normalized, gaussianized and mfcc;
                         without mfcc if it does not say
``kernel_values``        of poly and rbf; both
``c_values``             exponents of C = 2**c, from -30 to 30; -5, -3 ... 11
``gamma_values``         exponents of gamma, the same; 3, 1 ... -11
``balance_classes``      weight classes by their size, or a list of both; false
``filter_type``          null, or "artist": see `trainer.selection.artist_filter`; null
``normalize``            limit the sizes of classes; false
``normalize_mode``       how: "acousticbrainz", or "smallest"; "acousticbrainz"
``seed``                 of every random choice, from 0 to 2**32 - 1; 1
``folds``                parts of the cross-validation, from 2 to 50; 5
``nested``               also estimate by nested cross-validation; false
======================== ================================================================

Null and an empty list mean the default, as rows from before a key existed lack it. Any other key
is kept and has no effect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from trainer.errors import OptionsError
from trainer.grid.project import C_EXPONENTS, GAMMA_EXPONENTS, KERNELS, PREPROCESSINGS, Project
from trainer.wording import listed, shown

MAX_VALUES = 50  # of one axis of the grid
MAX_EXPONENT = 30  # 2**30 is far outside of where an SVM learns
MAX_SEED = 2**32 - 1
MIN_FOLDS, MAX_FOLDS = 2, 50

_PREPROCESSINGS = (*PREPROCESSINGS, "mfcc")


def _refused(expected: str, value: Any = None) -> PydanticCustomError:
    # Pydantic fills in braces of a template; what somebody sent may hold some.
    template = "{expected}" if value is None else "{value} is not {expected}"
    return PydanticCustomError("option", template, {"expected": expected, "value": shown(value)})


def _integer(value: Any, *, low: int, high: int) -> int:
    # type() and not isinstance: true is an int to Python, and 5.0 or "5" are slips to point out.
    if type(value) is not int or not low <= value <= high:
        raise _refused(f"an integer between {low:,} and {high:,}".replace(",", ""), value)
    return value


def _one_of(value: Any, *, names: tuple[str, ...]) -> str:
    name = value.lower() if isinstance(value, str) else None
    if name in names:
        return name
    expected = f"one of {', '.join(names)}"
    near = get_close_matches(name, names, n=1) if name and len(name) < MAX_VALUES else []
    raise _refused(f"{expected}; did you mean {near[0]!r}?" if near else expected, value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _refused("true or false", value)
    return value


def _axis(value: Any) -> tuple[Any, ...]:
    """Return the values of a grid's axis, each once, in the order given."""
    if not isinstance(value, list | tuple):
        raise _refused("a list", value)
    if len(value) > MAX_VALUES:
        raise _refused(f"has {len(value):,} values; at most {MAX_VALUES} are possible")
    return tuple(value)


def _flags(value: Any) -> tuple[Any, ...]:
    return _axis(value) if isinstance(value, list | tuple) else (_flag(value),)


def _unique(values: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _checked_by(check: Callable[..., Any], **limits: Any) -> BeforeValidator:
    return BeforeValidator(partial(check, **limits))
