"""``acoustic evaluator``: the daemon."""

import click

from worker.commands.failures import daemon_settings, told_in_log
from worker.commands.invocation import Invocation
from worker.ending import ended_by_sigterm


@click.command()
@click.option(
    "--once", is_flag=True, help="Run at most one job, then end: exit code 4 if that job failed."
)
@click.pass_obj
def evaluator(invocation: Invocation, *, once: bool) -> int:
    """Run the daemon that evaluates datasets.

    It claims pending jobs, trains in a child process, and writes accuracy, confusion matrix and the
    model's path back. SIGTERM ends it within ACOUSTIC_DRAIN_SECONDS; a job that cannot end by then
    is given back. Any number of evaluators may work on one database.
    """
    with ended_by_sigterm():
        # Further imports are below, so that wrong settings are told at once.
        from worker.telemetry import KEYS  # noqa: PLC0415

        settings = daemon_settings(invocation, keys=KEYS)
        from worker.commands.connections import in_words  # noqa: PLC0415
        from worker.evaluator import run  # noqa: PLC0415

        with told_in_log(settings.log_format), in_words(settings.database_url):
            return run(settings, once=once)
