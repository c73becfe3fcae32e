"""Whether a command ended for want of memory; nothing is imported here, for there is no room."""

import errno

SENTENCE = (
    "Error: there is not enough memory for this command: free some, or raise the limit of this "
    "process (ulimit -v) or of its container."
)

# What the dynamic linkers of glibc and musl say of a library that there is no memory for.
_OF_LINKERS = (
    "failed to map segment",
    "annot allocate memory",
    "cannot map",
    "cannot create shared",
)

# Their errors have sentences of their own.
_OURS = ("click", "trainer", "schema", "worker", "migrations")


def lacks_memory(error: BaseException | None) -> bool:
    """Say whether an error, or one that it was made of, is about memory.

    A library that cannot be loaded for want of it is an `ImportError`, which others may have caught
    and turned into errors of their own.
    """
    while error is not None and type(error).__module__.partition(".")[0] not in _OURS:
        if isinstance(error, MemoryError):
            return True
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            return True
        if isinstance(error, ImportError) and any(sign in str(error) for sign in _OF_LINKERS):
            return True
        error = error.__cause__ or error.__context__
    return False
