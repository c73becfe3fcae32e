"""A job's options: defaults, limits, and what is said of those that are refused."""

import pickle
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import OptionsError
from trainer.grid.project import Project
from trainer.options import TAKES, JobOptions

RECIPES = "basic, lowlevel, nobands, normalized, gaussianized, mfcc (did you mean 'gaussianized'?)"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)


def problem(options: Any) -> str:
    with pytest.raises(OptionsError) as raised:
        JobOptions.parse(options)
    return str(raised.value)


@pytest.mark.parametrize("options", [None, {}])
def test_without_options_the_search_is_that_of_acousticbrainz(options: Any) -> None:
    parsed = JobOptions.parse(options)

    assert parsed.project == Project()
    assert len(parsed.project.combinations()) == 720
    assert (parsed.seed, parsed.filter_type, parsed.normalize) == (1, None, False)
    assert parsed.normalize_mode == "acousticbrainz"


@pytest.mark.parametrize("empty", [None, []])
def test_null_and_an_empty_list_are_the_default(empty: Any) -> None:
    assert JobOptions.parse(dict.fromkeys(JobOptions.model_fields, empty)).project == Project()


def test_the_project_has_what_the_options_ask_for() -> None:
    options = JobOptions.parse(
        {
            "preprocessing_values": ["mfcc", "basic"],
            "kernel_values": ["RBF"],
            "c_values": [5, -1],
            "gamma_values": [-30, 30],
            "balance_classes": [True, False],
            "folds": 10,
            "nested": True,
            "seed": 2**32 - 1,
            "filter_type": "artist",
            "normalize": True,
            "normalize_mode": "smallest",
            "group_by": "artist",
            "repeats": 3,
            "learning_curve": True,
            "missing": "leave out",
        }
    )

    assert options.missing == "leave out"
    assert options.project == Project(
        preprocessings=("mfcc", "basic"),
        kernels=("rbf",),
        c_exponents=(5, -1),
        gamma_exponents=(-30, 30),
        balance_classes=(True, False),
        folds=10,
        nested=True,
        group_by="artist",
        repeats=3,
        learning_curve=True,
    )
    assert (options.seed, options.filter_type) == (2**32 - 1, "artist")
    assert (options.normalize, options.normalize_mode) == (True, "smallest")


def test_balance_classes_may_be_one_flag() -> None:
    assert JobOptions.parse({"balance_classes": True}).balance_classes == (True,)


def test_what_is_there_twice_is_tried_once_in_the_order_given() -> None:
    options = JobOptions.parse({"c_values": [3, 1, 3], "kernel_values": ["rbf", "RBF", "poly"]})

    assert options.c_values == (3, 1)
    assert options.kernel_values == ("rbf", "poly")


def test_unknown_keys_are_kept_without_effect() -> None:
    given = {"training_tool": "gaia", "given": 1, "project": 2, "seed": 7}

    options = JobOptions.parse(given)

    assert options.given == given
    assert options == JobOptions.parse({"seed": 7}).model_copy(update={"given": given})


def test_keys_without_effect_are_told_of_with_what_was_meant() -> None:
    given = {"normalise": True, "gamma": [1], "C_Values": [1], "training_tool": "gaia", "seed": 7}

    options = JobOptions.parse(given)

    assert options.misspelt == {
        "normalise": "normalize",
        "gamma": "gamma_values",
        "C_Values": "c_values",
    }
    [note] = options.notes
    assert "'normalise' (did you mean normalize?)" in note
    assert "'training_tool'" in note
    assert "seed" not in note
    assert JobOptions.parse({"seed": 7}).notes == ()


def test_what_every_option_takes_is_told_and_true() -> None:
    assert JobOptions.model_fields.keys() - {"given"} == TAKES.keys()
    for key, said in TAKES.items():
        for low, high in re.findall(r"(-?\d+) to (-?\d+)", said):
            is_list = said.startswith("a list")
            for value, fits in (
                *((int(low), True), (int(high), True)),
                *((int(low) - 1, False), (int(high) + 1, False)),
            ):
                options = {key: [value] if is_list else value}
                if fits:
                    JobOptions.parse(options)
                    continue
                with pytest.raises(OptionsError, match=key):
                    JobOptions.parse(options)
        for most in re.findall(r"at most (\d+)", said):
            with pytest.raises(OptionsError, match=key):
                JobOptions.parse({key: [1] * (int(most) + 1)})
        for name in said.removeprefix("a list of ").split(", ") if "_values" in key else ():
            if name.isalpha():
                JobOptions.parse({key: [name]})


def test_options_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        JobOptions.parse({}).seed = 2


