"""``acoustic jobs``, on a real database."""

import io
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from rich.cells import cell_len
from rich.console import Console
from sqlalchemy import Engine, text

from schema import evaluation_jobs
from schema.evaluation_jobs import EvaluationJob, JobDetails, Outcome, Usage
from trainer.options import TAKES
from worker.commands.job_table import JobTable

Acoustic = Callable[..., Result]
Job = Callable[..., UUID]
Details = Callable[[UUID], JobDetails]
Terminal = Callable[..., str]

HOUR = timedelta(hours=1)
HOSTILE = "\x1b[2J[red]moods[/red]\n\u202e"
USAGE = Usage(exit_code=0, signal=None, peak_memory=250_000_000, cpu_seconds=12.5)

RESULT = {
    "project_path": "/projects/1",
    "parameters": {"model": {"preprocessing": "basic", "kernel": "RBF", "C": 1, "gamma": -3}},
    "accuracy": 66.67,
    "accuracy_std": 3.5,
    "balanced_accuracy": 65.0,
    "majority_baseline": 50.0,
    "confusion_matrix": {"happy": {"happy": 2, "sad": 1}, "sad": {"happy": 1, "sad": 2}},
    "per_class": {"happy": {"precision": 66.67, "recall": 66.67, "f1": None, "support": 3}},
    "recordings": ["r1", "r2", "r3"],
    "actual": ["happy", "happy", "sad"],
    "predicted": ["happy", "sad", "sad"],
    "folds": [0, 1, 2],
    "left_out": {"r9": "lacks \x1b[1mrhythm.bpm"},
    "removed": {"not finite": ["tonal.a", "tonal.b"]},
    "final_model": {"engine": "native", "converged": False},
    "notes": ["only 3 recordings"],
    "model": {"path": "/models/1.model", "sha256": "abc"},
}


@pytest.fixture
def claimed(engine: Engine, job: Job) -> EvaluationJob:
    """A job that a worker runs."""
    job()
    with engine.begin() as connection:
        claim = evaluation_jobs.claim(connection, worker="worker-1", host="host-1", lease=HOUR)
    assert claim is not None
    return claim


@pytest.fixture
def done(engine: Engine, claimed: EvaluationJob) -> UUID:
    """A job that has a result."""
    with engine.begin() as connection:
        assert evaluation_jobs.finish(
            connection,
            claimed,
            result=RESULT,
            training_set={"r1": "happy", "r2": "happy", "r3": "sad"},
            testing_set={},
            usage=USAGE,
        )
    return claimed.id


def fail(
    engine: Engine, claimed: EvaluationJob, message: str, traceback: str | None = None
) -> None:
    with engine.begin() as connection:
        evaluation_jobs.end(
            connection,
            claimed,
            outcome=Outcome.ERROR,
            message=message,
            traceback=traceback,
            terminal=True,
            max_attempts=3,
        )


def test_a_dataset_is_enqueued_with_its_options(
    on_database: Acoustic, dataset: Callable[..., UUID], details: Details
) -> None:
    result = on_database(
        *("jobs", "enqueue", dataset(), "--options", '{"seed": 3}', "-o", "c_values=-5,1")
    )

    assert result.exit_code == 0, result.stderr
    found = details(UUID(result.stdout.strip()))
    assert found.status.status == "pending"
    assert found.options == {"seed": 3, "c_values": [-5, 1]}


def test_wrong_options_are_refused_before_anything_is_stored(
    on_database: Acoustic, engine: Engine, dataset: Callable[..., UUID]
) -> None:
    result = on_database("jobs", "enqueue", dataset(), "-o", "folds=1")

    assert result.exit_code == 2
    assert "folds" in result.stderr
    with engine.connect() as connection:
        assert evaluation_jobs.list_jobs(connection) == []


def test_an_option_that_looks_misspelt_is_refused_and_another_is_told_of(
    on_database: Acoustic, dataset: Callable[..., UUID], details: Details
) -> None:
    misspelt = on_database("jobs", "enqueue", dataset(), "-o", "c_value=1")
    strange = on_database("jobs", "enqueue", dataset(), "-o", "training_tool=gaia")

    assert misspelt.exit_code == 2
    assert "did you mean c_values?" in misspelt.stderr
    assert strange.exit_code == 0
    assert "have no effect: 'training_tool'" in strange.stderr
    assert details(UUID(strange.stdout.strip())).options == {"training_tool": "gaia"}


