"""A set of models: the predictions of each, for a batch, whatever some of its documents are."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from trainer.bench.made_models import made_documents, made_models
from trainer.dataset import Dataset
from trainer.descriptors import flatten
from trainer.errors import DocumentError, ModelError
from trainer.grid.engines import choose_engine
from trainer.grid.project import Combination
from trainer.inference import ROWS_AT_ONCE, ModelSet
from trainer.models.bundle import Model
from trainer.models.fitting import fit, with_probabilities

MakeDocument = Callable[..., dict[str, Any]]


def trained(dataset: Dataset, preprocessing: str, kernel: str) -> Model:
    engine = choose_engine("sklearn", jobs=1)
    fitted = fit(dataset, Combination(preprocessing, kernel, 3, -3), engine)
    return with_probabilities(fitted, dataset, seed=1, engine=engine).model


@pytest.fixture(scope="module")
def models(make_dataset: Callable[..., Dataset]) -> tuple[Model, ...]:
    """Models that were trained: of 2, 3 and 11 classes, both kernels, with and without ranks."""
    return tuple(
        replace(trained(make_dataset(classes=k), chain, kernel), name=f"{k}-{chain}-{kernel}")
        for k in (2, 3, 11)
        for chain, kernel in (("basic", "poly"), ("gaussianized", "rbf"), ("lowlevel", "rbf"))
    )


@pytest.fixture(scope="module")
def model_set(models: tuple[Model, ...]) -> ModelSet:
    return ModelSet(models)


@pytest.fixture(scope="module")
def made() -> tuple[ModelSet, list[dict[str, Any]]]:
    """Models of the sizes of AcousticBrainz's, smaller, and documents for them."""
    models = [one.model for one in made_models(18, 400, 40, seed=3)]
    return ModelSet(tuple(models)), made_documents(60, models[0].layout, seed=4)


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    with threadpool_limits(1):
        yield


def documents(make_document: MakeDocument, count: int) -> list[dict[str, Any]]:
    return [make_document(1000 + number, number % 3) for number in range(count)]


def test_predictions_equal_those_of_each_model_to_the_bit(
    model_set: ModelSet, make_document: MakeDocument
) -> None:
    batch = documents(make_document, 30)

    outcomes = model_set.predict(batch)

    flat = [flatten(document) for document in batch]
    for model in model_set.models:
        assert [outcome[model.name] for outcome in outcomes] == model.predict(flat)
    assert [tuple(outcome) for outcome in outcomes] == [model_set.names] * 30


def test_made_models_with_texts_ranks_and_up_to_ten_classes_predict_as_each_does(made: Any) -> None:
    model_set, batch = made

    outcomes = model_set.predict(batch)

    flat = [flatten(document) for document in batch]
    for model in model_set.models:
        assert [outcome[model.name] for outcome in outcomes] == model.predict(flat)
    assert {len(model.labels) for model in model_set.models} == {2, 5, 8, 9, 10}


def test_a_document_has_the_same_outputs_to_the_bit_whatever_comes_with_it(made: Any) -> None:
    model_set, batch = made

    whole = model_set.predict(batch)

    for start, count in ((0, 1), (59, 1), (3, 2), (10, 25), (1, 59)):
        assert model_set.predict(batch[start : start + count]) == whole[start : start + count]
    assert model_set.predict(batch[::-1]) == whole[::-1]


def test_a_batch_larger_than_what_is_computed_at_once_equals_its_parts(made: Any) -> None:
    model_set, batch = made
    count = 2 * ROWS_AT_ONCE + 5

    many = model_set.predict([batch[number % 60] for number in range(count)])

    expected = model_set.predict(batch)
    assert many == [expected[number % 60] for number in range(count)]


def test_no_documents_have_no_predictions(model_set: ModelSet) -> None:
    assert model_set.predict([]) == []


