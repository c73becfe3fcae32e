"""The search as data: which combinations are tried, in which order.

The defaults are the grid that AcousticBrainz ran on Gaia 2.4.5: five preprocessings, two kernels,
nine C and eight gamma are 720 combinations, each cross-validated over five folds.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from trainer.errors import OptionsError
from trainer.preprocessing.recipes import NAMES
from trainer.wording import shown

PREPROCESSINGS = ("basic", "lowlevel", "nobands", "normalized", "gaussianized")
KERNELS = ("poly", "rbf")
C_EXPONENTS = (-5, -3, -1, 1, 3, 5, 7, 9, 11)
GAMMA_EXPONENTS = (3, 1, -1, -3, -5, -7, -9, -11)
MIN_FOLDS = 2
EXPONENTS = range(-30, 31)  # beyond, float32 holds no kernel value

# What each axis may hold.
_AXES: Mapping[str, Collection[object]] = {
    "preprocessings": NAMES,
    "kernels": KERNELS,
    "c_exponents": EXPONENTS,
    "gamma_exponents": EXPONENTS,
    "balance_classes": (False, True),
}

Grouping = Literal["artist", "release_group"]
GROUP_NOUNS: Mapping[Grouping, str] = {"artist": "artist", "release_group": "album"}


@dataclass(frozen=True)
class Combination:
    """One point of the grid.

    Attributes
    ----------
    preprocessing : str
        Name of a recipe, see `trainer.preprocessing.recipes`.
    kernel : {"poly", "rbf"}
        ``(gamma <x, y>)**3`` or ``exp(-gamma |x - y|**2)``.
    c_exponent, gamma_exponent : int
        C is ``2**c_exponent``, gamma ``2**gamma_exponent``; absolute, not divided by the number
        of dimensions.
    balance_classes : bool
        Weight each class by ``n / (n_class * classes)`` of the training set at hand.
    """

    preprocessing: str
    kernel: str
    c_exponent: int
    gamma_exponent: int
    balance_classes: bool = False


@dataclass(frozen=True)
class Project:
    """What a search tries; see `Combination` for the meaning of each axis.

    Attributes
    ----------
    preprocessings, kernels, c_exponents, gamma_exponents, balance_classes : tuple
        The axes, each in the order in which ties are decided.
    folds : int
        Parts of the cross-validation.
    nested : bool
        Also estimate the accuracy of the whole search by nested cross-validation: honest, and
        as many times dearer as there are folds.
    group_by : {"artist", "release_group"} or None
        What no two folds share, see `trainer.grid.fold_plan`.
    given_folds : tuple of tuple of str
        Ids of each fold, where they are not to be drawn; `folds` is their number then.
    repeats : int
        How often the chosen combination is cross-validated, each time over other folds.
    learning_curve : bool
        Also train the chosen combination on parts of the recordings.
    """

    preprocessings: tuple[str, ...] = PREPROCESSINGS
    kernels: tuple[str, ...] = KERNELS
    c_exponents: tuple[int, ...] = C_EXPONENTS
    gamma_exponents: tuple[int, ...] = GAMMA_EXPONENTS
    balance_classes: tuple[bool, ...] = (False,)
    folds: int = 5
    nested: bool = False
    group_by: Grouping | None = None
    given_folds: tuple[tuple[str, ...], ...] = ()
    repeats: int = 1
    learning_curve: bool = False

    def __post_init__(self) -> None:
        for axis, possible in _AXES.items():
            values = getattr(self, axis)
            _check_axis(axis, values, possible)
            # A list would be another project than the tuple of the same values.
            object.__setattr__(self, axis, tuple(values))
        if self.folds < MIN_FOLDS:
            raise OptionsError(f"folds of a project are {self.folds}; at least {MIN_FOLDS} needed")

    def combinations(self) -> list[Combination]:
        """Every combination in grid order: the first of equally good ones is chosen."""
        axes = product(
            self.preprocessings,
            self.kernels,
            self.c_exponents,
            self.gamma_exponents,
            self.balance_classes,
        )
        return [Combination(*point) for point in axes]

    def only(self, chosen: Combination) -> Project:
        """Return the project of one of the combinations."""
        return replace(
            self,
            preprocessings=(chosen.preprocessing,),
            kernels=(chosen.kernel,),
            c_exponents=(chosen.c_exponent,),
            gamma_exponents=(chosen.gamma_exponent,),
            balance_classes=(chosen.balance_classes,),
        )


def _check_axis(axis: str, values: object, possible: Collection[object]) -> None:
    if isinstance(values, str) or not isinstance(values, Collection) or not values:
        raise OptionsError(f"{axis} of a project are {shown(values)}; give a list of values")
    for value in values:
        if value not in possible:
            raise OptionsError(
                f"{axis} of a project hold {shown(value)}; possible are {_some(possible)}"
            )


def _some(possible: Collection[object]) -> str:
    if isinstance(possible, range):
        return f"{possible[0]} to {possible[-1]}"
    return ", ".join(map(str, possible))