def test_the_help_of_enqueue_tells_what_every_option_takes(acoustic: Acoustic) -> None:
    said = " ".join(acoustic("jobs", "enqueue", "--help").stdout.split())

    for option, takes in TAKES.items():
        assert f"{option} {takes}" in said


def test_an_unknown_dataset_is_a_sentence(on_database: Acoustic) -> None:
    result = on_database("jobs", "enqueue", UUID(int=1))

    assert result.exit_code == 2
    assert "There is no dataset" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_dataset_is_enqueued_by_its_name_in_either_case(
    on_database: Acoustic, dataset: Callable[..., UUID], details: Details
) -> None:
    dataset("moods of others")
    dataset("Moods")

    result = on_database("jobs", "enqueue", "moods")

    assert result.exit_code == 0, result.stderr
    assert details(UUID(result.stdout.strip())).status.dataset == "Moods"


def test_a_name_that_is_none_or_of_several_datasets_is_told_with_those_that_may_be_meant(
    on_database: Acoustic, engine: Engine, dataset: Callable[..., UUID]
) -> None:
    one, two, other = dataset("moods"), dataset("Moods"), dataset("moods\x1b of others")

    several = on_database("jobs", "enqueue", "MOODS")
    near = on_database("jobs", "enqueue", "of others")
    none = on_database("jobs", "enqueue", "nix")

    assert {several.exit_code, near.exit_code, none.exit_code} == {2}
    assert "More than one dataset is called 'MOODS'; give the id of the one" in several.stderr
    assert f"{one} (moods), {two} (Moods)." in several.stderr
    assert "No dataset is called 'of others'; give the id" in near.stderr
    assert rf"{other} (moods\x1b of others)." in near.stderr
    assert "No dataset is called 'nix'; --file makes one of a ground truth." in none.stderr
    with engine.connect() as connection:
        assert evaluation_jobs.list_jobs(connection) == []


def test_a_ground_truth_of_mbids_becomes_a_dataset(
    on_database: Acoustic, details: Details, tmp_path: Path
) -> None:
    lines = [f"{UUID(int=number)},{'loud' if number % 2 else 'quiet'}" for number in range(4)]
    ground_truth = tmp_path / "loudness.csv"
    ground_truth.write_text("\n".join(lines))

    result = on_database("jobs", "enqueue", "--file", ground_truth)

    assert result.exit_code == 0, result.stderr
    assert details(UUID(result.stdout.strip())).status.dataset == "loudness"


def test_a_ground_truth_of_other_ids_is_refused(
    on_database: Acoustic, engine: Engine, tmp_path: Path
) -> None:
    ground_truth = tmp_path / "loudness.csv"
    ground_truth.write_text("a,loud\nb,loud\nc,quiet\nd,quiet\n")

    result = on_database("jobs", "enqueue", "--file", ground_truth)

    assert result.exit_code == 2
    assert "'a' is no MBID" in result.stderr
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM dataset")) == 0


@pytest.mark.parametrize("arguments", [[], [str(UUID(int=1)), "--file", __file__]])
def test_enqueue_takes_a_dataset_or_a_file(on_database: Acoustic, arguments: list[str]) -> None:
    assert on_database("jobs", "enqueue", *arguments).exit_code == 2


def test_the_list_is_fields_between_tabs_when_piped(on_database: Acoustic, job: Job) -> None:
    first, second = job("moods"), job("two\twords\n")

    result = on_database("jobs", "list")

    header, *rows = (line.split("\t") for line in result.stdout.splitlines())
    assert header == [
        *("job", "status", "queue", "dataset", "try", "age", "progress", "left", "reason")
    ]
    assert [row[:4] for row in rows] == [
        [str(first), "pending", "1", "moods"],
        [str(second), "pending", "2", r"two\twords\n"],
    ]
    assert {len(row) for row in rows} == {len(header)}
    assert "\x1b" not in result.stdout


def test_a_list_of_long_reasons_is_a_line_each_when_piped(
    on_database: Acoustic, engine: Engine, claimed: EvaluationJob
) -> None:
    fail(engine, claimed, "It broke. " * 100)

    result = on_database("jobs", "list")

    assert len(result.stdout.splitlines()) == 2
    assert result.stdout.count("It broke.") == 100


