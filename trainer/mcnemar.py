"""Two evaluations of the same recordings, and whether one is better or was lucky.

McNemar's exact test looks only at recordings that one of the two has right and the other has not:
were both equally good, each of these would be a toss of a coin.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict, StrictStr, ValidationError
from scipy.stats import binomtest

from trainer.errors import DocumentError
from trainer.figures import percent
from trainer.reports import read_report
from trainer.unlike_folds import unlike_folds
from trainer.wording import counted, listed


class Reporting(Protocol):
    """An evaluation, or what a finished model was judged to be worth."""

    def report(self) -> dict[str, Any]:
        """Return everything as JSON."""
        ...


Reported = Reporting | Mapping[str, Any] | str | os.PathLike[str]

SURE = 0.05  # of differences as large by luck, at most so many
LEAST_SHOWN = 0.01  # percent; what is rarer is not told apart


class _Report(BaseModel):
    """The part of a report that is compared."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    recordings: list[StrictStr]
    actual: list[StrictStr]
    predicted: list[StrictStr | None]


@dataclass(frozen=True)
class Compared:
    """Two evaluations, A and B, side by side.

    Attributes
    ----------
    both, only_a, only_b, neither : int
        Recordings that both, only A, only B, or neither predicted right.
    p : float
        How often the two would differ so much if they were equally good.
    only_in_a, only_in_b : tuple of str
        Recordings that the other does not have; they are not counted.
    contradicting : tuple of str
        Recordings whose actual class is another one in B; they are not counted either.
    cautions : tuple of str
        What makes one of the two look better than it is.
    known : tuple of str
        Which of the two, A or B, is of a model that was trained on recordings that it was evaluated
        on: then there is no verdict.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    p: float
    only_in_a: tuple[str, ...] = ()
    only_in_b: tuple[str, ...] = ()
    contradicting: tuple[str, ...] = ()
    cautions: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    @property
    def recordings(self) -> int:
        """Those that were compared."""
        return self.both + self.only_a + self.only_b + self.neither

    @property
    def accuracies(self) -> tuple[float, float]:
        """Of A and of B on the recordings that both have, in percent."""
        right = (self.both + self.only_a, self.both + self.only_b)
        first, second = (percent(each, self.recordings) or 0.0 for each in right)
        return first, second

    @property
    def meaning(self) -> str:
        """What it means, in plain words."""
        if self.known:
            return (
                f"No verdict: the model of {listed(self.known)} was trained on recordings "
                f"that it was evaluated on, which it may remember. Evaluate it on others, then "
                f"compare."
            )
        differing = self.only_a + self.only_b
        if not differing:
            return (
                "A and B are right and wrong on the very same recordings: nothing here tells them "
                "apart."
            )
        better, worse = ("A", "B") if self.only_a >= self.only_b else ("B", "A")
        more, fewer = max(self.only_a, self.only_b), min(self.only_a, self.only_b)
        counts = (
            f"Of {counted(differing, 'recording')} that only one of them has right, A has "
            f"{self.only_a:,} and B {self.only_b:,}."
        )
        if self.p < SURE:
            return (
                f"{counts} Were both equally good, a difference as large would come about by luck "
                f"in {_share(self.p)} of cases: {better} is better than {worse} on recordings "
                f"like these, {more:,} to {fewer:,}."
            )
        return (
            f"{counts} Were both equally good, a difference as large would come about by luck in "
            f"{_share(self.p)} of cases, so these recordings do not say which is better. That "
            f"is no proof that they are equally good: more recordings may tell them apart."
        )

    def report(self) -> dict[str, Any]:
        """Return everything as JSON."""
        first, second = self.accuracies
        return {
            "recordings": self.recordings,
            "accuracy": {"a": first, "b": second},
            "right": {
                "both": self.both,
                "only_a": self.only_a,
                "only_b": self.only_b,
                "neither": self.neither,
            },
            "p": self.p,
            "test": "McNemar, exact",
            "meaning": self.meaning,
            "cautions": list(self.cautions),
            "known": list(self.known),
            "only_in_a": list(self.only_in_a),
            "only_in_b": list(self.only_in_b),
            "contradicting": list(self.contradicting),
        }


def compare(first: Reported, second: Reported) -> Compared:
    """Compare two evaluations by the recordings that both have.

    Parameters
    ----------
    first, second : Evaluation, Judgement, mapping or path-like
        What `trainer.train` or `trainer.evaluate` returned, its report, or the file of one.

    Raises
    ------
    DocumentError
        One of them cannot be read, does not say which recordings it predicted and how, or they
        have none of the same class in common.

    Examples
    --------
    >>> import examples, trainer
    >>> dataset = trainer.Dataset.prepare(examples.ground_truth("timbre"), examples.documents())
    >>> project = trainer.Project(["basic"], ["rbf"], c_exponents=[5])
    >>> compared = trainer.compare(
    ...     trainer.train(dataset, project), trainer.train(dataset, project, seed=2)
    ... )
    >>> compared.recordings, compared.both > compared.only_a, 0 <= compared.p <= 1
    (218, True, True)
    """
    first, second = _report_of(first), _report_of(second)
    a, b = _answers(first, "the first"), _answers(second, "the second")
    shared = [recording for recording in a if recording in b]
    alike = [r for r in shared if a[r][0] == b[r][0]]
    if not alike:
        raise DocumentError(
            "the two evaluations have no recording with the same class in common: compare "
            "evaluations of the same labels"
        )
    right = [(a[r][0] == a[r][1], b[r][0] == b[r][1]) for r in alike]
    only_a, only_b = right.count((True, False)), right.count((False, True))
    differing = only_a + only_b
    return Compared(
        both=right.count((True, True)),
        only_a=only_a,
        only_b=only_b,
        neither=right.count((False, False)),
        p=float(binomtest(only_a, differing).pvalue) if differing else 1.0,
        only_in_a=tuple(r for r in a if r not in b),
        only_in_b=tuple(r for r in b if r not in a),
        contradicting=tuple(r for r in shared if a[r][0] != b[r][0]),
        cautions=tuple(_cautions(first, second, alike)),
        known=tuple(name for name, one in (("A", first), ("B", second)) if _trained_on(one)),
    )


def _share(p: float) -> str:
    """Return a probability in percent, without exponents.

    >>> _share(1.0), _share(0.31), _share(0.000488), _share(9.5e-27)
    ('100 %', '31 %', '0.049 %', 'less than 0.01 %')
    """
    share = 100 * p
    if share < LEAST_SHOWN:
        return f"less than {LEAST_SHOWN} %"
    return f"{share:.0f} %" if share >= 10 else f"{share:.2g} %"  # noqa: PLR2004 - two digits


def _cautions(
    first: Mapping[str, Any], second: Mapping[str, Any], shared: Sequence[str]
) -> Iterator[str]:
    yield from unlike_folds(first, second, shared)
    sizes = [
        len(grid) if isinstance(grid := one.get("grid"), list) else 1 for one in (first, second)
    ]
    if sizes[0] != sizes[1]:
        more, less = ("A", "B") if sizes[0] > sizes[1] else ("B", "A")
        yield (
            f"{more} is the best of {max(sizes):,} combinations and {less} of {min(sizes):,}: the "
            f"choice flatters {more} more"
        )
    for name, one in (("A", first), ("B", second)):
        if known := _trained_on(one):
            yield (
                f"the model of {name} was trained on {counted(known, 'recording')} that it was "
                f"evaluated on, which it may remember"
            )


def _trained_on(report: Mapping[str, Any]) -> int:
    """Count the recordings of an evaluation that its model knew, as far as it says so."""
    evaluated = report.get("evaluated")
    known = evaluated.get("trained_on") if isinstance(evaluated, Mapping) else None
    return max(0, known) if isinstance(known, int) else 0


def _report_of(reported: Reported) -> Mapping[str, Any]:
    if isinstance(reported, Mapping):
        return reported
    if isinstance(reported, str | os.PathLike):
        return read_report(reported)
    return reported.report()


def _answers(report: Mapping[str, Any], which: str) -> dict[str, tuple[str, str | None]]:
    """Return actual and predicted class of each recording."""
    try:
        known = _Report.model_validate(dict(report))
        pairs = zip(known.actual, known.predicted, strict=True)
        answers = dict(zip(known.recordings, pairs, strict=True))
    except ValueError as error:  # of pydantic, or columns of different lengths
        raise DocumentError(
            f"{which} report does not say of each recording what it is and what it was predicted "
            f"to be ({_problem(error)}): it is of AcousticBrainz, of an earlier version, or none"
        ) from error
    if len(answers) != len(known.recordings):
        raise DocumentError(f"{which} report has a recording twice")
    return answers


def _problem(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return "its columns have different lengths"
