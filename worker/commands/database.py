"""``acoustic migrate``, ``acoustic roles`` and ``acoustic doctor``."""

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
@click.option("--sql", is_flag=True, help="Print the SQL, and do nothing.")
@click.option("--revoke", is_flag=True, help="Take all rights on this database from the roles.")
@click.pass_obj
def roles(invocation: Invocation, *, sql: bool, revoke: bool) -> None:
    """Make roles with no more rights than they need, for those who log in to be put into.

    acoustic_worker may do what the daemons do, acoustic_enqueuer may ask for evaluations and cancel
    them, acoustic_reader may look. They cannot log in. Doing it again changes nothing; later
    migrations keep their rights up to date.
    """
    if sql and revoke:
        raise click.UsageError("Give either --sql or --revoke.")
    # Imported here, because alembic takes its time.
    import migrations  # noqa: PLC0415
    from worker.commands.connections import in_words  # noqa: PLC0415

    if sql:
        invocation.out.file.write(migrations.roles_sql())
        return
    url = invocation.settings().database_url
    with in_words(url):
        if revoke:
            migrations.revoke_roles(url)
        else:
            migrations.grant_roles(url)
    names = "acoustic_worker, acoustic_enqueuer and acoustic_reader"
    done = "may do nothing on this database" if revoke else "have their rights on this database"
    invocation.out.print(f"{names} {done}.")


@click.command()
@click.option(
    "--alive", is_flag=True, help="Only whether a daemon touches ACOUSTIC_HEARTBEAT: cheap."
)
@click.option("--gc", "collect", is_flag=True, help="Remove files that nobody will ask for.")
@click.option("--dry-run", is_flag=True, help="With --gc: only list them.")
@click.pass_obj
def doctor(invocation: Invocation, *, alive: bool, collect: bool, dry_run: bool) -> int:
    """Check settings, database, schema, folders and engine, and say what to do.

    Exit code: 0 when the workers can run, else that of the first trouble (2 settings, 3 schema,
    1 others). Passwords are not shown.
    """
    if dry_run and not collect:
        raise click.UsageError("--dry-run goes with --gc.")
    if alive:
        return _alive(invocation)
    if collect:
        return _collect(invocation, dry_run=dry_run)
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
    raise CommandError(f"{file} {found}: the daemon does not run, or is stuck.")


def _collect(invocation: Invocation, *, dry_run: bool) -> int:
    """Remove orphans, or list them; a file that cannot be removed is told of and passed over."""
    from worker.commands.connections import database  # noqa: PLC0415
    from worker.orphans import orphans  # noqa: PLC0415

    settings, code = invocation.settings(), 0
    with database(invocation) as engine, engine.connect() as connection:
        for orphan in orphans(connection, settings.model_dir, settings.project_dir):
            done = "left alone" if orphan.stranger else "would go" if dry_run else "removed"
            try:
                if done == "removed":
                    orphan.remove()
            except OSError as error:
                done, code = f"cannot be removed ({error.strerror})", 1
            line = f"{done}: {orphan.path} ({orphan.why})"
            invocation.out.print(plain(line), soft_wrap=True)
    return code
