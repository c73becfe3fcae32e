from pathlib import Path
from uuid import UUID

from worker.model_store import ModelStore

JOB = UUID("ab1c0000-0000-4000-8000-000000000001")


def test_a_bundle_lies_under_the_first_characters_of_its_job(tmp_path: Path) -> None:
    path = ModelStore(tmp_path).path(JOB, 2)

    assert path == tmp_path / "a" / "ab" / f"{JOB}-2.model"
    assert path.parent.is_dir()


def test_removing_an_attempt_takes_what_was_half_written_and_no_other_attempt(
    tmp_path: Path,
) -> None:
    store = ModelStore(tmp_path)
    folder = store.path(JOB, 1).parent
    for name in (f"{JOB}-1.model", f".{JOB}-1.model.x7.part", f"{JOB}-11.model"):
        (folder / name).write_bytes(b"")

    store.remove(JOB, 1)

    assert [path.name for path in folder.iterdir()] == [f"{JOB}-11.model"]


def test_attempts_that_left_something_are_found(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    folder = store.path(JOB, 1).parent
    for name in (f"{JOB}-11.model", f".{JOB}-2.model.x7.part", f"{JOB}-old.model", "notes"):
        (folder / name).write_bytes(b"")

    assert store.attempts(JOB) == [2, 11]


def test_a_job_without_bundles_has_none_to_list_or_remove(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)

    store.remove(JOB, 1)

    assert store.attempts(JOB) == []
