"""Time is added to what it was spent on."""

import pytest

from trainer.account import Account


def test_what_is_done_twice_is_one_entry_in_the_order_of_its_first_time() -> None:
    account = Account()
    for what in ("reading", "solver", "reading"):
        with account.of(what):
            pass

    assert list(account.seconds) == ["reading", "solver"]


def test_what_was_done_outside_of_every_context_is_told_as_other() -> None:
    account = Account()
    with account.of("reading"):
        pass

    timings = account.timings()

    assert list(timings["parts"]) == ["reading", "other"]
    assert timings["total_seconds"] == pytest.approx(sum(timings["parts"].values()), abs=0.002)


def test_time_until_an_error_counts() -> None:
    account = Account()
    with pytest.raises(ValueError, match="meanwhile"), account.of("solver"):
        raise ValueError("meanwhile")

    assert account.seconds["solver"] >= 0
