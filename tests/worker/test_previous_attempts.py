"""Faults of the two workers before this one, the parts that a daemon can have.

Those of the trainer are in tests/trainer/test_previous_attempts.py. Others that this daemon cannot
have are held elsewhere: two workers on one job and results without a status (tests/schema,
test_two_evaluators_do_thirty_jobs_each_once), jobs that stay running when training fails
(test_input_errors, test_failures), a class set emptied by `normalize` (the trainer's).
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from trainer.models.bundle import Model

Start = Callable[..., Any]


def test_a_job_trains_on_its_own_ground_truth_and_no_other_jobs(
    service: Any, start_evaluator: Start
) -> None:
    """The port kept all jobs in one folder, and each job trained all that lay in it."""
    rock = service.snapshot(
        [("rock", service.recordings(4, 0)), ("jazz", service.recordings(4, 1))]
    )
    loud = service.snapshot(
        [("loud", service.recordings(5, 0)), ("soft", service.recordings(5, 1))]
    )
    jobs = {service.job(rock): {"rock", "jazz"}, service.job(loud): {"loud", "soft"}}

    start_evaluator()

    for job, classes in jobs.items():
        details = service.wait_for(job, "done")
        assert set(details.training_set.values()) == classes
        ground_truth = service.projects / str(job) / "groundtruth.yaml"
        recorded = yaml.safe_load(ground_truth.read_text())["groundTruth"]
        assert recorded == details.training_set


def test_the_result_names_a_model_that_is_there(service: Any, start_evaluator: Start) -> None:
    """The port wrote "Does not exist because of sklearn training usage"."""
    job = service.job()

    start_evaluator("--once").exit_code()

    result = service.show(job).result
    assert set(Model.load(Path(result["history_path"])).classes) == {"happy", "sad"}


def test_names_in_any_script_go_through_the_whole_worker(
    service: Any, start_evaluator: Start
) -> None:
    """Gaia's Python bindings failed on paths that were not ASCII."""
    classes = [("Été", service.recordings(4, 0)), ("冬 ❄", service.recordings(4, 1))]
    job = service.job(service.snapshot(classes, name="Ñandú / 音楽"))

    assert start_evaluator("--once").exit_code() == 0

    result = service.show(job).result
    assert set(result["confusion_matrix"]) == {"Été", "冬 ❄"}
    assert Path(result["project_path"]).is_dir()
