"""Calls into a link on which nothing comes back."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from schema.database import connect
from tests.faults.proxy import Proxy

DEADLINE = timedelta(seconds=0.2)  # and one second in which the server is waited for


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    made = Proxy(database_url)
    yield made
    made.close()


@pytest.fixture
def watched(proxy: Proxy) -> Iterator[Engine]:
    made = connect(proxy.url, statement_timeout=DEADLINE)
    yield made
    made.dispose()


CALLS: dict[str, Callable[[Any], Any]] = {
    "execute": lambda connection: connection.execute(text("SELECT 1")),
    "commit": lambda connection: connection.commit(),
    "rollback": lambda connection: connection.rollback(),
}


def in_time(call: Callable[[], Any], proxy: Proxy) -> Any:
    """Call, and end the link under a call that would wait for ever."""
    with ThreadPoolExecutor(1) as thread:
        calling = thread.submit(call)
        try:
            return calling.result(timeout=10)
        except TimeoutError:
            proxy.cut()
            raise


@pytest.mark.parametrize("call", CALLS)
def test_a_call_into_silence_fails_in_time(watched: Engine, proxy: Proxy, call: str) -> None:
    with suppress(OperationalError), watched.connect() as connection:
        connection.execute(text("SELECT 1"))
        proxy.silence()
        with pytest.raises(OperationalError):
            in_time(lambda: CALLS[call](connection), proxy)


def test_rows_that_do_not_come_are_not_waited_for_either(watched: Engine, proxy: Proxy) -> None:
    with watched.connect() as connection:
        rows = connection.execution_options(yield_per=10).execute(
            text("SELECT * FROM generate_series(1, 100)")
        )
        next(rows)
        proxy.silence()
        with pytest.raises(OperationalError):
            rows.all()


def test_the_pool_asks_a_silent_connection_no_longer_than_any_other(
    watched: Engine, proxy: Proxy
) -> None:
    with watched.connect() as connection:
        connection.execute(text("SELECT 1"))
    proxy.silence()

    with pytest.raises(OperationalError):
        watched.connect()

    proxy.heal()
    with watched.connect() as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_where_the_server_answers_its_own_timeout_says_why(watched: Engine) -> None:
    with pytest.raises(OperationalError, match="statement timeout"), watched.connect() as one:
        one.execute(text("SELECT pg_sleep(60)"))


def test_many_calls_in_time_are_not_cut_off(watched: Engine) -> None:
    began = time.monotonic()
    with watched.connect() as connection:
        while time.monotonic() - began < 2.5:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
