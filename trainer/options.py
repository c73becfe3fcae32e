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
``group_by``             "artist" or "release_group": no two folds share one; null
``given_folds``          the folds themselves, a list of ids for each; null
``nested``               also estimate by nested cross-validation; false
``repeats``              cross-validate the chosen combination so often, from 1 to 100; 1
``learning_curve``       also train the chosen combination on parts of the recordings; false
``missing``              recordings without document: "fail", or "leave out"; "fail"
``shortcuts``            solve combinations that are the same problem once; true
======================== ================================================================

Null and an empty list mean the default, as rows from before a key existed lack it. Any other key
is kept and has no effect, of which the evaluation's notes tell; all together they are bounded, for
they are stored with every result. Because of that bound folds are given as lists, not as an object
of each id and its fold, and the beginning of an MBID will do: with 8 characters of each the bound
is reached at 5,000 recordings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from trainer.documents import MAX_ID, recording_id
from trainer.errors import DocumentError, OptionsError
from trainer.grid.project import (
    C_EXPONENTS,
    GAMMA_EXPONENTS,
    KERNELS,
    PREPROCESSINGS,
    Grouping,
    Project,
)
from trainer.parsing import MAX_DEPTH, check_depth
from trainer.selection import NormalizeMode
from trainer.wording import listed, shown

MAX_VALUES = 50  # of one axis of the grid
MAX_EXPONENT = 30  # 2**30 is far outside of where an SVM learns
MAX_SEED = 2**32 - 1
MIN_FOLDS, MAX_FOLDS = 2, 50
MAX_REPEATS = 100

Missing = Literal["fail", "leave out"]
MAX_BYTES = 2**16  # of all options as JSON, those that are unknown included

NEAR = 0.7  # how alike a key has to be to one that is known, to be taken for a slip

# What each key takes, for people.
TAKES: Mapping[str, str] = {
    "preprocessing_values": f"a list of {', '.join((*PREPROCESSINGS, 'mfcc'))}",
    "kernel_values": f"a list of {', '.join(KERNELS)}",
    "c_values": f"a list of at most {MAX_VALUES} integers, {-MAX_EXPONENT} to {MAX_EXPONENT}",
    "gamma_values": f"a list of at most {MAX_VALUES} integers, {-MAX_EXPONENT} to {MAX_EXPONENT}",
    "balance_classes": "true, false, or a list of both",
    "filter_type": '"artist" or null',
    "normalize": "true or false",
    "normalize_mode": " or ".join(f'"{mode}"' for mode in get_args(NormalizeMode)),
    "group_by": " or ".join((*(f'"{name}"' for name in get_args(Grouping)), "null")),
    "given_folds": f"a list of recording ids for each fold, at most {MAX_FOLDS} folds",
    "repeats": f"an integer, 1 to {MAX_REPEATS}",
    "learning_curve": "true or false",
    "missing": " or ".join(f'"{name}"' for name in get_args(Missing)),
    "folds": f"an integer, {MIN_FOLDS} to {MAX_FOLDS}",
    "seed": f"an integer, 0 to {MAX_SEED}",
    "nested": "true or false",
    "shortcuts": "true or false",
}


def _refused(value: Any, expected: str) -> PydanticCustomError:
    return _invalid(f"{shown(value)} is not {expected}")


def _invalid(message: str) -> PydanticCustomError:
    # Through the context, because what somebody sent may hold a template's braces.
    return PydanticCustomError("option", "{message}", {"message": message})


def _integer(value: Any, *, low: int, high: int) -> int:
    # type() and not isinstance: true is an int to Python, and 5.0 or "5" are slips to point out.
    if type(value) is not int or not low <= value <= high:
        raise _refused(value, f"an integer between {low} and {high}")
    return value


