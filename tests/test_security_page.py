"""SECURITY.md: its limits are those of the code."""

import re
from pathlib import Path

import schema.documents
from trainer import descriptors, documents, ground_truth, names, options, parsing
from trainer.models import bundle
from trainer.models.gaia_history import conversion
from worker import profile
from worker.commands import document_stream

PAGE = (Path(__file__).parents[1] / "SECURITY.md").read_text()
MEBIBYTE = 2**20


def limit(what: str) -> str:
    (found,) = re.findall(rf"^\| {re.escape(what)}[^|]*\| ([^|]+) \|$", PAGE, re.MULTILINE)
    return str(found)


def test_the_limits_are_those_of_the_code() -> None:
    sizes = (bundle.MAX_BYTES, conversion.MAX_BYTES, profile._MAX_BYTES)

    assert limit("a document, a line") == f"{parsing.MAX_BYTES // MEBIBYTE} MiB"
    assert limit("levels") == f"{parsing.MAX_DEPTH}"
    assert limit("values of a document") == f"{descriptors.MAX_VALUES:,}; {descriptors.MAX_NAME}"
    assert limit("classes and") == (
        f"{ground_truth.MAX_CLASSES:,} and {ground_truth.MAX_RECORDINGS:,}"
    )
    assert limit("characters of an id") == f"{names.MAX_LENGTH}" == f"{documents.MAX_ID}"
    assert limit("options") == f"{options.MAX_BYTES // 1024} KiB"
    assert limit("values of one axis") == f"{options.MAX_VALUES}" == f"{options.MAX_FOLDS}"
    assert limit("lines in a row") == f"{document_stream.MOST_BROKEN_LINES}"
    assert limit("a bundle") == "2 GiB; 128 MiB; 1 MiB"
    assert [size // MEBIBYTE for size in sizes] == [2048, 128, 1]


def test_a_document_is_cut_where_no_reader_takes_it_and_columns_are_read_deeper_than_made() -> None:
    assert schema.documents.MAX_TEXT > parsing.MAX_BYTES
    assert schema.documents.MAX_DEPTH > parsing.MAX_DEPTH
