"""What the statements of the queue cost when a million jobs have been done."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, create_engine, text

from schema.evaluation_jobs import claiming, ending, operating
from schema.evaluation_jobs.values import Outcome

HISTORY = 1_000_000
WAITING, RUNNING = 200, 20
SECOND, NOTHING = timedelta(seconds=1), timedelta(0)

FILL = """
    SET LOCAL session_replication_role = replica;
    SET LOCAL synchronous_commit = off;
    INSERT INTO dataset_snapshot (id, data) VALUES ('{id}', '{"name": "moods", "classes": []}');
    INSERT INTO dataset_eval_jobs (id, snapshot_id, status, result, created, updated)
        SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, '{id}',
               CASE WHEN mod(n, 10) = 0 THEN 'failed' ELSE 'done' END::eval_job_status, '{}',
               TIMESTAMPTZ '2015-01-01' + n * INTERVAL '1 min',
               TIMESTAMPTZ '2015-01-02' + n * INTERVAL '1 min'
          FROM generate_series(1, {history}) n;
    INSERT INTO worker.evaluation_attempts
           (job_id, attempt, worker, host, started, lease_until, ended, outcome)
        SELECT id, 1, 'w', 'h', created, updated, updated, 'done' FROM dataset_eval_jobs;
    INSERT INTO dataset_eval_jobs (id, snapshot_id, status)
        SELECT ('00000000-0000-4000-9000-' || lpad(n::text, 12, '0'))::uuid, '{id}',
               CASE WHEN n > {waiting} THEN 'running' ELSE 'pending' END::eval_job_status
          FROM generate_series(1, {waiting} + {running}) n;
    INSERT INTO worker.evaluation_attempts (job_id, attempt, worker, host, lease_until)
        SELECT id, 1, 'w', 'h', now() - INTERVAL '1 s' FROM dataset_eval_jobs
         WHERE status = 'running';
"""
RUNS = {
    "job": UUID(f"00000000-0000-4000-9000-{WAITING + 1:012}"),
    "attempt": 1,
    "worker": "w",
}
USAGE: dict[str, Any] = {
    "exit_code": 0,
    "signal": None,
    "peak_memory": 1,
    "cpu_seconds": 1.0,
    "progress": None,
}

STATEMENTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "claim": (claiming.CLAIM, {"worker": "w", "host": "h", "lease": SECOND, "most": 1}),
    "renew": (claiming.RENEW, {**RUNS, "lease": SECOND, "progress": None}),
    "rescue": (
        claiming.RESCUE,
        {"lease": NOTHING, "max_attempts": 3, "limit": 10, "backoff": SECOND},
    ),
    "finish": (
        ending.FINISH,
        {**RUNS, **USAGE, "result": "{}", "training_set": "{}", "testing_set": "{}"},
    ),
    "end": (
        ending.END,
        {
            **RUNS,
            **USAGE,
            "outcome": Outcome.ERROR.value,
            "message": "no",
            "traceback": None,
            "terminal": False,
            "interrupted": False,
            "counted": True,
            "forgiven": 20,
            "max_attempts": 3,
            "backoff": SECOND,
        },
    ),
    "list what runs": (operating.LIST, {"statuses": ["running"], "ended": [], "limit": 50}),
    "list what waits": (operating.LIST, {"statuses": ["pending"], "ended": [], "limit": 50}),
    "list what failed": (
        operating.LIST,
        {"statuses": ["failed"], "ended": ["failed"], "limit": 50},
    ),
    "list all": (
        operating.LIST,
        {"statuses": list(operating.STATUSES), "ended": list(operating.ENDED), "limit": 50},
    ),
    "show": (operating.STATUS, {"job": RUNS["job"]}),
    "nobody's": (operating.LEGACY_RUNNING, {}),
}
# Pages that a statement may touch, of some 40,000.
MOST_PAGES = 3_000


@pytest.fixture(scope="module")
def histories(_new_database: Any, _migrated_template: str) -> Iterator[dict[int, Engine]]:
    with _new_database(_migrated_template) as small, _new_database(_migrated_template) as large:
        engines = {1_000: create_engine(small), HISTORY: create_engine(large)}
        for size, engine in engines.items():
            values = {"history": size, "waiting": WAITING, "running": RUNNING, "id": UUID(int=1)}
            fill = FILL
            for name, value in values.items():
                fill = fill.replace(f"{{{name}}}", str(value))
            with engine.begin() as connection:
                connection.exec_driver_sql(fill)
            with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.exec_driver_sql("VACUUM ANALYZE")
        yield engines
        for engine in engines.values():
            engine.dispose()


@pytest.mark.slow
@pytest.mark.fault("F34")
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", STATEMENTS)
def test_a_million_finished_jobs_are_not_read(histories: dict[int, Engine], name: str) -> None:
    statement, values = STATEMENTS[name]

    small, large = (explained(engine, statement.text, values) for engine in histories.values())

    big = {"dataset_eval_jobs", "evaluation_attempts"}
    scanned = {node["Relation Name"] for node in nodes(large) if node["Node Type"] == "Seq Scan"}
    assert not scanned & big
    # Indexes of a million keys are deeper by a level or two.
    assert pages(large) <= 2.5 * pages(small) + 100
    assert pages(large) < MOST_PAGES


def explained(engine: Engine, statement: str, values: dict[str, Any]) -> dict[str, Any]:
    explain = text("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + statement)
    with engine.connect() as connection:
        found = connection.execute(explain, values).scalar_one()
        connection.rollback()
    plan: dict[str, Any] = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
    return plan


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def pages(plan: dict[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
