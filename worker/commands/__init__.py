"""The command line, ``acoustic``: one module per group of commands.

======================================  ====================================================
`application`                           the group, its exit codes; commands are imported late
`invocation`, `connections`, `signals`  what surrounds one call
`failures`, `shortage`                  what is said about an error, and the exit code
`text`, `figures`, `progress`           how names, numbers, tables and time are shown
`database`                              ``migrate``, ``roles``, ``doctor`` (with `health`)
`evaluator`, `highlevel`                the daemons
`lowlevel`                              ``lowlevel load``
`jobs`                                  ``jobs …``, with `job_status`, `job_details`, `watching`
`training`                              ``train`` (`file_training`), ``predict`` (`predicting`)
`evaluating`                            ``evaluate`` (`file_evaluation`)
`exporting`                             ``export`` (`file_export`)
`extracting`                            ``highlevel-extract`` (`file_extraction`)
`reporting`                             ``report``
`comparing`                             ``compare …`` (`extractor_comparison`,
                                        `evaluation_comparison`)
`models`                                ``models …``
`bench`                                 ``bench …``
`completion`                            ``completion``
`demo`                                  `demonstration`, in `surroundings` that vanish
======================================  ====================================================
"""

import click

from worker.commands.application import Application, Lazy
from worker.commands.invocation import Invocation

COMMANDS = {
    "demo": Lazy(
        "worker.commands.demo", "demo", "Run one evaluation job end to end on bundled examples."
    ),
    "migrate": Lazy(
        "worker.commands.database", "migrate", "Bring the database to the schema of this version."
    ),
    "roles": Lazy(
        "worker.commands.database", "roles", "Make roles of least privilege in the database."
    ),
    "doctor": Lazy(
        "worker.commands.database", "doctor", "Check settings, database, folders and engine."
    ),
    "evaluator": Lazy(
        "worker.commands.evaluator", "evaluator", "Run the daemon that evaluates datasets."
    ),
    "highlevel": Lazy(
        "worker.commands.highlevel",
        "highlevel",
        "Run the daemon that classifies every recording.",
    ),
    "lowlevel": Lazy(
        "worker.commands.lowlevel", "lowlevel", "Put low-level documents into the database."
    ),
    "jobs": Lazy("worker.commands.jobs", "jobs", "Enqueue, look at, watch, cancel and retry jobs."),
    "train": Lazy("worker.commands.training", "train", "Train a model from files, no database."),
    "evaluate": Lazy(
        "worker.commands.evaluating", "evaluate", "Evaluate a model on labels of your own."
    ),
    "export": Lazy(
        "worker.commands.exporting", "export", "Write descriptors as a table, for other programs."
    ),
    "report": Lazy(
        "worker.commands.reporting", "report", "Make the page of an evaluation, as one HTML file."
    ),
    "predict": Lazy(
        "worker.commands.training", "predict", "Classify low-level documents with trained models."
    ),
    "highlevel-extract": Lazy(
        "worker.commands.extracting",
        "highlevel_extract",
        "Write the high-level documents of files.",
    ),
    "compare": Lazy(
        "worker.commands.comparing", "compare", "Compare results with those of others."
    ),
    "models": Lazy(
        "worker.commands.models", "models", "Look into model files, publish and retire models."
    ),
    "completion": Lazy(
        "worker.commands.completion",
        "completion",
        "Print what bash, zsh or fish need to complete commands.",
    ),
    "bench": Lazy(
        "worker.commands.bench", "bench", "Measure speed beside the obvious alternative."
    ),
}


@click.command(
    cls=Application,
    lazy=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
    epilog="Exit codes: 0 done, 1 not done, or not all of it, as the message says, 2 usage, "
    "settings or input files, 3 the database's schema does not fit this version, 4 the job that "
    "was run or watched failed, 130 interrupted, 143 ended by SIGTERM.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of every error.")
@click.version_option(package_name="acoustic-workers", prog_name="acoustic")
@click.pass_context
def main(context: click.Context, *, debug: bool) -> None:
    """Train and evaluate AcousticBrainz-style classifiers, on Postgres or from files."""
    # `--debug` is read where errors are reported, which is outside this function.
    del debug
    context.obj = Invocation.of_this_process()


__all__ = ["COMMANDS", "main"]
