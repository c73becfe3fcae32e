"""What the reference says of the code, taken from the code: a directive, and Markdown for each use.

A page writes ```` ```{from-code} settings ```` and gets what `SOURCES["settings"]` returns.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sqlalchemy import create_engine, text

import examples
import migrations
import trainer
from schema.evaluation_jobs import Outcome
from trainer import options
from trainer.models import bundle
from worker import settings
from worker.commands import main
from worker.embedded import EmbeddedPostgres
from worker.metrics import DaemonMetrics, EvaluatorMetrics, HighLevelMetrics

README = (Path(__file__).parents[1] / "README.md").read_text()
MONITORING = Path(__file__).parents[1] / "monitoring"
WIDTH = 96  # of help texts, in characters
MOST = 60  # characters of an example value

# What Prometheus puts into the summary of an alert, and what stands for it in general.
_PUT_IN = (
    (r"\$labels\.instance", "a worker"),
    (r"\$labels\.(\w+)", r"*\1*"),
    (r"\$value \| humanizeDuration", "too long"),
    (r"\$value \| humanizePercentage", "a large part"),
    (r"\$value", "some"),
)

_RELATIONS = text("""
    SELECT c.oid, n.nspname AS space, c.relname AS name, c.relkind = 'v' AS is_view,
           obj_description(c.oid, 'pg_class') AS about
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'worker') AND c.relkind IN ('r', 'v')
       AND c.relname <> :ours
     ORDER BY n.nspname = 'public', c.relkind, c.relname
""")
_COLUMNS = text("""
    SELECT attname AS name, format_type(atttypid, atttypmod) AS type, attnotnull AS needed,
           col_description(attrelid, attnum) AS about
      FROM pg_attribute WHERE attrelid = :oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum
""")
_FUNCTIONS = text("""
    SELECT p.oid::regprocedure::text AS signature, obj_description(p.oid, 'pg_proc') AS about,
           pg_get_function_arguments(p.oid) AS arguments, pg_get_function_result(p.oid) AS result,
           p.proname AS name
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE n.nspname = 'worker' AND obj_description(p.oid, 'pg_proc') IS NOT NULL
     ORDER BY p.proname
""")


class FromCode(SphinxDirective):
    """Put in what a function of this module says."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the Markdown."""
        return self.parse_text_to_nodes(SOURCES[self.arguments[0]](), allow_section_headings=True)


def commands() -> str:
    """Return a section for each command, with its help as it is printed."""
    return "\n".join(
        f"## `{path}`\n\n```text\n{_help(command, path)}\n```\n" for path, command in _leaves(main)
    )


def known_settings() -> str:
    """Return the settings, with what they are by default, what they take and what they mean."""
    told = _rows_of_readme("Settings")
    entries = []
    for attribute, field in settings.Settings.__dataclass_fields__.items():
        if not field.metadata:
            continue
        name = field.metadata["name"] or settings.PREFIX + attribute.upper()
        by_default, meaning = told[name]
        entries.append(
            f"`{name}`\n: {meaning[0].upper()}{meaning[1:]}.\n\n"
            f"  Default: {by_default or 'none'}. Takes {_takes(field.metadata['parse'])}.\n"
        )
    return "\n".join(entries)


def job_options() -> str:
    """Return a table of the options of a job."""
    told = _rows_of_readme("Options of a job")
    defaults = options.JobOptions.parse(None)
    rows = [
        (f"`{name}`", f"`{json.dumps(getattr(defaults, name))}`", takes, told[name][-1])
        for name, takes in options.TAKES.items()
    ]
    return _table(("option", "default", "takes", "what it is"), rows)


