"""High-level documents: what AcousticBrainz wrote, and our own keys added."""

import gzip
import json
import math
from pathlib import Path
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator, ValidationError

import examples
from trainer.bench.made_models import made_documents, made_models
from trainer.documents import read_documents
from trainer.errors import DocumentError
from trainer.highlevel import (
    ACOUSTICBRAINZ_MODELS,
    high_level_document,
    in_order,
    parse_document,
    parse_documents,
    version_block,
)
from trainer.inference import ModelSet
from trainer.models.bundle import Prediction

SCHEMA = Path(__file__).parents[1] / "highlevel.schema.json"
MERGED = {"models_essentia_git_sha": "v2.1_beta1"}


@pytest.fixture(scope="session")
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text())
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.fixture(scope="session")
def production(shared_data: Path) -> list[dict[str, Any]]:
    with gzip.open(shared_data / "highlevel" / "documents.jsonl.gz") as lines:
        return [json.loads(line)["document"] for line in lines]


@pytest.fixture(scope="module")
def model_set() -> ModelSet:
    return ModelSet(tuple(one.model for one in made_models(18, 200, 30, seed=1)))


@pytest.fixture(scope="module")
def made(model_set: ModelSet) -> list[dict[str, Any]]:
    """High-level documents of made descriptors with the metadata of the examples."""
    layout = model_set.models[0].layout
    lowlevel = made_documents(5, layout, seed=2)
    metadata = [document["metadata"] for _, document in read_documents([examples.documents()])]
    documents = [one | {"metadata": metadata[place]} for place, one in enumerate(lowlevel)]
    version = version_block(model_set, MERGED)
    return [
        high_level_document(document, predictions, version)
        for document, predictions in zip(documents, model_set.predict(documents), strict=True)
        if isinstance(predictions, dict)
    ]


def test_the_schema_accepts_every_production_document(
    validator: Draft202012Validator, production: list[dict[str, Any]]
) -> None:
    assert len(production) == 200
    for document in production:
        validator.validate(document)


def test_the_schema_accepts_ours(
    validator: Draft202012Validator, made: list[dict[str, Any]]
) -> None:
    assert len(made) == 5
    for document in made:
        validator.validate(document)


def test_the_schema_accepts_ours_of_every_real_document(
    validator: Draft202012Validator, made: list[dict[str, Any]], shared_data: Path
) -> None:
    version = made[0]["metadata"]["version"]["highlevel"]
    with gzip.open(shared_data / "music1" / "lowlevel.jsonl.gz") as lines:
        documents = [json.loads(line)["document"] for line in lines]

    assert len(documents) == 103
    for document in documents:
        ours = high_level_document(document, {}, version)
        validator.validate(ours | {"highlevel": made[0]["highlevel"]})


def test_of_a_merged_document_the_version_is_that_of_the_low_level_one() -> None:
    version = {"lowlevel": {"extractor": "music 1.0"}, "highlevel": {"gaia": "2.4"}}

    made = high_level_document({"metadata": {"version": version}}, {}, MERGED)

    assert made["metadata"]["version"] == {
        "lowlevel": {"extractor": "music 1.0"},
        "highlevel": MERGED,
    }


def other(document: dict[str, Any], *path: str, value: Any = None) -> dict[str, Any]:
    """Return a document with another value at a path; without one, nothing is there."""
    changed = json.loads(json.dumps(document))
    *branch, leaf = path
    place = changed
    for key in branch:
        place = place[key]
    place[leaf] = value
    if value is None:
        del place[leaf]
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("highlevel",), None),
        (("metadata", "tags"), None),
        (("metadata", "audio_properties"), None),
        (("metadata", "version", "lowlevel"), None),
        (("metadata", "version", "highlevel", "models_essentia_git_sha"), None),
        (("metadata", "version", "highlevel", "gaia"), None),
        (("metadata", "version", "highlevel", "essentia_build_sha"), "unknown"),
        (("metadata", "tags", "album"), 3),
        (("highlevel", "gender", "value"), None),
        (("highlevel", "gender", "all"), {"female": 1.5, "male": -0.5}),
        (("highlevel", "gender", "probability"), "0.9"),
        (("highlevel", "gender", "more"), 1),
        (("lowlevel",), {}),
    ],
)
def test_the_schema_refuses_other_structures(
    validator: Draft202012Validator, made: list[dict[str, Any]], path: tuple[str, ...], value: Any
) -> None:
    with pytest.raises(ValidationError):
        validator.validate(other(made[0], *path, value=value))


def test_the_18_models_are_production_s_in_its_order(production: list[dict[str, Any]]) -> None:
    assert all(tuple(document["highlevel"]) == ACOUSTICBRAINZ_MODELS for document in production)


