"""Guards of the queue and its workers, taken away one by one: which test notices?

    python -m tests.faults.mutants             all, and the table in docs/reliability.md
    python -m tests.faults.mutants rescue      those that begin with it; other rows stay

Each mutant is one change of text in a copy of the project, on which the tests of such guards run.
A mutant that no test notices is an error: either a test is missing or the guard is not needed.
"""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click

from tests.faults.table import BEGIN, END, PAGE, replace_part

ROOT = Path(__file__).parents[2]
CLAIMING = "schema/evaluation_jobs/claiming.py"
ENDING = "schema/evaluation_jobs/ending.py"
ATTEMPTS = "migrations/sql/0002_attempts.sql"
TRIGGERS = "migrations/sql/0002_triggers.sql"
QUEUE = "worker/job_queue.py"
CONCLUSION = "worker/conclusion.py"
HISTORY = "schema/evaluation_jobs/history.py"
CHECKPOINTS = "schema/evaluation_jobs/checkpoints.py"
WATCHED = "schema/watched_connection.py"
RECORDINGS = "schema/highlevel/claiming.py"

TESTS = {
    "claiming": "tests/schema/test_claiming.py",
    "lease": "tests/schema/test_lease.py",
    "ending": "tests/schema/test_ending.py",
    "by hand": "tests/schema/test_by_hand.py",
    "operating": "tests/schema/test_operating.py",
    "queue": "tests/worker/test_job_queue.py",
}
# The tests that are likeliest to notice, by the first word of a mutant's name, come first.
LIKELIEST = {
    "renew": "lease",
    "rescue": "lease",
    "finish": "ending",
    "end": "ending",
    "backoff": "ending",
    "trigger": "by hand",
    "lost reply": "queue",
}
# What is beside the queue has tests of its own, and no others could notice.
BESIDE = {
    "prune": "tests/schema/test_history.py",
    "checkpoint": "tests/schema/test_checkpoints.py",
    "silence": "tests/schema/test_watched_connection.py",
    "recording": "tests/schema/test_highlevel.py",
    "folder": "tests/worker/test_attempt_folder.py",
    "file": "tests/commands/test_writing.py",
    "child": "tests/worker/test_child_process.py",
    "pause": "tests/worker/test_faults.py",
}
# The state machine plays these statements and nothing else.
PLAYED = {CLAIMING, ENDING, ATTEMPTS, TRIGGERS}
MODEL = ["tests/faults/test_state_machine.py"]
SECONDS = 300

RUN = """
import sys
import pytest, schema
assert schema.__file__.startswith({copy!r}), schema.__file__
sys.exit(pytest.main({arguments!r}))
"""


@dataclass(frozen=True)
class Mutant:
    """A change of text; `place` counts from 0 where the text stands several times."""

    name: str
    file: str
    old: str
    new: str
    place: int = 0

    def apply(self, root: Path) -> None:
        path = root / self.file
        text = path.read_text()
        parts = text.split(self.old)
        assert len(parts) > self.place + 1, f"{self.name}: {self.old!r} is not in {self.file}"
        before = self.old.join(parts[: self.place + 1])
        path.write_text(before + self.new + self.old.join(parts[self.place + 1 :]))


def _of(file: str, *given: tuple[str, str, str] | tuple[str, str, str, int]) -> Iterator[Mutant]:
    for name, old, new, *place in given:
        yield Mutant(name, file, old, new, *place)  # type: ignore[arg-type]


