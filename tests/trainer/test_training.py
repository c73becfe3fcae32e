"""A dataset in, an evaluation out: what holds of every training."""

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.dataset import prepare
from trainer.descriptors import flatten
from trainer.errors import DatasetError, OptionsError, TrainerError
from trainer.grid.engines import choose_engine, why_no_native
from trainer.grid.project import Project
from trainer.ground_truth import GroundTruth
from trainer.models.bundle import Model
from trainer.models.fitting import Outcome, fit
from trainer.options import JobOptions
from trainer.training import Progress, train

MISSING = why_no_native()
native = pytest.mark.skipif(bool(MISSING), reason=f"no native engine: {MISSING}")

SMALL = Project(
    ("basic", "normalized", "gaussianized"), c_exponents=(-1, 3), gamma_exponents=(-3, -5)
)
ONE = Project(("basic",), ("rbf",), (1,), (-3,))


@pytest.fixture(scope="module")
def evaluation(make_dataset: Any) -> Any:
    """Three classes that overlap somewhat."""
    return train(make_dataset(classes=3, size=8, lean=0.5), SMALL, 1, jobs=2)


@pytest.fixture(scope="module")
def report(evaluation: Any) -> Any:
    return evaluation.report(predictions=True)


def recordings(make_document: Any, count: int, classes: int = 2, lean: Any = 1.0) -> Any:
    """Give documents and the class of each; the classes take turns."""
    documents, class_of = {}, {}
    for number in range(count):
        recording = f"r{number:03}"
        documents[recording] = flatten(make_document(number, lean * (number % classes)))
        class_of[recording] = f"c{number % classes}"
    return documents, class_of


def prepared(documents: Any, class_of: Any, options: Any = None) -> Any:
    members = {}
    for recording, label in class_of.items():
        members.setdefault(label, []).append(recording)
    ground_truth = GroundTruth.from_classes("made", members.items())
    return prepare(ground_truth, documents, JobOptions.parse(options))


def test_the_report_counts_machines_that_were_trained_once_for_several_gammas(
    make_dataset: Any,
) -> None:
    if why_no_native():
        pytest.skip(f"no native engine: {why_no_native()}")
    project = replace(ONE, c_exponents=(1, 3), gamma_exponents=(-3, 14, 16))

    of_all, of_none = (
        train(make_dataset(), project, 1, jobs=1, engine=engine).report()["grid"]
        for engine in ("native", "sklearn")
    )

    # One pair, and four folds since eight recordings of a class fill no more; at 2**14 no row is
    # near another.
    assert [entry["identity_machines"] for entry in of_all] == [0, 4, 4] * 2
    assert not any(entry["identity_machines"] for entry in of_none)
    assert [entry["accuracy"] for entry in of_all] == [entry["accuracy"] for entry in of_none]


def test_the_report_is_json_to_both_writers(report: Any) -> None:
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert orjson.loads(orjson.dumps(report)) == report


def test_the_confusion_matrix_has_every_class_as_row_and_column_and_counts_each_recording(
    report: Any,
) -> None:
    matrix = report["confusion_matrix"]

    assert list(matrix) == report["classes"]
    assert all(list(row) == report["classes"] for row in matrix.values())
    assert sum(sum(row.values()) for row in matrix.values()) == len(report["recordings"])
    assert {name: sum(row.values()) for name, row in matrix.items()} == report["class_sizes"]


def test_rows_of_the_confusion_matrix_are_actual_classes(report: Any) -> None:
    pairs = Counter(zip(report["actual"], report["predicted"], strict=True))

    for (actual, predicted), count in pairs.items():
        assert report["confusion_matrix"][actual][predicted] == count


def test_the_accuracy_is_the_share_of_right_recordings_in_percent(report: Any) -> None:
    right = sum(a == p for a, p in zip(report["actual"], report["predicted"], strict=True))

    assert report["accuracy"] == round(100 * right / 24, 2)
    assert 50 < report["accuracy"] < 100