def test_the_list_can_be_narrowed(on_database: Acoustic, done: UUID, job: Job) -> None:
    waiting = job("genres")

    pending = on_database("jobs", "list", "--status", "pending", "--json").stdout
    both = on_database("jobs", "list", "--status", "pending", "--status", "done", "--json").stdout
    one = on_database("jobs", "list", "--limit", "1", "--json").stdout

    assert [json.loads(line)["id"] for line in pending.splitlines()] == [str(waiting)]
    assert [json.loads(line)["id"] for line in both.splitlines()] == [str(waiting), str(done)]
    assert len(one.splitlines()) == 1


def test_the_list_can_be_of_one_dataset(
    on_database: Acoustic, engine: Engine, done: UUID, job: Job
) -> None:
    waiting = job("Genres of mine")
    with engine.connect() as connection:
        dataset = connection.scalar(text("SELECT id FROM dataset WHERE name = 'moods'"))

    by_name = on_database("jobs", "list", "--dataset", "genres", "--json").stdout
    by_id = on_database("jobs", "list", "--dataset", dataset, "--json").stdout
    neither = on_database("jobs", "list", "--dataset", "moods", "--status", "failed")
    empty = on_database("jobs", "list", "--dataset", " ")

    assert [json.loads(line)["id"] for line in by_name.splitlines()] == [str(waiting)]
    assert [json.loads(line)["id"] for line in by_id.splitlines()] == [str(done)]
    assert neither.stdout == ""
    assert neither.stderr == (
        "There is no failed job of a dataset whose name contains 'moods'; acoustic jobs list shows "
        "those of all.\n"
    )
    assert empty.exit_code == 2


@pytest.mark.usefixtures("done")
def test_a_list_that_was_cut_tells_how_many_jobs_there_are(
    on_database: Acoustic, job: Job, dataset: Callable[..., UUID]
) -> None:
    for name in ("moods of others", "genres"):
        job(name)
    keys = dataset("keys")
    on_database("jobs", "enqueue", keys)

    cut = on_database("jobs", "list", "--limit", "2")
    whole = on_database("jobs", "list", "--limit", "4")
    narrowed = on_database("jobs", "list", "--limit", "1", "--status", "pending", "--json")
    named = on_database("jobs", "list", "--limit", "1", "--dataset", "moods")
    alone = on_database("jobs", "list", "--limit", "1", "--dataset", keys)

    assert cut.stderr == "2 of 4 jobs (3 pending, 1 done); --limit N shows more.\n"
    assert whole.stderr == ""
    assert narrowed.stderr == "1 of 3 jobs (3 pending); --limit N shows more.\n"
    assert len(narrowed.stdout.splitlines()) == 1
    assert (alone.exit_code, alone.stderr) == (0, "")
    assert named.stderr == "1 of 2 jobs (1 pending, 1 done); --limit N shows more.\n"


def test_a_job_that_waits_shows_that_its_queue_is_paused(
    on_database: Acoustic, done: UUID, job: Job
) -> None:
    waits = job("genres")
    on_database("jobs", "pause", "--reason", "new disks")

    assert "new disks; acoustic jobs resume ends that." in on_database("jobs", "show", waits).stderr
    assert "new disks" in on_database("jobs", "show", waits, "--json").stderr
    assert on_database("jobs", "show", done).stderr == ""


def test_who_may_only_enqueue_can_list_the_jobs_of_a_dataset_by_name(
    acoustic: Acoustic, job: Job, login_url: Callable[[str], str]
) -> None:
    stored = job("moods")
    address = login_url("acoustic_enqueuer")

    result = acoustic("jobs", "list", "--dataset", "mood", "--json", DATABASE_URL=address)

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["id"] == str(stored)


@pytest.mark.parametrize("width", [60, 80, 100, 140, 200])
def test_a_list_fits_its_terminal_with_a_line_for_each_job_at_any_width(
    engine: Engine, claimed: EvaluationJob, job: Job, width: int
) -> None:
    waiting = job("a dataset with a rather long name, as people give them")
    progress = {"stage": "grid", "done": 3, "total": 12, "started": "2026-01-01T00:00:00Z"}
    with engine.begin() as connection:
        evaluation_jobs.renew(connection, claimed, lease=HOUR, progress=progress)
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=width, color_system=None)

    console.print(JobTable(jobs, bars=True))

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(cell_len(line) <= width for line in lines)
    assert "25 %" in lines[2]
    assert lines[3].startswith(str(waiting)[:8])
    assert "a dataset with" in lines[3]
    assert ("…" in lines[3]) == ("as people give them" not in lines[3])
    assert len(lines) == 4


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_a_short_name_is_whole_on_a_narrow_terminal(engine: Engine, job: Job, width: int) -> None:
    job("danceability")
    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=width, color_system=None)

    console.print(JobTable(jobs, bars=True))

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert "danceability" in lines[2]
    assert len(lines) == 3


