"""A way to the server that can be cut, silenced, or made to lose a reply."""

import socket
import threading
from contextlib import suppress
from typing import Any

from sqlalchemy import make_url


class Proxy:
    """
    Passes bytes on between a TCP port and the server's socket.

    Attributes
    ----------
    url
        The database by way of this proxy.
    lose_reply
        While set, the next COMMIT reaches the server and its client is cut off before the reply.
    """

    def __init__(self, url: str) -> None:
        address = make_url(url)
        self._server = f"{address.query['host']}/.s.PGSQL.{address.query['port']}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        # Nobody has to wait for long to be let in.
        query = {"connect_timeout": "1"}
        self.url = str(address.set(query=query, host="127.0.0.1", port=port))
        self.lose_reply = threading.Event()
        self._silent = threading.Event()
        self._links: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def silence(self) -> None:
        """Take whatever is sent and pass nothing on, either way; also for new connections.

        To both sides the link looks healthy: what they send is acknowledged.
        """
        self._silent.set()

    def heal(self) -> None:
        """Pass on what is sent by those who connect from now on; the others are cut off."""
        self.cut()
        self._silent.clear()

    def cut(self) -> None:
        """End all connections."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            for end in link:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End all, and accept nobody any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                with self._lock:
                    self._links.append((client, server))
                for source, target in ((client, server), (server, client)):
                    threading.Thread(
                        target=self._pass_on, args=(source, target, client), daemon=True
                    ).start()

    def _pass_on(self, source: Any, target: Any, client: Any) -> None:
        with suppress(OSError), source, target:
            while data := source.recv(65536):
                if self._silent.is_set():
                    continue
                if source is client and b"COMMIT\0" in data and self.lose_reply.is_set():
                    self.lose_reply.clear()
                    client.shutdown(socket.SHUT_RDWR)
                    target.sendall(data)
                    target.recv(65536)  # committed
                    return
                target.sendall(data)
            # What came before is passed on; then the other side learns of the end, too.
            if not self._silent.is_set():
                target.shutdown(socket.SHUT_RDWR)
