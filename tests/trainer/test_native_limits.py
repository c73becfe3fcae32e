"""The compiled engine keeps to its memory, and ends when its process is told to."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.busy_processes import spent, wait_until_busy
from trainer.grid.engines import why_no_native

MISSING = why_no_native()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

ROOT = Path(__file__).parents[2]

# What is not counted: solutions, rows that are put in order, stacks of threads.
MARGIN = 0.1
BESIDE = 8 * 2**20
# What the engine holds is measured, not which freed blocks of some MiB glibc keeps for later.
GIVEN_BACK_AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": str(2**20)}

MEASURED = """
import sys
from pathlib import Path
import numpy as np
from trainer.grid.engine import Problem
from trainer.grid.folds import Split
from trainer.grid.native_engine import NativeEngine

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

def splits_of(n, t):
    return [
        Split(rng.normal(size=(n, 40)), rng.normal(size=(t, 40)), np.arange(n) % 4, np.arange(4),
              np.arange(fold * t, (fold + 1) * t))
        for fold in range(4)
    ]

rng = np.random.default_rng(0)
memory, jobs = map(int, sys.argv[1:])
problems = [
    Problem(kernel, C, gamma, balance)
    for kernel in ("poly", "rbf") for C in (1.0, 2.0) for gamma in (2.0**-8, 2.0**-7)
    for balance in (False, True)
]
splits = splits_of(1800, 300)
engine = NativeEngine(jobs, memory=memory, max_iterations=2000)
list(engine.solve(problems, splits_of(80, 20)))  # loads what is needed
before = status("VmRSS")
engine = engine.prepared(splits)
list(engine.solve(problems, splits))
print(engine.name, status("VmHWM") - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to measure with")
@pytest.mark.parametrize(("in_turn", "jobs"), [(1, 1), (1, 2), (2, 2), (4, 2)])
def test_a_search_takes_no_more_memory_than_it_may_in_one_turn_or_several(
    in_turn: int, jobs: int
) -> None:
    n, t, d = 1800, 300, 40
    memory = in_turn * 8 * n * (n + t + d) + jobs * (4 * n**2 + 8 * n * t + 8 * (n // 2) ** 2)

    said = subprocess.run(
        [sys.executable, "-c", MEASURED, str(memory), str(jobs)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | GIVEN_BACK_AT_ONCE,
    ).stdout

    name, taken = said.split()
    assert name == "native"
    assert int(taken) <= memory * (1 + MARGIN) + BESIDE


# On one thread of the narrowest instruction set the products take some seconds.
MULTIPLYING = """
import signal, sys, time
import numpy as np
from trainer.grid.native._native import instruction_sets
from trainer.grid.native_matrices import Rows, multiply

def end(number, frame):
    sys.exit()

signal.signal(signal.SIGTERM, end)
rows = Rows(np.random.default_rng(3).random((5000, 3000)), np.arange(5000) % 4, np.zeros((0, 3000)))
print("begun", flush=True)
try:
    multiply([rows], instruction_set=instruction_sets()[-1], threads=1)
except BaseException as end:
    print(type(end).__name__, time.process_time(), flush=True)
"""


@pytest.mark.parametrize(
    ("number", "name"),
    [(signal.SIGINT, "KeyboardInterrupt"), (signal.SIGTERM, "SystemExit")],
)
def test_a_signal_ends_a_process_that_multiplies_large_matrices_within_a_second(
    number: signal.Signals, name: str
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", MULTIPLYING], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "begun\n"
    wait_until_busy(child.pid)

    before = spent(child.pid)
    child.send_signal(number)
    said, stopped = child.communicate(timeout=60)[0].split()

    assert said == name
    assert float(stopped) - before < 1  # of processor time: the machine may be busy with others
    assert child.returncode == 0


# The stack of each thread takes addresses that its process may not have. glibc keeps those of
# threads that have ended, so there are none before.
FEW_THREADS = """
import resource
import sys
from dataclasses import replace
from pathlib import Path
import numpy as np
from trainer.grid.engine import Problem
from trainer.grid.engines import choose_engine
from trainer.grid.folds import Split

rng = np.random.default_rng(0)
X = rng.random((40, 20))  # few, so that threads are what there is no room for
splits = [Split(X, X[:9], np.arange(40) % 4, np.arange(4), np.arange(9))]
problems = [Problem("rbf", 2.0**c, 2.0**gamma) for c in range(4) for gamma in range(-3, 5)]
engine = replace(choose_engine("native", jobs=1).prepared(splits), jobs=64)

def predicted():
    return {one.problem: one.predicted.tolist() for one in engine.solve(problems, splits)}

size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
stack, _ = resource.getrlimit(resource.RLIMIT_STACK)
if stack == resource.RLIM_INFINITY:
    stack = 2 * 2**20  # what glibc takes then
soft, hard = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (size + int(float(sys.argv[1]) * stack), hard))
try:
    limited = predicted()
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    print(limited == predicted())
except OSError as error:
    print(error.strerror)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to measure with")
@pytest.mark.parametrize(("stacks", "said"), [(5.5, "True"), (0.5, "no thread can be started")])
def test_where_the_system_has_few_threads_those_do_and_where_it_has_none_it_says_so(
    stacks: float, said: str
) -> None:
    child = subprocess.run(
        [sys.executable, "-c", FEW_THREADS, str(stacks)],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert child.stdout.strip() == said, child.stderr
