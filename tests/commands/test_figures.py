"""Tables and numbers, from whatever JSON there is."""

import io
from typing import Any

import pytest
from rich.console import Console, RenderableType

from worker.commands.evaluations import misclassified, parameters, summary
from worker.commands.figures import at, confusion_matrix, matrix_of, number, percent


def written(renderable: RenderableType, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_confusion_matrix_has_a_row_and_a_column_for_every_class() -> None:
    matrix = {"happy": {"happy": 8, "sad": 2}, "sad": {"happy": 1, "sad": 9}}

    header, _, happy, sad = written(confusion_matrix(matrix)).splitlines()

    assert header.split() == ["actual", "\\", "predicted", "happy", "sad", "recall"]
    assert happy.split() == ["happy", "8", "2", "80.0", "%"]
    assert sad.split() == ["sad", "1", "9", "90.0", "%"]


def test_many_classes_get_letters_so_that_the_matrix_fits_a_terminal() -> None:
    names = [f"genre number {position}" for position in range(30)]
    matrix = {name: {other: int(name == other) for other in names} for name in names}

    text = written(confusion_matrix(matrix), width=200)

    assert text.splitlines()[0].split()[3:] == [
        *"abcdefghijklmnopqrstuvwxyz",
        "aa",
        "ab",
        "ac",
        "ad",
        "recall",
    ]
    assert "ad  genre number 29" in text


def test_a_class_that_only_was_predicted_is_in_the_matrix_too() -> None:
    text = written(confusion_matrix({"happy": {"sad": 1}}))

    assert text.splitlines()[-1].split() == ["sad", ".", ".", "-"]


@pytest.mark.parametrize("junk", [None, {}, [], "matrix", {"a": 3}, {"a": {"b": 1}, "c": None}])
def test_what_is_no_confusion_matrix_is_none(junk: Any) -> None:
    assert matrix_of(junk) is None


def test_hostile_class_names_do_not_act() -> None:
    text = written(confusion_matrix({"[red]a": {"\x1b[2J": 1}}))

    assert "[red]a" in text
    assert r"\x1b[2J" in text
    assert "\x1b" not in text


@pytest.mark.parametrize("junk", [None, "92", True, float("nan"), float("inf"), [1]])
def test_only_finite_numbers_are_numbers(junk: Any) -> None:
    assert number(junk) is None
    assert percent(junk) == "-"


def test_a_path_through_anything_but_objects_leads_nowhere() -> None:
    assert at({"a": [1]}, "a", "b") is None
    assert at("text", "a") is None


def shown(report: Any, width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width)
    summary(console, report)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_result_of_acousticbrainz_is_shown() -> None:
    text = shown(
        {
            "project_path": "/data/datasets/1",
            "parameters": {
                "model": {"preprocessing": "normalized", "kernel": "RBF", "C": 5, "gamma": -7}
            },
            "accuracy": 92.4,
            "confusion_matrix": {"yes": {"yes": 132, "no": 11}, "no": {"no": 140}},
        }
    )

    assert "92.40 %" in text
    assert "normalized, RBF, C 2^5, gamma 2^-7" in text
    assert "132" in text


@pytest.mark.parametrize(
    ("corrected", "said"),
    [
        (79.37, "79.37 %  (0.63 points lower: expect this"),
        (18.41, "18.41 %  (61.59 points lower: expect this"),
        (80.0, "80.00 %  (no lower: expect this"),
        (80.4, "80.40 %  (no lower: expect this"),
    ],
)
def test_the_best_of_many_says_by_how_much_it_flatters_itself(corrected: float, said: str) -> None:
    point = {"accuracy": 80.0, "converged": True, "error": None}
    estimate = {"accuracy": {"value": corrected}}

    text = shown({"accuracy": 80, "grid": [point] * 3, "corrected": estimate})

    assert "best of 3 combinations" in text
    assert said in text
    assert "optimistic" not in text
    assert "best of" not in shown({"accuracy": 80, "grid": [point]})


def test_combinations_that_failed_or_did_not_converge_are_counted() -> None:
    grid = [
        {"converged": False, "error": "no descriptor left"},
        {"converged": False, "error": None},
        {"converged": True, "error": None},
    ]

    assert "3 combinations, 1 failed, 1 did not converge" in shown({"grid": grid})


def test_combinations_that_share_machines_with_other_gammas_are_counted() -> None:
    grid = [{"converged": True, "error": None, "identity_machines": count} for count in (0, 5, 2)]

    said = shown({"grid": grid})

    assert "3 combinations, 2 with machines trained once for several gammas" in " ".join(
        said.split()
    )


@pytest.mark.parametrize(
    "junk",
    [
        None,
        [],
        "done",
        3,
        {"accuracy": "x", "grid": 3, "notes": "n", "per_class": [1]},
        {
            "parameters": [],
            "per_class": {"a": None},
            "grid": [None],
            "left_out": 5,
            "recordings": [],
        },
    ],
)
def test_a_result_of_any_shape_is_shown_without_an_error(junk: Any) -> None:
    assert "accuracy" in shown(junk)


def test_misclassified_recordings_are_those_whose_prediction_differs() -> None:
    report = {
        "recordings": ["a", "b", "c"],
        "actual": ["x", "x", "y"],
        "predicted": ["x", "y", None],
        "folds": [0, 1, 2],
    }

    assert misclassified(report) == [("b", "x", "y", 1), ("c", "y", None, 2)]
    assert misclassified({"recordings": ["a"]}) == []


def test_parameters_are_one_line() -> None:
    model = {"preprocessing": "basic", "kernel": "poly", "C": -5, "gamma": 3}

    assert parameters({"parameters": {"model": model}}) == "basic, poly, C 2^-5, gamma 2^3"


def test_sentences_are_folded_where_a_pipe_would_make_them_one_long_line() -> None:
    sentence = " ".join(["word"] * 90)
    report = {
        "accuracy": 80,
        "verdict": {"kind": "chance", "sentence": sentence},
        "findings": [{"kind": "x", "severity": "warning", "sentence": sentence}],
        "notes": [sentence],
    }

    lines = shown(report, width=400).splitlines()

    assert sum(line.count("word") for line in lines) == 3 * 90
    assert max(map(len, lines)) <= 120
