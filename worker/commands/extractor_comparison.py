"""Our high-level outputs beside expected ones, as a table."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from trainer.comparison import Agreement, Comparison
from trainer.documents import recording_id
from trainer.errors import DocumentError
from trainer.inference import ModelSet
from trainer.wording import counted, listed, shown
from worker.commands.document_stream import Item, items
from worker.commands.figures import at, table
from worker.commands.invocation import Invocation
from worker.commands.model_files import load_model_set
from worker.commands.text import plain, visible

_BATCH = 64
_COLUMNS = ("model", "documents", "agreeing", "agreement", "largest difference", "mean difference")
_NAMED = 5
_REASONS = 20  # of those that cannot be used, so many are told; often all have the same

Outputs = Mapping[str, Any]  # by name of the model


@dataclass
class _Findings:
    """What was compared, and what could not be.

    Attributes
    ----------
    comparison
        Of the documents that could be used.
    unusable
        Why a document or an expected output cannot be used, by recording.
    unexpected
        Documents for which no output is expected.
    missing
        Expected outputs for which there is no document.
    """

    comparison: Comparison = field(default_factory=Comparison)
    unusable: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def carry_out(
    invocation: Invocation,
    *,
    expected: Path,
    documents: Sequence[Path],
    models: Sequence[Path],
    form: str,
) -> int:
    """Print the table; 1 if a document or an expected output cannot be used, else 0.

    Raises
    ------
    trainer.errors.TrainerError
        A model cannot be loaded, or nothing could be compared.
    """
    model_set = load_model_set(models)
    findings = _Findings()
    outputs = _read_expected(expected, findings)
    with threadpool_limits(1, user_api="blas"):
        _compare(model_set, items(documents), outputs, findings)
    if form == "json":
        invocation.out.file.write(json.dumps(_document(model_set, findings)) + "\n")
    else:
        _show(invocation, list(_rows(model_set, findings.comparison)), form)
        if form != "csv":
            _show_unmatched(invocation, findings)
    _note(invocation, findings)
    if not findings.comparison.by_model:
        raise DocumentError(
            f"nothing was compared: no document has outputs of these models in {expected}; "
            "do the ids of both sides fit?"
        )
    return 1 if findings.unusable else 0


def _read_expected(path: Path, findings: _Findings) -> dict[str, Outputs]:
    outputs: dict[str, Outputs] = {}
    for item in items([path], of_line=_expected_of_line):
        highlevel = at(item.document, "highlevel")
        if item.error:
            findings.unusable[item.recording] = item.error
        elif isinstance(highlevel, Mapping):
            outputs[item.recording] = highlevel
        elif _holds_outputs(item.document):
            for name, of_one in item.document.items():
                if isinstance(of_one, Mapping):
                    outputs[recording_id(name)] = of_one
                else:
                    reason = f"{shown(of_one)} in place of the outputs of models"
                    findings.unusable[recording_id(name)] = reason
        else:
            findings.unusable[item.recording] = 'the expected document has no "highlevel"'
    return outputs


def _expected_of_line(line: Any) -> Any:
    # A line of `acoustic predict` has its outputs beside the id, not in a document.
    document = line.get("document", line)
    if not isinstance(at(document, "highlevel"), Mapping):
        raise DocumentError(
            'the line has no "highlevel": write {"id": …, "highlevel": …}, as acoustic predict '
            'does, or {"id": …, "document": …} with the high-level document in it'
        )
    return document


def _holds_outputs(document: Any) -> bool:
    """Whether it is ``{id: {model: output}}``, at least for one of the ids."""
    return isinstance(document, Mapping) and any(
        isinstance(outputs, Mapping)
        and any(at(output, "all") is not None for output in outputs.values())
        for outputs in document.values()
    )


def _compare(
    models: ModelSet, stream: Iterator[Item], expected: Mapping[str, Outputs], findings: _Findings
) -> None:
    left = dict.fromkeys(expected)
    while batch := list(islice(stream, _BATCH)):
        wanted = []
        for item in batch:
            left.pop(item.recording, None)
            if item.error:
                findings.unusable[item.recording] = item.error
            elif item.recording not in expected:
                findings.unexpected.append(item.recording)
            else:
                wanted.append(item)
        outcomes = models.predict([item.document for item in wanted])
        for item, outcome in zip(wanted, outcomes, strict=True):
            try:
                if isinstance(outcome, DocumentError):
                    raise outcome
                findings.comparison.add(outcome, expected[item.recording])
            except DocumentError as error:
                findings.unusable[item.recording] = str(error)
    findings.missing += left


def _rows(models: ModelSet, comparison: Comparison) -> Iterator[tuple[str, Agreement]]:
    for name in models.names:
        yield name, comparison.by_model.get(name, Agreement())
    yield "total", comparison.total


def _show(invocation: Invocation, rows: Sequence[tuple[str, Agreement]], form: str) -> None:
    if form == "csv":
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(column.replace(" ", "_") for column in _COLUMNS)
        writer.writerows((visible(name), *_figures(one).values()) for name, one in rows)
        invocation.out.file.write(text.getvalue())
    elif form == "markdown":
        lines = [_COLUMNS, ("---", *["---:"] * (len(_COLUMNS) - 1))]
        lines += [_cells(visible(name), one) for name, one in rows]
        text_lines = ("| " + " | ".join(map(_escaped, line)) + " |\n" for line in lines)
        invocation.out.file.write("".join(text_lines))
    else:
        made = table(*_COLUMNS, numbers=_COLUMNS[1:], whole=_COLUMNS)
        for name, one in rows:
            made.add_row(*map(plain, _cells(name, one)))
        invocation.out.print(made)


def _show_unmatched(invocation: Invocation, findings: _Findings) -> None:
    """Say below the table what is not in it."""
    for recordings, what in _unmatched(findings):
        if recordings:
            text = f"Not compared: {counted(len(recordings), 'recording')} {what}."
            invocation.out.print()
            invocation.out.print(plain(text), soft_wrap=True)


def _unmatched(findings: _Findings) -> tuple[tuple[Sequence[str], str], ...]:
    return (
        (findings.unexpected, "without an expected output"),
        (findings.missing, "expected but without a document"),
    )


def _cells(name: str, one: Agreement) -> tuple[str, ...]:
    if one.agreement is None or one.mean is None:
        return (name, "0", "0", "-", "-", "-")
    return (
        name,
        str(one.documents),
        str(one.agreeing),
        f"{one.agreement:.2f} %",
        f"{one.largest:.2e}",
        f"{one.mean:.2e}",
    )


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def _figures(one: Agreement) -> dict[str, float | None]:
    return {
        "documents": one.documents,
        "agreeing": one.agreeing,
        "agreement": one.agreement,
        "largest_difference": one.largest if one.documents else None,
        "mean_difference": one.mean,
    }


def _document(models: ModelSet, findings: _Findings) -> dict[str, Any]:
    *rows, (_, total) = _rows(models, findings.comparison)
    return {
        "models": {name: _figures(one) for name, one in rows},
        "total": _figures(total),
        "unusable": findings.unusable,
        "documents_without_expected": len(findings.unexpected),
        "expected_without_document": len(findings.missing),
    }


def _note(invocation: Invocation, findings: _Findings) -> None:
    for recording, reason in islice(findings.unusable.items(), _REASONS):
        # What has no id goes by its place, which the reason begins with.
        told = reason if reason.startswith(recording) else f"{recording}: {reason}"
        invocation.notes.print(plain(f"Error: {told}"), soft_wrap=True)
    if len(findings.unusable) > _REASONS:
        more = counted(len(findings.unusable) - _REASONS, "recording")
        invocation.notes.print(f"{more} more cannot be used; --json names all.")
    for recordings, what in _unmatched(findings):
        if recordings:
            text = f"{counted(len(recordings), 'recording')} {what}: {listed(recordings, _NAMED)}"
            invocation.notes.print(plain(text), soft_wrap=True)
