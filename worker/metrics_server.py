"""``/metrics``, ``/healthz`` and ``/readyz`` of a daemon, answered by threads of their own.

A daemon's loop neither serves these nor waits for whoever asks: what is told is read from values
that the loop keeps. A client that stays silent, or does not read, holds a thread for some seconds.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from typing import Any

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from worker.settings import Settings, SettingsError

# Gives what is wrong in a few words, or None: all is well.
Probe = Callable[[], str | None]

# A scrape takes milliseconds; who takes longer has gone, or means no good.
_PATIENCE_SECONDS = 5.0
_MOST_AT_ONCE = 8
_TEXT = "text/plain; charset=utf-8"


@contextmanager
def serving(
    settings: Settings, registry: CollectorRegistry, probes: Mapping[str, Probe]
) -> Iterator[None]:
    """Serve metrics and probes while a block runs, if there is to be a port.

    Parameters
    ----------
    settings
        Address and port.
    registry
        What ``/metrics`` tells.
    probes
        By path.

    Raises
    ------
    worker.settings.SettingsError
        The port is taken, or the address is not one of this host's. A worker that nobody can watch
        though somebody wants to is not begun.
    """
    if settings.metrics_port is None:
        yield
        return
    place = (settings.metrics_address, settings.metrics_port)
    try:
        server = _Server(place, registry, probes)
    except OSError as error:
        raise SettingsError([_refused(place, error)]) from error
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="metrics", daemon=True
    )
    thread.start()
    log = structlog.get_logger("worker.metrics")
    log.info("metrics are served", address=place[0], port=server.server_address[1])
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _refused(place: tuple[str, int], error: OSError) -> str:
    address, port = place
    return (
        f"ACOUSTIC_METRICS_PORT is {port}, which cannot be listened on at {address} "
        f"(ACOUSTIC_METRICS_ADDRESS): {error.strerror or error}; give each worker of a host a port "
        "of its own, and an address of this host."
    )


class _Server(ThreadingHTTPServer):
    """Answers a few requests at a time; more are turned away."""

    daemon_threads = True
    block_on_close = False

    def __init__(
        self, place: tuple[str, int], registry: CollectorRegistry, probes: Mapping[str, Probe]
    ) -> None:
        self.address_family = AF_INET6 if ":" in place[0] else AF_INET
        self.registry = registry
        self.probes = probes
        self._room = threading.BoundedSemaphore(_MOST_AT_ONCE)
        super().__init__(place, _Handler)

    def server_bind(self) -> None:
        """Bind, without asking the name service what this host is called: it may be away."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]  # type: ignore[assignment]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread, if there is room."""
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away; it is no trouble of ours."""
        del request, client_address
        structlog.get_logger("worker.metrics").debug("a request failed", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    timeout = _PATIENCE_SECONDS
    server_version = "acoustic"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            encode, content = choose_encoder(self.headers.get("Accept", ""))
            self._answer(HTTPStatus.OK, encode(self.server.registry), content)
        elif path in self.server.probes:
            wrong = self.server.probes[path]()
            status = HTTPStatus.OK if wrong is None else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, f"{wrong or 'ok'}\n".encode())
        else:
            known = ", ".join(["/metrics", *self.server.probes])
            self._answer(HTTPStatus.NOT_FOUND, f"There is {known}.\n".encode())

    do_HEAD = do_GET  # noqa: N815

    def _answer(self, status: HTTPStatus, body: bytes, content: str = _TEXT) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Say nothing: a scrape every few seconds is no event."""