MUTANTS = [
    *_of(
        CLAIMING,
        ("claim: whatever its status", "j.status = 'pending' AND ", ""),
        ("claim: also remote jobs", " AND j.eval_location = 'local'", ""),
        ("claim: jobs with an open attempt", "a.ended IS NULL OR a.retry_at", "a.retry_at"),
        (
            "claim: no wait after a failure",
            "(a.ended IS NULL OR a.retry_at > now())",
            "a.ended IS NULL",
        ),
        ("claim: wait the wrong way round", "a.retry_at > now()", "a.retry_at < now()"),
        ("claim: order by id only", "ORDER BY j.created, j.id", "ORDER BY j.id"),
        ("claim: newest first", "ORDER BY j.created, j.id", "ORDER BY j.created DESC, j.id"),
        ("claim: chance among equals", "ORDER BY j.created, j.id", "ORDER BY j.created, j.id DESC"),
        ("claim: two at once", "LIMIT 1\n           FOR", "LIMIT 2\n           FOR"),
        (
            "claim: waits for locked jobs",
            "FOR NO KEY UPDATE OF j SKIP LOCKED",
            "FOR NO KEY UPDATE OF j",
        ),
        ("claim: locks nothing", "FOR NO KEY UPDATE OF j SKIP LOCKED", ""),
        (
            "claim: attempt numbers begin anew",
            "1 + coalesce((SELECT max(a.attempt)",
            "1 + coalesce((SELECT 0 * max(a.attempt)",
        ),
        ("claim: attempt numbers fill gaps", "SELECT max(a.attempt)", "SELECT count(a.attempt)"),
        ("claim: a conflict is an error", "            ON CONFLICT DO NOTHING\n", ""),
        ("claim: a lease of no length", ":host, now() + :lease", ":host, now()"),
        ("claim: job stays pending", "SET status = 'running', status_msg", "SET status_msg"),
        (
            "claim: beaten means nothing to do",
            "next_job LEFT JOIN started",
            "next_job JOIN started",
        ),
        ("claim: beaten means give up", "TRIES = 3", "TRIES = 1"),
        (
            "renew: any attempt",
            "a.attempt = :attempt AND a.ended IS NULL\n       AND j.id",
            "a.ended IS NULL\n       AND j.id",
        ),
        (
            "renew: an ended attempt",
            "a.attempt = :attempt AND a.ended IS NULL\n       AND j.id",
            "a.attempt = :attempt\n       AND j.id",
        ),
        (
            "renew: a job that left running",
            "AND j.status = 'running' AND a.worker = :worker",
            "AND a.worker = :worker",
        ),
        (
            "renew: any worker",
            "AND j.status = 'running' AND a.worker = :worker",
            "AND j.status = 'running'",
        ),
        (
            "renew: any job",
            "WHERE a.job_id = :job AND a.attempt = :attempt AND a.ended IS NULL\n       AND j.id",
            "WHERE a.attempt = :attempt AND a.ended IS NULL\n       AND j.id",
        ),
        (
            "renew: lease not moved",
            "SET lease_until = now() + :lease,",
            "SET lease_until = a.lease_until,",
        ),
        (
            "renew: silence forgets progress",
            "coalesce(CAST(:progress AS jsonb), a.progress)",
            "CAST(:progress AS jsonb)",
        ),
        (
            "rescue: looks at ended attempts",
            "WHERE a.ended IS NULL AND a.lease_until < now()\n           AND pg",
            "WHERE a.lease_until < now()\n           AND pg",
        ),
        (
            "rescue: looks at held leases",
            "WHERE a.ended IS NULL AND a.lease_until < now()\n           AND pg",
            "WHERE a.ended IS NULL\n           AND pg",
        ),
        (
            "rescue: right after a server's start",
            "           AND pg_postmaster_start_time() + :lease < now()\n",
            "",
        ),
        ("rescue: without a limit", "         LIMIT :limit\n", ""),
        ("rescue: newest lease first", "ORDER BY a.lease_until\n", "ORDER BY a.lease_until DESC\n"),
        (
            "rescue: sweeps wait for each other",
            "LIMIT :limit\n           FOR NO KEY UPDATE OF j SKIP LOCKED",
            "LIMIT :limit\n           FOR NO KEY UPDATE OF j",
        ),
        (
            "rescue: one attempt more",
            "failures + 1 >= :max_attempts AS last\n          FROM dead",
            "failures >= :max_attempts AS last\n          FROM dead",
        ),
        (
            "rescue: all attempts count",
            "WHERE a.job_id = dead.id AND a.counted)",
            "WHERE a.job_id = dead.id)",
        ),
        (
            "rescue: does not count",
            "outcome = 'lost', counted = true",
            "outcome = 'lost', counted = false",
        ),
        (
            "rescue: no pause",
            "THEN now() + worker.backoff(v.failures, :backoff) END,\n               error = format",
            "THEN NULL::timestamptz END,\n               error = format",
        ),
        (
            "rescue: a lease renewed meanwhile",
            "AND a.ended IS NULL\n           AND a.lease_until < now()\n     RETURNING",
            "AND a.ended IS NULL\n     RETURNING",
        ),
        (
            "rescue: a job that left running",
            "     WHERE j.id = closed.job_id AND j.status = 'running'\n RETURNING j.id",
            "     WHERE j.id = closed.job_id\n RETURNING j.id",
        ),
        (
            "lost reply: anybody's attempt",
            "WHERE a.worker = :worker AND a.ended IS NULL",
            "WHERE a.ended IS NULL",
        ),
        (
            "lost reply: an ended attempt",
            "WHERE a.worker = :worker AND a.ended IS NULL",
            "WHERE a.worker = :worker",
        ),
        (
            "lost reply: a job that left running",
            "a.ended IS NULL AND j.status = 'running'\n  ORDER",
            "a.ended IS NULL\n  ORDER",
        ),
    ),
    *_of(
        ENDING,
        (
            "finish: a job that left running",
            "WHERE id = :job AND status = 'running' FOR",
            "WHERE id = :job FOR",
        ),
        (
            "finish: locks nothing",
            "AND status = 'running' FOR NO KEY UPDATE",
            "AND status = 'running'",
        ),
        (
            "finish: any attempt",
            "AND a.attempt = :attempt AND a.ended IS NULL",
            "AND a.ended IS NULL",
        ),
        (
            "finish: an ended attempt",
            "AND a.attempt = :attempt AND a.ended IS NULL",
            "AND a.attempt = :attempt",
        ),
        (
            "finish: any worker",
            "a.ended IS NULL\n           AND a.worker = :worker\n     RETURNING a.job_id\n",
            "a.ended IS NULL\n     RETURNING a.job_id\n",
        ),
        (
            "finish: sets without the fence",
            "SELECT CAST(:training_set AS jsonb) FROM closed",
            "SELECT CAST(:training_set AS jsonb)",
        ),
        (
            "finish: attempt stays open",
            "SET ended = now(), outcome = 'done', exit_code",
            "SET exit_code",
        ),
        (
            "end: a job that left running",
            "WHERE id = :job AND status = 'running' FOR",
            "WHERE id = :job FOR",
            1,
        ),
        (
            "end: locks nothing",
            "AND status = 'running' FOR NO KEY UPDATE",
            "AND status = 'running'",
            1,
        ),
        (
            "end: any attempt",
            "AND a.attempt = :attempt AND a.ended IS NULL",
            "AND a.ended IS NULL",
            1,
        ),
        (
            "end: an ended attempt",
            "AND a.attempt = :attempt AND a.ended IS NULL",
            "AND a.attempt = :attempt",
            1,
        ),
        (
            "end: any worker",
            "a.ended IS NULL\n           AND a.worker = :worker\n     RETURNING a.job_id, v.last",
            "a.ended IS NULL\n     RETURNING a.job_id, v.last",
        ),
        ("end: one attempt more", "failures + 1 >= :max_attempts", "failures >= :max_attempts"),
        ("end: one attempt less", "failures + 1 >= :max_attempts", "failures + 2 >= :max_attempts"),
        ("end: bad input is tried again", ":terminal OR (weighs", "false AND :terminal OR (weighs"),
        ("end: interruptions weigh", "weighs AND failures", "failures"),
        ("end: interruptions for ever", "forgiven >= :forgiven", "false"),
        (
            "end: failures do not count",
            "outcome = :outcome, counted = v.weighs",
            "outcome = :outcome, counted = false",
        ),
        (
            "end: interrupted jobs wait",
            "NOT v.last AND (v.weighs OR NOT :interrupted)",
            "NOT v.last",
        ),
        (
            "end: no pause",
            "THEN now() + worker.backoff(v.failures, :backoff) END",
            "THEN NULL::timestamptz END",
        ),
        ("end: always pending", "WHEN closed.last THEN 'failed'", "WHEN false THEN 'failed'"),
    ),
    *_of(
        ATTEMPTS,
        ("index: two open attempts", "CREATE UNIQUE INDEX one_open", "CREATE INDEX one_open"),
        (
            "key: an attempt twice",
            "PRIMARY KEY (job_id, attempt),",
            "UNIQUE (job_id, attempt, started),",
        ),
        ("backoff: does not double", "base * power(2, least(failures, 20))", "base"),
        (
            "backoff: no limit",
            "least(interval '1 hour', base * power(2, least(failures, 20)))",
            "base * power(2, least(failures, 20))",
        ),
    ),
    *_of(
        TRIGGERS,
        (
            "trigger: job taken from running",
            "CREATE TRIGGER acoustic_workers_left_running\n    AFTER UPDATE OF status",
            "CREATE TRIGGER acoustic_workers_left_running\n    AFTER UPDATE OF snapshot_id",
        ),
        (
            "trigger: job deleted",
            "IF TG_OP = 'DELETE' THEN\n",
            "IF TG_OP = 'DELETE' THEN\n        RETURN NULL;\n",
        ),
        ("trigger: table emptied", "AFTER TRUNCATE ON", "BEFORE INSERT ON"),
        ("trigger: job set back", "OLD.status IN ('failed', 'done') AND", "false AND"),
    ),
    *_of(
        QUEUE,
        ("lost reply: of a claim", "if self._claim_in_doubt:", "if False:"),
    ),
    *_of(
        CONCLUSION,
        (
            "lost reply: of an end",
            "if status is None and evaluation_jobs",
            "if False and evaluation_jobs",
        ),
        (
            "lost reply: taken for ours",
            "evaluation_jobs.attempt_outcome(connection, job) is self.outcome",
            "evaluation_jobs.attempt_outcome(connection, job)",
        ),
    ),
    *_of(
        CHECKPOINTS,
        (
            "checkpoint: any attempt",
            "AND a.attempt = :attempt AND a.ended IS NULL",
            "AND a.ended IS NULL",
        ),
        (
            "checkpoint: an ended attempt",
            "AND a.attempt = :attempt AND a.ended IS NULL",
            "AND a.attempt = :attempt",
        ),
        (
            "checkpoint: a job that left running",
            "AND j.status = 'running' AND a.worker",
            "AND a.worker",
        ),
        (
            "checkpoint: any worker",
            "AND j.status = 'running' AND a.worker = :worker",
            "AND j.status = 'running'",
        ),
        ("checkpoint: locks nothing", "           FOR NO KEY UPDATE OF a\n", ""),
    ),
    *_of(
        HISTORY,
        ("prune: locks nothing", "       FOR NO KEY UPDATE SKIP LOCKED\n", ""),
        ("prune: waits for locked jobs", "FOR NO KEY UPDATE SKIP LOCKED", "FOR NO KEY UPDATE"),
    ),
    *_of(
        WATCHED,
        (
            "silence: a commit waits for ever",
            "        with self.watching():\n            super().commit()",
            "        super().commit()",
        ),
        (
            "silence: a rollback waits for ever",
            "        with self.watching():\n            super().rollback()",
            "        super().rollback()",
        ),
    ),
    *_of(
        RECORDINGS,
        (
            "recording: interruptions for ever",
            "CAST(:innocent OR interruptions < :forgiven AS integer)",
            "CAST(:innocent OR :forgiven > 0 AS integer)",
        ),
        (
            "recording: passed over while an early claim holds it",
            "ORDER BY id\n       FOR UPDATE\n",
            "ORDER BY id\n       FOR UPDATE SKIP LOCKED\n",
        ),
    ),
    *_of(
        "worker/attempt_folder.py",
        ("folder: removed while it was locked", "if folder.path.exists():", "if True:"),
    ),
    *_of(
        "trainer/whole_file.py",
        (
            "file: the name of a model may be lost",
            "        raise\n    sync_folder(path.parent)\n",
            "        raise\n",
        ),
    ),
    *_of(
        "worker/whole_files.py",
        ("file: the name of a report may be lost", "        sync_folder(path.parent)\n", ""),
    ),
    *_of(
        "worker/lifeline.py",
        ("child: its parent died before it asked", "if os.getppid() != parent:", "if False:"),
    ),
    *_of(
        "worker/child_process.py",
        (
            "child: what it started goes on",
            "        self.signal_group(signal.SIGKILL)\n        self.read_progress()\n",
            "        self.read_progress()\n",
        ),
    ),
    *_of(
        "worker/evaluator.py",
        (
            "pause: none after a failure of the computer",
            "if not conclusion.counted:",
            "if False:",
        ),
    ),
]


