"""Which class of a model is meant by a class of the ground truth that is called otherwise."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from difflib import SequenceMatcher

from trainer.wording import NAMED


def suggested(theirs: Sequence[str], ours: Sequence[str]) -> str:
    """Say what to type so that a model's classes are taken for those of the ground truth.

    Parameters
    ----------
    theirs : sequence of str
        Classes of the model that the ground truth does not have.
    ours : sequence of str
        Classes of the ground truth that the model does not have; each gets the one of theirs that
        is spelled most alike.

    Returns
    -------
    str
        Options of the command line; empty where there is nothing to choose from.

    Examples
    --------
    >>> suggested(["not_happy"], ["not"])
    '--map not_happy=not'
    >>> suggested(["dark", "not bright"], ["notbright", "shady"])
    "--map 'not bright=notbright' --map dark=shady"
    """
    free, open_ = list(theirs[:NAMED]), list(ours[:NAMED])
    pairs = []
    while free and open_:
        their, our = max(
            ((their, our) for their in free for our in open_),
            key=lambda pair: SequenceMatcher(None, *pair).ratio(),
        )
        pairs.append((their, our))
        free.remove(their)
        open_.remove(our)
    return " ".join(f"--map {shlex.quote(f'{their}={our}')}" for their, our in pairs)
