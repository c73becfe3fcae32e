import threading

import pytest

from worker.background import one_at_a_time


def test_a_call_runs_beside_the_block() -> None:
    meanwhile, done = threading.Event(), threading.Event()

    def call() -> None:
        assert meanwhile.wait(10)
        done.set()

    with one_at_a_time("call") as background:
        background.start(call)
        assert not done.is_set()
        meanwhile.set()

    assert done.is_set()


def test_what_a_call_raises_is_raised_where_it_is_waited_for_and_once() -> None:
    def call() -> None:
        raise ValueError("of the call")

    with one_at_a_time("call") as background:
        background.start(call)
        with pytest.raises(ValueError, match="of the call"):
            background.wait()
        background.wait()


def test_what_the_last_call_raises_is_raised_at_the_end_of_the_block() -> None:
    def call() -> None:
        raise ValueError("of the call")

    with pytest.raises(ValueError, match="of the call"), one_at_a_time("call") as background:
        background.start(call)


def test_the_error_of_a_block_comes_first_and_the_call_has_ended_by_then() -> None:
    meanwhile, ended = threading.Event(), threading.Event()

    def call() -> None:
        meanwhile.wait(10)
        ended.set()
        raise ValueError("of the call")

    def block() -> None:
        with one_at_a_time("call") as background:
            background.start(call)
            meanwhile.set()
            raise KeyError("of the block")

    with pytest.raises(KeyError, match="of the block"):
        block()

    assert ended.is_set()


def test_a_call_is_made_all_the_same_where_there_are_no_more_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)

    with one_at_a_time("call") as background:
        background.start(lambda: "made")
        assert background.wait() == "made"


def test_a_call_that_nobody_waited_for_is_not_forgotten() -> None:
    with one_at_a_time("call") as background:
        background.start(lambda: None)
        with pytest.raises(RuntimeError, match="waited"):
            background.start(lambda: None)
