"""What the demo needs around it, none of which is left behind: folder, server, the two workers."""

import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from worker.commands.failures import CommandError
from worker.commands.invocation import Invocation
from worker.commands.signals import ended_by_signals
from worker.commands.text import plain
from worker.embedded import EmbeddedPostgres
from worker.lifeline import die_with_parent

_LOG_LINES = 20
_SECONDS_BETWEEN_LOOKS = 0.5

_DRAIN_SECONDS = 2
# Longer than the evaluator takes to give its job back.
_STOP_SECONDS = 15


@contextmanager
def working_folder(keep: Path | None) -> Iterator[Path]:
    """Give the folder to keep, or one that is removed at the end."""
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()
        return
    with tempfile.TemporaryDirectory(prefix="acoustic-demo-") as folder:
        yield Path(folder)


@contextmanager
def postgres(folder: Path, *, durable: bool) -> Iterator[str]:
    """Give the URL of a server that runs until the end, as psql takes it, too."""
    with EmbeddedPostgres(folder / "postgres", durable=durable) as server:
        yield server.plain_url()


def serve_kept(invocation: Invocation, folder: Path) -> None:
    """Run the server of a demo that was kept, and say how to reach it, until somebody ends it.

    Raises
    ------
    CommandError
        No demo was kept in that folder.
    """
    kept = folder.absolute()
    if not (kept / "postgres").is_dir():
        raise CommandError(
            f"No demo was kept in {folder}: acoustic demo --keep {folder} makes one."
        )
    with ended_by_signals(), postgres(kept, durable=True) as url:
        invocation.notes.print("The server runs until Ctrl-C. In another terminal, type:")
        for name, value in _settings(url, kept).items():
            invocation.out.print(
                plain(f"export {name}={shlex.quote(value)}"), soft_wrap=True, highlight=False
            )
        with suppress(KeyboardInterrupt):
            while True:
                signal.pause()


@contextmanager
def evaluator(
    environment: Mapping[str, str], url: str, folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``acoustic evaluator --once`` as a process of its own, until the end at most."""
    with _running(environment, url, folder, "evaluator", "--once") as process:
        yield process


def classify(environment: Mapping[str, str], url: str, folder: Path) -> None:
    """Run ``acoustic highlevel run --once`` as a process of its own to its end.

    Raises
    ------
    CommandError
        It failed; with the end of its log.
    """
    with _running(environment, url, folder, "highlevel", "run", "--once") as process:
        code = process.wait()
    if code:
        raise CommandError(f"The high-level worker ended ({code}). Its log:\n{_end_of_log(folder)}")


@contextmanager
def _running(
    environment: Mapping[str, str], url: str, folder: Path, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    with (
        log_of(folder).open("ab") as log,
        subprocess.Popen(  # noqa: S603 - this program itself
            [sys.executable, "-m", "worker.commands", *arguments],
            env=_environment(environment, url, folder),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # Ctrl-C is for the demo, which then stops the evaluator in good order.
            start_new_session=True,
            # A demo that is killed can stop nobody. Safe here: no thread runs yet.
            preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509
        ) as process,
    ):
        try:
            yield process
        finally:
            _stop(process)


class Pause:
    """Waits between two looks at the job; raises if the evaluator ended and the job did not."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self.folder = folder
        self.looked_again = False

    def __call__(self, _took: float) -> None:
        """Wait half a second, or until the evaluator ends.

        Raises
        ------
        CommandError
            It ended, and the look after that still found the job waiting; with the end of its log.
        """
        try:
            code = self.process.wait(_SECONDS_BETWEEN_LOOKS)
        except subprocess.TimeoutExpired:
            return
        if self.looked_again:
            raise CommandError(
                f"The evaluator ended ({code}) before the job did. "
                f"Its log:\n{_end_of_log(self.folder)}"
            )
        self.looked_again = True


def log_of(folder: Path) -> Path:
    """Where the log of both workers is."""
    return folder / "evaluator.log"


def models_of(folder: Path) -> Path:
    """Where models are."""
    return folder / "models"


def _end_of_log(folder: Path) -> str:
    log = log_of(folder).read_text(encoding="utf-8", errors="replace")
    return "\n".join(log.splitlines()[-_LOG_LINES:])


def _environment(environment: Mapping[str, str], url: str, folder: Path) -> dict[str, str]:
    # Settings of a real installation must not reach the demo, nor the demo a real database.
    without = {name: value for name, value in environment.items() if not _is_setting(name)}
    return without | _settings(url, folder) | {"ACOUSTIC_DRAIN_SECONDS": str(_DRAIN_SECONDS)}


def _settings(url: str, folder: Path) -> dict[str, str]:
    return {
        "DATABASE_URL": url,
        "ACOUSTIC_MODEL_DIR": str(models_of(folder)),
        "ACOUSTIC_PROJECT_DIR": str(folder / "projects"),
    }


def _is_setting(name: str) -> bool:
    return name == "DATABASE_URL" or name.startswith("ACOUSTIC_")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
