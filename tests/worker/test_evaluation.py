"""From an INSERT to `done`, with real evaluators, training processes and a real database."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml

from trainer.documents import read_documents
from trainer.models.bundle import Model

Start = Callable[..., Any]


def test_an_inserted_job_is_done_with_result_sets_bundle_and_project_folder(
    service: Any, start_evaluator: Start
) -> None:
    classes = service.classes()
    job = service.job(service.snapshot(classes))

    assert start_evaluator("--once").exit_code() == 0

    details = service.show(job)
    assert details.status.status == "done"
    assert service.outcomes(job) == ["done"]
    class_of = {str(mbid): name for name, mbids in classes for mbid in mbids}
    assert (details.training_set, details.testing_set) == (class_of, {})
    assert_result(details.result, class_of)
    assert_bundle(details.result, job, service.models)
    assert_project(details.result, service.projects / str(job))
    assert service.leftovers() == []


def assert_result(result: dict[str, Any], class_of: dict[str, str]) -> None:
    assert result["accuracy"] == round(result["accuracy"], 2)
    assert 60 < result["accuracy"] <= 100
    assert result["parameters"] == {
        "model": {
            "classifier": "svm",
            "preprocessing": "basic",
            "type": "C-SVC",
            "kernel": result["parameters"]["model"]["kernel"],
            "C": 1,
            "gamma": -3,
            "balanceClasses": False,
        },
        "evaluation": {"type": "nfoldcrossvalidation", "nfold": 5},
    }
    sizes = {actual: sum(row.values()) for actual, row in result["confusion_matrix"].items()}
    assert sizes == Counter(class_of.values())
    assert {*result} >= {"project_path", "history_path", "grid", "folds", "per_class", "versions"}


def assert_bundle(result: dict[str, Any], job: Any, models: Path) -> None:
    path = models / str(job)[0] / str(job)[:2] / f"{job}-1.model"
    assert result["model"]["path"] == result["history_path"] == str(path)
    assert Path(result["report_page"]).parent == path.parent
    assert f"{result['accuracy']:.1f} %" in Path(result["report_page"]).read_text()
    model = Model.load(path, sha256=result["model"]["sha256"])
    provenance = model.manifest["training"]["provenance"]
    assert (provenance["job"], provenance["attempt"]) == (str(job), 1)


def assert_project(result: dict[str, Any], folder: Path) -> None:
    assert result["project_path"] == str(folder)
    names = {path.name for path in folder.iterdir()}
    assert names == {"project.yaml", "filelist.yaml", "groundtruth.yaml", "results"}
    assert yaml.safe_load((folder / "project.yaml").read_text())["className"] == "mood-happy"


def test_a_job_takes_folds_leaves_out_what_is_missing_and_draws_a_learning_curve(
    service: Any, start_evaluator: Start
) -> None:
    (happy, mbids), (sad, others) = service.classes()
    gone = UUID(int=7)
    snapshot = service.snapshot([(happy, [*mbids, gone]), (sad, others)])
    folds = [[str(mbid)[:13] for mbid in (*mbids[n::2], *others[n::2])] for n in range(2)]
    job = service.job(
        snapshot,
        options={
            "preprocessing_values": ["basic"],
            "c_values": [1],
            "gamma_values": [-3],
            "given_folds": folds,
            "missing": "leave out",
            "learning_curve": True,
        },
    )

    assert start_evaluator("--once").exit_code() == 0

    result = service.show(job).result
    assert result["left_out"] == {str(gone): "has no low-level document"}
    told = dict(zip(result["recordings"], result["folds"], strict=True))
    assert told == {str(m): n for ids in (mbids, others) for n in range(2) for m in ids[n::2]}
    assert result["learning_curve"][-1]["accuracy"] == result["accuracy"]


def test_low_level_files_stay_when_they_are_to_be_kept(
    service: Any, start_evaluator: Start
) -> None:
    job = service.job()

    assert start_evaluator("--once", keep_lowlevel=1).exit_code() == 0

    folder = service.projects / str(job) / "lowlevel"
    assert {name for name, _ in read_documents([folder])} == set(service.show(job).training_set)
    assert list((service.projects / ".attempts").iterdir()) == []


def test_once_with_nothing_to_do_ends_at_once(start_evaluator: Start) -> None:
    evaluator = start_evaluator("--once")

    assert evaluator.exit_code() == 0
    assert evaluator.events() == ["evaluator started", "nothing to do", "evaluator stopped"]


def test_once_takes_one_job_and_says_if_it_failed(service: Any, start_evaluator: Start) -> None:
    jobs = [service.job(options={"folds": 0}), service.job()]

    assert start_evaluator("--once").exit_code() == 4

    assert [service.status(job) for job in jobs] == ["failed", "pending"]


@pytest.mark.fault("F33")
def test_wrong_settings_and_a_missing_schema_have_exit_codes_of_their_own(
    service: Any, start_evaluator: Start
) -> None:
    (service.folder / "file").touch()

    wrong = start_evaluator(model_dir=service.folder / "file")
    service.execute("DELETE FROM acoustic_workers_revision")
    old = start_evaluator()

    assert (wrong.exit_code(), old.exit_code()) == (2, 3)
    assert "ACOUSTIC_MODEL_DIR" in wrong.printed.read_text()
    assert "acoustic migrate" in old.printed.read_text()


def test_every_line_about_a_job_names_job_attempt_and_worker(
    service: Any, start_evaluator: Start
) -> None:
    job = service.job()

    evaluator = start_evaluator("--once")
    evaluator.exit_code()

    assert [(line["event"], line["job"], line["attempt"]) for line in evaluator.log()] == [
        ("evaluator started", None, None),
        ("job claimed", str(job), 1),
        ("dataset prepared", str(job), 1),
        ("job done", str(job), 1),
        ("evaluator stopped", None, None),
    ]
    assert len({line["worker"] for line in evaluator.log()}) == 1


def test_the_artist_filter_leaves_a_testing_set(service: Any, start_evaluator: Start) -> None:
    happy, sad = (service.recordings(4, centre) for centre in (0.0, 1.0))
    again = {"musicbrainz_artistid": ["11111111-1111-4111-8111-111111111111"]}
    for mbid in happy[:2]:
        service.execute(
            "UPDATE lowlevel_json"
            " SET data = jsonb_set(data, '{metadata,tags}', CAST(:tags AS jsonb))"
            " WHERE id = (SELECT id FROM lowlevel WHERE gid = :mbid)",
            tags=str(again).replace("'", '"'),
            mbid=mbid,
        )
    options = {"preprocessing_values": ["basic"], "c_values": [1], "gamma_values": [-3]}
    job = service.job(
        service.snapshot([("happy", happy), ("sad", sad)]), {**options, "filter_type": "artist"}
    )

    assert start_evaluator("--once").exit_code() == 0

    details = service.show(job)
    assert len(details.testing_set) == 1
    assert set(details.testing_set) < {str(mbid) for mbid in happy[:2]}
    assert len(details.training_set) == 7


@pytest.mark.fault("F19")
@pytest.mark.timeout(900)
def test_two_evaluators_do_thirty_jobs_each_once(
    service: Any, start_evaluator: Start, until: Callable[..., Any]
) -> None:
    snapshot = service.snapshot(service.classes())
    jobs = [service.job(snapshot) for _ in range(30)]

    evaluators = [start_evaluator(), start_evaluator()]
    done = "SELECT count(*) FROM dataset_eval_jobs WHERE status = 'done'"
    until(lambda: service.execute(done) == len(jobs), 800)

    assert [service.outcomes(job) for job in jobs] == [["done"]] * 30
    workers = Counter(service.show(job).attempts[0].worker for job in jobs)
    assert len(workers) == 2
    assert sum(evaluator.events().count("job done") for evaluator in evaluators) == 30
    assert len(list(service.models.rglob("*.model"))) == 30
    assert service.leftovers() == []
    assert service.execute("SELECT count(*) FROM dataset_eval_sets") == 60
