"""Which extractor wrote the documents that a model needs, as far as descriptor names tell.

Essentia renamed, added and dropped descriptors over the years, so the names a model needs tell what
wrote the documents that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterable

# Newest first: what an older version had, the newer ones may still have. A family is recognised by
# one of its marks; names continue after each with a dot.
_MARKS = (
    (
        "Essentia 2.1-beta5 or later",
        (".tonal.key_edma", ".tonal.key_krumhansl", ".tonal.key_temperley"),
    ),
    (
        'AcousticBrainz\'s extractor "music 1.0" (Essentia 2.1-beta1 or 2.1-beta2)',
        (
            ".lowlevel.barkbands_crest",
            ".lowlevel.erbbands_crest",
            ".lowlevel.melbands_crest",
            ".lowlevel.spectral_entropy",
            ".tonal.hpcp_entropy",
        ),
    ),
    ("Essentia 2.0", (".lowlevel.erbbands", ".lowlevel.erbbands_kurtosis")),
    ("Essentia 1", (".lowlevel.spectral_contrast", ".lowlevel.pitch", ".lowlevel.spectral_crest")),
)


def extractor_of(names: Iterable[str]) -> str | None:
    """Say which extractor writes documents with these descriptors.

    Parameters
    ----------
    names : iterable of str
        Full descriptor names, with a leading dot.

    Returns
    -------
    str or None
        None if the names do not tell.

    Examples
    --------
    >>> extractor_of([".lowlevel.mfcc.mean", ".tonal.key_edma.key"])
    'Essentia 2.1-beta5 or later'
    """
    groups = {name.rpartition(".")[0] for name in names}
    return next((title for title, marks in _MARKS if not groups.isdisjoint(marks)), None)
