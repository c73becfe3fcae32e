"""The search as data: which combinations are tried, in which order.

The defaults are the grid that AcousticBrainz ran on Gaia 2.4.5: five preprocessings, two kernels,
nine C and eight gamma are 720 combinations, each cross-validated over five folds.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

PREPROCESSINGS = ("basic", "lowlevel", "nobands", "normalized", "gaussianized")
KERNELS = ("poly", "rbf")
C_EXPONENTS = (-5, -3, -1, 1, 3, 5, 7, 9, 11)
GAMMA_EXPONENTS = (3, 1, -1, -3, -5, -7, -9, -11)


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
    """

    preprocessings: tuple[str, ...] = PREPROCESSINGS
    kernels: tuple[str, ...] = KERNELS
    c_exponents: tuple[int, ...] = C_EXPONENTS
    gamma_exponents: tuple[int, ...] = GAMMA_EXPONENTS
    balance_classes: tuple[bool, ...] = (False,)
    folds: int = 5
    nested: bool = False

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