def test_the_winner_is_the_first_of_the_most_accurate_entries_of_the_grid(report: Any) -> None:
    best = max(entry["accuracy"] for entry in report["grid"])
    first = next(entry for entry in report["grid"] if entry["accuracy"] == best)
    chosen = report["parameters"]["model"]

    assert round(best, 2) == report["accuracy"]
    assert first["predicted"] == report["predicted"]
    assert [first[key] for key in ("preprocessing", "C", "gamma", "balance_classes")] == [
        chosen[key] for key in ("preprocessing", "C", "gamma", "balanceClasses")
    ]
    assert chosen["kernel"].lower() == first["kernel"]


def test_parameters_are_as_acousticbrainz_stores_them(report: Any) -> None:
    assert report["parameters"]["evaluation"] == {"type": "nfoldcrossvalidation", "nfold": 5}
    model = report["parameters"]["model"]
    assert (model["classifier"], model["type"]) == ("svm", "C-SVC")
    assert model["kernel"] in {"poly", "RBF"}
    assert model["C"] in SMALL.c_exponents


def test_the_grid_lists_every_combination_in_order(report: Any) -> None:
    listed = [
        (e["preprocessing"], e["kernel"], e["C"], e["gamma"], e["balance_classes"])
        for e in report["grid"]
    ]

    assert listed == [
        (c.preprocessing, c.kernel, c.c_exponent, c.gamma_exponent, c.balance_classes)
        for c in SMALL.combinations()
    ]


def test_predictions_of_the_grid_are_listed_on_request_only(evaluation: Any, report: Any) -> None:
    assert all(len(entry["predicted"]) == 24 for entry in report["grid"])
    assert not any("predicted" in entry for entry in evaluation.report()["grid"])


def test_figures_by_class_follow_from_the_confusion_matrix(report: Any) -> None:
    matrix = report["confusion_matrix"]
    for name, figures in report["per_class"].items():
        right, support = matrix[name][name], sum(matrix[name].values())
        predicted = sum(row[name] for row in matrix.values())
        precision, recall = right / predicted, right / support
        assert figures == {
            "precision": round(100 * precision, 2),
            "recall": round(100 * recall, 2),
            "f1": round(100 * 2 * precision * recall / (precision + recall), 2),
            "support": support,
        }
    recalls = [figures["recall"] for figures in report["per_class"].values()]
    assert report["balanced_accuracy"] == pytest.approx(np.mean(recalls), abs=0.01)


def test_fold_figures_follow_from_the_predictions(report: Any) -> None:
    right = np.array(report["actual"]) == np.array(report["predicted"])
    folds = np.array(report["folds"])
    accuracies = [100 * right[folds == fold].mean() for fold in np.unique(folds)]

    assert report["fold_accuracies"] == [round(value, 2) for value in accuracies]
    assert report["accuracy_std"] == round(float(np.std(accuracies)), 2)


def test_the_model_carries_the_evaluation_it_came_from(evaluation: Any, report: Any) -> None:
    training = evaluation.model.training

    assert training["accuracy"] == report["accuracy"]
    assert training["confusion_matrix"] == report["confusion_matrix"]
    assert training["parameters"] == report["parameters"]
    assert training["seed"] == 1
    assert set(training["versions"]) >= {"python", "numpy", "scikit-learn"}


def test_the_majority_baseline_is_the_share_of_the_largest_class(make_document: Any) -> None:
    documents, class_of = recordings(make_document, 12)
    class_of |= {"r001": "c0", "r003": "c0"}

    report = train(prepared(documents, class_of), ONE, 1, jobs=1).report()

    assert report["majority_baseline"] == round(100 * 8 / 12, 2)


def test_perfectly_separated_classes_are_all_right(make_dataset: Any) -> None:
    evaluation = train(make_dataset(classes=3, lean=30.0), SMALL, 1, jobs=2)

    assert evaluation.accuracy == 100
    matrix = evaluation.confusion_matrix
    assert all(row[name] == 8 for name, row in matrix.items())


def test_ties_go_to_the_first_in_grid_order(make_dataset: Any) -> None:
    dataset = make_dataset(lean=30.0)
    project = Project(("gaussianized", "basic"), ("rbf",), (3, 1), (-5, -3))

    evaluation = train(dataset, project, 1, jobs=2)

    assert len({result.scores.accuracy for result in evaluation.results}) == 1
    assert evaluation.best.combination == project.combinations()[0]


