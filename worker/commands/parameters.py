"""Values on the command line: lists between commas, times, options of a job as ``key=value``."""

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import click

from worker.commands.invocation import Invocation


# Newer clicks declare ParamType generic; older ones refuse a parameter at run time.
class CommaSeparated(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """Values between commas, such as ``basic,normalized`` or ``-5,1``.

    Parameters
    ----------
    kind
        Reads one value; a `ValueError` of it is a usage error.
    name
        How the help text calls the value.
    """

    def __init__(self, kind: Callable[[str], Any], name: str) -> None:
        self.kind = kind
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> list[Any]:
        """Split at commas and read each part."""
        if isinstance(value, list):
            return value
        try:
            return [self.kind(part.strip()) for part in value.split(",")]
        except ValueError:
            self.fail(f"{value!r} is not a comma-separated list of {self.name}.", param, ctx)


class FiniteRange(click.FloatRange):
    """A number within bounds; what is not a number is not, which click lets through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Read the number."""
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def whole(least: int, most: int) -> Callable[[str], int]:
    """Give what reads one whole number of `CommaSeparated`, within bounds."""

    def read(text: str) -> int:
        number = int(text)
        if not least <= number <= most:
            raise ValueError(f"{number} is not between {least} and {most}")
        return number

    return read


class SettingOption(click.Option):
    """An option whose default is a setting of the environment.

    Parameters
    ----------
    setting
        Name of the variable.
    """

    def __init__(self, *names: Any, setting: str, **attributes: Any) -> None:
        super().__init__(*names, **attributes | {"envvar": setting, "show_envvar": True})
        self.setting = setting

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Read the setting as the daemons do: a wrong value is told in the same words."""
        # Imported here: `--help` has no use for it.
        from worker.settings import setting  # noqa: PLC0415

        invocation = ctx.find_object(Invocation)
        return None if invocation is None else setting(self.setting, invocation.environment)

    def get_error_hint(self, ctx: click.Context | None) -> str:
        """Name the option alone: a wrong value of the variable never comes that far."""
        return click.Parameter.get_error_hint(self, ctx)


class Duration(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A time such as ``90s``, ``2h`` or ``7d``."""

    name = "age"
    _units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}  # noqa: RUF012

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read a number and its unit."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,5})([smhdw])", value.strip(), re.ASCII)
        if found is None:
            self.fail(f"{value!r} is no time such as 90s, 30m, 2h, 7d or 2w.", param, ctx)
        return timedelta(**{self._units[found[2]]: int(found[1])})


DURATION = Duration()


class Dataset(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A dataset's id, or a part of its name."""

    name = "dataset"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> UUID | str:
        """Read an id, else take it for a part of a name."""
        try:
            return value if isinstance(value, UUID) else UUID(value)
        except ValueError:
            pass
        if not value.strip():
            self.fail("it is empty: give a part of the name, or the id.", param, ctx)
        return str(value)


DATASET = Dataset()


class MissingChoice(click.Choice):  # type: ignore[type-arg, unused-ignore]
    """What a job's option `missing` takes, also without the space that a shell needs quoted."""

    def __init__(self) -> None:
        super().__init__(["fail", "leave-out"])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read either way to write it, and give the job's."""
        if value == "leave out":
            return str(value)
        return str(super().convert(value, param, ctx)).replace("-", " ")


MISSING = MissingChoice()


def job_options(text: str | None, pairs: Sequence[str]) -> dict[str, Any]:
    """Options of a job from ``--options JSON`` and ``-o key=value``; the latter win.

    Raises
    ------
    click.BadParameter
        The JSON is no object, or a pair has no ``=``.
    """
    options = _json_object(text)
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not of the form key=value.", param_hint="-o")
        options[key] = _value(key, value)
    return options


def _json_object(text: str | None) -> dict[str, Any]:
    try:
        options = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"not JSON: {error}.", param_hint="--options") from error
    if not isinstance(options, dict):
        raise click.BadParameter("not a JSON object.", param_hint="--options")
    return options


def _value(key: str, text: str) -> Any:
    # Lists are what every key of this ending takes; brackets and quotes are a burden in a shell.
    if key.endswith("_values") and not text.startswith("["):
        return [_scalar(part.strip()) for part in text.split(",")]
    return _scalar(text)


def _scalar(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def renamed(
    context: click.Context, parameter: click.Parameter, pairs: Sequence[str]
) -> dict[str, str]:
    """Read ``theirs=ours`` pairs, each of theirs once; a callback of an option.

    Raises
    ------
    click.BadParameter
        A pair has no ``=`` with a name on either side, or a name of theirs is there twice.
    """
    names: dict[str, str] = {}
    for pair in pairs:
        theirs, _, ours = pair.partition("=")
        if not theirs or not ours:
            raise click.BadParameter(
                f"{pair!r} is not of the form theirs=ours.", context, parameter
            )
        if theirs in names:
            raise click.BadParameter(f"{theirs!r} is there twice.", context, parameter)
        names[theirs] = ours
    return names
