"""Ways to call ``acoustic``: in this process, as a process of its own, on a terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Engine

import examples
from schema import datasets, evaluation_jobs
from schema.evaluation_jobs import JobDetails
from trainer.documents import read_documents
from worker.commands import main

Acoustic = Callable[..., Result]

Process = Callable[..., subprocess.CompletedProcess[str]]

COMMAND = (sys.executable, "-m", "worker.commands")

# Nothing that could colour the output or configure a command.
_OF_OTHERS = ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM", "DATABASE_URL", "ACOUSTIC_")
CLEAN_ENVIRONMENT = {
    name: text for name, text in os.environ.items() if not name.startswith(_OF_OTHERS)
}

# A grid of one combination: enough to go the whole way, in a second.
SMALL_GRID = ("--preprocessing", "normalized", "--kernel", "rbf", "--c", "5", "--gamma", "-5")


@pytest.fixture(scope="session")
def acoustic() -> Acoustic:
    """Call a command in this process; keyword arguments are environment variables."""

    interrupt = signal.getsignal(signal.SIGINT)

    def call(*arguments: object, **environment: str | None) -> Result:
        result = CliRunner().invoke(main, [str(part) for part in arguments], env=environment)
        signal.signal(signal.SIGINT, interrupt)  # which a command that was interrupted ignores
        return result

    return call


@pytest.fixture
def on_database(acoustic: Acoustic, database_url: str, tmp_path: Path) -> Acoustic:
    """Call a command with the settings of a migrated database of its own."""

    def call(*arguments: object, **environment: str | None) -> Result:
        settings = {
            "DATABASE_URL": database_url,
            "ACOUSTIC_MODEL_DIR": str(tmp_path / "models"),
            "ACOUSTIC_PROJECT_DIR": str(tmp_path / "projects"),
        }
        return acoustic(*arguments, **{**settings, **environment})

    return call


@pytest.fixture
def process() -> Process:
    """Call a command as a process of its own; keyword arguments are environment variables."""

    def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=CLEAN_ENVIRONMENT | environment,
        )

    return call


@pytest.fixture
def started() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command in a process group of its own, as a shell does."""
    processes = []

    def start(*arguments: object, **environment: str) -> subprocess.Popen[str]:
        processes.append(
            subprocess.Popen(
                [*COMMAND, *map(str, arguments)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env=CLEAN_ENVIRONMENT | environment,
            )
        )
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def on_terminal() -> Callable[..., str]:
    """All that a command writes when its standard streams are a terminal."""

    def call(*arguments: object, **environment: str) -> str:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=CLEAN_ENVIRONMENT | {"TERM": "xterm-256color"} | environment,
        ) as process:
            os.close(theirs)
            with closing(os.fdopen(ours, "rb", buffering=0)) as terminal:
                written = b"".join(_blocks(terminal))
            process.wait(30)
        return written.decode()

    return call


def _blocks(terminal: Any) -> Iterator[bytes]:
    # Linux reports the end of a terminal as an input error.
    with suppress(OSError):
        while block := terminal.read(65536):
            yield block


@pytest.fixture(scope="session")
def corpus() -> dict[str, Any]:
    """The example documents by id."""
    return dict(read_documents([examples.documents()]))


@pytest.fixture(scope="session")
def small_grid() -> tuple[str, ...]:
    """Options of ``train`` that make it a matter of a second."""
    return SMALL_GRID


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of danceability, trained by the command."""
    path = tmp_path_factory.mktemp("model") / "danceability.model"
    files = (examples.ground_truth("danceability"), examples.documents())
    arguments = map(str, ("train", *files, "--model", path, *SMALL_GRID))
    subprocess.run(
        [*COMMAND, *arguments], check=True, capture_output=True, timeout=60, env=CLEAN_ENVIRONMENT
    )
    return path


@pytest.fixture
def dataset(engine: Engine) -> Callable[..., UUID]:
    """Store a dataset of two classes whose recordings have no documents."""

    def store(name: str = "moods", classes: Iterable[str] = ("happy", "sad")) -> UUID:
        members = {
            label: [UUID(int=100 * number + member) for member in range(1, 4)]
            for number, label in enumerate(classes)
        }
        with engine.begin() as connection:
            return datasets.create(
                connection, name=name, description="", classes=members, author="tester"
            )

    return store


@pytest.fixture
def job(engine: Engine, dataset: Callable[..., UUID]) -> Callable[..., UUID]:
    """Enqueue the evaluation of such a dataset."""

    def enqueue(name: str = "moods", options: Mapping[str, Any] | None = None) -> UUID:
        stored = dataset(name)
        with engine.begin() as connection:
            return evaluation_jobs.enqueue(connection, stored, options)

    return enqueue


@pytest.fixture
def details(engine: Engine) -> Callable[[UUID], JobDetails]:
    def show(job_id: UUID) -> JobDetails:
        with engine.connect() as connection:
            return evaluation_jobs.show(connection, job_id)

    return show
