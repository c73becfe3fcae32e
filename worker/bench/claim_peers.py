"""Two other queues on Postgres, driven as their documentation does it."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, Protocol

Place = tuple[str, int, str]  # folder of the server's socket, port, database

USER = "postgres"
EXTRA = "pip install 'acoustic-workers[benchmark]'"


class MissingPeer(Exception):  # noqa: N818 - what it is
    """An alternative that cannot be measured; the message says why."""


class Peer(Protocol):
    """A queue as it is measured."""

    def drain(self, place: Place, jobs: int) -> tuple[float, int]:
        """Do as many jobs that wait already; jobs a second, and how many were done."""
        ...

    def pick_up(
        self, place: Place, pauses: Sequence[float], *, poll_seconds: float, listen: bool
    ) -> list[float]:
        """Do jobs that come one by one; how long each waited for its start, seconds."""
        ...


def peer(name: str) -> Peer:
    """Give an alternative by its name.

    Raises
    ------
    MissingPeer
        It is not installed, or there is none of that name.
    """
    makers: dict[str, Callable[[], Peer]] = {"procrastinate": _Procrastinate, "pgqueuer": _PgQueuer}
    if name not in makers:
        raise MissingPeer(f"there is no alternative {name!r}: use {', '.join(makers)}, or none")
    try:
        return makers[name]()
    except ImportError as error:
        raise MissingPeer(f"{name} cannot be imported ({error}): {EXTRA}") from error


class _Waits:
    """Jobs that were made and started, by number."""

    def __init__(self) -> None:
        self.made: dict[int, float] = {}
        self.waits: list[float] = []
        self._started = asyncio.Event()

    def start(self, number: int) -> None:
        self.waits.append(time.perf_counter() - self.made[number])
        self._started.set()

    async def make(
        self, pauses: Sequence[float], enqueue: Callable[[int], Awaitable[object]]
    ) -> None:
        for number, pause in enumerate(pauses):
            await asyncio.sleep(pause)
            self.made[number] = time.perf_counter()
            await enqueue(number)
        while len(self.waits) < len(pauses):
            self._started.clear()
            await self._started.wait()


class _Procrastinate:
    """One worker, one job at a time, as its own benchmark runs it."""

    def __init__(self) -> None:
        self._library = import_module("procrastinate")
        import_module("psycopg")

    def drain(self, place: Place, jobs: int) -> tuple[float, int]:
        return asyncio.run(self._drain(place, jobs))

    def pick_up(
        self, place: Place, pauses: Sequence[float], *, poll_seconds: float, listen: bool
    ) -> list[float]:
        return asyncio.run(self._pick_up(place, pauses, poll_seconds, listen=listen))

    def _app(self, place: Place) -> Any:
        host, port, database = place
        connector = self._library.PsycopgConnector(
            kwargs={"host": host, "port": port, "dbname": database, "user": USER}
        )
        return self._library.App(connector=connector)

    async def _drain(self, place: Place, jobs: int) -> tuple[float, int]:
        app = self._app(place)
        done = 0

        @app.task(name="nothing")  # type: ignore[untyped-decorator]
        async def nothing(number: int) -> None:  # noqa: ARG001 - a job has an argument
            nonlocal done
            done += 1

        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await nothing.batch_defer_async(*({"number": number} for number in range(jobs)))
            began = time.perf_counter()
            await app.run_worker_async(wait=False, install_signal_handlers=False)
            return jobs / (time.perf_counter() - began), done

    async def _pick_up(
        self, place: Place, pauses: Sequence[float], poll_seconds: float, *, listen: bool
    ) -> list[float]:
        app, waits = self._app(place), _Waits()

        @app.task(name="start")  # type: ignore[untyped-decorator]
        async def start(number: int) -> None:
            waits.start(number)

        async with app.open_async():
            worker = asyncio.create_task(
                app.run_worker_async(
                    listen_notify=listen,
                    fetch_job_polling_interval=5 * poll_seconds if listen else poll_seconds,
                    install_signal_handlers=False,
                )
            )
            await asyncio.sleep(1)  # it starts
            await waits.make(pauses, lambda number: start.defer_async(number=number))
            await _end(worker)
        return waits.waits


class _PgQueuer:
    """One worker on asyncpg, which takes ten jobs at a time, its default."""

    def __init__(self) -> None:
        self._library = import_module("pgqueuer")
        self._driver = import_module("asyncpg")
        self._drain_mode = import_module("pgqueuer.types").QueueExecutionMode.drain

    def drain(self, place: Place, jobs: int) -> tuple[float, int]:
        return asyncio.run(self._drain(place, jobs))

    def pick_up(
        self, place: Place, pauses: Sequence[float], *, poll_seconds: float, listen: bool
    ) -> list[float]:
        return asyncio.run(self._pick_up(place, pauses, poll_seconds, listen=listen))

    def _connection(self, place: Place) -> AbstractAsyncContextManager[Any]:
        @asynccontextmanager
        async def connected() -> Any:
            host, port, database = place
            made = await self._driver.connect(host=host, port=port, database=database, user=USER)
            try:
                yield made
            finally:
                await made.close()

        return connected()

    async def _drain(self, place: Place, jobs: int) -> tuple[float, int]:
        done = 0
        async with self._connection(place) as connection:
            driver = self._library.AsyncpgDriver(connection)
            queries = self._library.Queries(driver)
            await queries.install()
            queue = self._library.PgQueuer(driver)

            @queue.entrypoint("nothing")  # type: ignore[untyped-decorator]
            async def nothing(job: Any) -> None:  # noqa: ARG001 - what a job is handed
                nonlocal done
                done += 1

            await queries.enqueue(["nothing"] * jobs, [None] * jobs, [0] * jobs)
            began = time.perf_counter()
            await queue.run(mode=self._drain_mode)
            return jobs / (time.perf_counter() - began), done

    async def _pick_up(
        self, place: Place, pauses: Sequence[float], poll_seconds: float, *, listen: bool
    ) -> list[float]:
        waits = _Waits()
        async with self._connection(place) as connection, self._connection(place) as maker:
            driver = self._library.AsyncpgDriver(connection)
            queries = self._library.Queries(self._library.AsyncpgDriver(maker))
            if not listen:
                # It always listens; without its trigger it hears nothing.
                await maker.execute("ALTER TABLE pgqueuer DISABLE TRIGGER USER")
            queue = self._library.PgQueuer(driver)

            @queue.entrypoint("start")  # type: ignore[untyped-decorator]
            async def start(job: Any) -> None:
                waits.start(int(job.payload))

            timeout = timedelta(seconds=5 * poll_seconds if listen else poll_seconds)
            worker = asyncio.create_task(queue.run(dequeue_timeout=timeout))
            await asyncio.sleep(1)  # it starts
            await waits.make(pauses, lambda number: queries.enqueue("start", str(number).encode()))
            queue.shutdown.set()
            await _end(worker, seconds=2 * timeout.total_seconds() + 5)
        return waits.waits


async def _end(worker: "asyncio.Task[Any]", seconds: float = 0.0) -> None:
    """End a worker, which may do so by itself within some time."""
    if seconds:
        await asyncio.wait([worker], timeout=seconds)
    worker.cancel()
    await asyncio.wait([worker], timeout=10)
