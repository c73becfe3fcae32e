import os
import signal
import subprocess
import time

import pytest

from worker.supervisor import Backoff, Drain, Supervisor, Timer


def test_a_signal_ends_the_waiting_and_is_counted() -> None:
    with Supervisor() as supervisor:
        os.kill(os.getpid(), signal.SIGTERM)
        supervisor.wait(30)
        os.kill(os.getpid(), signal.SIGINT)
        supervisor.wait(30)

        assert supervisor.stops == 2


def test_a_child_that_ends_ends_the_waiting() -> None:
    with Supervisor() as supervisor, subprocess.Popen(["true"]):
        supervisor.wait(30)

        assert supervisor.stops == 0


def test_a_descriptor_that_can_be_read_ends_the_waiting_and_is_told() -> None:
    reading, writing = os.pipe()
    with Supervisor() as supervisor:
        os.write(writing, b"x")

        assert supervisor.wait(30, [reading]) == {reading}

    os.close(reading)
    os.close(writing)


def test_waiting_for_a_time_that_is_past_does_not_wait() -> None:
    with Supervisor() as supervisor:
        assert supervisor.wait(-1) == set()


def test_the_handlers_that_were_there_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)

    with Supervisor():
        assert signal.getsignal(signal.SIGTERM) != before

    assert signal.getsignal(signal.SIGTERM) == before


def test_a_timer_is_due_at_once_and_then_after_its_interval() -> None:
    timer = Timer(60)
    assert timer.is_due

    timer.restart()

    assert not timer.is_due
    assert 53 < timer.due - time.monotonic() <= 60


def test_hastening_counts_from_the_last_turn() -> None:
    timer = Timer(60)
    timer.restart()

    timer.hasten(2)
    assert timer.due == timer.last + 2
    timer.hasten(5)
    assert timer.due == timer.last + 2


def test_a_timer_that_rests_is_hastened_only_afterwards() -> None:
    timer = Timer(60)
    timer.rest()

    timer.hasten(0)
    assert not timer.is_due
    timer.rests_until = time.monotonic()
    timer.hasten(0)
    assert timer.is_due


def test_a_backoff_doubles_up_to_its_limit_and_begins_anew_after_success() -> None:
    backoff = Backoff(first=1, most=10)

    waits = [backoff.next() for _ in range(50)]
    assert all(0.5 * 2**n <= wait <= 2**n for n, wait in enumerate(waits[:3]))
    assert all(5 <= wait <= 10 for wait in waits[5:])

    backoff.reset()
    assert backoff.next() <= 1


def test_a_worker_that_was_not_told_to_stop_never_does() -> None:
    drain = Drain(20, 5)

    drain.note(0)

    assert drain.stop_at == drain.give_up_at == float("inf")


@pytest.mark.parametrize(("stops", "stop", "give_up"), [(1, 20, 30), (2, 0, 0)])
def test_a_worker_drains_when_told_once_and_stops_when_told_twice(
    stops: int, stop: float, give_up: float
) -> None:
    drain = Drain(20, 5)
    now = time.monotonic()

    drain.note(1)
    drain.note(stops)

    assert drain.stop_at - now == pytest.approx(stop, abs=1)
    assert drain.give_up_at - now == pytest.approx(give_up, abs=1)
