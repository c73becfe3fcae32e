"""A real Postgres for every test that needs one, and where the shared data lie.

One server for each pytest process, so that `-n 2` works; the migrations run once on it, and each
test gets a copy of the migrated database (some 40 ms to make and drop). pytest-postgresql would do
the same by way of a second driver, psycopg 3, which would let a URL pass that forgot to name ours.
"""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from sqlalchemy import Engine, create_engine, make_url

from worker.embedded import EmbeddedPostgres

# A shell without job control starts what runs in the background (`make test &`) deaf to Ctrl-C, and
# so would be every program that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

NewDatabase = Callable[[str], AbstractContextManager[str]]

# A test that fails must fail again: no random examples, and no deadline that a busy machine misses.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
hypothesis.settings.register_profile(
    "thorough", hypothesis.settings.get_profile("repeatable"), max_examples=400
)
hypothesis.settings.load_profile("repeatable")

SHARED_DATA = Path(os.environ.get("SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
SHARED_DATA_REQUIRED = bool(os.environ.get("ACOUSTIC_REQUIRE_SHARED_DATA"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have reports tell which fault a test proves, for the table of `make faults`."""
    for item in items:
        for marker in item.iter_markers("fault"):
            item.user_properties += [("fault", number) for number in marker.args]


Recovery = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def recovery(record_property: Callable[[str, object], None]) -> Recovery:
    """Measure how long it takes from a fault to its end, for the table of `make faults`."""

    @contextmanager
    def measure() -> Iterator[None]:
        began = time.monotonic()
        yield
        record_property("recovery", time.monotonic() - began)

    return measure


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_caller() -> Iterator[None]:
    """Start tests without settings: a DATABASE_URL of the shell is nobody's to write to.

    Before all fixtures, so that neither do those see them that several tests share.
    """
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in os.environ:
            if name == "DATABASE_URL" or name.startswith("ACOUSTIC_"):
                monkeypatch.delenv(name)
        yield


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A server for this process; its data are thrown away."""
    # Not pytest's tmp_path: that keeps the last three runs, which here are gigabytes.
    with (
        tempfile.TemporaryDirectory(prefix="acoustic-tests-", dir=_in_memory()) as data,
        EmbeddedPostgres(Path(data), durable=False) as server,
    ):
        yield server


def _in_memory() -> str | None:
    """Give a folder in memory, where databases are copied six times as fast, if it has room."""
    try:
        room = shutil.disk_usage("/dev/shm").free
    except OSError:
        return None
    return "/dev/shm" if room > 4 * 2**30 else None


@pytest.fixture(scope="session")
def _new_database(postgres_server: EmbeddedPostgres) -> Iterator[NewDatabase]:
    """Give a context manager that copies a database and names the copy."""
    engine = create_engine(postgres_server.url(), isolation_level="AUTOCOMMIT")
    numbers = count(1)
    # Files copied as they are take less than half of what all pages do by way of the log, the
    # default of Postgres 15 and newer; older ones know nothing else, and no name for it.
    with engine.connect() as connection:
        version = connection.dialect.server_version_info or (0,)
    strategy = "STRATEGY file_copy" if version >= (15,) else ""

    @contextmanager
    def new_database(template: str) -> Iterator[str]:
        name = f"test_{next(numbers)}"
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
        yield postgres_server.url(name)
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")

    yield new_database
    engine.dispose()


@pytest.fixture(scope="session")
def _migrated_template(_new_database: NewDatabase) -> Iterator[str]:
    import migrations  # noqa: PLC0415 - tests without a database need not load it

    with _new_database("template0") as url:
        migrations.upgrade(url)
        yield str(make_url(url).database)


@pytest.fixture
def database_url(_new_database: NewDatabase, _migrated_template: str) -> Iterator[str]:
    """URL of a migrated database that no other test sees."""
    with _new_database(_migrated_template) as url:
        yield url


@pytest.fixture
def empty_database_url(_new_database: NewDatabase) -> Iterator[str]:
    """URL of a database with nothing in it."""
    with _new_database("template0") as url:
        yield url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Engine on a migrated database; a statement that waits for a lock fails its test."""
    engine = create_engine(
        database_url, connect_args={"options": "-c statement_timeout=5s"}, pool_size=20
    )
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the reference data, which are too large for the repository."""
    if SHARED_DATA.is_dir():
        return SHARED_DATA
    reason = f"no reference data in {SHARED_DATA}: set SHARED_DATA to their folder"
    if SHARED_DATA_REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def granted(database_url: str) -> str:
    """URL of a migrated database whose roles of least privilege have their rights."""
    import migrations  # noqa: PLC0415 - tests without a database need not load it

    migrations.grant_roles(database_url)
    return database_url


@pytest.fixture
def login_url(granted: str) -> Iterator[Callable[[str], str]]:
    """Give the URL of a user who can log in and is in one role, as an operator would make it."""
    owner = create_engine(granted, isolation_level="AUTOCOMMIT")
    made = []

    def url(role: str) -> str:
        user = f"login_{uuid4().hex[:12]}"
        with owner.connect() as connection:
            connection.exec_driver_sql(f"CREATE ROLE {user} LOGIN IN ROLE {role}")
        made.append(user)
        return make_url(granted).set(username=user).render_as_string(hide_password=False)

    yield url
    with owner.connect() as connection:
        for user in made:
            connection.exec_driver_sql(f"DROP OWNED BY {user}")
            connection.exec_driver_sql(f"DROP ROLE {user}")
    owner.dispose()