@pytest.mark.parametrize(("width", "spared"), [(54, 1), (48, 2), (42, 3), (40, 4), (32, 5)])
def test_a_narrower_terminal_does_without_columns_and_breaks_no_line(
    engine: Engine, claimed: EvaluationJob, job: Job, width: int, spared: int
) -> None:
    waiting = job("a dataset with a rather long name, as people give them")
    progress = {"stage": "grid", "done": 3, "total": 12, "started": "2026-01-01T00:00:00Z"}
    with engine.begin() as connection:
        evaluation_jobs.renew(connection, claimed, lease=HOUR, progress=progress)
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=width, color_system=None)

    console.print(JobTable(jobs, bars=True))

    assert isinstance(console.file, io.StringIO)
    heading, _, *lines = console.file.getvalue().splitlines()
    assert all(cell_len(line) <= width for line in lines)
    assert len(heading.split()) == 8 - spared
    assert {"job", "status", "dataset"} <= set(heading.split())
    assert lines[0].split()[1] == "running"
    assert str(waiting)[:8] in console.file.getvalue()


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_a_name_without_end_is_cut_and_fills_no_screen(
    engine: Engine, claimed: EvaluationJob, job: Job, width: int
) -> None:
    waiting = job("a name without end " * 16)
    with engine.connect() as connection:
        jobs = evaluation_jobs.list_jobs(connection)
    console = Console(file=io.StringIO(), width=width, color_system=None)

    console.print(JobTable(jobs))

    assert isinstance(console.file, io.StringIO)
    lines = console.file.getvalue().splitlines()
    assert all(cell_len(line) <= width for line in lines)
    assert [line.split()[:2] for line in lines if line.startswith((str(claimed.id)[:8],))]
    assert str(waiting)[:8] in console.file.getvalue()
    assert len(lines) == 4
    assert ("…" in console.file.getvalue()) == (width > 20)


def test_an_empty_list_leaves_standard_output_empty(on_database: Acoustic) -> None:
    result = on_database("jobs", "list")

    assert result.exit_code == 0
    assert result.stdout == ""
    assert result.stderr == "No job yet.\n"


def test_names_of_strangers_do_not_act(
    on_database: Acoustic, job: Job, on_terminal: Terminal, database_url: str
) -> None:
    stored = job(HOSTILE)

    piped = [
        on_database("jobs", "list").stdout,
        on_database("jobs", "show", stored).stdout,
        on_database("jobs", "list", "--json").stdout,
    ]
    terminal = on_terminal("jobs", "list", DATABASE_URL=database_url, COLUMNS="300")

    for written in piped:
        assert "\x1b" not in written
        assert "\u202e" not in written
        assert "[red]moods[/red]" in written
    assert "\x1b[2J" not in terminal
    assert r"\x1b[2J[red]moods[/red]\n\u202e" in terminal


def test_a_terminal_gets_colour_unless_told_otherwise(
    on_terminal: Terminal, database_url: str, job: Job
) -> None:
    job()

    assert "\x1b[" in on_terminal("jobs", "list", DATABASE_URL=database_url)
    assert "\x1b" not in on_terminal("jobs", "list", DATABASE_URL=database_url, NO_COLOR="1")


def test_a_narrow_terminal_cuts_names_and_folds_nothing(
    on_terminal: Terminal, database_url: str, job: Job
) -> None:
    job("a dataset with a rather long name")

    written = on_terminal("jobs", "list", DATABASE_URL=database_url, COLUMNS="60", NO_COLOR="1")

    assert all(len(line) <= 60 for line in written.splitlines())
    assert len(written.splitlines()) == 3
    assert "a dataset with" in written
    assert "…" in written


