"""What `acoustic doctor` looks at: a finding for each check, and what to do."""

import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.text import Text
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DBAPIError

from migrations import masked_url
from schema import evaluation_jobs
from schema.database import check_revision, connect
from schema.errors import SchemaMismatch
from schema.highlevel import has_sweep
from schema.models import published_files
from schema.pauses import Queue, paused
from worker.commands.connections import INSUFFICIENT_PRIVILEGE, explained
from worker.commands.failures import SCHEMA_MISMATCH, UNEXPECTED, USAGE
from worker.commands.invocation import Invocation
from worker.commands.job_status import paused_sentence
from worker.commands.text import visible
from worker.settings import EXAMPLE_URL, DatabaseURL, SettingsError, setting_remedy

_OLDEST_POSTGRES = 13
_NAMED_JOBS = 5

# What an evaluator does with each table; a table that is not there yet is `migrate`'s business.
_RIGHTS = {
    "public.dataset_eval_jobs": "SELECT, UPDATE",
    "public.dataset_eval_sets": "INSERT",
    "public.dataset_snapshot": "SELECT",
    "public.lowlevel": "SELECT",
    "public.lowlevel_json": "SELECT",
    "worker.evaluation_attempts": "SELECT, INSERT, UPDATE",
    "worker.evaluation_checkpoints": "SELECT, INSERT",
    "worker.pauses": "SELECT",
    "public.version": "SELECT, INSERT",
    "public.model": "SELECT",
    "public.highlevel": "SELECT, INSERT, UPDATE",
    "public.highlevel_meta": "SELECT, INSERT",
    "public.highlevel_model": "SELECT, INSERT",
    "worker.models": "SELECT",
    "worker.highlevel_queue": "SELECT, INSERT, UPDATE, DELETE",
    "worker.highlevel_sweep": "SELECT, INSERT, UPDATE",
}

MISSING_RIGHTS = text("""
    SELECT wanted.name, wanted.rights
      FROM unnest(CAST(:names AS text[]), CAST(:rights AS text[])) AS wanted (name, rights)
     WHERE NOT (SELECT bool_and(CASE trim(one)
                                WHEN 'DELETE' THEN has_table_privilege(wanted.name, 'DELETE')
                                ELSE has_any_column_privilege(wanted.name, trim(one)) END)
                  FROM unnest(string_to_array(wanted.rights, ',')) AS one)
""")


READ_ONLY = text("SELECT CAST(current_setting('transaction_read_only') AS boolean)")
CLOCK = text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)")

# More than an ordinary delay of a clock that is kept.
_CLOCKS_APART = 5.0

# A model takes megabytes, the low-level files of a project folder gigabytes while a job runs.
_LITTLE_SPACE = 2 * 2**30
_NO_SPACE = 64 * 2**20


