"""A link that breaks, or that goes silent and looks healthy."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.conftest import Recovery
from tests.faults.proxy import Proxy

Start = Callable[..., Any]
Until = Callable[..., Any]
ProxyTo = Callable[[str], Proxy]


def through(service: Any, proxy: Proxy) -> Any:
    """Give the same service, its evaluators on the other side of the proxy."""
    other = replace(service, database_url=proxy.url)
    other.engine = service.engine
    return other


@pytest.mark.fault("F13")
def test_a_silent_link_that_comes_back_after_the_lease_costs_no_attempt(
    service: Any, evaluators: Any, until: Until, proxy_to: ProxyTo, recovery: Recovery
) -> None:
    proxy = proxy_to(service.database_url)
    job = service.job()
    with evaluators(through(service, proxy)) as start_evaluator:
        with service.documents_locked():
            evaluator = start_evaluator(lease_seconds=1)
            service.wait_until_blocked()
            proxy.silence()
            until(lambda: expired(service, job))
            # No call that was made into the silence lasts: each ends at its deadline.
            until(lambda: evaluator.events().count("the database cannot be used") >= 2)
        with recovery():
            proxy.heal()
            service.wait_for(job, "done")
    assert service.outcomes(job) == ["done"]


@pytest.mark.fault("F14")
def test_a_rival_on_a_healthy_link_does_the_job_and_the_silenced_worker_stops(
    service: Any,
    evaluators: Any,
    start_evaluator: Start,
    *,
    until: Until,
    proxy_to: ProxyTo,
    recovery: Recovery,
    group_members: Any,
) -> None:
    proxy = proxy_to(service.database_url)
    job = service.job()
    with evaluators(through(service, proxy)) as start_silenced:
        with service.documents_locked():
            silenced = start_silenced(lease_seconds=1)
            service.wait_until_blocked()
            group = silenced.child()
            proxy.silence()
            with recovery():
                rival = start_evaluator(lease_seconds=1)
                until(lambda: service.outcomes(job) == ["lost"])
                service.skip_backoff(job)
                until(lambda: service.outcomes(job) == ["lost", None])
        service.wait_for(job, "done")
        proxy.heal()

        until(lambda: any("not ours any more" in event for event in silenced.events()))
        until(lambda: not group_members(group))
        until(lambda: service.leftovers() == [])
    assert service.outcomes(job) == ["lost", "done"]
    assert [path.name for path in service.bundles(job)] == [f"{job}-2.model"]
    assert rival.process.poll() is None


def expired(service: Any, job: Any) -> bool:
    return bool(
        service.execute(
            "SELECT lease_until < now() FROM worker.evaluation_attempts WHERE job_id = :job",
            job=job,
        )
    )