def test_a_finished_job_shows_its_evaluation(on_database: Acoustic, done: UUID) -> None:
    result = on_database("jobs", "show", done)

    assert result.exit_code == 0, result.stderr
    for part in (
        "66.67 % ± 3.50 over the folds",
        "65.00 %",
        "50.00 %",
        "basic, RBF, C 2^1, gamma 2^-3",
        "250 MB",
        "12.5 s",
        "worker-1 on host-1",
        "misclassified: 1",
        "left out: 1",
        "2 descriptors not used, for a value is not finite: tonal.a, tonal.b",
        "did not converge: its training met the iteration cap",
        "only 3 recordings",
        r"lacks \x1b[1mrhythm.bpm",
        "/models/1.model",
        "3 recordings",
    ):
        assert part in result.stdout
    wrong = next(line for line in result.stdout.splitlines() if line.startswith("r2"))
    assert wrong.split() == ["r2", "happy", "sad", "1"]
    assert "\x1b" not in result.stdout


def test_a_finished_job_tells_what_its_figures_are_worth(
    on_database: Acoustic, engine: Engine, claimed: EvaluationJob
) -> None:
    names = ("rock", "jazz", "pop")
    counts = {"rock": (8, 2, 0), "jazz": (0, 9, 1), "pop": (5, 0, 5)}
    result = {
        **RESULT,
        "confusion_matrix": {name: dict(zip(names, counts[name], strict=True)) for name in names},
        "corrected": {"accuracy": {"value": 61.2, "low": 50.5, "high": 70.25}, "draws": 500},
        "findings": [
            {
                "kind": "small",
                "severity": "note",
                "sentence": "Classes are small.",
                "recordings": [],
            },
            {"kind": "duplicates", "severity": "warning", "sentence": "Two\x1b are one."},
            "what nobody foresaw",
        ],
    }
    with engine.begin() as connection:
        assert evaluation_jobs.finish(
            connection, claimed, result=result, training_set={}, testing_set={}, usage=USAGE
        )

    said = on_database("jobs", "show", claimed.id).stdout

    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert any("61.20 %, 95 % of draws 50.50 to 70.25 %" in line for line in lines)
    warning, note = (
        next(row for row, line in enumerate(lines) if line.startswith(word))
        for word in ("warning Two", "note Classes are small.")
    )
    assert warning < note
    worst = lines.index("worst confusions taken for recordings of its class")
    assert lines[worst + 2 : worst + 5] == [
        "pop rock 5 50.0 %",
        "rock jazz 2 20.0 %",
        "jazz pop 1 10.0 %",
    ]


def test_the_attempts_of_a_job_fit_a_narrow_terminal(
    on_terminal: Terminal, database_url: str, engine: Engine, claimed: EvaluationJob
) -> None:
    fail(engine, claimed, "It broke.")

    written = on_terminal(
        "jobs", "show", claimed.id, DATABASE_URL=database_url, COLUMNS="60", NO_COLOR="1"
    )

    lines = [line.rstrip() for line in written.splitlines()]
    assert all(cell_len(line) <= 60 for line in lines)
    assert "try 1: worker-1 on host-1; It broke." in lines


def test_long_lists_are_cut_unless_all_is_asked_for(
    on_database: Acoustic, engine: Engine, claimed: EvaluationJob
) -> None:
    ids = [f"r{number:03}" for number in range(100)]
    result = {
        **RESULT,
        "recordings": ids,
        "actual": ["happy"] * 100,
        "predicted": ["sad"] * 100,
        "folds": [0] * 100,
    }
    sets: dict[str, Any] = {"training_set": {}, "testing_set": {}, "usage": USAGE}
    with engine.begin() as connection:
        assert evaluation_jobs.finish(connection, claimed, result=result, **sets)

    few = on_database("jobs", "show", claimed.id).stdout
    everything = on_database("jobs", "show", claimed.id, "--all").stdout

    assert "r019" in few
    assert "r020" not in few
    assert "… and 80 more" in few
    assert "r099" in everything


def test_json_holds_all_there_is(on_database: Acoustic, done: UUID) -> None:
    found = json.loads(on_database("jobs", "show", done, "--json").stdout)

    assert found["status"]["id"] == str(done)
    assert found["status"]["status"] == "done"
    assert found["result"] == RESULT
    assert found["attempts"][0]["outcome"] == "done"
    assert found["training_set"] == {"r1": "happy", "r2": "happy", "r3": "sad"}


@pytest.mark.parametrize("stored", ["3", '"done"', "[]", '{"confusion_matrix": 1, "grid": 2}'])
def test_a_result_of_any_shape_is_shown(
    on_database: Acoustic, engine: Engine, job: Job, stored: str
) -> None:
    written_by_hand = job()
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE dataset_eval_jobs SET status = 'done', result = CAST(:json AS jsonb)"),
            {"json": stored},
        )

    result = on_database("jobs", "show", written_by_hand)

    assert result.exit_code == 0, result.stderr


