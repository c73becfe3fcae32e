"""Log lines: one a line, for people or for machines, each saying which job, attempt and worker.

What is logged may hold what strangers wrote. In the format for people it neither acts on a terminal
nor passes for a line of its own; JSON escapes it anyway.
"""

import logging
import sys
import traceback
from collections.abc import MutableMapping, Sequence
from functools import partial
from typing import Any, TextIO

import structlog

from trainer.visible import visible, visible_lines

Event = MutableMapping[str, Any]


# What every JSON line of an evaluator has, and of a high-level worker.
KEYS = ("worker", "job", "attempt")
HIGHLEVEL_KEYS = ("worker", "batch", "recording")


def configure(log_format: str, log_level: str, *, keys: Sequence[str] = KEYS) -> None:
    """Send every log line of this process to standard error.

    Parameters
    ----------
    log_format
        ``console`` for people, ``json`` for machines.
    log_level
        The least level shown, ``debug`` to ``error``.
    keys
        What every JSON line has, if only as null.
    """
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        # What a training logged, its parent tells a little later.
        structlog.processors.MaybeTimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    _handle(_formatter(log_format, before, keys), log_level)


def _formatter(log_format: str, before: list[Any], keys: Sequence[str]) -> logging.Formatter:
    after: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if log_format == "json":
        after += [
            partial(_every_key, keys),
            # As text, and below plainly: the other formats show local variables, passwords too.
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(default=str),
        ]
    else:
        colors = sys.stderr.isatty()
        console = structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_traceback)
        after += [_all_visible, console]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=after)


def _handle(formatter: logging.Formatter, log_level: str) -> None:
    # Libraries log through the standard library: their lines take the same way as ours.
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    logging.captureWarnings(capture=True)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # What libraries tell at INFO is of interest only to who looks for a fault.
    root.setLevel("DEBUG" if log_level == "debug" else "WARNING")
    logging.getLogger("worker").setLevel(log_level.upper())


def _all_visible(_logger: Any, _method: str, event: Event) -> Event:
    return {
        visible(key): visible(value) if isinstance(value, str) else value
        for key, value in event.items()
    }


def _traceback(stream: TextIO, exception: Any) -> None:
    """Write a traceback without values of variables, its lines marked: a message may hold any."""
    lines = "".join(traceback.format_exception(*exception))
    stream.write("\n" + visible_lines(lines, before="  | "))


def _every_key(keys: Sequence[str], _logger: Any, _method: str, event: Event) -> Event:
    # A machine that groups lines by job wants the key on every line, idle ones included.
    for name in keys:
        event.setdefault(name, None)
    return event