def test_the_order_of_documents_and_classes_changes_nothing(make_document: Any) -> None:
    documents, class_of = recordings(make_document, 20, lean=0.4)
    turned_documents = dict(reversed(documents.items()))
    turned_classes = dict(reversed(class_of.items()))

    first = train(prepared(documents, class_of), SMALL, 1, jobs=2)
    second = train(prepared(turned_documents, turned_classes), SMALL, 1, jobs=1)

    assert untimed(first) == untimed(second)
    assert first.model.to_bytes() == second.model.to_bytes()


def untimed(evaluation: Any) -> Any:
    report = evaluation.report(predictions=True)
    del report["timings"]
    return report


def test_the_seed_changes_the_folds_and_nothing_else_does(make_dataset: Any) -> None:
    dataset = make_dataset(size=12)

    one, again, two = (train(dataset, ONE, seed, jobs=1).report() for seed in (1, 1, 2))

    assert one["folds"] == again["folds"] != two["folds"]
    assert (one["seed"], two["seed"]) == (1, 2)


def test_the_seed_changes_the_probabilities_and_not_the_machine(make_dataset: Any) -> None:
    dataset = make_dataset(size=12, lean=0.5)

    one, two = (train(dataset, ONE, seed, jobs=1).model for seed in (1, 2))

    assert one.svm.coefficients.tolist() == two.svm.coefficients.tolist()
    assert one.sigmoids.slope.tolist() != two.sigmoids.slope.tolist()


def test_renaming_classes_in_order_renames_the_results(make_document: Any) -> None:
    documents, class_of = recordings(make_document, 24, classes=3, lean=0.4)
    names = {"c0": "x blues", "c1": "y jazz", "c2": "z rock"}
    renamed = {recording: names[label] for recording, label in class_of.items()}

    plain = train(prepared(documents, class_of), SMALL, 1, jobs=2).report()
    other = train(prepared(documents, renamed), SMALL, 1, jobs=2).report()

    assert other["predicted"] == [names[name] for name in plain["predicted"]]
    assert other["accuracy"] == plain["accuracy"]
    assert other["confusion_matrix"] == {
        names[a]: {names[p]: count for p, count in row.items()}
        for a, row in plain["confusion_matrix"].items()
    }


def test_names_that_sort_otherwise_change_no_prediction(make_document: Any) -> None:
    # Codes follow first appearance and not the names.
    documents, class_of = recordings(make_document, 24, classes=3, lean=0.4)
    names = {"c0": "z", "c1": "x", "c2": "y"}
    renamed = {recording: names[label] for recording, label in class_of.items()}

    plain = train(prepared(documents, class_of), SMALL, 1, jobs=2).report()
    other = train(prepared(documents, renamed), SMALL, 1, jobs=2).report()

    assert other["predicted"] == [names[name] for name in plain["predicted"]]


def test_the_models_labels_are_in_order_of_first_appearance_and_its_classes_sorted(
    make_document: Any,
) -> None:
    documents, class_of = recordings(make_document, 24, classes=3, lean=30.0)
    names = {"c0": "z", "c1": "x", "c2": "y"}
    renamed = {recording: names[label] for recording, label in class_of.items()}

    model = train(prepared(documents, renamed), ONE, 1, jobs=1).model

    assert model.labels == ("z", "x", "y")
    assert model.classes == ("x", "y", "z")
    predictions = model.predict(list(documents.values()))
    assert [prediction.value for prediction in predictions] == list(renamed.values())


def test_progress_is_complete_and_never_goes_back(make_dataset: Any) -> None:
    told = []

    train(
        make_dataset(),
        replace(ONE, c_exponents=(1, 3), nested=True),
        1,
        jobs=1,
        progress=told.append,
    )

    stages = list(dict.fromkeys(progress.stage for progress in told))
    assert stages == ["grid", "nested", "final model"]
    for stage in stages:
        steps = [progress for progress in told if progress.stage == stage]
        assert [p.done for p in steps] == sorted(p.done for p in steps)
        assert steps[-1].done == steps[-1].total
        assert len({p.total for p in steps}) == 1
    assert told[-1] == Progress("final model", 1, 1)


def test_nothing_is_nested_or_held_out_unless_asked_for(report: Any) -> None:
    assert report["nested"] is None
    assert report["held_out"] is None