def test_a_failed_attempt_shows_its_reason_and_its_traceback_on_request(
    on_database: Acoustic, engine: Engine, claimed: EvaluationJob
) -> None:
    fail(engine, claimed, "It broke.", traceback="Traceback:\n  line\x1b[1m 1\nZeroDivisionError")

    short = on_database("jobs", "show", claimed.id).stdout
    long = on_database("jobs", "show", claimed.id, "--traceback").stdout

    assert "It broke." in short
    assert "ZeroDivisionError" not in short
    assert "  line\\x1b[1m 1\nZeroDivisionError" in long


def test_an_attempt_that_went_on_from_an_earlier_one_says_so(
    on_database: Acoustic, engine: Engine, claimed: EvaluationJob
) -> None:
    progress = {"stage": "grid", "done": 700, "total": 720, "known": 432, "resumed": 432}
    with engine.begin() as connection:
        evaluation_jobs.renew(connection, claimed, lease=HOUR, progress=progress)
    fail(engine, claimed, "Ended.")

    shown = " ".join(on_database("jobs", "show", claimed.id).stdout.split())

    assert "432 combinations were known from earlier attempts; Ended." in shown


def test_a_unique_beginning_is_enough(on_database: Acoustic, job: Job) -> None:
    stored = str(job())

    for reference in (stored[:4], stored[:8], stored[:13], stored.upper(), stored.replace("-", "")):
        assert stored in on_database("jobs", "show", reference).stdout


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("abc", "too short"),
        ("xyzw", "is no job's id, nor the beginning of one; see acoustic jobs list"),
        ("0" * 40, "is no job's id"),
        ("ffff", "No job begins with 'ffff'"),
        (str(UUID(int=1)), "There is no evaluation job"),
    ],
)
def test_a_reference_to_no_job_is_a_sentence(
    on_database: Acoustic, reference: str, said: str
) -> None:
    result = on_database("jobs", "show", reference)

    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_a_beginning_of_several_jobs_is_refused(
    on_database: Acoustic, engine: Engine, job: Job
) -> None:
    job()
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO dataset_eval_jobs (id, snapshot_id) "
                "SELECT CAST('aaaaaaaa-0000-0000-0000-00000000000' || n AS uuid), snapshot_id "
                "FROM dataset_eval_jobs, generate_series(1, 2) AS n"
            )
        )

    result = on_database("jobs", "cancel", "aaaa")

    assert result.exit_code == 2
    assert "More than one job begins with 'aaaa'" in result.stderr


def test_a_job_is_cancelled_and_tried_again(
    on_database: Acoustic, job: Job, details: Details
) -> None:
    stored = job()

    cancelled = on_database("jobs", "cancel", stored)
    status = details(stored).status.status
    again = on_database("jobs", "retry", stored)

    assert cancelled.exit_code == again.exit_code == 0
    assert "is cancelled" in cancelled.stdout
    assert status == "failed"
    assert details(stored).status.status == "pending"


def test_a_job_that_cannot_be_tried_again_is_an_error(
    on_database: Acoustic, claimed: EvaluationJob, job: Job
) -> None:
    waiting = job("genres")

    runs = on_database("jobs", "retry", claimed.id)
    waits = on_database("jobs", "retry", waiting)

    assert runs.exit_code == waits.exit_code == 1
    assert "cancel it first" in runs.stderr
    assert "is pending already" in waits.stderr
    assert runs.stdout == waits.stdout == ""


def test_a_job_that_is_done_is_evaluated_anew_only_if_that_is_asked_for(
    on_database: Acoustic, done: UUID, details: Details
) -> None:
    refused = on_database("jobs", "retry", done)
    before = details(done).status.status
    all_failed = on_database("jobs", "retry", "--failed")
    taken = on_database("jobs", "retry", done, "--again")

    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "is done" in refused.stderr
    assert "--again evaluates it anew" in refused.stderr
    assert before == "done"
    assert all_failed.stdout == ""
    assert taken.exit_code == 0
    assert details(done).status.status == "pending"


