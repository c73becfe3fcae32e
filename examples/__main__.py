"""Make the example corpus anew: ``python -m examples --out DIR``."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path

from examples.corpus import write_corpus

SEED, COUNT = 1, 240  # of the committed corpus


def main() -> None:
    """Read the command line and write the corpus."""
    parser = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--seed", type=_natural, default=SEED)
    parser.add_argument("--count", type=_natural, default=COUNT, help="number of clips")
    parser.add_argument("--jobs", type=_natural, default=1, help="processes")
    options = parser.parse_args()
    if find_spec("essentia") is None:
        parser.error("Essentia is not installed: pip install 'acoustic-workers[essentia]'")

    def show(done: int) -> None:
        end = "\n" if done == options.count else ""
        sys.stderr.write(f"\r{done} of {options.count} clips{end}")
        sys.stderr.flush()

    write_corpus(options.out, options.seed, options.count, jobs=options.jobs, progress=show)


def _natural(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


if __name__ == "__main__":
    main()