def tables() -> str:
    """Return what the migrations make of an empty database."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as server:
        migrations.upgrade(server.url())
        engine = create_engine(migrations.psycopg2_url(server.url()))
        try:
            with engine.connect() as connection:
                return "\n".join(_database(connection))
        finally:
            engine.dispose()


def report() -> str:
    """Return the keys of a report, of a training on the bundled example."""
    rows = [
        (f"`{key}`", _kind(value), _example(value))
        for key, value in _walk(_evaluation().report(predictions=True))
    ]
    return _table(("key", "type", "of the example"), rows)


def bundle_format() -> str:
    """Return what the module says of its format, and the manifest of a model."""
    about = (inspect.getdoc(bundle) or "").replace("``", "`")
    manifest = dict(_evaluation().model.manifest)
    manifest["layout"] = [*manifest["layout"][:2], "…"]
    manifest["training"] = {"accuracy": manifest["training"]["accuracy"], "…": "…"}
    return f"{about}\n\n```json\n{json.dumps(manifest, indent=2, ensure_ascii=False)}\n```\n"


def alerts() -> str:
    """Return the alert rules: when each fires, what is wrong then, and what to do."""
    (group,) = yaml.safe_load((MONITORING / "rules.yml").read_text())["groups"]
    return "\n".join(map(_alert, group["rules"]))


def dashboard() -> str:
    """Return the panels of the dashboard, row by row."""
    panels = json.loads((MONITORING / "grafana" / "dashboard.json").read_text())["panels"]
    lines: list[str] = []
    for panel in panels:
        if panel["type"] == "row":
            lines.append(f"\n*{panel['title']}*\n: ")
        else:
            lines[-1] += f"{'' if lines[-1].endswith(': ') else '; '}{_panel(panel)}"
    return ".\n".join(lines) + ".\n"


def metrics() -> str:
    """Return a table of the metrics of both daemons."""
    evaluator, highlevel = EvaluatorMetrics(), HighLevelMetrics()
    for daemon in (evaluator, highlevel):
        daemon.introduce("", lambda: 0.0)
    evaluator.ended(Outcome.DONE, "done", 0.0)  # without any, its histogram shows no labels
    first, second = _metrics_of(evaluator), _metrics_of(highlevel)
    tellers = dict.fromkeys(first, "evaluator") | dict.fromkeys(second, "high-level")
    tellers |= dict.fromkeys(first.keys() & second.keys(), "both")
    order = ("both", "evaluator", "high-level")
    rows = [
        (*(first | second)[name], tellers[name])
        for name in sorted(tellers, key=lambda name: (order.index(tellers[name]), name))
    ]
    return _table(("metric", "type", "labels", "what it is", "told by"), rows)


SOURCES: Mapping[str, Callable[[], str]] = {
    "commands": commands,
    "settings": known_settings,
    "options": job_options,
    "tables": tables,
    "report": report,
    "bundle": bundle_format,
    "alerts": alerts,
    "dashboard": dashboard,
    "metrics": metrics,
}


def _leaves(group: click.Group, prefix: str = "acoustic") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _leaves(command, f"{prefix} {name}")
        elif command is not None:
            yield f"{prefix} {name}", command


def _help(command: click.Command, path: str) -> str:
    *parents, name = path.split()
    parent = click.Context(click.Group(), info_name=" ".join(parents))
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context).rstrip()


def _rows_of_readme(section: str) -> dict[str, list[str]]:
    """Return the further cells of each row; that they are true and complete is tested there."""
    body = README.split(f"\n## {section}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", body, re.MULTILINE)
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in rows}


def _takes(parse: Callable[[str], Any]) -> str:
    # What a parser expects is what it says of a value that nobody could mean.
    try:
        parse("\x00?")
    except ValueError as error:
        return str(error)
    return "a path"


def _database(connection: Any) -> Iterator[str]:
    yield "## Functions\n"
    for row in connection.execute(_FUNCTIONS).mappings():
        yield f"`worker.{row['name']}({row['arguments']}) → {row['result']}`\n: {row['about']}\n"
    for row in connection.execute(_RELATIONS, {"ours": migrations.VERSION_TABLE}).mappings():
        columns = connection.execute(_COLUMNS, {"oid": row["oid"]}).mappings()
        kind = "View" if row["is_view"] else "Table"
        name = row["name"] if row["space"] == "public" else f"{row['space']}.{row['name']}"
        yield f"## {kind} `{name}`\n"
        if row["about"]:
            yield f"{row['about']}.\n"
        yield _table(
            ("column", "type", "null", "what it is"),
            [
                (f"`{c['name']}`", c["type"], "no" if c["needed"] else "yes", c["about"] or "")
                for c in columns
            ],
        )


def _alert(rule: Mapping[str, Any]) -> str:
    after = f"after {rule['for']} of" if "for" in rule else "at"
    told = rule["annotations"]
    return (
        f"`{rule['alert']}`\n: *{rule['labels']['severity']}*. {_in_general(told['summary'])} "
        f"{told['action']}\n\n  Fires {after} `{' '.join(rule['expr'].split())}`.\n"
    )


def _in_general(summary: str) -> str:
    """Say a summary without the worker and the figure that Prometheus puts in."""
    said = summary
    for pattern, words in _PUT_IN:
        said = re.sub(rf"\{{\{{ {pattern} \}}\}}", words, said)
    return said[0].upper() + said[1:]


def _panel(panel: Mapping[str, Any]) -> str:
    title, about = panel["title"], panel.get("description") or ""
    return title + (f" ({about[0].lower()}{about[1:].rstrip('.')})" if about else "")


def _metrics_of(daemon: DaemonMetrics) -> dict[str, tuple[str, ...]]:
    return {
        family.name: (
            f"`{family.name}{'_total' if family.type == 'counter' else ''}`",
            family.type,
            ", ".join(
                f"`{label}`"
                for label in dict.fromkeys(key for one in family.samples for key in one.labels)
                if label != "le"
            ),
            family.documentation.replace("|", "\\|"),
        )
        for family in daemon.registry.collect()
        if family.name.startswith("acoustic_")
    }


def _evaluation() -> Any:
    dataset = trainer.Dataset.prepare(examples.ground_truth("timbre"), examples.documents())
    project = trainer.Project(("basic",), ("rbf",), (1,), (-3,))
    return trainer.train(dataset, project, engine="sklearn", jobs=1)


def _walk(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield keys by their path; of a list of objects those of the first."""
    for key, below in value.items():
        path = f"{prefix}{key}"
        if isinstance(below, dict) and below:
            yield from _walk(below, f"{path}.")
            continue
        yield path, below
        if isinstance(below, list) and below and isinstance(below[0], dict):
            yield from _walk(below[0], f"{path}[].")


def _kind(value: Any) -> str:
    names = {dict: "object", list: "array", str: "text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "number")


def _example(value: Any) -> str:
    shown = json.dumps(value, ensure_ascii=False)
    if isinstance(value, dict | list) and len(shown) > MOST:
        return f"{len(value)} entries"
    return f"`{shown[:MOST]}`"


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("from-code", FromCode)
    return {"parallel_read_safe": True}