def test_names_are_in_acousticbrainz_s_order_and_others_come_after() -> None:
    names = ["zebra", "timbre", "ant", "danceability", "gender"]

    assert in_order(names) == ["danceability", "gender", "timbre", "ant", "zebra"]


def test_outputs_have_the_order_of_the_models_and_classes_that_of_names() -> None:
    prediction = Prediction("b", 0.7, {"c": 0.1, "b": 0.7, "a": 0.2})

    document = high_level_document({}, {"timbre": prediction, "gender": prediction}, {})

    assert list(document["highlevel"]) == ["timbre", "gender"]
    assert list(document["highlevel"]["gender"]["all"]) == ["a", "b", "c"]
    assert list(document["highlevel"]["gender"]) == ["all", "probability", "value"]


def test_an_output_s_value_is_its_most_probable_class(made: list[dict[str, Any]]) -> None:
    for document in made:
        for output in document["highlevel"].values():
            assert output["probability"] == max(output["all"].values())
            assert output["all"][output["value"]] == output["probability"]
            assert sum(output["all"].values()) == pytest.approx(1, abs=1e-6)


def test_json_reads_back_as_the_same_document(made: list[dict[str, Any]]) -> None:
    for document in made:
        assert json.loads(json.dumps(document)) == document
        assert orjson.loads(orjson.dumps(document)) == document


def test_tags_and_audio_properties_pass_and_the_version_moves() -> None:
    document = {
        "lowlevel": {"x": 1},
        "metadata": {
            "tags": {"title": ["é"]},
            "audio_properties": {"length": 3.5, "lossless": True},
            "version": {"essentia": "2.1-beta1"},
            "more": {"is": "left"},
        },
    }

    made = high_level_document(document, {}, {"extractor": "ours"})

    assert made["metadata"] == {
        "tags": {"title": ["é"]},
        "audio_properties": {"length": 3.5, "lossless": True},
        "version": {"lowlevel": {"essentia": "2.1-beta1"}, "highlevel": {"extractor": "ours"}},
    }


@pytest.mark.parametrize("metadata", [None, [], {"tags": None, "version": 3}])
def test_metadata_that_are_not_there_are_empty(metadata: Any) -> None:
    made = high_level_document({"metadata": metadata}, {}, {})

    assert made["metadata"] == {
        "tags": {},
        "audio_properties": {},
        "version": {"lowlevel": {}, "highlevel": {}},
    }


def test_what_json_cannot_hold_is_null() -> None:
    properties = {"replay_gain": -math.inf, "rates": [math.nan, 1.0]}

    made = high_level_document({"metadata": {"audio_properties": properties}}, {}, {})

    assert made["metadata"]["audio_properties"] == {"replay_gain": None, "rates": [None, 1.0]}


def test_the_low_level_document_is_not_changed_and_not_shared() -> None:
    tags = {"title": ["one"]}
    made = high_level_document({"metadata": {"tags": tags}}, {}, {})

    made["metadata"]["tags"]["title"].append("two")

    assert tags == {"title": ["one"]}


def test_the_version_block_says_what_computed_it(model_set: ModelSet) -> None:
    block = version_block(model_set, MERGED | {"essentia_build_sha": "theirs", "gaia": "2.4"})

    assert block["essentia_build_sha"] == model_set.digest
    assert block["models_essentia_git_sha"] == "v2.1_beta1"
    assert block["gaia"] == "2.4"
    assert block["essentia"] == "none"
    assert block["extractor"] == "acoustic-workers highlevel"
    assert block["engine"].startswith("numpy ")
    assert list(block) == sorted(block)


def test_documents_are_parsed_with_what_json_does_not_know() -> None:
    text = b'{"a": NaN, "b": 123456789012345678901234567890, "c": [1e400]}'

    parsed = parse_document(text)

    assert math.isnan(parsed["a"])
    assert parsed["b"] == 123456789012345678901234567890.0
    assert parsed["c"] == [math.inf]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff",
        b'{"metadata": ' + b"[" * 100 + b"]" * 100 + b"}",
        b'{"x": NaN, "y": ' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'"' + b"x" * (16 * 2**20) + b'"',
    ],
)
def test_what_is_no_document_is_refused(content: bytes) -> None:
    with pytest.raises(DocumentError):
        parse_document(content)


def test_of_a_batch_each_is_parsed_or_has_its_reason() -> None:
    first, second, third = parse_documents([b'{"a": 1}', b"[", b'{"b": 2}'])

    assert first == {"a": 1}
    assert isinstance(second, DocumentError)
    assert third == {"b": 2}
