"""Whether anybody reads what a command prints."""

import contextlib
import io
import select
import sys
import time


def nobody_reads(seconds: float = 0.0) -> bool:
    """Wait so long, or until the reader of standard output is gone; whether it is.

    Who prints little would not notice for hours: ``acoustic jobs watch | head -1`` prints again
    when something happens to a job.
    """
    poll = select.poll()
    with contextlib.suppress(io.UnsupportedOperation):
        poll.register(sys.stdout, 0)
    events = poll.poll(1000 * seconds)
    gone = any(event & select.POLLERR for _, event in events)
    if events and not gone:
        time.sleep(seconds)  # of a terminal that hung up, a signal tells
    return gone
