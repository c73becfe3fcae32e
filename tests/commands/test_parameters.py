"""Values on the command line."""

import click
import pytest

from worker.commands.parameters import CommaSeparated, job_options


def test_negative_numbers_come_through_a_list() -> None:
    assert CommaSeparated(int, "whole numbers").convert("-5, 1", None, None) == [-5, 1]


def test_a_list_with_something_else_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="'1,x' is not a comma-separated list"):
        CommaSeparated(int, "whole numbers").convert("1,x", None, None)


def test_pairs_win_over_the_json() -> None:
    assert job_options('{"seed": 1, "folds": 3}', ["seed=2"]) == {"seed": 2, "folds": 3}


@pytest.mark.parametrize(
    ("pair", "option"),
    [
        ("c_values=-5,1", {"c_values": [-5, 1]}),
        ("c_values=[3]", {"c_values": [3]}),
        (
            "preprocessing_values=basic,normalized",
            {"preprocessing_values": ["basic", "normalized"]},
        ),
        ("normalize=true", {"normalize": True}),
        ("filter_type=artist", {"filter_type": "artist"}),
        ("note=a=b", {"note": "a=b"}),
    ],
)
def test_a_pair_is_read_as_people_write_it(pair: str, option: dict[str, object]) -> None:
    assert job_options(None, [pair]) == option


@pytest.mark.parametrize("text", ["[1]", "{", "3"])
def test_options_that_are_no_json_object_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        job_options(text, [])


@pytest.mark.parametrize("pair", ["seed", "=1"])
def test_a_pair_without_key_or_value_is_refused(pair: str) -> None:
    with pytest.raises(click.BadParameter, match="key=value"):
        job_options(None, [pair])
