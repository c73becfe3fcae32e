"""``python -m worker.commands``: the same as ``acoustic``."""

from worker.commands import main

if __name__ == "__main__":
    main(prog_name="acoustic")
