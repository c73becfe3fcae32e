"""What is said about an error, and with which exit code the command ends."""

import errno
import io
import logging
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.text import Text

from worker.commands.invocation import Invocation, console
from worker.commands.text import visible_lines

if TYPE_CHECKING:
    from worker.settings import Settings

UNEXPECTED = 1
USAGE = 2
SCHEMA_MISMATCH = 3

# Errors whose message is already a sentence for people, with the exit code they end a command with.
# By name, most special first: the class of an error that was raised has been imported, the others
# need not be.
EXPECTED = {
    "worker.settings.SettingsError": USAGE,
    "trainer.errors.TrainerError": USAGE,
    "schema.errors.SchemaMismatch": SCHEMA_MISMATCH,
    "schema.errors.SchemaError": USAGE,
    "worker.embedded.EmbeddedPostgresError": UNEXPECTED,
    "migrations.MigrationError": UNEXPECTED,
    "worker.commands.failures.CommandError": UNEXPECTED,
}


class CommandError(Exception):
    """A command cannot go on, for the reason that its message says in one sentence."""


def report(error: Exception, *, debug: bool) -> int:
    """Write `error` to standard error.

    Parameters
    ----------
    error
        What ended the command.
    debug
        Show the traceback of an expected error too.

    Returns
    -------
    int
        The exit code.
    """
    if debug:
        _say_traceback(error)
    if isinstance(error, click.ClickException):
        return _show_usage(error)
    code = expected_code(error)
    if code is not None:
        _say(f"Error: {error}")
        return code
    if isinstance(error, OSError) and error.filename is not None:
        _say(f"Error: {error.filename}: {error.strerror}.")
        return UNEXPECTED
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _say(f"Error: {error.strerror}: make room where the output goes, or send it elsewhere.")
        return UNEXPECTED
    if (
        isinstance(error, OSError)
        and error.errno == errno.EAGAIN
        and not hasattr(error, "characters_written")  # an output that takes no more for now has it
    ):
        _say(
            f"Error: {error.strerror}: raise how many processes and threads there may be "
            "(ulimit -u, or the limit of the container), or end others."
        )
        return UNEXPECTED
    if not debug:
        _say_traceback(error)
    _say("This is a defect or an unforeseen state; the lines above say where it arose.")
    return UNEXPECTED


def daemon_settings(invocation: Invocation, *, keys: Sequence[str]) -> "Settings":
    """Read the settings; if they are wrong, say so as the daemon's log does.

    Parameters
    ----------
    invocation
        The call of the daemon.
    keys
        What every JSON line of it has, as `worker.telemetry.configure` takes them.

    Raises
    ------
    worker.settings.SettingsError
        They are wrong, and the log is for people or none knows for whom.
    click.exceptions.Exit
        In place of that, once every problem was told as an object.
    """
    from worker.settings import SettingsError  # noqa: PLC0415

    try:
        return invocation.settings()
    except SettingsError as error:
        if error.sound.get("log_format") != "json":
            raise
        from worker.telemetry import configure  # noqa: PLC0415

        configure("json", "info", keys=keys)
        for problem in error.problems:
            logging.getLogger("worker.commands").error("%s", problem)  # noqa: TRY400
        raise click.exceptions.Exit(USAGE) from error


@contextmanager
def told_in_log(log_format: str) -> Iterator[None]:
    """Have an error that ends a daemon told as its log is, where that is JSON.

    Raises
    ------
    click.exceptions.Exit
        In place of the error, once it was told.
    """
    try:
        yield
    except Exception as error:
        if log_format != "json":
            raise
        code = expected_code(error)
        log = logging.getLogger("worker.commands")
        if code is None:
            log.exception("an unforeseen error ended the daemon")
        else:
            log.error("%s", error)  # noqa: TRY400 - a sentence of ours says all
        raise click.exceptions.Exit(UNEXPECTED if code is None else code) from error


def expected_code(error: Exception) -> int | None:
    """Exit code of an error that has a sentence of its own, or None for an unforeseen one."""
    for kind in type(error).__mro__:
        code = EXPECTED.get(f"{kind.__module__}.{kind.__qualname__}")
        if code is not None:
            return code
    return None


def _show_usage(error: click.ClickException) -> int:
    # click puts the offending argument into its message as it stands.
    shown = io.StringIO()
    error.show(file=shown)
    # The tabs are click's own, before the choices that there are.
    _say(shown.getvalue().replace("\n\t", "\n    "))
    return error.exit_code


def _say_traceback(error: Exception) -> None:
    _say("".join(traceback.format_exception(error)))


def _say(sentence: str) -> None:
    console(sys.stderr).print(Text(visible_lines(sentence)), soft_wrap=True)
