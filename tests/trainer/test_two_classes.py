"""Two classes, whose sign scikit-learn turns round, on the collections Gaia's authors used.

Gaia's recorded runs have three classes, so here scikit-learn itself is the judge.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
import pytest
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler
from sklearn.svm import SVC

from tests.trainer.gaia_vectors import read_lines
from trainer.dataset import Dataset, prepare
from trainer.descriptors import flatten
from trainer.grid.engines import choose_engine
from trainer.grid.folds import assign_folds
from trainer.grid.planner import problem_of
from trainer.grid.project import Combination, Project
from trainer.grid.search import search
from trainer.ground_truth import GroundTruth
from trainer.models.fitting import fit
from trainer.options import JobOptions
from trainer.preprocessing.chain import fit_recipe
from trainer.preprocessing.estimator import FeatureChain
from trainer.training import train

COLLECTIONS = ("mood_aggressive", "mood_happy")
COMBINATIONS = (
    Combination("basic", "poly", 1, -3),
    Combination("basic", "rbf", 3, -5),
    Combination("lowlevel", "rbf", -1, -7, balance_classes=True),
    Combination("nobands", "poly", -3, -1),
    Combination("gaussianized", "rbf", 5, -9),
)


class Mood(NamedTuple):
    dataset: Dataset
    fold_of: np.ndarray


@pytest.fixture(scope="module")
def documents(shared_data: Path) -> Any:
    rows = read_lines(shared_data / "moods" / "lowlevel.jsonl.gz")
    return {row["id"]: flatten(row["document"]) for row in rows}


@pytest.fixture(scope="module", params=COLLECTIONS)
def mood(request: pytest.FixtureRequest, shared_data: Path, documents: Any) -> Any:
    truth = orjson.loads((shared_data / "moods" / f"{request.param}.json").read_bytes())
    ground_truth = GroundTruth.from_classes(truth["name"], truth["classes"].items())
    dataset = prepare(ground_truth, documents, JobOptions.parse(None))
    return Mood(dataset, assign_folds(dataset.recordings, dataset.labels, 5, seed=1))


def searched(mood: Any, project: Any, *, collapse: Any = False) -> Any:
    engine = choose_engine("sklearn", jobs=2)
    results = search(mood.dataset, project, mood.fold_of, engine, collapse=collapse)
    return {result.combination: result for result in results}


def project_of(combination: Any) -> Any:
    return Project(
        (combination.preprocessing,),
        (combination.kernel,),
        (combination.c_exponent,),
        (combination.gamma_exponent,),
        (combination.balance_classes,),
    )


def machine_of(combination: Any) -> Any:
    problem = problem_of(combination)
    return SVC(
        C=problem.C,
        kernel=problem.kernel,
        gamma=problem.gamma,
        degree=3,
        coef0=0.0,
        class_weight="balanced" if problem.balance_classes else None,
    )


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda c: f"{c.preprocessing} {c.kernel}")
def test_predictions_equal_those_of_scikit_learns_own_cross_validation(
    mood: Any, combination: Any
) -> None:
    dataset, fold_of = mood
    chain, matrix = fit_recipe(dataset.values, dataset.layout, combination.preprocessing)
    inner = FeatureChain(chain.layout, name="basic")  # which does nothing more to any of these
    pipeline = make_pipeline(inner, FunctionTransformer(np.float64), machine_of(combination))

    theirs = cross_val_predict(pipeline, matrix, dataset.labels, cv=PredefinedSplit(fold_of))

    ours = searched(mood, project_of(combination))[combination]
    assert ours.predicted.tolist() == theirs.tolist()
    assert ours.scores.accuracy == pytest.approx(100 * (theirs == dataset.labels).mean())


def test_a_scaler_of_scikit_learns_own_gives_the_same_accuracy_but_for_rounding(mood: Any) -> None:
    # Independent of our transforms but for the choice of descriptors; text coded alike.
    combination = COMBINATIONS[1]
    dataset, fold_of = mood
    _, matrix = fit_recipe(dataset.values, dataset.layout, "lowlevel")
    matrix = matrix.astype(np.float64)
    pipeline = make_pipeline(MinMaxScaler(), machine_of(combination))

    theirs = cross_val_predict(pipeline, matrix, dataset.labels, cv=PredefinedSplit(fold_of))

    lowlevel = Combination("lowlevel", "rbf", 3, -5)
    ours = searched(mood, project_of(lowlevel))[lowlevel]
    assert (ours.predicted != theirs).mean() <= 0.01


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda c: f"{c.preprocessing} {c.kernel}")
def test_the_final_machine_decides_and_predicts_as_scikit_learns(
    mood: Any, combination: Any
) -> None:
    dataset, _ = mood
    fitted = fit(dataset, combination, choose_engine("sklearn"))
    machine = machine_of(combination).fit(fitted.inputs, fitted.codes)

    decisions = fitted.svm.decisions(fitted.inputs)

    assert decisions[:, 0] == pytest.approx(-machine.decision_function(fitted.inputs), abs=1e-8)
    rows = np.arange(len(dataset.recordings))
    theirs = fitted.label_of_code[machine.predict(fitted.inputs)]
    assert fitted.predict(dataset, rows).tolist() == theirs.tolist()


def test_equal_problems_solved_once_predict_as_if_each_were_solved(mood: Any) -> None:
    project = Project(("basic", "normalized"), c_exponents=(-5, 1, 7), gamma_exponents=(1, -1, -3))

    once, each = (searched(mood, project, collapse=collapse) for collapse in (True, False))

    assert sum(result.same_as is not None for result in once.values()) >= 18
    for combination, result in each.items():
        assert once[combination].predicted.tolist() == result.predicted.tolist(), combination


def test_the_model_names_the_class_that_its_probability_is_of(mood: Any, documents: Any) -> None:
    dataset, _ = mood

    model = train(dataset, project_of(COMBINATIONS[1]), 1, jobs=2).model

    predictions = model.predict([documents[recording] for recording in dataset.recordings])
    right = [
        p.value == dataset.training[r] for r, p in zip(dataset.recordings, predictions, strict=True)
    ]
    assert np.mean(right) > 0.9  # it was trained on them; turned round it would be below 0.1
    assert {p.value for p in predictions} == set(dataset.classes)


def test_accuracies_are_near_those_that_gaias_authors_published(mood: Any) -> None:
    # 97.50 and 83.27 percent on the same recordings with newer descriptors, best of the grid.
    published = {"mood_aggressive": 97.5, "mood_happy": 83.27}[mood.dataset.name]
    project = Project(("basic", "gaussianized"), ("rbf",), (1, 5), (-5, -7))

    best = max(result.scores.accuracy for result in searched(mood, project).values())

    assert abs(best - published) < 6
