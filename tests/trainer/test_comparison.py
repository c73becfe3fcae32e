"""How far predictions are from expected ones."""

import re
from typing import Any

import pytest

from trainer.comparison import Agreement, Comparison, agreement
from trainer.errors import DocumentError
from trainer.models.bundle import Prediction

OURS = Prediction("a", 0.75, {"a": 0.75, "b": 0.25})


def expected(value: str, **of_class: float) -> dict[str, Any]:
    return {"all": of_class, "value": value, "probability": of_class[value]}


def test_equal_outputs_agree_and_differ_by_nothing() -> None:
    assert agreement(OURS, expected("a", a=0.75, b=0.25)) == Agreement(1, 1, 2, 0.0, 0.0)


def test_differences_of_all_classes_count() -> None:
    found = agreement(OURS, expected("b", a=0.25, b=0.5))

    assert (found.agreeing, found.largest, found.total) == (0, 0.5, 0.75)
    assert found.mean == 0.375
    assert found.agreement == 0


def test_a_class_that_one_side_does_not_know_has_probability_zero_there() -> None:
    found = agreement(OURS, expected("a", a=0.75, c=0.25))

    assert (found.values, found.largest, found.total) == (3, 0.25, 0.5)


def test_documents_of_a_model_add_up_and_models_to_a_total() -> None:
    comparison = Comparison()
    same, different = expected("a", a=0.75, b=0.25), expected("b", a=0.25, b=0.75)

    comparison.add({"m": OURS, "n": OURS}, {"m": same, "n": different})
    comparison.add({"m": OURS, "n": OURS}, {"m": different})

    assert comparison.by_model == {
        "m": Agreement(2, 1, 4, 0.5, 1.0),
        "n": Agreement(1, 0, 2, 0.5, 1.0),
    }
    assert comparison.total == Agreement(3, 1, 6, 0.5, 2.0)


def test_nothing_compared_has_no_figures() -> None:
    assert (Comparison().total.agreement, Comparison().total.mean) == (None, None)


@pytest.mark.parametrize(
    ("output", "told"),
    [
        (None, "'n': null is no output of a model"),
        (3, "'n': 3 is no output of a model"),
        ({}, "'n': an object is no output of a model"),
        ({"all": []}, "'n': an object is no output of a model"),
        ({"all": {"a": "1"}}, "'n': '1' is no probability of 'a'"),
        ({"all": {"a": 2}}, "'n': 2 is no probability of 'a'"),
        ({"all": {"a": float("nan")}}, "'n': nan is no probability of 'a'"),
    ],
)
def test_what_is_no_output_is_refused_by_name_and_not_counted(output: Any, told: str) -> None:
    comparison = Comparison()

    with pytest.raises(DocumentError, match=re.escape(told)):
        comparison.add({"m": OURS, "n": OURS}, {"m": expected("a", a=1, b=0), "n": output})

    assert comparison.by_model == {}