def _one_of(value: Any, *, names: tuple[str, ...]) -> str:
    name = value.lower() if isinstance(value, str) else ""
    if name in names:
        return name
    # Cut, because the search for near names takes the square of the length.
    near = get_close_matches(name[:MAX_VALUES], names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise _refused(value, f"one of {', '.join(names)}{hint}")


def _filter_type(value: Any) -> str:
    if value != "artist":
        raise _refused(value, "'artist' or null")
    return "artist"


def _given_folds(value: Any) -> tuple[tuple[str, ...], ...]:
    if not isinstance(value, list | tuple) or not all(isinstance(x, list | tuple) for x in value):
        raise _invalid("it is not a list that holds a list of recording ids for each fold")
    if not MIN_FOLDS <= len(value) <= MAX_FOLDS:
        raise _invalid(f"{len(value):,} folds are not between {MIN_FOLDS} and {MAX_FOLDS}")
    fold_of: dict[str, int] = {}
    for fold, members in enumerate(value):
        for member in members:
            if not isinstance(member, str) or not 0 < len(member) <= MAX_ID:
                raise _refused(member, f"a recording id, text of at most {MAX_ID} characters")
            if fold_of.setdefault(recording_id(member), fold) != fold:
                other = fold_of[recording_id(member)]
                raise _invalid(f"{shown(member)} is in two folds, {other} and {fold}")
    return tuple(tuple(dict.fromkeys(map(recording_id, members))) for members in value)


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _refused(value, "true or false")
    return value


def _axis(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _refused(value, "a list")
    if len(value) > MAX_VALUES:
        raise _invalid(f"{len(value):,} values are more than the {MAX_VALUES} that are possible")
    return tuple(value)


def _flags(value: Any) -> tuple[Any, ...]:
    return _axis(value) if isinstance(value, list | tuple) else (_flag(value),)


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


def _check(check: Callable[..., Any], **limits: Any) -> BeforeValidator:
    return BeforeValidator(partial(check, **limits))


_Flag = Annotated[bool, _check(_flag)]
_Seed = Annotated[int, _check(_integer, low=0, high=MAX_SEED)]
_Folds = Annotated[int, _check(_integer, low=MIN_FOLDS, high=MAX_FOLDS)]
_Exponent = Annotated[int, _check(_integer, low=-MAX_EXPONENT, high=MAX_EXPONENT)]
_Preprocessing = Annotated[str, _check(_one_of, names=(*PREPROCESSINGS, "mfcc"))]
_Kernel = Annotated[str, _check(_one_of, names=KERNELS)]
_FilterType = Annotated[Literal["artist"] | None, _check(_filter_type)]
_GroupBy = Annotated[Grouping | None, _check(_one_of, names=get_args(Grouping))]
_GivenFolds = Annotated[tuple[tuple[str, ...], ...], _check(_given_folds)]
_Repeats = Annotated[int, _check(_integer, low=1, high=MAX_REPEATS)]
_Missing = Annotated[Missing, _check(_one_of, names=get_args(Missing))]
_NormalizeMode = Annotated[NormalizeMode, _check(_one_of, names=get_args(NormalizeMode))]

# Each axis of the grid: a list of at most 50, every value once, in the order given.
_Exponents = Annotated[tuple[_Exponent, ...], _check(_axis), AfterValidator(_unique)]
_Preprocessings = Annotated[tuple[_Preprocessing, ...], _check(_axis), AfterValidator(_unique)]
_Kernels = Annotated[tuple[_Kernel, ...], _check(_axis), AfterValidator(_unique)]
_Flags = Annotated[tuple[_Flag, ...], _check(_flags), AfterValidator(_unique)]


class JobOptions(BaseModel):
    """A job's options, valid and complete; make it with `parse`.

    Attributes
    ----------
    given : dict
        The JSON as it was, unknown keys included.

    The others are the keys that the module describes, lists as tuples.
    """

    model_config = ConfigDict(frozen=True)

    given: dict[str, Any] = Field(default_factory=dict)
    preprocessing_values: _Preprocessings = PREPROCESSINGS
    kernel_values: _Kernels = KERNELS
    c_values: _Exponents = C_EXPONENTS
    gamma_values: _Exponents = GAMMA_EXPONENTS
    balance_classes: _Flags = (False,)
    filter_type: _FilterType = None
    normalize: _Flag = False
    normalize_mode: _NormalizeMode = "acousticbrainz"
    seed: _Seed = 1
    folds: _Folds = 5
    group_by: _GroupBy = None
    given_folds: _GivenFolds | None = None
    nested: _Flag = False
    repeats: _Repeats = 1
    learning_curve: _Flag = False
    missing: _Missing = "fail"
    shortcuts: _Flag = True

    @model_validator(mode="after")
    def _agree(self) -> Self:
        problem = self.given_folds and self._disagreement(self.given_folds)
        if problem:
            raise _invalid(problem)
        return self

    def _disagreement(self, folds: Sequence[Sequence[str]]) -> str | None:
        """Return what else is asked for that folds which are given cannot satisfy."""
        if self.group_by is not None:
            return "folds that are given cannot be grouped: leave out group_by"
        if self.repeats > 1:
            return "folds that are given are the only ones, and repeats needs others: leave it out"
        if "folds" in self.model_fields_set and self.folds != len(folds):
            return f"folds is {self.folds}, and {len(folds)} are given: leave it out"
        return None

    def project_over(self, folds: tuple[tuple[str, ...], ...]) -> Project:
        """Return the search over folds from elsewhere, for which there is no bound as for options.

        Raises
        ------
        OptionsError
            The options ask for something that these folds cannot satisfy.
        """
        problem = self._disagreement(folds)
        if self.given_folds:
            problem = "folds are given twice, by an option and by a file: leave one out"
        if problem:
            raise OptionsError(f"options: {problem}")
        return replace(self.project, given_folds=folds, folds=len(folds))

    @classmethod
    def parse(cls, options: Any) -> Self:
        """Check the options of a job.

        Parameters
        ----------
        options : mapping or None
            The JSON object of the job's row; None means all defaults.

        Raises
        ------
        OptionsError
            With the JSON path and value of everything that is wrong, and what was expected.
        """
        if options is None:
            options = {}
        if not isinstance(options, Mapping):
            raise OptionsError(f"options: {shown(options)} {_no_object(options)}")
        known = {
            key: options[key]
            for key in cls.model_fields.keys() & options.keys() - {"given"}
            if options[key] is not None and options[key] != []
        }
        try:
            parsed = cls(**known, given=dict(options))
        except ValidationError as error:
            problems = listed((_problem(**details) for details in error.errors()), separator="; ")
            raise OptionsError(problems) from error
        _check_size(options)
        return parsed

    @property
    def misspelt(self) -> dict[str, str]:
        """Keys that look like slips, each with the one that was probably meant."""
        near = {key: _near(key) for key in self._unknown}
        return {key: meant for key, meant in near.items() if meant}

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to say of keys that have no effect."""
        named = [
            shown(key) + (f" (did you mean {self.misspelt[key]}?)" if key in self.misspelt else "")
            for key in self._unknown
        ]
        return (f"options that are not known have no effect: {listed(named)}",) if named else ()

    @property
    def _unknown(self) -> list[str]:
        return [key for key in self.given if key not in TAKES]

    @property
    def project(self) -> Project:
        """The search that these options ask for."""
        return Project(
            preprocessings=self.preprocessing_values,
            kernels=self.kernel_values,
            c_exponents=self.c_values,
            gamma_exponents=self.gamma_values,
            balance_classes=self.balance_classes,
            folds=len(self.given_folds) if self.given_folds else self.folds,
            nested=self.nested,
            group_by=self.group_by,
            given_folds=self.given_folds or (),
            repeats=self.repeats,
            learning_curve=self.learning_curve,
        )


def _near(key: str) -> str | None:
    """Return the key that somebody had in mind who wrote this one."""
    key = str(key)[:MAX_VALUES].strip().lower()
    if key in TAKES:
        return key
    found = get_close_matches(key, TAKES, n=1, cutoff=NEAR)
    return found[0] if found else next((name for name in TAKES if name.startswith(f"{key}_")), None)


def _no_object(options: Any) -> str:
    # What the database has and nobody can read comes as text.
    if isinstance(options, str) and len(options) > MAX_BYTES:
        return f"is more than the {MAX_BYTES:,} bytes of JSON that are possible"
    if isinstance(options, str) and options.startswith("{"):
        return "is nested too deep, or holds a number of thousands of digits"
    return "is not a JSON object"


def _check_size(options: Mapping[str, Any]) -> None:
    try:
        check_depth(options)
        size = len(json.dumps(options))
    except (DocumentError, RecursionError) as error:
        raise OptionsError(f"options: they are nested more than {MAX_DEPTH} levels deep") from error
    except (TypeError, ValueError) as error:
        raise OptionsError(f"options: they cannot be written as JSON ({error})") from error
    if size > MAX_BYTES:
        raise OptionsError(
            f"options: {size:,} bytes of JSON are more than the {MAX_BYTES:,} that are possible"
        )


def _problem(*, loc: tuple[int | str, ...], msg: str, **_: Any) -> str:
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in loc)
    return f"options{path}: {msg}"
