"""The garbage collector stays off meanwhile, and is afterwards as it was."""

import gc

import pytest

from trainer.garbage import no_collection


def test_no_collection_meanwhile_and_again_afterwards() -> None:
    with no_collection():
        assert not gc.isenabled()
        with no_collection():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_error_leaves_it_on() -> None:
    with pytest.raises(ZeroDivisionError), no_collection():
        raise ZeroDivisionError
    assert gc.isenabled()
