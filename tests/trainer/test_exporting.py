"""The matrix for other programs."""

import csv
import importlib.util
import io
import json
import sys
from typing import Any

import numpy as np
import pytest

from trainer.dataset import Dataset, merge
from trainer.descriptors import flatten
from trainer.errors import DatasetError, OptionsError
from trainer.exporting import Table, format_of, table_of, write
from trainer.layout import Layout
from trainer.visible import escaped


@pytest.fixture(scope="module")
def dataset(make_dataset: Any) -> Dataset:
    return make_dataset(size=6)  # type: ignore[no-any-return]


def written(table: Table, form: Any) -> io.BytesIO:
    stream = io.BytesIO()
    write(table, stream, form)
    stream.seek(0)
    return stream


def rows(table: Table) -> list[list[str]]:
    return list(csv.reader(io.TextIOWrapper(written(table, "csv"), newline="")))


def test_columns_are_dimensions_of_descriptors(dataset: Dataset) -> None:
    columns = table_of(dataset).columns

    assert len(columns) == dataset.values.shape[1] == len(set(columns))
    assert "lowlevel.average_loudness" in columns
    assert {"lowlevel.mfcc.mean[0]", "lowlevel.mfcc.mean[12]"} <= set(columns)


def test_numbers_of_a_csv_are_the_float32_that_a_training_gets(dataset: Dataset) -> None:
    heading, *body = rows(table_of(dataset))

    assert heading[:2] == ["id", "class"]
    assert [(row[0], row[1]) for row in body] == list(dataset.training.items())
    place = dataset.layout.real_columns
    numbers = [[value for value, real in zip(row[2:], place, strict=True) if real] for row in body]
    assert (np.array(numbers, dtype=np.float32) == dataset.values[:, place]).all()


def test_text_stays_text(dataset: Dataset) -> None:
    heading, *body = rows(table_of(dataset))

    assert {row[heading.index("tonal.key_key")] for row in body} <= {"A", "C", "F#"}


def test_an_npz_is_read_without_pickle(dataset: Dataset) -> None:
    with np.load(written(table_of(dataset), "npz"), allow_pickle=False) as content:
        assert (content["values"] == dataset.values).all()
        assert content["values"].dtype == np.float32
        assert content["ids"].tolist() == list(dataset.recordings)
        assert content["classes"].tolist() == list(dataset.training.values())
        assert len(content["columns"]) == dataset.values.shape[1]
        assert set(json.loads(str(content["texts"]))) == {"tonal.key_key", "tonal.key_scale"}


def test_what_a_preprocessing_makes_is_numbers(dataset: Dataset) -> None:
    table = table_of(dataset, preprocessing="normalized")

    assert table.texts == {}
    reals = table.values[:, table.layout.real_columns]
    assert reals.min() >= -1e-6
    assert reals.max() <= 1 + 1e-6
    assert len(table.columns) == table.values.shape[1]


def test_documents_without_classes_are_a_table_too(make_document: Any) -> None:
    documents = {f"r{number}": flatten(make_document(number)) for number in (3, 1, 2)}
    documents["odd"] = flatten({"lowlevel": {"x": 1}})

    merged = merge(documents)
    heading, *body = rows(table_of(merged))

    assert heading[0] == "id"
    assert heading[1] != "class"
    assert [row[0] for row in body] == ["r1", "r2", "r3"]
    assert list(merged.left_out) == ["odd"]


def test_no_document_makes_no_table() -> None:
    with pytest.raises(DatasetError, match="no document"):
        merge({})


def test_a_terminal_obeys_nothing_in_a_csv() -> None:
    name = "a\x1b[31m" + "b" * 3000
    table = Table((name,), (name,), Layout.of_columns(1), np.array([[-1.5]], dtype=np.float32))

    _, (recording, label, _) = rows(table)

    assert recording == label == "a\\x1b[31m" + "b" * 3000


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "@SUM(A1)", "+1", "-x", "\tx", "\n=1"])
def test_a_spreadsheet_runs_nothing(name: str) -> None:
    table = Table((name,), (name,), Layout.of_columns(1), np.array([[-1.5]], dtype=np.float32))

    _, (recording, label, value) = rows(table)

    assert recording == label == f"'{escaped(name)}"
    assert value == "-1.5"


def test_the_ending_of_a_name_is_its_format() -> None:
    assert (format_of("a.CSV"), format_of("b.npz")) == ("csv", "npz")
    with pytest.raises(OptionsError, match=r"'a.xlsx' is of no known format; .* .csv, .npz"):
        format_of("a.xlsx")


def test_without_pyarrow_parquet_is_refused_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(OptionsError, match="pip install pyarrow, or write"):
        format_of("a.parquet")


@pytest.mark.skipif(not importlib.util.find_spec("pyarrow"), reason="pyarrow is not installed")
def test_a_parquet_holds_the_same(dataset: Dataset) -> None:
    from pyarrow import parquet  # noqa: PLC0415

    table = table_of(dataset)
    content = parquet.read_table(written(table, "parquet"))

    assert content.column_names == ["id", "class", *table.columns]
    assert content["id"].to_pylist() == list(dataset.recordings)
    place = table.columns.index("lowlevel.mfcc.mean[3]")
    read = np.array(content["lowlevel.mfcc.mean[3]"].to_pylist(), dtype=np.float32)
    assert (read == dataset.values[:, place]).all()
    assert set(content["tonal.key_key"].to_pylist()) <= {"A", "C", "F#"}
