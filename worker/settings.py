"""Everything that an operator can set, read once and handed down as one value.

This is the one module that knows the names of environment variables.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from migrations import masked_url, psycopg2_url
from worker.memory import MEBIBYTE

PREFIX = "ACOUSTIC_"

EXAMPLE_URL = "postgresql://acoustic@localhost/acoustic"

# A lease is renewed this many times in its own length. Three is the least that survives one slow
# round trip and one lost one.
RENEWALS_PER_LEASE = 4


class SettingsError(Exception):
    """Settings that are missing or bad.

    Parameters
    ----------
    problems
        One sentence for each setting that has to change, all of them at once.
    sound
        The settings that are right, by attribute of `Settings`.
    """

    def __init__(self, problems: Sequence[str], sound: Mapping[str, Any] | None = None) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
        self.sound = dict(sound or {})


class DatabaseURL(str):
    """A database address that never shows its password when a value holding it is printed."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(self.masked)

    @property
    def masked(self) -> str:
        """The address without its password, wherever in it that stands."""
        return masked_url(self)


def _database_url(text: str) -> DatabaseURL:
    # The value may hold a password, so no message repeats it.
    try:
        psycopg2_url(text)
    except ValueError:
        raise ValueError(
            "a Postgres address, postgresql://user@host/database (with %40 for an @ in a password)"
        ) from None
    return DatabaseURL(text)


