"""``acoustic demo``: from a SQL INSERT to a trained model, and on to outputs of all recordings."""

from pathlib import Path

import click

from worker.commands.invocation import Invocation
from worker.commands.parameters import job_options


@click.command()
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Work in this folder and keep it: database, project, model and the evaluator's log.",
)
@click.option(
    "--task", default="danceability", help="Which of the 18 example tasks (danceability)."
)
@click.option(
    "-o",
    "pairs",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the job, such as -o kernel_values=rbf; else the search is AcousticBrainz's.",
)
@click.option(
    "--serve",
    is_flag=True,
    help="Only start the server of a folder that was kept, until Ctrl-C.",
)
@click.pass_obj
def demo(
    invocation: Invocation, *, keep: Path | None, task: str, pairs: tuple[str, ...], serve: bool
) -> int:
    """Run one evaluation job end to end on bundled examples.

    Starts a Postgres of its own, migrates it, loads 240 synthetic clips as low-level rows and one
    dataset, enqueues its evaluation by SQL, runs the evaluator as a real process, and shows what
    came of it. Then models of all 18 tasks are published, the high-level worker runs them over all
    recordings, and the outputs of one are shown. Nothing has to be installed or configured, and
    everything is stopped and removed at the end unless --keep is given.
    """
    if serve:
        if keep is None:
            raise click.UsageError("Give the folder that was kept too: --keep FOLDER --serve.")
        from worker.commands.surroundings import serve_kept  # noqa: PLC0415

        serve_kept(invocation, keep)
        return 0
    options = job_options(None, pairs)
    # Imported here, because the help needs neither examples nor database.
    import examples  # noqa: PLC0415
    from worker.commands.demonstration import Demonstration  # noqa: PLC0415

    if task not in examples.tasks():
        raise click.BadParameter(f"there are {', '.join(examples.tasks())}.", param_hint="--task")
    return Demonstration(invocation, task, options).run(keep)