def test_a_nested_estimate_of_separated_classes_is_right(make_dataset: Any) -> None:
    report = train(make_dataset(lean=30.0), replace(ONE, nested=True), 1, jobs=2).report()

    assert report["nested"]["accuracy"] == 100
    assert len(report["nested"]["chosen"]) == len(set(report["folds"]))


def test_a_nested_estimate_of_noise_is_near_chance_where_the_search_is_optimistic(
    make_document: Any,
) -> None:
    documents, class_of = recordings(make_document, 100, lean=0.0)
    project = Project(
        ("lowlevel",), c_exponents=(-3, 1, 5), gamma_exponents=(1, -1, -5), nested=True
    )

    report = train(prepared(documents, class_of), project, 1, jobs=2).report()

    assert 35 <= report["nested"]["accuracy"] <= 65
    assert report["nested"]["accuracy"] <= report["accuracy"]


def test_a_nested_estimate_of_too_small_classes_is_refused_before_the_search(
    make_dataset: Any,
) -> None:
    told = []

    with pytest.raises(DatasetError, match="nested"):
        train(make_dataset(size=2), replace(ONE, nested=True), 1, progress=told.append)

    assert told == []


def test_the_artist_filters_testing_set_is_scored_with_the_final_model(make_document: Any) -> None:
    documents, class_of = {}, {}
    for number in range(32):
        label = number // 2 % 2
        documents[f"r{number:02}"] = flatten(make_document(number, 30.0 * label))
        class_of[f"r{number:02}"] = f"c{label}"
    dataset = prepared(documents, class_of, {"filter_type": "artist"})

    evaluation = train(dataset, ONE, 1, jobs=1)

    held_out = evaluation.report()["held_out"]
    assert held_out["recordings"] == sorted(dataset.testing)
    assert held_out["accuracy"] == 100
    assert held_out["actual"] == [class_of[recording] for recording in held_out["recordings"]]
    predictions = evaluation.model.predict([documents[r] for r in held_out["recordings"]])
    assert held_out["predicted"] == [prediction.value for prediction in predictions]
    assert sum(sum(row.values()) for row in held_out["confusion_matrix"].values()) == 16


def test_rows_of_the_held_out_confusion_matrix_are_actual_classes(make_document: Any) -> None:
    documents, class_of = {}, {}
    for number in range(60):
        label = number // 2 % 2
        documents[f"r{number:02}"] = flatten(make_document(number, 0.2 * label))
        class_of[f"r{number:02}"] = f"c{label}"
    # Two thirds more of one class, so that rows and columns cannot be mistaken.
    class_of |= {f"r{number:02}": "c0" for number in range(40, 60)}
    dataset = prepared(documents, class_of, {"filter_type": "artist"})

    held_out = train(dataset, ONE, 1, jobs=1).report()["held_out"]

    pairs = Counter(zip(held_out["actual"], held_out["predicted"], strict=True))
    assert pairs["c0", "c1"] != pairs["c1", "c0"]
    for (actual, predicted), count in pairs.items():
        assert held_out["confusion_matrix"][actual][predicted] == count


def test_a_held_out_document_that_does_not_fit_is_named_and_counts_neither_way(
    make_document: Any,
) -> None:
    documents, class_of = {}, {}
    for number in range(32):
        label = number // 2 % 2
        documents[f"r{number:02}"] = flatten(make_document(number, 30.0 * label))
        class_of[f"r{number:02}"] = f"c{label}"
    dataset = prepared(documents, class_of, {"filter_type": "artist"})
    odd = sorted(dataset.testing)[3]
    testing = {**dataset.testing_documents, odd: flatten({"x": 1})}

    held_out = train(replace(dataset, testing_documents=testing), ONE, 1, jobs=1).report()[
        "held_out"
    ]

    assert list(held_out["unusable"]) == [odd]
    assert "lacks" in held_out["unusable"][odd]
    assert odd not in held_out["recordings"]
    assert held_out["accuracy"] == 100


def test_two_recordings_of_each_class_are_enough(make_dataset: Any) -> None:
    evaluation = train(make_dataset(size=2, lean=30.0), ONE, 1, jobs=1)

    assert sum(sum(row.values()) for row in evaluation.confusion_matrix.values()) == 4
    assert np.isfinite([evaluation.model.sigmoids.slope, evaluation.model.sigmoids.offset]).all()


