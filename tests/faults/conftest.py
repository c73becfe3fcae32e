"""What the faults have in common; the service and the mirror are those of other tests."""

from collections.abc import Callable, Iterator

import pytest

from tests.faults.proxy import Proxy
from tests.highlevel.conftest import mirror, start, work
from tests.worker.conftest import (
    evaluators_fixture,
    group_members_fixture,
    make_service,
    service,
    start_evaluator,
    until_fixture,
)

__all__ = [
    "evaluators_fixture",
    "group_members_fixture",
    "make_service",
    "mirror",
    "service",
    "start",
    "start_evaluator",
    "until_fixture",
    "work",
]


@pytest.fixture
def proxy_to() -> Iterator[Callable[[str], Proxy]]:
    """Make proxies, and close them at the end."""
    made: list[Proxy] = []

    def to(url: str) -> Proxy:
        made.append(Proxy(url))
        return made[-1]

    yield to
    for proxy in made:
        proxy.close()