def _folder(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if text.lower() not in choices:
            raise ValueError("one of " + ", ".join(choices))
        return text.lower()

    return parse


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return number

    return parse


def _seconds(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:  # NaN is not within any bounds
            raise ValueError(f"a number of seconds from {least:g} to {most:g}")
        return number

    return parse


def _address(text: str) -> str:
    # No names: what a name stands for may change, and with it who may ask.
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError(
            "an IP address of this host, such as 127.0.0.1, or 0.0.0.0 for all"
        ) from None


def _switch(text: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("one of 1, true, yes, on, 0, false, no, off")


def _setting(
    parse: Callable[[str], Any], default: str | None, *, name: str | None = None
) -> dict[str, Any]:
    """Describe a setting; without a default it is required, and "" leaves it off."""
    return {"parse": parse, "default": default, "name": name}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a worker is told from outside, validated.

    Attributes
    ----------
    database_url
        Where the database is; the only setting without a default.
    model_dir, project_dir
        Folders, absolute: model bundles, and one project folder for each job.
    engine, jobs, memory_mib
        Grid engine (``auto``, ``native``, ``sklearn``), how many problems one search solves at
        a time (`None`: as many as there are processors), and how much memory its matrices may take.
    lease_seconds, poll_seconds, drain_seconds
        How long a job is held without news of its worker, the time between two looks for a job, and
        the time a running job is given to end by itself when the worker is told to stop. Seconds.
    job_seconds, job_memory_mib
        How long an attempt at a job may take, and how much memory; `None`: as long and as much as
        it likes.
    warm_child
        Whether a training process with its imports done waits for the next job.
    checkpoint_seconds
        How long a training goes on before it first keeps what it has found for the next attempt;
        0: it keeps nothing.
    max_attempts
        Counted attempts after which a job has failed.
    batch_size
        Recordings that the high-level worker takes at once.
    metrics_port, metrics_address
        TCP port of metrics and probes, `None` for none, and the address that is listened on.
    log_format, log_level
        ``console`` or ``json``; ``DEBUG`` to ``ERROR``, in lower case.
    heartbeat
        File that a daemon touches with every turn, `None` for none.
    keep_lowlevel
        Whether the low-level files of a project folder stay when its job has ended.
    unknown
        Names that look like settings of ours and are none; worth a warning.
    """

    database_url: DatabaseURL = field(metadata=_setting(_database_url, None, name="DATABASE_URL"))
    model_dir: Path = field(metadata=_setting(_folder, "models"))
    project_dir: Path = field(metadata=_setting(_folder, "projects"))
    engine: str = field(metadata=_setting(_one_of("auto", "native", "sklearn"), "auto"))
    jobs: int | None = field(metadata=_setting(_whole(1, 1024), ""))
    memory_mib: int = field(metadata=_setting(_whole(1, 16_777_216), "2048"))
    lease_seconds: float = field(metadata=_setting(_seconds(1, 86_400), "60"))
    poll_seconds: float = field(metadata=_setting(_seconds(0.05, 3_600), "5"))
    drain_seconds: float = field(metadata=_setting(_seconds(0, 86_400), "20"))
    job_seconds: float | None = field(metadata=_setting(_seconds(1, 31_536_000), ""))
    job_memory_mib: int | None = field(metadata=_setting(_whole(64, 16_777_216), ""))
    warm_child: bool = field(metadata=_setting(_switch, "1"))
    checkpoint_seconds: float = field(metadata=_setting(_seconds(0, 86_400), "20"))
    max_attempts: int = field(metadata=_setting(_whole(1, 100), "3"))
    batch_size: int = field(metadata=_setting(_whole(1, 10_000), "100"))
    metrics_port: int | None = field(metadata=_setting(_whole(1, 65_535), ""))
    metrics_address: str = field(metadata=_setting(_address, "127.0.0.1"))
    log_format: str = field(metadata=_setting(_one_of("console", "json"), "console"))
    log_level: str = field(metadata=_setting(_one_of("debug", "info", "warning", "error"), "info"))
    heartbeat: Path | None = field(metadata=_setting(_folder, ""))
    keep_lowlevel: bool = field(metadata=_setting(_switch, "0"))
    unknown: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read and check the settings.

        Parameters
        ----------
        environment
            Names and values, as ``os.environ`` has them. An empty value counts as not set.

        Raises
        ------
        SettingsError
            With a sentence for each setting that is missing, out of range or misspelt.
        """
        values: dict[str, Any] = {}
        problems: list[str] = []
        for name, parse in _known().items():
            value, problem = _read(name, parse, environment)
            if not problem:
                values[_field(name)] = value
            problems += problem
        misspelt, unknown = _unknown_names(environment)
        values["unknown"] = unknown
        if problems or misspelt:
            raise SettingsError(problems + misspelt, values)
        return cls(**values)

    @property
    def job_memory(self) -> int | None:
        """`job_memory_mib` in bytes."""
        return None if self.job_memory_mib is None else self.job_memory_mib * MEBIBYTE

    @property
    def engine_memory(self) -> int:
        """Bytes for the matrices of the native engine: of a job with a limit half at most."""
        wanted = self.memory_mib * MEBIBYTE
        return wanted if self.job_memory is None else min(wanted, self.job_memory // 2)

    @property
    def renewal_seconds(self) -> float:
        """The time between two renewals of a lease."""
        return self.lease_seconds / RENEWALS_PER_LEASE

    def make_folders(self) -> None:
        """Make the folders; a worker that could write no result should not claim a job.

        Raises
        ------
        SettingsError
            Naming each folder that cannot be made or written to.
        """
        folders = {"ACOUSTIC_MODEL_DIR": self.model_dir, "ACOUSTIC_PROJECT_DIR": self.project_dir}
        reasons = {name: _obstacle(folder) for name, folder in folders.items()}
        problems = [
            f"{name} is {str(folders[name])!r}, which cannot be written to: {reason}."
            for name, reason in reasons.items()
            if reason
        ]
        if problems:
            raise SettingsError(problems)


def setting(name: str, environment: Mapping[str, str]) -> str | None:
    """Read one setting as text, for commands that take no others.

    Parameters
    ----------
    name
        That of the variable, such as ``ACOUSTIC_ENGINE``.
    environment
        As `Settings.from_environment` takes it.

    Returns
    -------
    str or None
        A value that is valid, or None where it is not set.

    Raises
    ------
    SettingsError
        The value is wrong.
    """
    if not environment.get(name, "").strip():
        return None
    value, problem = _read(name, _known()[name], environment)
    if problem:
        raise SettingsError(problem)
    return str(value)


def _obstacle(folder: Path) -> str | None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return error.strerror or str(error)
    return None if os.access(folder, os.W_OK | os.X_OK) else "permission denied"


def _known() -> dict[str, Any]:
    return {
        setting.metadata["name"] or PREFIX + setting.name.upper(): setting.metadata
        for setting in fields(Settings)
        if setting.metadata
    }


def _field(name: str) -> str:
    return name.removeprefix(PREFIX).lower()


def _read(name: str, setting: Any, environment: Mapping[str, str]) -> tuple[Any, list[str]]:
    text = environment.get(name, "").strip() or setting["default"]
    if text is None:
        return None, [f"{name} is not set; it takes a Postgres address."]
    if text == "":
        return None, []
    try:
        return setting["parse"](text), []
    except ValueError as error:
        shown = "" if name == "DATABASE_URL" else f" is {text!r} and"
        return None, [f"{name}{shown} has to be {error}."]


def setting_remedy(name: str) -> str:
    """Say how to set what a problem is about to something that works.

    Examples
    --------
    >>> setting_remedy("ACOUSTIC_POLL_SECONDS"), setting_remedy("ACOUSTIC_METRICS_PORT")
    ('export ACOUSTIC_POLL_SECONDS=5', 'unset ACOUSTIC_METRICS_PORT')
    """
    known = _known()
    if name not in known or known[name]["default"] == "":
        return f"unset {name}"
    return f"export {name}={known[name]['default'] or EXAMPLE_URL}"


def _unknown_names(environment: Mapping[str, str]) -> tuple[list[str], tuple[str, ...]]:
    # Names are compared without the prefix that all share, or any two would look alike.
    known = {name.removeprefix(PREFIX): name for name in _known()}
    misspelt, unknown = [], []
    for name in sorted(environment):
        if not name.startswith(PREFIX) or name in known.values():
            continue
        near = get_close_matches(name.removeprefix(PREFIX), known, n=1, cutoff=0.7)
        if near:
            misspelt.append(f"{name} is not a setting; did you mean {known[near[0]]}?")
        else:
            # Not refused: container platforms make up names such as ACOUSTIC_PORT_80_TCP.
            unknown.append(name)
    return misspelt, tuple(unknown)