def test_text_that_no_recipe_uses_is_noted(make_document: Any) -> None:
    documents, class_of = recordings(make_document, 8)
    documents = {
        recording: replace(document, strings={**document.strings, ".tonal.mood": ("x",)})
        for recording, document in documents.items()
    }

    report = train(prepared(documents, class_of), ONE, 1, jobs=1).report()

    assert any("no use for text in tonal.mood" in note for note in report["notes"])


def test_what_the_merge_dropped_is_reported(make_dataset: Any) -> None:
    report = train(make_dataset(), ONE, 1, jobs=1).report()

    assert report["removed"]["variable length"] == [".rhythm.beats_position"]


def test_an_unknown_engine_is_refused(make_dataset: Any) -> None:
    with pytest.raises(OptionsError, match="quantum"):
        train(make_dataset(), ONE, 1, engine="quantum")


def test_figures_of_a_class_that_is_never_predicted_are_null_where_undefined(
    evaluation: Any,
) -> None:
    always_first = replace(evaluation.best, predicted=np.zeros_like(evaluation.best.predicted))

    report = replace(evaluation, best=always_first).report()

    assert report["per_class"]["class-1"] == {"precision": None, "recall": 0, "f1": 0, "support": 8}
    assert report["confusion_matrix"]["class-1"] == {"class-0": 8, "class-1": 0, "class-2": 0}
    assert report["balanced_accuracy"] == 33.33


NAMES = ("lowlevel.x", "lowlevel.mfcc", "rhythm.bpm", "tonal.key_key", "a.b", "lowlevel.y.min")
values = (
    st.floats(width=32)
    | st.integers(-3, 3)
    | st.sampled_from(["A", "", "\U0001f3b5", 1e39, 1e-40, 3e38, -3e38, None, True])
    | st.lists(st.floats(-10, 10) | st.sampled_from([3e38, 1e-30]), max_size=3)
)


@settings(max_examples=80)
@given(data=st.data())
def test_any_documents_are_trained_on_or_refused_and_the_model_survives_the_disk(
    data: Any, tmp_path_factory: Any
) -> None:
    names = data.draw(st.sets(st.sampled_from(NAMES), min_size=1))
    size = data.draw(st.integers(4, 7))
    path = tmp_path_factory.getbasetemp() / "any.model"
    project = Project(("basic", "nobands", "gaussianized"), ("poly", "rbf"), (3,), (1,))
    try:
        documents = {
            f"r{number}": flatten({name: data.draw(values) for name in names} | {"z": number})
            for number in range(size)
        }
        dataset = prepared(documents, {r: "ab"[int(r[1:]) % 2] for r in documents})
        evaluation = train(dataset, project, 1, jobs=1)
        predictions = evaluation.model.predict([documents[r] for r in dataset.recordings])
    except TrainerError as error:
        assert len(str(error)) < 2000  # noqa: PT017 - both ends are right
        return
    evaluation.model.save(path)
    assert orjson.dumps(evaluation.report(predictions=True))
    assert Model.load(path).predict([documents[r] for r in dataset.recordings]) == predictions
    for prediction in predictions:
        assert sum(prediction.all.values()) == pytest.approx(1)


@pytest.mark.parametrize("classes", [2, 3])
def test_probabilities_of_the_report_are_of_machines_that_had_not_seen_the_recording(
    make_dataset: Any, classes: int
) -> None:
    noise = make_dataset(classes=classes, size=20, lean=0.0)

    evaluation = train(noise, Project(("basic",), ("rbf",), (9,), (1,)), 1, jobs=1)

    guessed = evaluation.probabilities.argmax(axis=1) == noise.labels
    assert evaluation.probabilities.sum(axis=1) == pytest.approx(1)
    assert guessed.mean() < 0.75  # a machine that had seen them would know them all
    said = evaluation.report()["probability"]
    rows = np.arange(len(noise.labels))
    assert said["actual"] == pytest.approx(evaluation.probabilities[rows, noise.labels], abs=1e-4)


def test_on_noise_the_report_says_that_there_is_nothing(make_dataset: Any) -> None:
    report = train(make_dataset(classes=2, size=40, lean=0.0), Project(), 1, jobs=1).report()

    assert report["findings"][0]["kind"] == "chance"
    corrected = report["corrected"]["balanced_accuracy"]
    assert corrected["low"] < 50 < corrected["high"]


