"""A finished model on labels of one's own."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from trainer.descriptors import flatten
from trainer.errors import DatasetError, DocumentError, OptionsError
from trainer.grid.project import Project
from trainer.ground_truth import GroundTruth
from trainer.judgement import Judgement, judge
from trainer.models.bundle import Model
from trainer.report_page import report_page
from trainer.report_page.content import content_of
from trainer.trained_on import TrainedOn
from trainer.training import train

ONE = Project(("basic",), ("rbf",), (1,), (-3,))


@pytest.fixture(scope="module")
def dataset(make_dataset: Any) -> Any:
    return make_dataset(classes=2, size=20, lean=2.0)


@pytest.fixture(scope="module")
def model(dataset: Any) -> Model:
    return train(dataset, ONE, 1, jobs=1).model


@pytest.fixture(scope="module")
def corpus(make_document: Any) -> Any:
    """Documents of 30 recordings that the model does not know, the classes taking turns."""
    return {
        f"new-{number:02}": flatten(make_document(1000 + number, 2.0 * (number % 2)))
        for number in range(30)
    }


def truth(corpus: Any, *names: str) -> GroundTruth:
    members: dict[str, list[str]] = {name: [] for name in names}
    for number, recording in enumerate(corpus):
        members[names[number % len(names)]].append(recording)
    return GroundTruth.from_classes("mine", members.items())


@pytest.fixture(scope="module")
def judgement(model: Model, corpus: Any) -> Judgement:
    return judge(model, truth(corpus, "class-0", "class-1"), corpus.items())


def kinds(judgement: Judgement) -> dict[str, Any]:
    return {finding.kind: finding for finding in judgement.findings}


def test_figures_follow_from_the_models_own_predictions(
    model: Model, corpus: Any, judgement: Judgement
) -> None:
    report = judgement.report()
    predictions = dict(zip(corpus, model.predict(list(corpus.values())), strict=True))

    assert report["predicted"] == [predictions[r].value for r in report["recordings"]]
    right = sum(a == p for a, p in zip(report["actual"], report["predicted"], strict=True))
    assert report["accuracy"] == round(100 * right / 30, 2)
    low, high = report["accuracy_interval"]
    assert low < report["accuracy"] <= high
    recalls = [row[name] / sum(row.values()) for name, row in report["confusion_matrix"].items()]
    assert report["balanced_accuracy"] == pytest.approx(100 * np.mean(recalls), abs=0.01)
    first = report["recordings"][0]
    assert report["probability"]["actual"][0] == pytest.approx(
        predictions[first].all["class-0"], abs=1e-4
    )
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_recordings_that_are_new_to_the_model_are_no_cause_for_warnings(
    judgement: Judgement,
) -> None:
    assert judgement.knows
    assert judgement.seen == ()
    assert not {"trained on", "training unknown", "missing"} & set(kinds(judgement))


def test_recordings_that_the_model_was_trained_on_are_named_by_id_and_by_values(
    model: Model, make_document: Any, corpus: Any
) -> None:
    # The second is the audio of recording-001, of class-1, under another id.
    known = {
        "recording-000": flatten(make_document(5000, 0.0)),
        "copy": flatten(make_document(1, 2.0)),
    }
    both = {**corpus, **known}
    members = truth(corpus, "class-0", "class-1").classes
    classes = {
        "class-0": (*members["class-0"], "recording-000"),
        "class-1": (*members["class-1"], "copy"),
    }

    judged = judge(model, GroundTruth.from_classes("mine", classes.items()), both.items())

    assert judged.seen == ("copy", "recording-000")
    finding = kinds(judged)["trained on"]
    assert finding.severity == "warning"
    assert finding.recordings == judged.seen
    assert "trained on 2 recordings of the 32" in finding.sentence
    assert "of 30 recordings" in finding.sentence


def test_its_report_and_page_begin_with_a_sentence_that_tells_memory_from_ability(
    dataset: Any, model: Model, make_document: Any, judgement: Judgement
) -> None:
    known = {
        recording: flatten(make_document(number, 2.0 * (number % 2)))
        for number, recording in enumerate(dataset.recordings)
    }

    memory = judge(model, truth(known, "class-0", "class-1"), known.items())

    assert len(memory.seen) == len(known)
    assert memory.verdict.kind == "doubtful"
    assert "trained on all of these recordings" in memory.verdict.sentence
    assert content_of(memory.report()).is_doubtful
    assert memory.verdict.sentence in report_page(memory.report())
    assert "trained on 40 of them" in content_of(memory.report()).estimates[0].remark
    assert judgement.verdict.kind == "better"
    assert judgement.verdict.sentence in report_page(judgement.report())


def test_recordings_that_it_was_trained_on_have_no_part_in_its_verdict(
    model: Model, corpus: Any, make_document: Any
) -> None:
    known = {f"recording-{number:03}": flatten(make_document(number, 2.0)) for number in range(20)}
    labels = truth(dict(list(corpus.items())[:4]), "class-0", "class-1").classes
    wrong = {"class-0": (*labels["class-0"], *known), "class-1": labels["class-1"]}
    mine = GroundTruth.from_classes("mine", wrong.items())

    judged = judge(model, mine, {**corpus, **known}.items())

    assert judged.report()["accuracy"] < 50
    assert judged.verdict.kind == "heard"
    assert "trained on 20 of these 24 recordings. By the other 4, of" in judged.verdict.sentence


def test_every_recording_of_a_training_is_known_to_its_model(dataset: Any, model: Model) -> None:
    known = TrainedOn.of(model.training)

    assert known is not None
    columns = dataset.layout.keep(model.layout.names)[1]
    strange = np.zeros(len(columns), dtype=np.float32)
    assert all(known.has(recording, strange) for recording in dataset.recordings)
    assert all(known.has("x", values) for values in dataset.values[:, columns])
    assert not known.has("x", strange)


def test_a_saved_model_still_knows(model: Model, tmp_path: Any) -> None:
    model.save(tmp_path / "a.model")

    loaded = Model.load(tmp_path / "a.model")

    assert TrainedOn.of(loaded.training) == TrainedOn.of(model.training) is not None


@pytest.mark.parametrize("said", [None, 1, {}, {"ids": "x", "values": "!"}, {"ids": 1}])
def test_a_model_that_does_not_say_is_told(model: Model, corpus: Any, said: Any) -> None:
    silent = replace(model, training={**model.training, "trained_on": said})

    judged = judge(silent, truth(corpus, "class-0", "class-1"), corpus.items())

    assert kinds(judged)["training unknown"].severity == "note"
    assert judged.report()["evaluated"]["trained_on"] is None


def test_classes_of_other_names_are_mapped(model: Model, corpus: Any, judgement: Judgement) -> None:
    names = {"class-0": "calm", "class-1": "lively"}

    judged = judge(model, truth(corpus, "calm", "lively"), corpus.items(), names=names)

    assert judged.report()["accuracy"] == judgement.report()["accuracy"]
    assert judged.report()["classes"] == ["calm", "lively"]
    assert judged.report()["evaluated"]["renamed"] == names


def test_several_classes_of_the_model_may_be_one_of_the_ground_truth(
    make_dataset: Any, corpus: Any
) -> None:
    model = train(make_dataset(classes=3, size=12, lean=2.0), ONE, 1, jobs=1).model
    names = {"class-1": "other", "class-2": "other"}

    report = judge(model, truth(corpus, "class-0", "other"), corpus.items(), names=names).report()

    assert report["classes"] == ["class-0", "other"]
    wrong = [row for row in range(30) if report["actual"][row] != report["predicted"][row]]
    of_actual, of_predicted = (report["probability"][key] for key in ("actual", "predicted"))
    assert all(of_actual[row] + of_predicted[row] == pytest.approx(1, abs=2e-4) for row in wrong)


def test_a_class_that_only_the_model_has_is_in_the_matrix_and_told(
    make_dataset: Any, corpus: Any
) -> None:
    model = train(make_dataset(classes=3, size=12, lean=2.0), ONE, 1, jobs=1).model

    report = judge(model, truth(corpus, "class-0", "class-1"), corpus.items()).report()

    assert list(report["confusion_matrix"]) == ["class-0", "class-1", "class-2"]
    assert sum(report["class_sizes"].values()) == 30
    assert "the model also knows 'class-2'" in report["notes"][0]


def test_a_class_that_the_model_does_not_know_is_refused_with_a_remedy(
    model: Model, corpus: Any
) -> None:
    with pytest.raises(DatasetError) as raised:
        judge(model, truth(corpus, "class-0", "lively"), corpus.items())

    assert "the model knows no class 'lively': its classes are 'class-0', 'class-1'" in str(
        raised.value
    )
    assert "or say which of the model's is called like that by names={'class-1': 'lively'}" in str(
        raised.value
    )


def test_where_no_class_of_the_model_is_left_over_none_is_suggested(
    model: Model, corpus: Any
) -> None:
    with pytest.raises(DatasetError, match="take the class out of the ground truth") as raised:
        judge(model, truth(corpus, "class-0", "class-1", "lively"), corpus.items())

    assert str(raised.value).endswith("take the class out of the ground truth")


def test_a_mapping_of_a_class_that_the_model_lacks_is_refused(model: Model, corpus: Any) -> None:
    with pytest.raises(OptionsError, match="the model has no class 'x' to be called otherwise"):
        judge(model, truth(corpus, "class-0", "class-1"), corpus.items(), names={"x": "y"})


def test_documents_that_cannot_be_used_are_named(model: Model, corpus: Any) -> None:
    broken = {
        **corpus,
        "new-00": DocumentError("it is no JSON"),
        "new-01": flatten({"lowlevel": {"x": 1}}),
    }

    judged = judge(model, truth(corpus, "class-0", "class-1"), broken.items())

    assert list(judged.unusable) == ["new-00", "new-01"]
    assert "the document lacks" in judged.report()["left_out"]["new-01"]
    assert kinds(judged)["left out"].recordings == ("new-00", "new-01")
    assert len(judged.report()["recordings"]) == 28


def test_recordings_without_document_end_it_unless_they_may_be_left_out(
    model: Model, corpus: Any
) -> None:
    some = dict(list(corpus.items())[2:])
    labels = truth(corpus, "class-0", "class-1")

    with pytest.raises(DatasetError, match="2 recordings of the ground truth without low-level"):
        judge(model, labels, some.items())
    judged = judge(model, labels, some.items(), missing="leave out")

    assert judged.missing == ("new-00", "new-01")
    assert "left out" not in kinds(judged)
    assert kinds(judged)["missing"].recordings == ("new-00", "new-01")


def test_a_single_recording_without_document_is_one(model: Model, corpus: Any) -> None:
    some = dict(list(corpus.items())[1:])

    judged = judge(model, truth(corpus, "class-0", "class-1"), some.items(), missing="leave out")

    assert kinds(judged)["missing"].sentence.startswith("1 recording of 30 left out, without")


def test_where_nothing_can_be_used_a_reason_is_given(model: Model, corpus: Any) -> None:
    broken = dict.fromkeys(corpus, DocumentError("it is no JSON"))

    with pytest.raises(DatasetError, match=r"none of 30 recordings can be used: .* is no JSON"):
        judge(model, truth(corpus, "class-0", "class-1"), broken.items())


def test_two_documents_of_a_recording_are_refused(model: Model, corpus: Any) -> None:
    twice = [*corpus.items(), next(iter(corpus.items()))]

    with pytest.raises(DatasetError, match="two documents of recording 'new-00'"):
        judge(model, truth(corpus, "class-0", "class-1"), twice)


def test_its_page_does_not_speak_of_cross_validation(judgement: Judgement) -> None:
    report = judgement.report()

    page = report_page(report)

    assert "cross-validation" not in page
    assert "Cross-validated" not in page
    assert ">fold</th>" not in page
    content = content_of(report)
    assert content.estimates[0].remark == "of the model on these recordings"
    assert dict(content.facts)["evaluated model"] == "made"
