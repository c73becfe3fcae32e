"""Input that only a person can mend ends a job at its first attempt, with one sentence.

One daemon does all the jobs: each must leave it able to do the next.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

MISSING = [UUID(int=number) for number in range(1, 13)]


@dataclass(frozen=True)
class Case:
    """A job that cannot be done, and what its status has to say."""

    make: Callable[[Any], UUID]
    says: tuple[str, ...]


def classes(*more: tuple[str, list[Any]]) -> Callable[[Any], UUID]:
    return lambda service: service.job(
        service.snapshot([("happy", service.recordings(2, 0)), *more])
    )


def data(value: Any) -> Callable[[Any], UUID]:
    def make(service: Any) -> UUID:
        snapshot = service.snapshot([])
        service.execute(
            "UPDATE dataset_snapshot SET data = CAST(:data AS jsonb) WHERE id = :id",
            data=json.dumps(value),
            id=snapshot,
        )
        return service.job(snapshot)

    return make


def options(value: Any) -> Callable[[Any], UUID]:
    return lambda service: service.job(options=value)


def documents(value: Any, *, all_of_them: bool = False) -> Callable[[Any], UUID]:
    """One recording's document, or all, are this JSON."""

    def make(service: Any) -> UUID:
        happy = [service.spoilt, *service.recordings(2, 0)]
        sad = service.recordings(2, 1)
        for mbid in (*happy, *sad) if all_of_them else (service.spoilt,):
            service.execute(
                "UPDATE lowlevel_json SET data = CAST(:data AS jsonb) WHERE id IN"
                " (SELECT id FROM lowlevel WHERE gid = :mbid)",
                data=json.dumps(value),
                mbid=mbid,
            )
        return service.job(service.snapshot([("happy", happy), ("sad", sad)]))

    return make


def twice(service: Any) -> UUID:
    happy, sad = service.recordings(2, 0), service.recordings(2, 1)
    service.both = happy[0]
    return service.job(service.snapshot([("happy", happy), ("sad", [*sad, happy[0]])]))


CASES = {
    "twelve missing recordings": Case(
        classes(("sad", list(MISSING))), ("12", *(str(mbid) for mbid in MISSING[:10]))
    ),
    "one class": Case(classes(), ("happy",)),
    "a class with one recording": Case(classes(("sad", [MISSING[0]])), ("'sad'", "1")),
    "a class without recordings": Case(classes(("sad", [])), ("'sad'",)),
    "an empty snapshot": Case(data({"name": "x", "classes": []}), ("class",)),
    "a snapshot that is null": Case(data(None), ("$", "an object")),
    "a snapshot of the wrong shape": Case(
        data({"name": "x", "classes": [{"name": "a", "recordings": 7}]}),
        ("$.classes[0].recordings", "a list"),
    ),
    "a recording that is no MBID": Case(
        classes(("sad", ["../../etc/passwd"])), ("../../etc/passwd", "recordings[0]")
    ),
    "a recording in two classes": Case(twice, ("{both}", "'happy'", "'sad'")),
    "an option out of range": Case(options({"c_values": [1, 99]}), ("c_values[1]", "99", "30")),
    "options that are no object": Case(options([1]), ("options",)),
    "a null document": Case(documents(None), ("{spoilt}", "null")),
    "a document of the wrong type": Case(documents([1, 2]), ("{spoilt}",)),
    "a value of the wrong type": Case(
        documents({"lowlevel": {"mfcc": {"mean": [{"a": 1}]}}}), ("{spoilt}", "lowlevel.mfcc.mean")
    ),
    "a document without descriptors": Case(documents({"metadata": {}}), ("{spoilt}",)),
    "documents of one descriptor that never differs": Case(
        documents({"lowlevel": {"a": 1}}, all_of_them=True), ("nothing to learn",)
    ),
}


@pytest.fixture(scope="module")
def failed(module_service: Any, module_start: Callable[..., Any], until: Any) -> Iterator[Any]:
    """Every case's job, after one daemon has had them all, and one good job at the end."""
    expected, jobs = {}, {}
    for name, case in CASES.items():
        (module_service.spoilt,) = module_service.recordings(1, 0)
        module_service.both = ""
        jobs[name] = case.make(module_service)
        named = {"{spoilt}": module_service.spoilt, "{both}": module_service.both}
        expected[name] = [str(named.get(text, text)) for text in case.says]
    good = module_service.job()
    evaluator = module_start()
    until(lambda: module_service.status(good) == "done", 150)
    yield lambda name: (module_service.show(jobs[name]), expected[name])
    assert evaluator.process.poll() is None


@pytest.mark.fault("F8", "F27", "F28", "F33")
@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", CASES)
def test_it_fails_at_the_first_attempt_with_a_sentence(name: str, failed: Any) -> None:
    details, expected = failed(name)

    message = details.status.reason
    assert details.status.status == "failed"
    assert len(details.attempts) == 1
    assert details.attempts[0].outcome == "error"
    assert details.attempts[0].traceback is None
    assert "\n" not in message
    for text in expected:
        assert text in message


@pytest.mark.fault("F28")
def test_the_eleventh_missing_recording_is_not_named(failed: Any) -> None:
    details, _ = failed("twelve missing recordings")

    assert str(MISSING[10]) not in details.status.reason


def test_a_layout_that_differs_in_one_document_leaves_that_one_out(
    service: Any, start_evaluator: Callable[..., Any]
) -> None:
    happy, sad = service.recordings(4, 0), service.recordings(4, 1)
    service.execute(
        "UPDATE lowlevel_json SET data = data #- '{lowlevel,average_loudness}' WHERE id ="
        " (SELECT id FROM lowlevel WHERE gid = :mbid)",
        mbid=happy[0],
    )
    job = service.job(service.snapshot([("happy", happy), ("sad", sad)]))

    assert start_evaluator("--once").exit_code() == 0

    details = service.show(job)
    assert str(happy[0]) not in details.training_set
    assert "average_loudness" in details.result["left_out"][str(happy[0])]


def test_nothing_of_a_failed_job_stays_but_its_project_folder(
    module_service: Any, failed: Callable[..., Any]
) -> None:
    failed("one class")

    assert module_service.leftovers() == []
    assert len(list(Path(module_service.models).rglob("*.model"))) == 1
