"""Models that Gaia trained, read from its ``.history`` files without Gaia.

=============  ==============================================================
`stream`       Qt's data stream, bounded
`points`       the layout of a point: names, types, sizes, codes of text
`container`    the file as a list of steps
`chain`        the steps followed from layout to layout
`transforms`   the steps that change values, as steps of ours
`machine`      libsvm's text model
`evidence`     what the numbers prove about each other
`conversion`   all of it as a `trainer.models.bundle.Model`
`faults`       why a file is refused
=============  ==============================================================

The format is Gaia's; this reader was written from a description of it. It is strict: a copy that is
damaged reads well all too often, and would go on to predict nonsense.
"""

from trainer.models.gaia_history.container import MAGIC
from trainer.models.gaia_history.conversion import SUFFIX, default_name, load_history

__all__ = ["MAGIC", "SUFFIX", "default_name", "load_history"]
