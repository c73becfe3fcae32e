"""Two evaluations of the same recordings."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from trainer.errors import DocumentError
from trainer.mcnemar import compare


def report(right: str, actual: str | None = None, **more: Any) -> Any:
    """Say which recordings are right, a character each: + or -."""
    actual = actual or "a" * len(right)
    return {
        "recordings": [f"r{place}" for place in range(len(right))],
        "actual": list(actual),
        "predicted": [a if sign == "+" else "x" for sign, a in zip(right, actual, strict=True)],
    } | more


def test_each_recording_is_in_one_cell_of_the_table() -> None:
    compared = compare(report("+++--+"), report("++-+-+"))

    assert (compared.both, compared.only_a, compared.only_b, compared.neither) == (3, 1, 1, 1)
    assert compared.accuracies == (66.67, 66.67)
    assert compared.recordings == 6


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 5))
def test_p_is_twice_the_tail_of_a_fair_coin(only_a: int, only_b: int, both: int) -> None:
    count = only_a + only_b
    if not count + both:
        return
    compared = compare(
        report("+" * only_a + "-" * only_b + "+" * both),
        report("-" * only_a + "+" * only_b + "+" * both),
    )

    expected = min(1.0, 2 * float(binom.cdf(min(only_a, only_b), count, 0.5))) if count else 1.0
    assert compared.p == pytest.approx(expected)


def test_a_clear_difference_is_called_one_in_plain_words() -> None:
    said = compare(report("+" * 20), report("-" * 12 + "+" * 8)).meaning

    assert "Of 12 recordings that only one of them has right, A has 12 and B 0" in said
    assert "by luck in 0.049 % of cases: A is better than B on recordings like these" in said


def test_a_small_difference_is_not_taken_for_equality_either() -> None:
    said = compare(report("+++-"), report("++--")).meaning

    assert "do not say which is better" in said
    assert "no proof that they are equally good" in said


def test_evaluations_that_agree_on_every_recording_cannot_be_told_apart() -> None:
    compared = compare(report("+-+"), report("+-+"))

    assert compared.p == 1
    assert "the very same recordings" in compared.meaning


def test_recordings_of_one_or_of_contradicting_classes_are_named_and_not_counted() -> None:
    first = report("++++", "aaab")
    second = report("+++", "aab", recordings=["r0", "r2", "r3"])
    second["recordings"].append("r9")
    second["actual"].append("a")
    second["predicted"].append("a")
    second["actual"][1] = "b"

    compared = compare(first, second)

    assert (compared.only_in_a, compared.only_in_b) == (("r1",), ("r9",))
    assert compared.contradicting == ("r2",)
    assert compared.recordings == 2
    assert compared.report()["only_in_b"] == ["r9"]


@pytest.mark.parametrize(
    ("second", "sentence"),
    [
        ({"accuracy": 3}, "the second report does not say of each recording"),
        (report("+", recordings=["a", "b"]), "its columns have different lengths"),
        (report("++", recordings=["a", "a"]), "the second report has a recording twice"),
        (report("+", recordings=["z"]), "no recording with the same class in common"),
        (report("+", actual="b"), "no recording with the same class in common"),
    ],
)
def test_what_cannot_be_compared_is_told(second: Any, sentence: str) -> None:
    with pytest.raises(DocumentError, match=sentence):
        compare(report("+"), second)


def test_a_recording_without_prediction_is_wrong() -> None:
    assert compare(report("+", predicted=[None]), report("+")).only_b == 1


def test_what_flatters_one_of_the_two_is_said() -> None:
    first = report("+", grid=[{}] * 720)
    second = report("+", evaluated={"trained_on": 3})

    cautions = compare(first, second).cautions

    assert "A is the best of 720 combinations and B of 1: the choice flatters A" in cautions[0]
    assert "the model of B was trained on 3 recordings" in cautions[1]
    assert compare(first, first).cautions == ()


def test_memory_is_not_called_better() -> None:
    compared = compare(report("-" * 26), report("+" * 26, evaluated={"trained_on": 26}))

    assert compared.p < 0.05
    assert compared.meaning.startswith("No verdict: the model of B was trained on")
    assert compared.report()["known"] == ["B"]
    assert compare(report("+"), report("-", evaluated={"trained_on": -1})).known == ()


@pytest.mark.parametrize(
    ("only_a", "only_b", "said"),
    [
        (1, 1, "in 100 % of cases"),
        (3, 1, "in 62 % of cases"),
        (6, 1, "in 12 % of cases"),
        (8, 1, "in 3.9 % of cases"),
        (12, 0, "in 0.049 % of cases"),
        (90, 0, "in less than 0.01 % of cases"),
    ],
)
def test_how_often_luck_does_it_is_said_in_plain_figures(
    only_a: int, only_b: int, said: str
) -> None:
    compared = compare(report("+" * only_a + "-" * only_b), report("-" * only_a + "+" * only_b))

    assert said in compared.meaning


def folded(*folds: int, seed: int = 1, **kind: Any) -> Any:
    count = len(set(folds))
    known = {"folds": count, "group_by": None, "given": False} | kind
    return report("+" * len(folds), folds=list(folds), seed=seed, cross_validation=known)


@pytest.mark.parametrize(
    ("looser", "stricter", "heard"),
    [
        ({}, {"group_by": "artist"}, "artists"),
        ({}, {"group_by": "release_group"}, "albums"),
        ({"group_by": "release_group"}, {"group_by": "artist"}, "artists"),
    ],
)
def test_who_was_tested_on_what_it_had_heard_is_said_in_both_directions(
    looser: Any, stricter: Any, heard: str
) -> None:
    a, b = folded(0, 0, 1, 1, **looser), folded(0, 1, 1, 0, **stricter)

    forth, back = compare(a, b).cautions, compare(b, a).cautions

    assert len(forth) == len(back) == 1
    assert f"A was tested on {heard} that it may have heard, which flatters A" in forth[0]
    assert f"B was tested on {heard} that it may have heard, which flatters B" in back[0]


def test_given_folds_and_another_number_of_folds_are_said_in_both_directions() -> None:
    plain, given = folded(0, 0, 1, 1), folded(0, 1, 2, 2, given=True)

    forth, back = compare(plain, given).cautions, compare(given, plain).cautions

    assert forth[0].startswith("A has plain folds and B folds that were given")
    assert back[0].startswith("A has folds that were given and B plain folds")
    assert "B has 3 folds and A 2: the machines of B learned from more" in forth[1]
    assert "A has 3 folds and B 2: the machines of A learned from more" in back[1]


def test_other_folds_of_one_kind_are_said_with_their_seeds_and_the_same_ones_are_not() -> None:
    first, renumbered = folded(0, 0, 1, 1), folded(1, 1, 0, 0)

    (said,) = compare(first, folded(0, 1, 0, 1, seed=2)).cautions

    assert "into other folds (seeds 1 and 2)" in said
    assert compare(first, renumbered).cautions == ()


@pytest.mark.parametrize("odd", [None, 3, [], {"folds": "five"}, {"folds": 2, "given": "no"}])
def test_folds_that_a_report_does_not_tell_of_are_passed_over(odd: Any) -> None:
    assert compare(folded(0, 0, 1), report("+++", cross_validation=odd)).cautions == ()
