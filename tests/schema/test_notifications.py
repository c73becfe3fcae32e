import select
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from sqlalchemy import make_url

from schema.evaluation_jobs import CHANNEL

Step = Callable[..., Any]  # a fixture that does one thing to the database


@pytest.fixture
def heard(database_url: str, execute: Step) -> Iterator[Step]:
    """What was notified since the last call: it ends at a notification of our own."""
    url = make_url(database_url).set(drivername="postgresql")
    with closing(psycopg2.connect(url.render_as_string(hide_password=False))) as listener:
        listener.autocommit = True
        listener.cursor().execute(f"LISTEN {CHANNEL}")

        def heard() -> Any:
            execute(f"NOTIFY {CHANNEL}, 'end'")
            payloads = []
            while "end" not in payloads:
                assert select.select([listener], [], [], 4)[0], "no notification came"
                listener.poll()
                payloads += [listener.notifies.pop(0).payload for _ in list(listener.notifies)]
            return payloads[:-1]

        yield heard


def test_an_inserted_job_is_announced(heard: Step, make_job: Step) -> None:
    make_job()

    assert heard() == [""]


def test_many_jobs_inserted_at_once_are_announced_once(
    heard: Step, make_job: Step, execute: Step
) -> None:
    make_job()
    heard()

    execute("""INSERT INTO dataset_eval_jobs (snapshot_id)
               SELECT id FROM dataset_snapshot, generate_series(1, 50)""")

    assert heard() == [""]


def test_a_claim_and_a_note_are_not_announced(
    heard: Step, make_job: Step, claim: Step, execute: Step
) -> None:
    make_job()
    heard()

    claim()
    execute("UPDATE dataset_eval_jobs SET status_msg = 'a note'")

    assert heard() == []


@pytest.mark.parametrize("status", ["pending", "failed", "done"])
def test_a_job_that_leaves_running_is_announced(
    heard: Step, make_job: Step, claim: Step, execute: Step, status: str
) -> None:
    make_job()
    claim()
    heard()

    execute("UPDATE dataset_eval_jobs SET status = CAST(:s AS eval_job_status)", s=status)

    assert heard() == [""]


def test_a_job_that_is_set_back_to_pending_is_announced(
    heard: Step, make_job: Step, execute: Step
) -> None:
    make_job(status="failed")
    heard()

    execute("UPDATE dataset_eval_jobs SET status = 'pending'")

    assert heard() == [""]


def test_a_deleted_job_is_announced(
    heard: Step, make_job: Step, claim: Step, execute: Step
) -> None:
    make_job()
    claim()
    heard()

    execute("DELETE FROM dataset_eval_jobs")

    assert heard() == [""]