class State(StrEnum):
    """How serious a finding is."""

    OK = "ok"
    WARNING = "warning"
    TROUBLE = "trouble"

    @property
    def style(self) -> str:
        """Style of rich in which the word is shown."""
        return {"ok": "green", "warning": "yellow", "trouble": "bold red"}[self.value]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    about
        What was looked at.
    found
        In a sentence or less.
    state
        Whether the workers can run with it.
    remedy
        What to do; empty where all is well.
    code
        Exit code that trouble ends the command with.
    """

    about: str
    found: str
    state: State = State.OK
    remedy: str = ""
    code: int = 0

    def text(self) -> Text:
        """Say what was found, and below it what to do."""
        shown = Text(visible(self.found))
        if self.remedy:
            shown.append(f"\n→ {visible(self.remedy)}", style="bold")
        return shown


def examine(invocation: Invocation) -> Iterator[Finding]:
    """Look at everything that the workers need, in the order in which to put it right.

    Wrong settings end nothing: what is asked of the others can still be said.
    """
    try:
        sound = vars(invocation.settings())
        yield Finding("settings", "all are valid")
    except SettingsError as error:
        sound = error.sound
        for problem in error.problems:
            # Each problem begins with the name of the setting.
            remedy = setting_remedy(problem.split()[0])
            yield _trouble("settings", problem, remedy, code=USAGE)
    for name in sound["unknown"]:
        yield Finding("settings", f"{name} is no setting", State.WARNING, f"unset {name}")
    # Before the database: a folder that is not the right one has none of the published models.
    yield _folder("model folder", "ACOUSTIC_MODEL_DIR", sound["model_dir"])
    yield _folder("project folder", "ACOUSTIC_PROJECT_DIR", sound["project_dir"])
    if "database_url" in sound:
        yield from _database(sound["database_url"], sound["model_dir"])
    if "engine" in sound:
        yield _engine(sound["engine"])


def _trouble(about: str, found: str, remedy: str, *, code: int = UNEXPECTED) -> Finding:
    return Finding(about, found, State.TROUBLE, remedy, code)


def _database(url: DatabaseURL, models: Path) -> Iterator[Finding]:
    engine = connect(url, application_name="acoustic doctor")
    try:
        yield from _answers(engine, url, models)
    except DBAPIError as error:
        sentence = explained(error, url) or str(error.orig)
        yield _trouble("database", sentence, _remedy(error, engine))
    finally:
        engine.dispose()


def _remedy(error: DBAPIError, engine: Engine) -> str:
    if getattr(error.orig, "pgcode", None) == INSUFFICIENT_PRIVILEGE:
        return f"As the database's owner: GRANT acoustic_worker TO {_user(engine)};"
    return (
        "Start the server (docker compose up -d postgres starts one), or "
        f"export DATABASE_URL={EXAMPLE_URL}"
    )


def _answers(engine: Engine, url: DatabaseURL, models: Path) -> Iterator[Finding]:
    with engine.connect() as connection:
        version = int((engine.dialect.server_version_info or (0,))[0])
        found = f"{masked_url(url)} answers, Postgres {version}"
        if version < _OLDEST_POSTGRES:
            yield _trouble("database", found, f"Move it to Postgres {_OLDEST_POSTGRES} or newer.")
        else:
            yield Finding("database", found)
        try:
            check_revision(connection)
        except SchemaMismatch as error:
            remedy = (
                "acoustic migrate"
                if "acoustic migrate" in str(error)
                else "Install that version, or set DATABASE_URL to another database."
            )
            yield _trouble("schema", str(error), remedy, code=SCHEMA_MISMATCH)
            return
        yield Finding("schema", "is that of this version")
        yield _clock(connection)
        yield from _read_only(connection)
        yield from _rights(connection)
        yield from _legacy(connection)
        pause = evaluation_jobs.paused(connection)
        if pause is not None:
            yield Finding("jobs", paused_sentence(pause), State.WARNING)
        pause = paused(connection, Queue.HIGHLEVEL)
        if pause is not None:
            told = paused_sentence(pause, resume="acoustic highlevel resume")
            yield Finding("highlevel", told, State.WARNING)
        if not has_sweep(connection):
            found = "the row of worker.highlevel_sweep is gone, and with it how far the sweep is"
            remedy = "acoustic highlevel run makes it again, and sweeps from the first document on."
            yield Finding("highlevel", found, State.WARNING, remedy)
        yield from _published(connection, models)


def _clock(connection: Connection) -> Finding:
    """Compare the clocks; half of the time that the question took nobody knows."""
    began = time.time()
    told = float(connection.execute(CLOCK).scalar_one())
    ended = time.time()
    apart = max(0.0, told - ended, began - told)
    found = f"differs by {apart:.1f} s from that of the database"
    if apart <= _CLOCKS_APART:
        return Finding("clock", found)
    remedy = (
        "Leases go by the database's clock alone, but logs, ages and times left are shown wrong: "
        "have both hosts keep time (NTP)."
    )
    return Finding("clock", found, State.WARNING, remedy)


def _read_only(connection: Connection) -> Iterator[Finding]:
    if connection.execute(READ_ONLY).scalar_one():
        remedy = (
            "If this is a standby, connect to the server that takes them; otherwise "
            "ALTER DATABASE … RESET default_transaction_read_only."
        )
        yield _trouble("database", "takes no changes: it is read-only", remedy)


def _user(engine: Engine) -> str:
    return engine.url.username or "the user of DATABASE_URL"


def _rights(connection: Connection) -> Iterator[Finding]:
    wanted = {"names": list(_RIGHTS), "rights": list(_RIGHTS.values())}
    missing = list(connection.execute(MISSING_RIGHTS, wanted))
    if not missing:
        yield Finding("rights", "the user may do all that the daemons do")
    for name, rights in missing:
        remedy = f"If it is to run daemons: GRANT {rights} ON {name} TO {_user(connection.engine)};"
        yield _trouble("rights", f"not all of {rights} on {name}", remedy)


def _legacy(connection: Connection) -> Iterator[Finding]:
    left = evaluation_jobs.legacy_running(connection)
    if left:
        named = ", ".join(str(job) for job in left[:_NAMED_JOBS])
        yield Finding(
            "jobs",
            f"{len(left)} stand as running, but no worker has them: {named}"
            + ("…" if len(left) > _NAMED_JOBS else ""),
            State.WARNING,
            "An older evaluator left them; stop it if it runs, then acoustic jobs retry each.",
        )


def _published(connection: Connection, models: Path) -> Iterator[Finding]:
    """Look at the files of published models as the high-level worker will at its start."""
    # Imported here: a check before this one may end it all.
    from trainer.errors import ModelError  # noqa: PLC0415
    from worker.edited_rows import between_tables, of_published  # noqa: PLC0415
    from worker.published_files import PublishedFiles  # noqa: PLC0415

    files = PublishedFiles(models)
    published = [one for one in published_files(connection) if one.path is not None]
    broken: dict[str, list[str]] = defaultdict(list)
    for one in published:
        try:
            files.check(str(one.path), one.sha256)
        except ModelError as error:
            # What all of them have for one reason is one trouble: mostly it is another folder.
            found = f"{one.name} {one.version}: {error}"
            because = isinstance(error.__cause__, OSError) and error.__cause__.strerror
            broken[because or found].append(found)
    for because, of_it in broken.items():
        yield _broken(because, of_it, len(published), models)
    sound = len(published) - sum(map(len, broken.values()))
    for odd in (*between_tables(connection), *of_published(published, models)):
        if odd.is_fatal:
            yield _trouble("models", odd.found, odd.remedy)
        else:
            yield Finding("models", odd.found, State.WARNING, odd.remedy)
    if sound:
        yield Finding("models", f"{sound} published, whose files are as they were")


def _broken(because: str, found: Sequence[str], published: int, models: Path) -> Finding:
    """Tell of models whose files have one fault in common."""
    if len(found) == 1:
        remedy = "Without it the high-level worker does not start: publish it again, or retire it."
        return _trouble("models", found[0], remedy)
    told = f"{len(found)} of {published} published models: {because}; such as {found[0]}"
    remedy = (
        "Without them the high-level worker does not start: set ACOUSTIC_MODEL_DIR to the folder "
        f"that they were published in, or copy that one's folder published to {models}."
    )
    return _trouble("models", told, remedy)


def _folder(about: str, setting: str, folder: Path) -> Finding:
    # The evaluator makes what is missing, so the nearest folder that exists decides.
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        remedy = f"Make it writable for user {os.geteuid()}, or set {setting}."
        return _trouble(about, f"{folder} cannot be written: {error.strerror}", remedy)
    found = f"{folder} is writable" if existing == folder else f"{folder} will be made"
    return _space(about, found, setting, existing)


def _space(about: str, found: str, setting: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    told = f"{found}, {free / 2**30:,.1f} GiB free"
    if free >= _LITTLE_SPACE:
        return Finding(about, told)
    remedy = (
        "Make room there (acoustic jobs prune, acoustic doctor --gc), or set "
        f"{setting} to a folder on another disk."
    )
    if free < _NO_SPACE:
        return _trouble(about, told, remedy)
    return Finding(about, told, State.WARNING, remedy)


def _engine(wanted: str) -> Finding:
    # Imported here: of all checks only this one needs scikit-learn.
    from trainer.errors import TrainerError  # noqa: PLC0415
    from trainer.grid.engines import choose_engine, why_no_native  # noqa: PLC0415

    try:
        engine = choose_engine(wanted)
    except TrainerError as error:
        return _trouble("engine", str(error), "Set ACOUSTIC_ENGINE to auto.")
    found = f"{engine.description} (ACOUSTIC_ENGINE is {wanted})"
    missing = why_no_native()
    if wanted == "auto" and missing:
        remedy = "Put that right, then install this package again: the grid is far faster with it."
        return Finding("engine", f"{found}: no native one, {missing}", State.WARNING, remedy)
    return Finding("engine", found)
