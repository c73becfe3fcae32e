"""One child process in a session of its own, watched without ever blocking.

The child leads a process group; whatever it starts goes with it, on every way out. It is handed
its input as standard input (a file without a name: any size, nothing in a process list or on disk),
prints into a file (a grandchild that keeps a pipe open would keep a reader waiting), and reports
progress through a pipe, one JSON object a line.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from worker.relayed_log import logged_line

# A folder from which `python -m` finds the packages of this installation before any other.
_ROOT = Path(__file__).resolve().parents[1]
# Linux counts peak memory in kibibytes, macOS in bytes.
_MEMORY_UNIT = 1 if sys.platform == "darwin" else 1024
_TAIL_BYTES = 8192
# Of what a child prints: as much is read at once, and a line is cut at as much.
_OUTPUT_BYTES, _LONGEST_LINE = 262_144, 16_384


@dataclass(frozen=True)
class Exit:
    """How a child ended.

    Attributes
    ----------
    code, signal
        Exit code, or the number of the signal that killed it; the other is `None`.
    peak_memory
        Most memory that it, or a process it waited for, ever held. Bytes.
    cpu_seconds
        Processor time of it and the processes that it waited for.
    """

    code: int | None
    signal: int | None
    peak_memory: int
    cpu_seconds: float

    @classmethod
    def of(cls, status: int, usage: resource.struct_rusage) -> Self:
        """Read what ``wait4`` gives."""
        killed = os.WIFSIGNALED(status)
        return cls(
            code=None if killed else os.waitstatus_to_exitcode(status),
            signal=os.WTERMSIG(status) if killed else None,
            peak_memory=usage.ru_maxrss * _MEMORY_UNIT,
            cpu_seconds=round(usage.ru_utime + usage.ru_stime, 3),
        )

    def sentence(self, memory: int | None = None) -> str:
        """Say it for a person who reads the job's status.

        Parameters
        ----------
        memory
            How much it could have had. Bytes.
        """
        of = f" of {memory / 2**20:,.0f}" if memory else ""
        peak = f"peak memory {self.peak_memory / 2**20:,.0f}{of} MiB"
        if self.signal is None:
            return f"training process ended with exit code {self.code} and no result; {peak}"
        name = _signal_name(self.signal)
        guess = " (out of memory?)" if self.signal == signal.SIGKILL else ""
        return f"training process was killed by {name}{guess}; {peak}"


class ChildProcess:
    """A running child.

    Parameters
    ----------
    command
        Arguments after the interpreter, for example ``["-m", "worker.training_child"]``.
    assignment
        What the child is to do, as JSON values; the child finds ``progress`` (a file descriptor to
        write to), ``lifeline`` (one to read, which ends when this process ends) and ``parent`` (the
        id of this process) added to it. `None`: it finds these and ``go``, from which one byte
        can be read once `assign` was called, and ``orders``, where the assignment then is.
    output
        File for what it prints; `None` for one without a name.

    Attributes
    ----------
    progress
        Descriptor to wait for progress on, as long as `progress_open`.
    said
        The last progress that was read.
    """

    def __init__(
        self, command: Sequence[str], assignment: dict[str, Any] | None, *, output: Path | None
    ) -> None:
        self._open = contextlib.ExitStack()
        self.progress, progress_end = self._pipe()
        lifeline, lifeline_end = self._pipe(reading=False)
        self._go, go_end = self._pipe(reading=False)
        del lifeline  # it says nothing, and is closed in the end
        self.said: Any = None
        self._unread = b""
        self._tail = ""
        self._output_read = 0
        self._half_line = b""
        self._last_lines: list[str] = []
        os.set_blocking(self.progress, False)
        self.progress_open = True  # at its end it would be ready to read for ever
        given = {"progress": progress_end, "lifeline": lifeline_end, "parent": os.getpid()}
        try:
            first = self._file()
            # A file of its own, for a child that has only just been started has not read the first.
            self._orders = self._file()
            self._printed = self._file() if output is None else self._file(output)
            if assignment is None:
                assignment = {"go": go_end, "orders": self._orders.fileno()}
            _hand_over(assignment | given, first)
            self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, *command],
                stdin=first,
                stdout=self._printed,
                stderr=subprocess.STDOUT,
                pass_fds=(progress_end, lifeline_end, go_end, self._orders.fileno()),
                start_new_session=True,
                cwd=_ROOT,
            )
        except BaseException:
            self._open.close()
            raise
        finally:
            for descriptor in (progress_end, lifeline_end, go_end):
                os.close(descriptor)

    def _pipe(self, *, reading: bool = True) -> tuple[int, int]:
        """Make a pipe: the end that is read from or written to here, and the child's."""
        read_end, write_end = os.pipe()
        ours, theirs = (read_end, write_end) if reading else (write_end, read_end)
        self._open.callback(os.close, ours)
        return ours, theirs

    def assign(self, assignment: dict[str, Any]) -> None:
        """Give a child that was started without one its assignment.

        Raises
        ------
        BrokenPipeError
            It has ended.
        """
        _hand_over(assignment, self._orders)
        os.write(self._go, b"!")

    def _file(self, path: Path | None = None) -> IO[bytes]:
        """Open a file for as long as there is the child: at a path, or one without a name."""
        file = tempfile.TemporaryFile() if path is None else path.open("w+b")  # noqa: SIM115
        return self._open.enter_context(file)

    @property
    def pid(self) -> int:
        """The child's process id, which is also the id of its group."""
        return self._process.pid

    def read_progress(self) -> Any | None:
        """Give the latest progress that has come, `None` when none has."""
        with contextlib.suppress(BlockingIOError):
            while self.progress_open:
                block = os.read(self.progress, 65536)
                self._unread += block
                self.progress_open = bool(block)
        *lines, self._unread = self._unread.split(b"\n")
        if not lines:
            return None
        with contextlib.suppress(ValueError):  # what a library writes there ends no daemon
            self.said = json.loads(lines[-1])
        return self.said

    def read_output(self) -> list[str]:
        """Give lines that it has printed since the last call; only so many bytes at once.

        What is left when it is reaped comes with the next call then.
        """
        if self._printed.closed:
            lines, self._last_lines = self._last_lines, []
            return lines
        return self._new_lines()

    def _new_lines(self) -> list[str]:
        # Not by the file's own position: the child writes at that.
        block = b""
        with contextlib.suppress(OSError):
            block = os.pread(self._printed.fileno(), _OUTPUT_BYTES, self._output_read)
        self._output_read += len(block)
        *lines, half = (self._half_line + block).split(b"\n")
        if len(half) > _OUTPUT_BYTES:  # no line for a person
            lines, half = [*lines, half], b""
        self._half_line = half
        return [line[:_LONGEST_LINE].decode("utf-8", "replace") for line in lines]

    def _read_last_lines(self) -> list[str]:
        """Read what was not told yet, at most the end of it."""
        lines = self._new_lines()
        with contextlib.suppress(OSError):
            size = os.fstat(self._printed.fileno()).st_size
            self._output_read = max(self._output_read, size - _OUTPUT_BYTES)
        lines += self._new_lines()
        half = self._half_line[:_LONGEST_LINE].decode("utf-8", "replace")
        return [*lines, half] if half else lines

    def signal_group(self, number: int) -> None:
        """Send a signal to the child and everything that it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def reap(self) -> Exit | None:
        """Give how the child ended, `None` while it runs; nothing of its group outlives this."""
        # Until it is waited for, a dead child keeps its id, so the group that is killed is its.
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        if os.waitid(os.P_PID, self.pid, options) is None:
            return None
        self.signal_group(signal.SIGKILL)
        self.read_progress()
        _, status, usage = os.wait4(self.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)  # or Popen warns of a leak
        self._tail = self._read_tail()
        self._last_lines = self._read_last_lines()
        self._open.close()
        return Exit.of(status, usage)

    def wait_for_end(self) -> None:
        """Block until the child has ended; it is still to be reaped."""
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def output_tail(self) -> str:
        """Give the end of what it printed, once it was reaped; nothing if that cannot be read.

        Not what it logged, which is told elsewhere.
        """
        return self._tail

    def _read_tail(self) -> str:
        with contextlib.suppress(OSError):
            self._printed.seek(max(0, self._printed.seek(0, os.SEEK_END) - _TAIL_BYTES))
            lines = self._printed.read().decode("utf-8", "replace").splitlines(keepends=True)
            return "".join(line for line in lines if logged_line(line) is None).strip()
        return ""


def _hand_over(assignment: dict[str, Any], file: IO[bytes]) -> None:
    """Write what a child reads; it shares the file's position."""
    file.write(json.dumps(assignment).encode())
    file.flush()
    file.seek(0)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal has a number only
        return f"signal {number}"
