"""The queue over a link that breaks between a COMMIT and its reply."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import make_url

from schema.evaluation_jobs import CHANNEL, Outcome
from worker.conclusion import Conclusion
from worker.database_link import DatabaseLink, Outage
from worker.job_queue import JobQueue
from worker.settings import Settings

DONE = Conclusion(outcome=Outcome.DONE, result={"accuracy": 50.0})
FAILED = Conclusion(outcome=Outcome.ERROR, message="no", terminal=True)


class Proxy:
    """Passes bytes on to the server; can break off as soon as it has passed on a COMMIT."""

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self._server = f"{address.query['host']}/.s.PGSQL.{address.query['port']}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = str(address.set(query={}, host="127.0.0.1", port=port))
        self.lose_reply = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                for source, target in ((client, server), (server, client)):
                    threading.Thread(
                        target=self._pass_on, args=(source, target, client), daemon=True
                    ).start()

    def _pass_on(self, source: Any, target: Any, client: Any) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                if source is client and b"COMMIT\0" in data and self.lose_reply.is_set():
                    self.lose_reply.clear()
                    client.shutdown(socket.SHUT_RDWR)
                    target.sendall(data)
                    target.recv(65536)  # committed
                    return
                target.sendall(data)


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