@native
def test_the_report_says_that_another_engine_had_the_memory_and_why(make_dataset: Any) -> None:
    report = train(make_dataset(), ONE, 1, engine="native", memory=1).report()

    assert report["engine"] == report["final_model"]["engine"] == "sklearn"
    why = "by sklearn instead of native, whose matrices need 1 MiB for one fold on one thread"
    for beginning in (f"basic solved {why}, and may have 0", f"the final model was trained {why}"):
        assert any(note.startswith(beginning) for note in report["notes"])


def test_an_engine_that_had_the_memory_is_no_matter_for_the_notes(report: Any) -> None:
    assert not any("instead of" in note for note in report["notes"])


@pytest.mark.parametrize("engine", [pytest.param("native", marks=native), "sklearn"])
def test_a_final_model_that_meets_the_iteration_cap_is_marked(
    make_dataset: Any, evaluation: Any, engine: str
) -> None:
    dataset = make_dataset(classes=3, size=8, lean=0.5)
    solver: Any = choose_engine(engine, jobs=1)
    combination = ONE.combinations()[0]

    sound = fit(dataset, combination, solver).outcome
    capped = fit(dataset, combination, replace(solver, max_iterations=1)).outcome

    assert sound == Outcome(engine, converged=True)
    assert capped == Outcome(engine, converged=False)
    report = replace(evaluation, final=capped).report()
    assert report["final_model"] == {"engine": engine, "converged": False}
    assert evaluation.report()["final_model"]["converged"]


@pytest.mark.parametrize("engine", [pytest.param("native", marks=native), "sklearn"])
def test_without_shortcuts_all_720_are_solved_and_the_answers_are_the_same(
    make_dataset: Any, engine: str
) -> None:
    dataset = make_dataset(classes=3, size=8, lean=0.5)

    short, long = (
        train(dataset, Project(), 1, engine=engine, jobs=2, collapse=collapse)
        for collapse in (True, False)
    )

    solved = [sum(result.same_as is None for result in each.results) for each in (short, long)]
    assert solved[0] < solved[1] == 720
    assert (short.report()["shortcuts"], long.report()["shortcuts"]) == (True, False)
    for one, other in zip(short.results, long.results, strict=True):
        np.testing.assert_array_equal(one.predicted, other.predicted)
    assert short.model.to_bytes() == long.model.to_bytes()


def test_the_report_says_what_the_time_was_spent_on(report: Any) -> None:
    timings = report["timings"]

    parts = [
        "preprocessing",
        "solver",
        "final model",
        "probabilities",
        "correction",
        "held-out recordings",
        "other",
    ]
    assert list(timings["parts"]) == parts
    assert sum(timings["parts"].values()) == pytest.approx(timings["total_seconds"], abs=0.01)


def test_what_the_preprocessing_could_not_use_is_said_with_what_that_means(
    make_document: Any,
) -> None:
    documents, class_of = {}, {}
    for number in range(20):
        tonal = {"key_key": "ACF"[number % 3], "mood": "xyz"[number % 3]}
        documents[f"r{number}"] = flatten(make_document(number, 1.0 * (number % 2), tonal=tonal))
        class_of[f"r{number}"] = f"c{number % 2}"
    nobands = Project(("nobands",), ("rbf",), (1,), (-3,))

    spared, lacking, text = train(prepared(documents, class_of), nobands, 1, jobs=1).report()[
        "notes"
    ]

    assert spared.startswith("the preprocessing removes the descriptors ")
    assert "melbands*" in spared
    assert spared.endswith("of which there are none to remove: nothing is lost")
    assert lacking == (
        "the preprocessing uses the descriptors tonal.chords_key, tonal.chords_scale, "
        "tonal.key_scale, of which there are none: the model does without what they say"
    )
    assert text == (
        "the preprocessing has no use for text in tonal.mood: the model goes by the other "
        "descriptors, as it should"
    )


def test_files_in_the_place_of_a_dataset_are_told_what_makes_one() -> None:
    with pytest.raises(TypeError, match=r"Dataset\.prepare makes of labels and documents"):
        train("labels.json", "documents.jsonl")  # type: ignore[arg-type]
