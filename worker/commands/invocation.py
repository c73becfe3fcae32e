"""What one call of a command has at hand: two consoles, the environment and its settings."""

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console

if TYPE_CHECKING:
    from worker.settings import Settings

# A pipe has no width: tables keep their natural one, so that nothing is folded or cut for `grep`.
_WIDTH_OF_A_PIPE = 400
_PADDING = re.compile(" +$", re.MULTILINE)


@dataclass(frozen=True)
class Invocation:
    """One call of ``acoustic``.

    Attributes
    ----------
    out
        Console for results (standard output).
    notes
        Console for progress, remarks and errors (standard error).
    environment
        The environment variables of this process.
    """

    out: Console
    notes: Console
    environment: Mapping[str, str]

    @classmethod
    def of_this_process(cls) -> "Invocation":
        """Consoles on the standard streams and the environment of this process."""
        # The one place of the commands that reads the environment. The address stays out of that
        # of the processes that are started: each is told what it needs.
        inherited = os.environ
        environment = dict(inherited)
        inherited.pop("DATABASE_URL", None)
        return cls(console(sys.stdout), console(sys.stderr), environment)

    def settings(self) -> "Settings":
        """Read the settings from the environment.

        Raises
        ------
        worker.settings.SettingsError
            Settings are missing or wrong; all problems at once.
        """
        # Imported here: `train`, `predict` and `--help` need no settings.
        from worker.settings import Settings  # noqa: PLC0415

        return Settings.from_environment(self.environment)


class _Pipe(Console):
    """A console whose lines end with their text: tables pad the last column as all others."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as a console does, without spaces at the ends of lines."""
        with self.capture() as captured:
            super().print(*objects, **options)
        self.file.write(_PADDING.sub("", captured.get()))
        self.file.flush()


def console(stream: TextIO) -> Console:
    """Build a console that writes neither colour nor cursor movements where no person looks on."""
    probe = Console(file=stream)
    kind = Console if probe.is_terminal else _Pipe
    return kind(
        file=stream,
        # NO_COLOR alone would leave rich's bold and dim, which are escapes all the same.
        color_system=None if probe.no_color else "auto",
        width=None if probe.is_terminal else _WIDTH_OF_A_PIPE,
        markup=False,
        emoji=False,
        highlight=False,
        soft_wrap=False,
    )