def test_the_result_of_a_former_attempt_is_called_that(on_database: Acoustic, done: UUID) -> None:
    first = on_database("jobs", "show", done).stdout
    on_database("jobs", "retry", done, "--again")
    again = on_database("jobs", "show", done).stdout

    assert "What follows" not in first
    assert "What follows is the result of try 1 (" in again
    assert again.index("the job is pending again") < again.index("66.67")


def test_a_model_that_is_not_there_is_told_of(
    on_database: Acoustic, engine: Engine, done: UUID, tmp_path: Path
) -> None:
    model = tmp_path / "1.model"
    model.touch()
    setting = text("UPDATE dataset_eval_jobs SET result = :result WHERE id = :job")
    stored = json.dumps({**RESULT, "model": {"path": str(model)}})
    with engine.begin() as connection:
        connection.execute(setting, {"result": stored, "job": done})

    there = on_database("jobs", "show", done).stdout
    model.unlink()
    missing = on_database("jobs", "show", done).stdout

    assert "no such file" not in there
    assert f"{model} (no such file on this host)" in missing


def test_a_job_that_waits_for_its_next_attempt_says_so(
    on_database: Acoustic, engine: Engine, claimed: EvaluationJob
) -> None:
    with engine.begin() as connection:
        evaluation_jobs.end(
            connection, claimed, outcome=Outcome.ERROR, message="Broke.", max_attempts=3
        )

    shown = on_database("jobs", "show", claimed.id).stdout

    assert re.search(r"^next attempt +again in \d+ s$", shown, re.MULTILINE)
    assert "progress" not in shown


def test_a_lock_that_is_held_too_long_is_a_sentence(
    acoustic: Acoustic, engine: Engine, job: Job
) -> None:
    stored = job()
    impatient = engine.url.update_query_dict({"options": "-c statement_timeout=200"})

    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE dataset_eval_jobs"))
        result = acoustic("jobs", "cancel", stored, DATABASE_URL=str(impatient))

    assert result.exit_code == 1
    assert "The database gave up: canceling statement due to statement timeout" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_paused_queue_is_seen_in_the_list_and_by_the_doctor(on_database: Acoustic) -> None:
    assert on_database("jobs", "pause", "--reason", "disk \x1b[31mfull").exit_code == 0

    assert "disk" in on_database("jobs", "list").stderr
    assert "\x1b" not in on_database("jobs", "list").stderr
    assert "has been paused" in " ".join(on_database("doctor").stdout.split())
    assert on_database("jobs", "resume").exit_code == 0
    assert "paused" not in on_database("jobs", "list").stderr


def test_all_failed_jobs_are_tried_again_at_once(
    on_database: Acoustic, engine: Engine, claimed: EvaluationJob, details: Details
) -> None:
    fail(engine, claimed, "No space left on device.")

    shown = on_database("jobs", "retry", "--failed", "--reason", "no space", "--dry-run")
    assert shown.stdout.strip() == str(claimed.id)
    assert details(claimed.id).status.status == "failed"
    done = on_database("jobs", "retry", "--failed", "--since", "2h")

    assert done.stdout.strip() == str(claimed.id)
    assert details(claimed.id).status.status == "pending"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--failed", "abcd"],
        ["abcd", "--since", "2h"],
        ["--failed", "--since", "2"],
        ["--failed", "--again"],
    ],
)
def test_retry_takes_a_job_or_those_that_failed(
    on_database: Acoustic, arguments: list[str]
) -> None:
    assert on_database("jobs", "retry", *arguments).exit_code == 2


@pytest.mark.parametrize("status", ["failed", "pending"])
@pytest.mark.parametrize("moment", ["0044-03-15 BC", "20000-01-01", "infinity", "-infinity"])
def test_moments_that_python_does_not_know_take_no_list_away(
    moment: str, status: str, *, engine: Engine, on_database: Acoustic, claimed: EvaluationJob
) -> None:
    fail(engine, claimed, "It broke.")
    jobs = (
        "UPDATE dataset_eval_jobs SET status = CAST(:status AS eval_job_status), created = :moment"
    )
    attempts = (
        "UPDATE worker.evaluation_attempts"
        " SET started = :moment, lease_until = :moment, ended = :moment, retry_at = :moment"
    )
    with engine.begin() as connection:
        for statement in (jobs, attempts):
            connection.execute(text(statement), {"moment": moment, "status": status})

    for words in (("list",), ("list", "--json"), ("show", claimed.id)):
        told = on_database("jobs", *words)
        assert told.exit_code == 0, told.output
        assert str(claimed.id) in told.stdout
