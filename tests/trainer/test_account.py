"""Time is added to what it was spent on."""

import pytest

from trainer.account import Account


def test_what_is_done_twice_is_one_entry_in_the_order_of_its_first_time() -> None:
    account = Account()
    for what in ("reading", "solver", "reading"):
        with account.of(what):
            pass

    assert list(account.seconds) == ["reading", "solver"]


def test_time_until_an_error_counts() -> None:
    account = Account()
    with pytest.raises(ValueError, match="meanwhile"), account.of("solver"):
        raise ValueError("meanwhile")

    assert account.seconds["solver"] >= 0
