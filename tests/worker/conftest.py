"""Jobs of small made datasets, and real evaluators to do them."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Connection, Engine, NullPool, create_engine, make_url, text

from schema import evaluation_jobs, lowlevel
from schema.evaluation_jobs import JobDetails

SMALL_SEARCH = {"preprocessing_values": ["basic"], "c_values": [1], "gamma_values": [-3]}
MINUTES = 60

Thing = TypeVar("Thing")
Classes = Sequence[tuple[str, Sequence[Any]]]


def until(condition: Callable[[], Thing], seconds: float = 30) -> Thing:
    """Wait until something holds, and give what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return found


def document(randomness: random.Random, centre: float) -> dict[str, Any]:
    """Make a low-level document of few descriptors; recordings of one class share a centre."""

    def real() -> float:
        return randomness.gauss(centre, 0.6)

    return {
        "lowlevel": {
            "average_loudness": real(),
            "mfcc": {"mean": [real() for _ in range(13)], "icov": [[real(), 1.5], [2.5, real()]]},
            "spectral_centroid": {"mean": real(), "var": abs(real()), "min": 0.0},
        },
        "rhythm": {"bpm": 120 + real(), "beats_position": [real()] * randomness.randint(2, 5)},
        "tonal": {
            "key_key": randomness.choice("ABCD"),
            "key_scale": randomness.choice(["major", "minor"]),
            "chords_key": randomness.choice("ABCD"),
            "chords_scale": "major",
        },
        "metadata": {
            "tags": {"title": ["a: b"], "musicbrainz_artistid": [str(uuid4())]},
            "audio_properties": {"sample_rate": 44100, "lossless": True, "length": 30.5},
            "version": {"essentia": "2.1-beta2"},
        },
    }


@dataclass
class Service:
    """A database with jobs in it, and folders for what comes of them."""

    database_url: str
    folder: Path
    seed: int = 1
    engine: Engine = field(init=False)

    def __post_init__(self) -> None:
        # Pinged, for some tests end the connections of everybody.
        self.engine = create_engine(self.database_url, pool_pre_ping=True)
        self.randomness = random.Random(self.seed)

    @property
    def models(self) -> Path:
        return self.folder / "models"

    @property
    def projects(self) -> Path:
        return self.folder / "projects"

    def execute(self, statement: str, **values: Any) -> Any:
        """Run one statement as an operator would; its first value, if it gives one."""
        with self.engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return done.scalar() if done.returns_rows else done.rowcount

    def recordings(self, count: int, centre: float) -> list[UUID]:
        """Store as many recordings with a document."""
        made = [(uuid4(), document(self.randomness, centre)) for _ in range(count)]
        with self.engine.begin() as connection:
            lowlevel.insert(connection, made)
        return [mbid for mbid, _ in made]

    def classes(self, size: int = 6) -> Classes:
        return [("happy", self.recordings(size, 0.0)), ("sad", self.recordings(size, 1.0))]

    def snapshot(self, classes: Classes, name: str = "Mood: happy?") -> UUID:
        data = {
            "name": name,
            "description": "",
            "classes": [
                {"name": label, "description": "", "recordings": [str(mbid) for mbid in mbids]}
                for label, mbids in classes
            ],
        }
        identity = uuid4()
        self.execute(
            "INSERT INTO dataset_snapshot (id, data) VALUES (:id, CAST(:data AS jsonb))",
            id=identity,
            data=json.dumps(data),
        )
        return identity

    def job(
        self,
        snapshot: UUID | None = None,
        options: Any = SMALL_SEARCH,
        identity: UUID | None = None,
    ) -> UUID:
        """Insert a job, as anybody may, by a plain INSERT."""
        made: UUID = self.execute(
            "INSERT INTO dataset_eval_jobs (id, snapshot_id, options)"
            " VALUES (:id, :snapshot, CAST(:options AS jsonb)) RETURNING id",
            id=identity or uuid4(),
            snapshot=snapshot or self.snapshot(self.classes()),
            options=json.dumps(options),
        )
        return made

    def show(self, job: UUID) -> JobDetails:
        with self.engine.connect() as connection:
            return evaluation_jobs.show(connection, job)

    def status(self, job: UUID) -> str:
        return self.show(job).status.status

    def outcomes(self, job: UUID) -> list[str | None]:
        return [attempt.outcome and attempt.outcome.value for attempt in self.show(job).attempts]

    def wait_for(self, job: UUID, *statuses: str) -> JobDetails:
        until(lambda: self.status(job) in statuses)
        return self.show(job)

    def skip_backoff(self, job: UUID) -> None:
        """Let a job that waits after a failure be claimed now."""
        self.execute(
            "UPDATE worker.evaluation_attempts SET retry_at = now() WHERE job_id = :job", job=job
        )

    @contextmanager
    def documents_locked(self) -> Iterator[Connection]:
        """Keep every training from reading documents: a job that runs goes on running."""
        with self.engine.begin() as connection:
            connection.execute(text("LOCK TABLE lowlevel_json IN ACCESS EXCLUSIVE MODE"))
            yield connection

    def wait_until_blocked(self) -> None:
        """Wait until a training waits for the documents."""
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND application_name = 'acoustic training' AND wait_event_type = 'Lock'"
        )
        until(lambda: self.execute(waiting))

    def training_backend(self) -> int:
        """Give the id of the server's process that serves the training."""
        backend: int = self.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'acoustic training'"
        )
        return backend

    @contextmanager
    def closed(self) -> Iterator[None]:
        """Take the database away from the evaluators."""
        address = make_url(self.database_url)
        allow = f"ALTER DATABASE {address.database} ALLOW_CONNECTIONS"
        drop = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            f" WHERE datname = '{address.database}' AND application_name = 'acoustic evaluator'"
        )
        other = create_engine(
            address.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )
        with other.connect() as connection:
            connection.exec_driver_sql(f"{allow} false")
            connection.exec_driver_sql(drop)
            yield
            connection.exec_driver_sql(f"{allow} true")

    def leftovers(self) -> list[str]:
        """Name what an ended attempt may not leave: working and low-level files, half bundles."""
        names = [*self.projects.glob(".attempts/*"), *self.projects.glob("*/lowlevel")]
        parts = [path for path in self.models.rglob("*") if path.is_file()]
        whole = {*self.models.rglob("*.model")}
        whole |= {path.with_suffix(".model.html") for path in whole}
        return [str(path) for path in (*names, *parts) if path not in whole]

    def bundles(self, job: UUID) -> list[Path]:
        return sorted(self.models.rglob(f"{job}-*.model"))


