"""The group behind ``acoustic``: commands loaded when they are called, and every error a sentence.

Exit codes: 0 done, 1 not done, or not all of it, as the message says, 2 usage, settings or input
files, 3 the database's schema does not fit this version, 4 the one job that was run or watched
failed, 130 interrupted (143 by SIGTERM), 141 nobody reads the output any more.
"""

import contextlib
import importlib
import io
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from worker.commands.readers import nobody_reads
from worker.commands.shortage import SENTENCE, lacks_memory
from worker.ending import leave

INTERRUPTED = 130
NOBODY_READS = 141  # as a shell tells of who was ended by SIGPIPE


@dataclass(frozen=True)
class Lazy:
    """A command that is imported when it is called.

    Attributes
    ----------
    module
        Module of the command.
    attribute
        Name of the click command in it.
    help
        Its line in ``acoustic --help``.
    """

    module: str
    attribute: str
    help: str


class _PipeBrokeError(Exception):
    """What click does not take for a pipe that broke."""

    def __init__(self, error: BrokenPipeError) -> None:
        super().__init__(str(error))
        self.error = error


class Application(click.Group):
    """A click group whose commands cost nothing until they are called.

    scikit-learn, alembic and SQLAlchemy take from tenths of a second to seconds to import, and no
    command needs all of them.
    """

    def __init__(self, lazy: Mapping[str, Lazy], **attributes: Any) -> None:
        super().__init__(**attributes)
        self.lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order in which a newcomer meets them."""
        del ctx
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command of this name, if there is one."""
        del ctx
        if cmd_name not in self.lazy:
            return None
        lazy = self.lazy[cmd_name]
        command: click.Command = getattr(importlib.import_module(lazy.module), lazy.attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in self.lazy.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; of a pipe that broke click would say nothing and make exit code 1."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _PipeBrokeError(error) from error

    def main(self, args: Sequence[str] | None = None, *rest: Any, **options: Any) -> Any:
        """Run one command and end the process with its exit code."""
        _tolerate_unprintable_characters()
        arguments = list(sys.argv[1:] if args is None else args)
        options["standalone_mode"] = False
        try:
            code = super().main(arguments, *rest, **options)
            sys.stdout.flush()
        except (click.Abort, KeyboardInterrupt):
            # Who presses Ctrl-C twice wants it ended, and not ended in the midst of ending.
            with contextlib.suppress(ValueError):  # called by another thread than the main one
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            click.echo("Interrupted.", err=True)
            code = INTERRUPTED
        except SystemExit as end:
            code = end.code
        except _PipeBrokeError as broke:
            code = _report(broke.error, debug="--debug" in arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, it becomes a sentence
            code = _report(error, debug="--debug" in arguments)
        _drop_what_cannot_be_written()
        if isinstance(code, str):  # what Python makes of a sentence for an exit code
            click.echo(code, err=True)
            code = 1
        leave(code or 0)


def _report(error: Exception, *, debug: bool) -> int:
    # It may be another pipe than that of standard output that broke.
    if isinstance(error, BrokenPipeError) and nobody_reads():
        return NOBODY_READS  # `… | head -1` has all that it wants
    if lacks_memory(error) and not debug:
        click.echo(SENTENCE, err=True)  # what is imported below would have no room either
        return 1
    # Imported here: it knows the error types of every part, which `--help` does not need.
    from worker.commands.failures import report  # noqa: PLC0415

    return report(error, debug=debug)


def _drop_what_cannot_be_written() -> None:
    # The interpreter would try once more as it ends, complain in its own words and take 120 for an
    # exit code.
    try:
        sys.stdout.flush()
    except OSError:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device, not a path of ours
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def _tolerate_unprintable_characters() -> None:
    # A title in Japanese must not end a command whose output goes to a Latin-1 terminal or an
    # ASCII pipe.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with contextlib.suppress(io.UnsupportedOperation):
                stream.reconfigure(errors="backslashreplace")
