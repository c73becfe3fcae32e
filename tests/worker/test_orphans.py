"""What killed workers left is found and removed, and nothing that anybody still uses."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import pytest

from worker.attempt_folder import AttemptFolder, hold
from worker.model_store import ModelStore
from worker.orphans import Orphan, orphans
from worker.retention import prune
from worker.settings import Settings

Start = Callable[..., Any]

HOUR = timedelta(hours=1)
LONG_AGO = (1, 1)


@pytest.fixture(autouse=True)
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Have a folder for temporary files that holds nobody else's.

    Its path is short, other than those of pytest's folders: a socket's has 107 bytes at most.
    """
    with TemporaryDirectory(prefix="a-", dir="/tmp") as folder:
        monkeypatch.setattr("tempfile.tempdir", folder)
        yield Path(folder)


@pytest.fixture
def find(service: Any) -> Callable[[], list[Orphan]]:
    def find() -> list[Orphan]:
        with service.engine.connect() as connection:
            return list(orphans(connection, service.models, service.projects))

    return find


def bundle(service: Any, job: UUID, attempt: int) -> Path:
    path = ModelStore(service.models).path(job, attempt)
    path.touch()
    return path


def attempt(service: Any, job: UUID, number: int, outcome: str | None) -> Path:
    """Have an attempt that left a bundle."""
    service.execute(
        "INSERT INTO worker.evaluation_attempts"
        " (job_id, attempt, worker, host, lease_until, ended, outcome)"
        " VALUES (:job, :number, 'w', 'h', now(), CASE WHEN CAST(:outcome AS text) IS NOT NULL"
        " THEN now() - interval '2 hours' END, :outcome)",
        job=job,
        number=number,
        outcome=outcome,
    )
    return bundle(service, job, number)


def test_only_bundles_that_were_accepted_or_may_be_are_kept(service: Any, find: Any) -> None:
    job, running = service.job(), service.job()
    replaced, _, lost = (
        attempt(service, job, n, outcome) for n, outcome in ((1, "done"), (3, "done"), (4, "lost"))
    )
    half = lost.with_name(f".{job}-3.model.abc.part")
    half.touch()
    attempt(service, running, 1, None)
    running_half = lost.with_name(f".{running}-1.model.abc.part")
    (ModelStore(service.models)._folder(running) / running_half.name).touch()

    assert {orphan.path for orphan in find()} == {replaced, lost, half}
    assert not any(orphan.stranger for orphan in find())


def test_a_bundle_that_the_result_points_to_is_kept_whatever_the_history_says(
    service: Any, find: Any
) -> None:
    job = service.job()
    path = bundle(service, job, 7)
    result = "jsonb_build_object('history_path', CAST(:path AS text))"
    service.execute(f"UPDATE dataset_eval_jobs SET result = {result}", path=str(path))

    assert find() == []


def test_a_bundle_of_another_database_is_told_of_and_never_removed(service: Any, find: Any) -> None:
    path = bundle(service, uuid4(), 1)

    (orphan,) = find()

    assert (orphan.path, orphan.stranger) == (path, True)


def test_files_of_others_in_the_model_folder_are_not_looked_at(service: Any, find: Any) -> None:
    for name in ("a/ab/notes.txt", "published/ab/abc.model", f"0/00/{uuid4()}-1.model"):
        (service.models / name).parent.mkdir(parents=True, exist_ok=True)
        (service.models / name).touch()

    assert find() == []


def test_working_files_are_removed_unless_a_worker_holds_them(service: Any, find: Any) -> None:
    live, dead = (AttemptFolder(service.projects, uuid4(), 1) for _ in range(2))
    held = hold(live)
    os.close(hold(dead))

    found = find()

    os.close(held)
    assert [orphan.path for orphan in found] == [dead.path]