# How a failure is found is enough; the shortest way to it takes minutes.
NO_SHRINKING = Mutant(
    "no shrinking",
    "tests/conftest.py",
    '"repeatable", derandomize=True',
    '"repeatable", derandomize=True, phases=[hypothesis.Phase.generate]',
)


def python_without_the_checkout(folder: Path) -> Path:
    """Make an environment with the packages of this one, but without the project.

    The project is installed as a link to this checkout, which comes before any folder: processes
    that tests start would run the code as it is, and notice nothing.
    """
    venv.create(folder, symlinks=True)
    place = {"base": str(folder), "platbase": str(folder)}
    for kind in ("purelib", "platlib"):
        # A path alone: what the files *.pth in it say is not done.
        packages = Path(sysconfig.get_path(kind, vars=place)) / f"{kind}.pth"
        packages.write_text(f"{sysconfig.get_path(kind)}\n")
    return folder / "bin" / "python"


def caught_by(mutant: Mutant, tests: Sequence[str]) -> str | None:
    """Name the first test that fails on a mutant; None: it lives."""
    with tempfile.TemporaryDirectory(prefix="acoustic-mutant-") as name:
        copy = Path(name) / "copy"
        ignored = shutil.ignore_patterns(".*", "build", "var", "__pycache__", "docs")
        shutil.copytree(ROOT, copy, ignore=ignored)
        mutant.apply(copy)
        NO_SHRINKING.apply(copy)
        python = python_without_the_checkout(Path(name) / "environment")
        arguments = ["-x", "-q", "-p", "no:cacheprovider", "-rfE", *tests]
        done = subprocess.run(
            [python, "-c", RUN.format(copy=str(copy), arguments=arguments)],
            cwd=copy,
            env={**os.environ, "TMPDIR": name},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    if done.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    assert done.returncode == 1, done.stdout + done.stderr
    assert found is not None, done.stdout
    return found[1]


def tests_for(mutant: Mutant) -> list[str]:
    """Give the files of tests that a mutant has to fail, the likeliest first."""
    kind = mutant.name.partition(":")[0]
    if kind in BESIDE:
        return [BESIDE[kind]]
    first = LIKELIEST.get(kind, "claiming")
    return [TESTS[first], *(path for name, path in TESTS.items() if name != first)]


def verdict(mutant: Mutant) -> tuple[Mutant, str | None, bool]:
    by_test = caught_by(mutant, tests_for(mutant))
    by_model = mutant.file in PLAYED and caught_by(mutant, MODEL) is not None
    click.echo(f"{mutant.name:40} {by_test or '-'}{' + model' if by_model else ''}")
    return mutant, by_test, by_model


def table(verdicts: Sequence[tuple[Mutant, str | None, bool]]) -> Iterator[str]:
    yield "| guard taken away | noticed by | by the state machine |"
    yield "|---|---|---|"
    for mutant, by_test, by_model in verdicts:
        name = (by_test or "").rpartition("::")[2].partition("[")[0]
        nobody = "the state machine only" if by_model else "**not noticed**"
        said = name.removeprefix("test_").replace("_", " ") or nobody
        yield f"| {mutant.name} | {said} | {'yes' if by_model else ''} |"


def beside_the_others(rows: Sequence[str]) -> Iterator[str]:
    """Give the table that the page has with these rows in it."""
    text = PAGE.read_text().split(BEGIN.format("mutants"))[1].split(END.format("mutants"))[0]
    head, told = rows[:2], [*text.strip().splitlines(), *rows]
    row_of = {row.split("|")[1].strip(): row for row in told}
    yield from head
    yield from (row_of[mutant.name] for mutant in MUTANTS if mutant.name in row_of)


def main() -> None:
    prefixes = tuple(sys.argv[1:])
    chosen = [mutant for mutant in MUTANTS if mutant.name.startswith(prefixes or "")]
    with ThreadPoolExecutor(2) as threads:
        verdicts = list(threads.map(verdict, chosen))
    alive = [mutant.name for mutant, by_test, by_model in verdicts if not by_test and not by_model]
    rows = list(table(verdicts))
    replace_part(PAGE, "mutants", "\n".join(beside_the_others(rows) if prefixes else rows))
    click.echo(f"{len(chosen)} mutants, {len(alive)} not noticed{': ' if alive else '.'}")
    click.echo("\n".join(alive))
    sys.exit(1 if alive else 0)


if __name__ == "__main__":
    main()