def spoilt(document: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return a document with another loudness; `...` for none."""
    document = deepcopy(document)
    document["lowlevel"]["average_loudness"] = value
    if value is ...:
        del document["lowlevel"]["average_loudness"]
    return document


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (..., "lacks lowlevel.average_loudness"),
        ("fast", "has lowlevel.average_loudness"),
        ([1.0, 2.0], "has lowlevel.average_loudness"),
        (float("nan"), "a value of lowlevel.average_loudness that is not finite"),
        (1e39, "a value of lowlevel.average_loudness that is not finite"),
        (3.4e38, "a value of lowlevel.average_loudness that is too far outside"),
    ],
)
def test_a_document_that_cannot_be_used_is_named_and_spoils_no_other(
    model_set: ModelSet, make_document: MakeDocument, value: Any, reason: str
) -> None:
    batch = documents(make_document, 9)
    expected = model_set.predict(batch)

    outcomes = model_set.predict([*batch[:4], spoilt(batch[4], value), *batch[5:]])

    assert isinstance(outcomes[4], DocumentError)
    assert reason in str(outcomes[4])
    assert str(outcomes[4]).startswith("model '")
    assert [*outcomes[:4], *outcomes[5:]] == [*expected[:4], *expected[5:]]


def test_of_several_models_the_one_that_cannot_use_it_is_named(
    models: tuple[Model, ...], make_document: MakeDocument
) -> None:
    lowlevel = next(model for model in models if "lowlevel" in model.name)
    basic = next(model for model in models if "basic" in model.name)
    document = make_document(1)
    del document["rhythm"]["bpm"]

    (outcome,) = ModelSet((lowlevel, basic)).predict([document])

    assert str(outcome).startswith(f"model {basic.name!r} cannot use it: the document lacks ")
    assert isinstance(ModelSet((lowlevel,)).predict([document])[0], dict)


@pytest.mark.parametrize("document", [None, [], 7, {}, {"lowlevel": []}])
def test_what_is_no_document_has_a_reason(model_set: ModelSet, document: Any) -> None:
    assert isinstance(model_set.predict([document])[0], DocumentError)


def test_an_error_in_place_of_a_document_stays_in_its_place(
    model_set: ModelSet, make_document: MakeDocument
) -> None:
    batch = documents(make_document, 2)
    error = DocumentError("it was none")

    first, second, third = model_set.predict([batch[0], error, batch[1]])

    assert second is error
    assert [first, third] == model_set.predict(batch)


def test_all_documents_may_be_unusable(model_set: ModelSet) -> None:
    assert all(isinstance(one, DocumentError) for one in model_set.predict([{}, {}]))


def test_models_of_the_same_preprocessing_share_it(models: tuple[Model, ...]) -> None:
    again = [replace(model, name=f"{model.name} again") for model in models[:2]]
    changed = replace(models[0].steps[-1], offset=models[0].steps[-1].offset + np.float32(1))
    other = replace(models[0], name="other", steps=(*models[0].steps[:-1], changed))

    shared = ModelSet((*models[:2], *again, other))._shared

    assert [one.members for one in shared] == [(0, 2), (1, 3), (4,)]


def test_two_models_of_one_name_are_refused(models: tuple[Model, ...]) -> None:
    with pytest.raises(ModelError, match=r"two models are called '2-basic-poly'"):
        ModelSet((models[0], models[1], models[0]))


def test_a_set_without_models_is_refused() -> None:
    with pytest.raises(ModelError, match="needs at least one model"):
        ModelSet(())


def test_the_digest_changes_with_any_model_and_only_then(models: tuple[Model, ...]) -> None:
    digest = ModelSet(models).digest

    assert len(digest) == 40
    assert int(digest, 16)
    assert ModelSet(tuple(models)).digest == digest
    sigmoids = replace(models[3].sigmoids, offset=models[3].sigmoids.offset + 1e-9)
    others = (
        models[:-1],
        (replace(models[0], name="other"), *models[1:]),
        (*models[:3], replace(models[3], sigmoids=sigmoids), *models[4:]),
    )
    assert len({digest, *(ModelSet(other).digest for other in others)}) == 4
