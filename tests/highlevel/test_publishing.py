import hashlib
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from schema.models import Status
from tests.highlevel.mirror import Mirror, trained
from trainer.errors import ModelError
from worker.model_store import ModelStore
from worker.published_files import PublishedFiles
from worker.publishing import bundle_of_job, publish, read_class_mapping


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "danceability.model"
    trained("danceability").save(path)
    return path


def of(mirror: Mirror, file: Path, **changes: Any) -> Any:
    given = {"name": "danceability", "version": "v1", "status": Status.SHOW}
    return publish(mirror.engine, mirror.models, file, **{**given, **changes})


def test_the_file_is_copied_under_its_digest(mirror: Mirror, file: Path) -> None:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    made = of(mirror, file).model

    assert (made.sha256, made.path) == (digest, f"published/{digest[:2]}/{digest}.model")
    assert (mirror.models / made.path).read_bytes() == file.read_bytes()
    assert [path for path in mirror.models.rglob("*") if path.is_file()] == [
        mirror.models / made.path
    ]


def test_it_is_published_under_the_name_that_is_given(mirror: Mirror, file: Path) -> None:
    made = of(mirror, file, name="Tanzbarkeit").model

    assert made.name == "Tanzbarkeit"
    assert made.provenance["origin"] == {"file": "danceability.model"}
    assert made.provenance["training"]["accuracy"] >= 0


def test_a_file_that_is_no_model_is_not_kept(mirror: Mirror, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.model"
    wrong.write_text("no model")

    with pytest.raises(ModelError, match=r"wrong\.model"):
        of(mirror, wrong)

    assert not mirror.models.exists()
    assert mirror.rows("SELECT * FROM model") == []


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ({"danceable": "Yes"}, "lacks not_danceable"),
        ({"danceable": "Yes", "not_danceable": "No", "maybe": "?"}, "names maybe"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(
    mirror: Mirror, file: Path, mapping: dict[str, str], problem: str
) -> None:
    of(mirror, file)

    with pytest.raises(ModelError, match=problem):
        of(mirror, file, class_mapping=mapping)

    path = mirror.value("SELECT path FROM worker.models")
    assert (mirror.models / path).is_file()


@pytest.mark.parametrize("content", ["[]", '{"a": 1}', '{"a": ""}', "nonsense"])
def test_a_mapping_is_an_object_of_texts(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(content)

    with pytest.raises(ModelError, match="class mapping"):
        read_class_mapping(path)


def test_a_damaged_copy_is_made_whole_by_publishing_again(mirror: Mirror, file: Path) -> None:
    path = mirror.models / of(mirror, file).model.path
    path.write_bytes(b"damaged")

    of(mirror, file)

    assert path.read_bytes() == file.read_bytes()


def test_the_same_file_published_by_many_at_once_is_one_row(mirror: Mirror, file: Path) -> None:
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda _: of(mirror, file).model.id, range(8)))

    assert len(set(made)) == 1
    assert len([path for path in mirror.models.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../outside.model", "published/../../outside.model", "", "a\0b"]
)
def test_a_path_of_a_row_leads_nowhere_else(tmp_path: Path, path: str) -> None:
    with pytest.raises(ModelError, match="does not lie in the model folder"):
        PublishedFiles(tmp_path / "models").find(path)


def test_a_path_of_a_row_leads_through_no_link(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (models / "published").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ModelError, match="leads through a link"):
        PublishedFiles(models).find("published/a.model")


def test_the_model_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "models").symlink_to(tmp_path / "real")

    found = PublishedFiles(tmp_path / "models").find("published/a.model")

    assert found == (tmp_path / "real").resolve() / "published" / "a.model"


def test_a_source_that_cannot_be_read_is_named(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="missing"):
        of(mirror, tmp_path / "missing.model")


def test_a_full_disk_leaves_nothing_behind(
    mirror: Mirror, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            PublishedFiles(mirror.models).add(file)

    assert [path for path in mirror.models.rglob("*") if path.is_file()] == []


@pytest.fixture
def job(mirror: Mirror) -> Callable[..., Any]:
    """Insert a job as an evaluator leaves it."""

    def job(result: Any, status: str = "done") -> Any:
        snapshot, identity = uuid4(), uuid4()
        mirror.rows("INSERT INTO dataset_snapshot (id, data) VALUES (:i, '{}')", i=snapshot)
        mirror.rows(
            """INSERT INTO dataset_eval_jobs (id, snapshot_id, status, result)
               VALUES (:i, :s, CAST(:status AS eval_job_status), CAST(:r AS jsonb))""",
            i=identity,
            s=snapshot,
            status=status,
            r=json.dumps(result),
        )
        return identity

    return job


def test_a_job_stands_for_its_bundle_by_digest(mirror: Mirror, job: Callable[..., Any]) -> None:
    content = trained("gender").to_bytes()
    digest = hashlib.sha256(content).hexdigest()
    identity = job({"model": {"path": "/elsewhere/x.model", "sha256": digest}})
    store = ModelStore(mirror.models)
    store.path(identity, 1).write_bytes(b"of an attempt that was lost")
    store.path(identity, 2).write_bytes(content)

    with mirror.engine.connect() as connection:
        path, origin = bundle_of_job(connection, identity, mirror.models)

    assert path.read_bytes() == content
    assert origin == {"job": str(identity), "attempt": 2}


@pytest.mark.parametrize(
    ("result", "status", "problem"),
    [
        (None, "failed", "is failed: only one that is done has a model"),
        (None, "done", "is done and has no result, .* or have it evaluated again"),
        ({"history_path": "/data/x.history"}, "done", "by another program"),
        ({"model": {"sha256": "0" * 64}}, "done", "does not lie in"),
    ],
)
def test_a_job_without_a_bundle_says_why(
    mirror: Mirror, job: Callable[..., Any], result: Any, status: str, problem: str
) -> None:
    identity = job(result, status)

    with (
        mirror.engine.connect() as connection,
        pytest.raises(ModelError, match=problem),
    ):
        bundle_of_job(connection, identity, mirror.models)
