"""How the time of the grid grows with recordings and with dimensions, and print the exponents.

``python -m benchmarks.growth`` solves 144 combinations of made data for growing n at d = 300 and
for growing d at n = 600, and fits ``seconds = constant * size ** exponent``.
"""

import sys
from collections.abc import Iterator

import numpy as np

from trainer.bench.grid import Order, measure
from trainer.grid.engines import choose_engine

RECORDINGS = (500, 1000, 2000, 4000)
DIMENSIONS = (250, 500, 1000, 2000)
CLASSES = 4
JOBS = 2
ROUNDS = 3


def main() -> None:
    """Print a line for each size, and the exponents."""
    for line in (*_grown("n", RECORDINGS), *_grown("d", DIMENSIONS)):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _grown(what: str, sizes: tuple[int, ...]) -> Iterator[str]:
    engine = choose_engine("auto", jobs=JOBS)
    seconds = []
    for size in sizes:
        shape = {"n": 600, "d": 300} | {what: size}
        order = Order(**shape, classes=CLASSES, against=(), rounds=ROUNDS, jobs=JOBS)
        seconds.append(measure(order, engine).seconds)
        yield f"{what} = {size:5}: {seconds[-1]:.3f} s"
    exponent, _ = np.polyfit(np.log(sizes), np.log(seconds), 1)
    yield f"exponent of {what}: {exponent:.2f} ({engine.description}, {JOBS} jobs)"


if __name__ == "__main__":
    main()
