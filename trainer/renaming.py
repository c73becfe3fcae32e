"""Which class of a model is meant by a class of the ground truth that is called otherwise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

from trainer.errors import DatasetError
from trainer.visible import visible
from trainer.wording import NAMED


class OtherNamesError(DatasetError):
    """A ground truth whose classes a model calls otherwise.

    Parameters
    ----------
    problem : str
        All but what to write.
    meant : mapping of str to str
        Which class of the model is probably meant by which of the ground truth.
    """

    def __init__(self, problem: str, meant: Mapping[str, str]) -> None:
        super().__init__(problem)
        self.meant = dict(meant)

    def __str__(self) -> str:
        """Say what to write in Python; a command has options for it."""
        return f"{self.args[0]} by names={visible(self.meant)}" if self.meant else self.args[0]


def suggested(theirs: Sequence[str], ours: Sequence[str]) -> dict[str, str]:
    """Say which of a model's classes are probably meant by those of the ground truth.

    Parameters
    ----------
    theirs : sequence of str
        Classes of the model that the ground truth does not have.
    ours : sequence of str
        Classes of the ground truth that the model does not have; each gets the one of theirs that
        is spelled most alike.

    Returns
    -------
    dict of str to str
        The model's name and ours; empty where there is nothing to choose from.

    Examples
    --------
    >>> suggested(["not_happy"], ["not"])
    {'not_happy': 'not'}
    >>> suggested(["dark", "not bright"], ["notbright", "shady"])
    {'not bright': 'notbright', 'dark': 'shady'}
    """
    free, open_ = list(theirs[:NAMED]), list(ours[:NAMED])
    pairs = {}
    while free and open_:
        their, our = max(
            ((their, our) for their in free for our in open_),
            key=lambda pair: SequenceMatcher(None, *pair).ratio(),
        )
        pairs[their] = our
        free.remove(their)
        open_.remove(our)
    return pairs
