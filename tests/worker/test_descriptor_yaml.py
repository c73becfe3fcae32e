import gzip
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainer.descriptors import flatten
from trainer.documents import read_documents
from worker.descriptor_yaml import dump

LEAVES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda real: real + 0.5),
    st.text(),
    st.lists(st.text(), max_size=3),
)
DOCUMENTS = st.recursive(
    st.dictionaries(st.text(), LEAVES, max_size=4),
    lambda inner: st.dictionaries(st.text(), inner | LEAVES, max_size=4),
)


def load(document: dict[str, Any]) -> Any:
    return yaml.safe_load(dump(document))


def test_keys_are_plain_and_strings_are_quoted() -> None:
    text = dump({"tonal": {"key_key": "A", "tuning": [440.5, 1]}}).decode()

    assert text.split() == ["---", "{", "tonal:", "{", "key_key:", '"A",', "tuning:", "[440.5,1]}}"]


def test_tags_and_what_differs_between_files_of_one_recording_are_left_out() -> None:
    document = {
        "metadata": {
            "tags": {"title": ["x"]},
            "audio_properties": {"sample_rate": 44100, "lossless": True, "length": 1.5},
        },
        "tags": 1.5,
    }

    assert load(document) == {"metadata": {"audio_properties": {"length": 1.5}}, "tags": 1.5}
    assert document["metadata"]["tags"] == {"title": ["x"]}  # type: ignore[index]


@pytest.mark.parametrize("metadata", [None, [], "tags", {"audio_properties": None, "tags": 1}])
def test_metadata_of_another_shape_do_not_stop_the_writer(metadata: Any) -> None:
    load({"metadata": metadata, "a": 1})


@given(DOCUMENTS)
def test_any_document_of_strings_and_numbers_is_read_back_as_it_was(
    document: dict[str, Any],
) -> None:
    document.pop("metadata", None)

    assert load(document) == document


@pytest.mark.parametrize("key", ["no", "TRUE", "Null", "~", "", "12", "a b", 'q"uote', "- x", "é"])
def test_a_key_that_yaml_would_read_as_something_else_is_quoted(key: str) -> None:
    assert load({key: {"a": 1.5}}) == {key: {"a": 1.5}}


@pytest.mark.parametrize("key", ["k" * 500, "k" * 5000, '\\"' * 2000])
def test_a_key_that_is_too_long_to_be_plain_does_not_break_the_file(key: str) -> None:
    assert load({key: 1.5, "b": {key: [2.5]}}) == {key: 1.5, "b": {key: [2.5]}}


def test_a_string_that_looks_like_a_key_stays_a_string() -> None:
    text = 'x","lowlevel":1,"y":"'

    assert load({"a": text, "b": [text]}) == {"a": text, "b": [text]}


def test_half_a_surrogate_pair_is_replaced() -> None:
    assert load({"a": "x\ud800", "big": 2**80}) == {"a": "x\N{REPLACEMENT CHARACTER}", "big": 2**80}


def test_numbers_with_exponents_are_numbers_to_the_trainer(tmp_path: Path) -> None:
    (tmp_path / "a.sig").write_bytes(dump({"a": {"small": 1e-7, "big": [1e16, 2.5e30]}}))

    ((_, document),) = read_documents([tmp_path])

    assert document == {"a": {"small": 1e-7, "big": [1e16, 2.5e30]}}


def test_the_trainer_reads_a_file_as_it_reads_the_row(
    tmp_path: Path, make_document: Callable[..., dict[str, Any]]
) -> None:
    document = make_document(random.Random(1), 0.0)
    (tmp_path / "a.sig").write_bytes(dump(document))

    ((_, read),) = read_documents([tmp_path])

    assert_equal_descriptors(read, document)


def test_real_documents_are_read_back_as_they_were(shared_data: Path, tmp_path: Path) -> None:
    with gzip.open(shared_data / "music1" / "lowlevel.jsonl.gz") as lines:
        documents = [json.loads(line)["document"] for line in lines][::12]

    for number, document in enumerate(documents):
        (tmp_path / f"{number}.sig").write_bytes(dump(document))

    for name, read in read_documents([tmp_path]):
        assert_equal_descriptors(read, documents[int(name)])


def assert_equal_descriptors(read: Any, document: Any) -> None:
    ours, theirs = flatten(read), flatten(document)
    assert ours.strings == theirs.strings
    assert ours.reals.keys() == theirs.reals.keys()
    for name, values in theirs.reals.items():
        np.testing.assert_array_equal(ours.reals[name], values)
