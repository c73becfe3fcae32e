"""How large a benchmark may be: options out of bounds are refused before anything is made."""

import click

from worker.memory import most_memory

GIBIBYTE = 2**30
MOST_AT_A_TIME = 100_000  # recordings

RECORDINGS = click.IntRange(10, 1_000_000)
DIMENSIONS = click.IntRange(1, 100_000)
CLASSES = click.IntRange(2, 1_000)
ITERATIONS = click.IntRange(1, 2**31 - 1)  # libsvm counts in 32 bits
ROUNDS = click.IntRange(1, 1_000)
JOBS = click.IntRange(1, 1_024)
MEMORY_MIB = click.IntRange(1, 16_777_216)
SEED = click.IntRange(0, 2**32 - 1)
MODELS = click.IntRange(1, 1_000)
VECTORS = click.IntRange(1, 1_000_000)
PROCESSES = click.IntRange(1, 64)


def require_room(needed: int, what: str) -> None:
    """Refuse what this computer, or its container, has not the memory for.

    Parameters
    ----------
    needed
        Bytes, the least that it takes.
    what
        That takes them, in the words of the command's options.

    Raises
    ------
    click.UsageError
        It has less.
    """
    most = most_memory(None)
    if needed > most:
        raise click.UsageError(
            f"{what} take {needed / GIBIBYTE:,.1f} GiB at least, and there are "
            f"{most / GIBIBYTE:,.1f}: order less."
        )