def test_sockets_of_servers_that_are_gone_are_found_and_those_of_live_ones_are_not(
    temporary: Path, find: Any
) -> None:
    folders = {name: temporary / f"acoustic-{name}" for name in ("dead1234", "live1234")}
    folders["new12345"] = temporary / "acoustic-new12345"
    folders["notours"] = temporary / "acoustic-notours1"
    servers = {}
    for name, folder in folders.items():
        folder.mkdir()
        if name != "new12345":
            servers[name] = socket.socket(socket.AF_UNIX)
            servers[name].bind(str(folder / ".s.PGSQL.5432"))
            servers[name].listen()
    (folders["notours"] / "thesis.txt").touch()
    servers["dead1234"].close()
    servers["notours"].close()
    for name, folder in folders.items():
        if name != "new12345":
            os.utime(folder, LONG_AGO)

    with closing(servers["live1234"]):
        assert [orphan.path for orphan in find()] == [folders["dead1234"]]


def test_the_command_lists_and_removes(service: Any, settings: Settings) -> None:
    from click.testing import CliRunner  # noqa: PLC0415

    from worker.commands import main  # noqa: PLC0415

    path = attempt(service, service.job(), 1, "lost")
    stranger = bundle(service, uuid4(), 1)
    environment = {
        "DATABASE_URL": service.database_url,
        "ACOUSTIC_MODEL_DIR": str(settings.model_dir),
        "ACOUSTIC_PROJECT_DIR": str(settings.project_dir),
    }

    listed = CliRunner().invoke(main, ["doctor", "--gc", "--dry-run"], env=environment)
    assert f"would go: {path}" in listed.stdout
    assert path.exists()
    removed = CliRunner().invoke(main, ["doctor", "--gc"], env=environment)

    assert f"removed: {path}" in removed.stdout
    assert not path.exists()
    assert stranger.exists()


@pytest.fixture
def settings(service: Any) -> Settings:
    return Settings.from_environment(
        {
            "DATABASE_URL": service.database_url,
            "ACOUSTIC_MODEL_DIR": str(service.models),
            "ACOUSTIC_PROJECT_DIR": str(service.projects),
        }
    )


def test_old_history_goes_and_what_results_and_numbers_rest_on_stays(
    service: Any, settings: Settings
) -> None:
    kept, deleted, recent = service.job(), service.job(), service.job()
    for number, outcome in ((1, "error"), (2, "done"), (3, "lost"), (4, "cancelled")):
        attempt(service, kept, number, outcome)
    attempt(service, deleted, 1, "done")
    attempt(service, recent, 1, "done")
    service.execute(
        "UPDATE worker.evaluation_attempts SET ended = now() WHERE job_id = :job", job=recent
    )
    for job in (kept, deleted, recent):
        (service.projects / str(job)).mkdir(parents=True)
    service.execute("DELETE FROM dataset_eval_jobs WHERE id IN (:a, :b)", a=deleted, b=recent)
    service.execute(
        "UPDATE dataset_eval_jobs SET status = 'done', updated = now() - interval '2 hours'"
    )

    with service.engine.begin() as connection:
        counted = prune(connection, settings, age=HOUR, dry_run=True)
    assert len(list(service.projects.iterdir())) == 3
    with service.engine.begin() as connection:
        assert prune(connection, settings, age=HOUR) == counted

    left = "SELECT array_agg(attempt ORDER BY attempt) FROM worker.evaluation_attempts"
    assert service.execute(f"{left} WHERE job_id = :job", job=kept) == [2, 4]
    assert service.execute(f"{left} WHERE job_id = :job", job=deleted) is None
    assert service.execute(f"{left} WHERE job_id = :job", job=recent) == [1]
    assert [path.name for path in service.projects.iterdir()] == [str(recent)]
    assert service.bundles(deleted) == []
    assert len(service.bundles(kept)) == 4
    assert (counted.attempts, counted.projects, counted.bundles, counted.deleted) == (3, 2, 1, 1)
