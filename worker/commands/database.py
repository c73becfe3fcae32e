"""``acoustic migrate`` and ``acoustic doctor``."""

import click
from rich.table import Table

from worker.commands.failures import SCHEMA_MISMATCH, CommandError
from worker.commands.invocation import Invocation
from worker.commands.text import plain
from worker.heartbeat import LONGEST_SECONDS, silence


@click.command()
@click.option(
    "--check", is_flag=True, help="Change nothing; exit code 3 if migrations are to be applied."
)
@click.pass_obj
def migrate(invocation: Invocation, *, check: bool) -> int:
    """Bring the database to the schema of this version.

    On an empty database all tables are made; on an AcousticBrainz database only what is missing.
    Doing it again changes nothing.
    """
    url = invocation.settings().database_url
    # Imported here, because alembic takes its time and wrong settings should be told at once.
    import migrations  # noqa: PLC0415
    from schema.errors import SchemaMismatch  # noqa: PLC0415
    from worker.commands.connections import in_words  # noqa: PLC0415

    with in_words(url):
        before, head = migrations.current(url), migrations.head()
        if before is not None and before not in migrations.known():
            raise SchemaMismatch(
                f"The database is at revision {before}, newer than this program, which knows "
                f"{head}: install the newer acoustic-workers."
            )
        if before == head:
            invocation.out.print(plain(f"The database is at {head}: nothing to do."))
            return 0
        if check:
            invocation.out.print(
                plain(f"The database is at {before or 'nothing'}, this version needs {head}.")
            )
            return SCHEMA_MISMATCH
        migrations.upgrade(url)
    invocation.out.print(plain(f"The database went from {before or 'nothing'} to {head}."))
    return 0


@click.command()
@click.option(
    "--alive", is_flag=True, help="Only whether an evaluator touches ACOUSTIC_HEARTBEAT: cheap."
)
@click.pass_obj
def doctor(invocation: Invocation, *, alive: bool) -> int:
    """Check settings, database, schema, folders and engine, and say what to do.

    Exit code: 0 when the workers can run, else that of the first trouble (2 settings, 3 schema,
    1 others). Passwords are not shown.
    """
    if alive:
        return _alive(invocation)
    # Imported here, because it loads the trainer's engines.
    from worker.commands.health import examine  # noqa: PLC0415

    table = Table(box=None, show_header=False, pad_edge=False)
    code = 0
    for finding in examine(invocation):
        table.add_row(
            plain(finding.state.value, finding.state.style), plain(finding.about), finding.text()
        )
        code = code or finding.code
    invocation.out.print(table)
    return code


def _alive(invocation: Invocation) -> int:
    file = invocation.settings().heartbeat
    if file is None:
        raise click.UsageError("ACOUSTIC_HEARTBEAT is not set: there is no file to look at.")
    silent = silence(file)
    if silent is not None and silent <= LONGEST_SECONDS:
        return 0
    found = "is not there" if silent is None else f"was last touched {silent:.0f} s ago"
    raise CommandError(f"{file} {found}: the evaluator does not run, or is stuck.")
