"""Old history goes while people set jobs back and workers begin them: neither meets the other."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from schema import evaluation_jobs

Step = Callable[..., Any]

HOUR = timedelta(hours=1)

SET_BACK = text("UPDATE dataset_eval_jobs SET status = 'pending', updated = now() WHERE id = :job")


@pytest.fixture
def old_job(make_job: Step, execute: Step) -> UUID:
    """A job that was done two hours ago."""
    job: UUID = make_job(status="done")
    execute("UPDATE dataset_eval_jobs SET updated = now() - interval '2 hours'")
    return job


def test_an_old_job_is_passed_over_while_somebody_sets_it_back(
    engine: Engine, old_job: UUID
) -> None:
    with engine.connect() as operator, engine.connect() as pruning:
        operator.execute(SET_BACK, {"job": old_job})

        assert evaluation_jobs.ended_jobs(pruning, age=HOUR) == []


def test_an_old_job_whose_files_are_being_removed_is_set_back_only_afterwards(
    engine: Engine, old_job: UUID
) -> None:
    with engine.connect() as pruning, engine.connect() as operator:
        assert evaluation_jobs.ended_jobs(pruning, age=HOUR) == [old_job]

        operator.execute(text("SET LOCAL lock_timeout = '200ms'"))
        with pytest.raises(OperationalError, match="lock timeout"):
            operator.execute(SET_BACK, {"job": old_job})
