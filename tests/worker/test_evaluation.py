"""From an INSERT to `done`, with a real evaluator, training process and database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from trainer.models.bundle import Model


def test_an_inserted_job_is_done_with_result_sets_bundle_and_project_folder(
    service: Any, start_evaluator: Callable[..., Any]
) -> None:
    job = service.job()

    evaluator = start_evaluator("--once")

    assert evaluator.exit_code() == 0
    details = service.show(job)
    assert details.status.status == "done"
    assert service.outcomes(job) == ["done"]
    assert service.leftovers() == []