def test_options_reach_another_process() -> None:
    options = JobOptions.parse({"seed": 7, "x": [1]})

    assert pickle.loads(pickle.dumps(options)) == options


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], "options: a list is not a JSON object"),
        ("x", "options: 'x' is not a JSON object"),
        (
            {"c_values": [1, 2, "x"]},
            "options.c_values[2]: 'x' is not an integer between -30 and 30",
        ),
        ({"c_values": 1}, "options.c_values: 1 is not a list"),
        ({"c_values": {}}, "options.c_values: an object is not a list"),
        ({"c_values": [[1]]}, "options.c_values[0]: a list is not an integer between -30 and 30"),
        ({"c_values": [True]}, "options.c_values[0]: true is not an integer between -30 and 30"),
        ({"c_values": [5.0]}, "options.c_values[0]: 5.0 is not an integer between -30 and 30"),
        ({"c_values": ["5"]}, "options.c_values[0]: '5' is not an integer between -30 and 30"),
        ({"c_values": [None]}, "options.c_values[0]: null is not an integer between -30 and 30"),
        (
            {"gamma_values": [31]},
            "options.gamma_values[0]: 31 is not an integer between -30 and 30",
        ),
        (
            {"gamma_values": [0] * 51},
            "options.gamma_values: 51 values are more than the 50 that are possible",
        ),
        (
            {"kernel_values": ["linear"]},
            "options.kernel_values[0]: 'linear' is not one of poly, rbf",
        ),
        (
            {"preprocessing_values": ["gausianized"]},
            "options.preprocessing_values[0]: 'gausianized' is not one of " + RECIPES,
        ),
        ({"preprocessing_values": "basic"}, "options.preprocessing_values: 'basic' is not a list"),
        ({"balance_classes": 1}, "options.balance_classes: 1 is not true or false"),
        ({"balance_classes": [0]}, "options.balance_classes[0]: 0 is not true or false"),
        ({"filter_type": "artists"}, "options.filter_type: 'artists' is not 'artist' or null"),
        ({"normalize": "no"}, "options.normalize: 'no' is not true or false"),
        (
            {"normalize_mode": "largest"},
            "options.normalize_mode: 'largest' is not one of acousticbrainz, smallest",
        ),
        ({"seed": -1}, "options.seed: -1 is not an integer between 0 and 4294967295"),
        ({"seed": 2**32}, "options.seed: 4294967296 is not an integer between 0 and 4294967295"),
        (
            {"seed": 10**5000},
            "options.seed: a huge integer is not an integer between 0 and 4294967295",
        ),
        ({"folds": 1}, "options.folds: 1 is not an integer between 2 and 50"),
        ({"folds": 51}, "options.folds: 51 is not an integer between 2 and 50"),
        ({"nested": 5}, "options.nested: 5 is not true or false"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_path(options: Any, expected: str) -> None:
    # "smallest" is near "largest": the hint is none of this test's business.
    assert problem(options).removesuffix(" (did you mean 'smallest'?)") == expected


def test_all_problems_are_named_at_once() -> None:
    assert problem({"seed": "x", "folds": 0, "c_values": ["y"]}) == (
        "options.c_values[0]: 'y' is not an integer between -30 and 30; "
        "options.seed: 'x' is not an integer between 0 and 4294967295; "
        "options.folds: 0 is not an integer between 2 and 50"
    )


def test_of_many_problems_ten_are_named() -> None:
    assert problem({"c_values": ["x"] * 50}).endswith(" and 40 more")


def test_what_somebody_sent_is_shown_escaped_and_shortened() -> None:
    message = problem({"kernel_values": ["{expected}\n\x1b[31m", "x" * 10_000], "seed": {"a": 1}})

    assert r"'{expected}\n\x1b[31m'" in message
    assert "\n" not in message
    assert len(message) < 400


@given(st.dictionaries(st.sampled_from(sorted(JobOptions.model_fields)), json_values) | json_values)
def test_whatever_the_options_nothing_but_an_options_error_is_raised(options: Any) -> None:
    with suppress(OptionsError):
        assert JobOptions.parse(options).project.combinations()


MBID = "0C6D27B4-F520-585D-9BEE-2D48FB01835D"


def test_folds_that_are_given_are_the_number_of_folds() -> None:
    project = JobOptions.parse({"given_folds": [["a", "b", "a"], [MBID], ["0c6d27b5"]]}).project

    assert project.given_folds == (("a", "b"), (MBID.lower(),), ("0c6d27b5",))
    assert project.folds == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"given_folds": [["a"], [1]]}, "1 is not a recording id"),
        ({"given_folds": [["a"], ["b"], ["a"]]}, "'a' is in two folds, 0 and 2"),
        ({"given_folds": [["a"]]}, "1 folds are not between 2 and 50"),
        ({"given_folds": "a"}, "not a list that holds a list of recording ids for each fold"),
        ({"given_folds": [["a"], ["b"]], "group_by": "artist"}, "leave out group_by"),
        ({"given_folds": [["a"], ["b"]], "repeats": 2}, "repeats needs others: leave it out"),
        ({"given_folds": [["a"], ["b"]], "folds": 5}, "folds is 5, and 2 are given"),
        ({"group_by": "label"}, "'label' is not one of artist, release_group"),
        ({"missing": "ignore"}, "'ignore' is not one of fail, leave out"),
        ({"repeats": 0}, "0 is not an integer between 1 and 100"),
    ],
)
def test_wishes_for_folds_that_cannot_be_met_are_refused(options: Any, sentence: str) -> None:
    assert sentence in problem(options)


def test_folds_of_5000_recordings_fit_into_options() -> None:
    folds = [[f"{number:08x}" for number in range(fold, 5000, 5)] for fold in range(5)]

    assert JobOptions.parse({"given_folds": folds}).project.folds == 5


def test_folds_from_a_file_have_to_agree_with_the_options_too() -> None:
    folds = (("a",), ("b",))

    assert JobOptions.parse({"seed": 2}).project_over(folds).given_folds == folds
    for options in ({"group_by": "artist"}, {"repeats": 2}, {"given_folds": [["a"], ["b"]]}):
        with pytest.raises(OptionsError, match="options: folds"):
            JobOptions.parse(options).project_over(folds)
