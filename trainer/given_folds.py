"""Folds as people write them down: a CSV or TSV of ``id,fold``, or JSON (each also ``.gz``).

The JSON is ``{id: fold}``, or a list that holds a list of ids for each fold, as the option
``given_folds`` of a job. Folds are whole numbers; which, and in which order, makes no difference.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trainer.columns import pairs_of_csv
from trainer.documents import recording_id
from trainer.errors import DocumentError, GroundTruthError, OptionsError
from trainer.ground_truth import read_bytes
from trainer.options import MAX_FOLDS, MIN_FOLDS
from trainer.parsing import parse_json
from trainer.wording import shown

_WHOLE_NUMBER = re.compile("[0-9]{1,9}", re.ASCII)


def read_folds(path: Path) -> tuple[tuple[str, ...], ...]:
    """Read the ids of each fold, folds in ascending order of their numbers.

    Raises
    ------
    OptionsError
        The file cannot be read or is of neither kind; a fold is no whole number; an id is in two
        folds; or there are fewer than two folds, or more than 50. The message names the file.
    """
    place = shown(str(path), 300)
    try:
        return _checked(_pairs(path, place))
    except (DocumentError, GroundTruthError, OptionsError) as error:
        raise OptionsError(f"{place}: {error}") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise OptionsError(f"{place} cannot be read: {reason}") from error


def _pairs(path: Path, place: str) -> Iterable[tuple[Any, Any]]:
    name = path.name.lower().removesuffix(".gz")
    if name.endswith((".csv", ".tsv")):
        return pairs_of_csv(read_bytes(path), of="fold")
    if not name.endswith(".json"):
        raise OptionsError(f"{place} holds no folds; give a file of .csv, .tsv or .json (.gz)")
    value = parse_json(read_bytes(path), unique_keys=True)
    if isinstance(value, dict):
        return value.items()
    if isinstance(value, list) and all(isinstance(members, list) for members in value):
        return [(member, fold) for fold, members in enumerate(value) for member in members]
    raise OptionsError(
        "the JSON is neither an object of ids and their folds nor a list of a list for each fold"
    )


def _checked(pairs: Iterable[tuple[Any, Any]]) -> tuple[tuple[str, ...], ...]:
    fold_of: dict[str, int] = {}
    for given, number in pairs:
        if not isinstance(given, str) or not given:
            raise OptionsError(f"{shown(given)} is no id of a recording; write it in quotes")
        recording, fold = recording_id(given), _whole(number, given)
        if fold_of.setdefault(recording, fold) != fold:
            raise OptionsError(
                f"recording {shown(given)} is in two folds, {fold_of[recording]} and {fold}; "
                f"leave it in one"
            )
    members: dict[int, list[str]] = {fold: [] for fold in sorted(set(fold_of.values()))}
    for recording, fold in fold_of.items():
        members[fold].append(recording)
    if not MIN_FOLDS <= len(members) <= MAX_FOLDS:
        raise OptionsError(f"{len(members):,} folds are not between {MIN_FOLDS} and {MAX_FOLDS}")
    return tuple(map(tuple, members.values()))


def _whole(number: Any, recording: str) -> int:
    if type(number) is int and 0 <= number < 10**9:
        return number
    if isinstance(number, str) and _WHOLE_NUMBER.fullmatch(number):
        return int(number)
    raise OptionsError(
        f"the fold of recording {shown(recording)} is {shown(number)}, not a whole number"
    )
