"""The matrix that training starts from, or what a preprocessing makes of it, for other programs.

``.csv`` for spreadsheets and R, ``.npz`` for numpy (read it with ``allow_pickle=False``),
``.parquet`` for pandas, polars and databases. Rows are recordings in ascending order of ids,
columns are dimensions of descriptors, ``lowlevel.mfcc.mean[0]`` and so on.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import numpy as np

from trainer.dataset import Dataset, Merged, merge
from trainer.descriptors import Float32, LowLevel
from trainer.errors import DatasetError, OptionsError
from trainer.frames import pandas_module
from trainer.layout import Layout
from trainer.loading import load_documents
from trainer.preprocessing.chain import fit_recipe
from trainer.preprocessing.recipes import NAMES, Template
from trainer.spreadsheets import harmless
from trainer.whole_file import written_whole
from trainer.wording import counted, listed, shown

Format = Literal["csv", "npz", "parquet"]


@dataclass(frozen=True, eq=False)
class Table:
    """Recordings, and a value of each for each column.

    Attributes
    ----------
    recordings : tuple of str
    classes : tuple of str or None
        Of each recording, where they are known.
    layout : Layout
    values : ndarray of float32, shape (n_recordings, layout.width)
        Codes where a descriptor is enumerated.
    preprocessing : str or None
        What was done to the values; None if nothing.
    """

    recordings: tuple[str, ...]
    classes: tuple[str, ...] | None
    layout: Layout
    values: Float32
    preprocessing: str | None = None

    def __repr__(self) -> str:
        """Say in a line what it is; the attributes are long."""
        return (
            f"<Table: {counted(len(self.recordings), 'recording')}, "
            f"{counted(self.layout.width, 'column')}, {self.preprocessing or 'as they are'}>"
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """Name of each column, with the dimension where a descriptor has several."""
        return tuple(
            descriptor.name.removeprefix(".")
            + (f"[{dimension}]" if descriptor.dimensions > 1 else "")
            for descriptor in self.layout.descriptors
            for dimension in range(descriptor.dimensions)
        )

    def to_pandas(self) -> Any:
        """Return a data frame: a row for each recording by its id, `class` first where it is known.

        Returns
        -------
        pandas.DataFrame

        Raises
        ------
        ImportError
            pandas is not installed; nothing else here needs it.
        """
        pandas = pandas_module()
        frame = pandas.DataFrame(
            self.values, index=pandas.Index(self.recordings, name="id"), columns=list(self.columns)
        )
        for column, known in self.texts.items():
            frame[column] = [known[int(code)] for code in frame[column]]
        if self.classes:
            frame.insert(0, "class", self.classes)
        return frame

    @property
    def texts(self) -> Mapping[str, tuple[str, ...]]:
        """Values of columns that hold the codes of text: the code is the position."""
        if self.preprocessing:  # scaled with all the others
            return {}
        descriptors = [self.layout.descriptors[place] for place in self.layout.descriptor_of]
        return {
            column: descriptor.values
            for column, descriptor in zip(self.columns, descriptors, strict=True)
            if descriptor.values is not None
        }


def export(
    documents: Dataset | Merged | Mapping[str, LowLevel] | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    preprocessing: str | None = None,
) -> Table:
    """Write descriptors into a file for other programs, as `acoustic export` does.

    Parameters
    ----------
    documents : Dataset, mapping of str to LowLevel, or path-like
        A dataset's recordings with their classes; or documents without classes, loaded or as a
        folder or file.
    path : path-like
        A ``.csv``, ``.npz`` or ``.parquet`` to write. It is complete or as it was before.
    preprocessing : str, optional
        Name of a recipe, such as "gaussianized", to apply to all recordings together.

    Returns
    -------
    Table
        What was written; `Table.to_pandas` makes a data frame of it.

    Raises
    ------
    OptionsError
        The file has another ending, there is no such recipe, or pyarrow is not there.
    DocumentError, DatasetError
        A document cannot be used, or documents have nothing in common.

    Examples
    --------
    >>> import examples, tempfile, trainer
    >>> dataset = trainer.Dataset.prepare(examples.ground_truth("timbre"), examples.documents())
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     table = trainer.export(dataset, f"{folder}/timbre.csv", preprocessing="lowlevel")
    >>> table.values.shape == (218, len(table.columns)), table.columns[0]
    (True, 'lowlevel.average_loudness')
    """
    form = format_of(os.fspath(path))
    if isinstance(documents, str | os.PathLike):
        documents = load_documents(documents)
    merged = merge(documents) if isinstance(documents, Mapping) else documents
    table = table_of(merged, preprocessing=preprocessing)
    with written_whole(Path(path)) as stream:
        write(table, stream, form)
    return table


def table_of(merged: Dataset | Merged, *, preprocessing: str | None = None) -> Table:
    """Make a table of a dataset, or of documents without classes.

    Parameters
    ----------
    merged : Dataset or Merged
    preprocessing : str, optional
        Name of a recipe to apply to all recordings together, as for a final model.

    Raises
    ------
    OptionsError
        There is no such recipe.
    DatasetError
        It leaves nothing of these documents.
    """
    classes = tuple(merged.training.values()) if isinstance(merged, Dataset) else None
    layout, values = merged.layout, merged.values
    if preprocessing is not None:
        if preprocessing not in NAMES:
            raise OptionsError(
                f"there is no preprocessing {shown(preprocessing)}; there are {', '.join(NAMES)}"
            )
        layout, values = _preprocessed(layout, values, preprocessing, merged.template)
    return Table(merged.recordings, classes, layout, values, preprocessing)


def _preprocessed(
    layout: Layout, values: Float32, name: str, template: Template
) -> tuple[Layout, Float32]:
    chain, values = fit_recipe(values, layout, name, template)
    if not chain.layout.width:
        raise DatasetError(f"preprocessing {name!r} leaves no descriptor of these documents")
    return chain.layout, values


def format_of(name: str) -> Format:
    """Return the format that the name of a file asks for.

    Raises
    ------
    OptionsError
        It ends otherwise, or Parquet is asked for and pyarrow is not installed.
    """
    for form in get_args(Format):
        if name.lower().endswith(f".{form}"):
            if form == "parquet":
                _pyarrow()
            return form
    endings = listed(f".{form}" for form in get_args(Format))
    raise OptionsError(f"{shown(name, 300)} is of no known format; let it end in one of {endings}")


def write(table: Table, stream: BinaryIO, form: Format) -> None:
    """Write a table."""
    {"csv": _write_csv, "npz": _write_npz, "parquet": _write_parquet}[form](table, stream)


def _write_csv(table: Table, stream: BinaryIO) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(harmless, ("id", *(["class"] if table.classes else []), *table.columns)))
    text_of = table.texts  # made anew at each look
    texts = [text_of.get(column) for column in table.columns]
    for row, recording in enumerate(table.recordings):
        known = [table.classes[row]] if table.classes else []
        values = _cells(table.values[row].tolist(), texts)
        writer.writerow([harmless(cell) for cell in (recording, *known)] + list(values))
    text.flush()
    text.detach()  # closing it is the caller's


def _cells(values: Sequence[float], texts: Sequence[tuple[str, ...] | None]) -> Iterator[str]:
    for value, known in zip(values, texts, strict=True):
        # Nine digits tell any two float32 apart.
        yield f"{value:.9g}" if known is None else harmless(known[int(value)])


def _write_npz(table: Table, stream: BinaryIO) -> None:
    arrays: dict[str, Any] = {
        "ids": np.array(table.recordings),
        "columns": np.array(table.columns),
        "values": table.values,
        "texts": np.array(json.dumps(table.texts)),
    }
    if table.classes:
        arrays["classes"] = np.array(table.classes)
    np.savez_compressed(stream, **arrays)


def _write_parquet(table: Table, stream: BinaryIO) -> None:
    pa, parquet = _pyarrow()
    columns: dict[str, Any] = {"id": pa.array(table.recordings)}
    if table.classes:
        columns["class"] = pa.array(table.classes)
    for place, column in enumerate(table.columns):
        values = table.values[:, place]
        known = table.texts.get(column)
        columns[column] = pa.array(
            values if known is None else [known[int(code)] for code in values]
        )
    parquet.write_table(pa.table(columns), stream)


def _pyarrow() -> tuple[Any, Any]:
    # Imported here: it is large, and nothing else needs it.
    try:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415
    except ImportError as error:
        raise OptionsError(
            "Parquet files are written by pyarrow, which is not installed: pip install pyarrow, or "
            "write .csv or .npz"
        ) from error
    return pa, parquet
