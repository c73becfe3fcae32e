"""What can be wrong with what the database holds."""

__all__ = ["InvalidDocument", "NotFound", "SchemaError", "SchemaMismatch"]


class SchemaError(Exception):
    """The database does not hold what was asked for; `str(error)` is a sentence for a person."""


class NotFound(SchemaError):  # noqa: N818 - a name for what is the case reads better where caught
    """A row that was named is not there."""


class InvalidDocument(SchemaError):  # noqa: N818
    """JSON in a column is not of the agreed shape; the message gives the path to the place."""


class SchemaMismatch(SchemaError):  # noqa: N818
    """The database is older or newer than the program, or not ours at all."""
