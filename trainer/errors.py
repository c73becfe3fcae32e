"""What a person has to change before the trainer can go on.

::

    TrainerError
      DocumentError       a low-level document cannot be read or used
      GroundTruthError    the classes cannot be read, or are not classes
      DatasetError        classes and documents together cannot be trained on
      OptionsError        an option is unknown or out of range
      ModelError          a model file is damaged, or does not fit a document

Each message is one sentence that names the thing, its value and the remedy. Whatever else is
raised from this package is a defect of the package.
"""


class TrainerError(Exception):
    """Input that has to change; trying again with the same input is no use."""


class DocumentError(TrainerError):
    """A low-level document that cannot be read or used."""


class GroundTruthError(TrainerError):
    """A ground truth that cannot be read, or whose classes cannot be told apart."""


class DatasetError(TrainerError):
    """Classes and documents that together cannot be trained on."""


class OptionsError(TrainerError):
    """A job option that is unknown or out of range."""


class ModelError(TrainerError):
    """A model file that is damaged, or a document that a model cannot take."""