@dataclass
class Evaluator:
    """A real ``acoustic evaluator``, and the lines that it logs."""

    process: subprocess.Popen[bytes]
    printed: Path

    def log(self) -> list[dict[str, Any]]:
        lines = self.printed.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self) -> list[str]:
        return [line["event"] for line in self.log()]

    def exit_code(self) -> int:
        return self.process.wait(timeout=30)

    def children(self) -> list[int]:
        """Ids of the processes that it started and that have not ended."""
        file = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in file.read_text().split()] if file.exists() else []

    def child(self) -> int:
        return until(self.children)[0]


def group_members(group: int) -> list[int]:
    """Ids of the running processes of a process group; zombies do not count."""
    members = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[2]) == group and fields[0] not in "ZX":
            members.append(int(stat.parent.name))
    return members


StartEvaluator = Callable[..., Evaluator]


@contextmanager
def evaluators(service: Service) -> Iterator[StartEvaluator]:
    """Start evaluators on a service, and end those that are left."""
    started: list[Evaluator] = []

    def start(
        *arguments: str,
        prefix: Sequence[str] = (),
        surroundings: Mapping[str, str] | None = None,
        output: int | None = None,
        **settings: Any,
    ) -> Evaluator:
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": service.database_url,
            "ACOUSTIC_MODEL_DIR": str(service.models),
            "ACOUSTIC_PROJECT_DIR": str(service.projects),
            "ACOUSTIC_LOG_FORMAT": "json",
            "ACOUSTIC_JOBS": "1",
            "ACOUSTIC_LEASE_SECONDS": "4",
            "ACOUSTIC_POLL_SECONDS": "0.2",
            "ACOUSTIC_DRAIN_SECONDS": "0.2",
            # Most tests are of one job, and the process that waits would only take their time.
            "ACOUSTIC_WARM_CHILD": "0",
            **{f"ACOUSTIC_{name.upper()}": str(value) for name, value in settings.items()},
            **(surroundings or {}),
        }
        number = len(list(service.folder.glob("evaluator-*.log")))
        printed = service.folder / f"evaluator-{number}.log"
        with printed.open("wb") as file:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "worker.commands", "evaluator", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file if output is None else output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=Path(__file__).parents[2],
            )
        started.append(Evaluator(process, printed))
        return started[-1]

    try:
        yield start
    finally:
        for evaluator in started:
            if evaluator.process.poll() is None:
                evaluator.process.kill()
                evaluator.process.wait()
            sys.stdout.write(evaluator.printed.read_text())  # shown where the test failed


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Service:
    return Service(database_url, tmp_path)


@pytest.fixture
def start_evaluator(service: Service) -> Iterator[StartEvaluator]:
    with evaluators(service) as start:
        yield start


@pytest.fixture(name="until", scope="session")
def until_fixture() -> Callable[..., Any]:
    return until


@pytest.fixture(name="group_members", scope="session")
def group_members_fixture() -> Callable[[int], list[int]]:
    return group_members


@pytest.fixture(name="make_document", scope="session")
def make_document_fixture() -> Callable[[random.Random, float], Mapping[str, Any]]:
    return document


@pytest.fixture(scope="module")
def module_service(
    _new_database: Any, _migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Give a service for all tests of a module."""
    with _new_database(_migrated_template) as url:
        yield Service(url, tmp_path_factory.mktemp("service"))


@pytest.fixture(scope="module")
def module_start(module_service: Service) -> Iterator[StartEvaluator]:
    with evaluators(module_service) as start:
        yield start


@pytest.fixture
def make_service() -> Callable[[str, Path], Service]:
    return Service


@pytest.fixture(name="evaluators")
def evaluators_fixture() -> Callable[[Service], Any]:
    return evaluators
