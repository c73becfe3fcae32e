"""The queue over a link that breaks between a COMMIT and its reply."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from schema.evaluation_jobs import CHANNEL, Outcome
from tests.faults.proxy import Proxy
from worker.conclusion import Conclusion
from worker.database_link import DatabaseLink, Outage
from worker.job_queue import JobQueue
from worker.settings import Settings

DONE = Conclusion(outcome=Outcome.DONE, result={"accuracy": 50.0})
FAILED = Conclusion(outcome=Outcome.ERROR, message="no", terminal=True)


@pytest.fixture
def proxy(service: Any) -> Iterator[Proxy]:
    proxy = Proxy(service.database_url)
    yield proxy
    proxy.close()


@pytest.fixture
def queue(proxy: Proxy) -> Iterator[JobQueue]:
    link = DatabaseLink(proxy.url, channel=CHANNEL, deadline=timedelta(seconds=5))
    yield JobQueue(link, Settings.from_environment({"DATABASE_URL": proxy.url}))
    link.close()


def again(call: Callable[[], Any], until: Callable[..., Any]) -> Any:
    """Call until the database is back, as the worker's loop does."""
    answers: list[Any] = []

    def answered() -> bool:
        with suppress(Outage):
            answers.append(call())
        return bool(answers)

    until(answered)
    return answers[0]


@pytest.mark.fault("F15")
def test_a_claim_whose_reply_was_lost_is_found_again(
    service: Any, queue: JobQueue, proxy: Proxy, until: Callable[..., Any]
) -> None:
    job, other = service.job(), service.job()
    proxy.lose_reply.set()

    with pytest.raises(Outage):
        queue.claim()
    until(lambda: service.status(job) == "running")
    claimed = again(queue.claim, until)

    assert (claimed.id, claimed.attempt) == (job, 1)
    assert service.status(other) == "pending"
    assert again(queue.claim, until).id == other


@pytest.mark.fault("F15")
@pytest.mark.parametrize(("conclusion", "status"), [(DONE, "done"), (FAILED, "failed")])
def test_an_end_whose_reply_was_lost_is_accepted_once(
    conclusion: Conclusion,
    status: str,
    *,
    service: Any,
    queue: JobQueue,
    proxy: Proxy,
    until: Callable[..., Any],
) -> None:
    job = service.job()
    claimed = queue.claim()
    assert claimed is not None
    proxy.lose_reply.set()

    with pytest.raises(Outage):
        queue.write(claimed, conclusion)
    until(lambda: service.status(job) == status)

    assert again(lambda: queue.write(claimed, conclusion), until) == status
    assert len(service.outcomes(job)) == 1


def test_an_end_that_somebody_else_wrote_is_not_taken_for_ours(
    service: Any, queue: JobQueue
) -> None:
    job = service.job()
    claimed = queue.claim()
    assert claimed is not None
    service.execute("SELECT worker.cancel_evaluation(:job)", job=job)

    assert queue.write(claimed, DONE) is None
    assert queue.write(claimed, FAILED) is None
    assert service.outcomes(job) == ["cancelled"]
