"""The chain keeps scikit-learn's contract."""

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import (
    GridSearchCV,
    PredefinedSplit,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from trainer.grid.project import Project
from trainer.layout import Descriptor, Layout
from trainer.preprocessing.estimator import FeatureChain
from trainer.preprocessing.recipes import NAMES
from trainer.training import train

ESTIMATORS = (
    FeatureChain(),
    FeatureChain(name="gaussianized"),
)
# A vector of two, one number, one code.
LAYOUT = Layout((Descriptor(".a", 2), Descriptor(".b"), Descriptor(".c", 1, ("x", "y"))))


@parametrize_with_checks(list(ESTIMATORS))
def test_scikit_learns_checks_pass(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_each_works_in_a_pipeline_and_a_cross_validation(estimator: Any) -> None:
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 20)
    X = rng.normal(size=(40, 5)) + 4 * y[:, None]

    assert cross_val_score(make_pipeline(estimator, SVC()), X, y).mean() > 0.9


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_a_clone_has_the_parameters_and_none_of_the_fit(estimator: Any) -> None:
    fitted = clone(estimator).set_params(layout=LAYOUT).fit(np.eye(4))

    copy = clone(fitted)

    assert copy.get_params()["layout"].names == LAYOUT.names
    assert not [name for name in vars(copy) if name.endswith("_")]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=str)
def test_a_layout_of_another_width_is_refused(estimator: Any) -> None:
    with pytest.raises(ValueError, match="the layout has 4 columns, but the matrix has 3"):
        clone(estimator).set_params(layout=LAYOUT).fit(np.eye(3))


def test_a_pipeline_of_scikit_learn_predicts_what_our_search_predicts(make_dataset: Any) -> None:
    dataset = make_dataset(classes=3, size=12, lean=0.6)
    project = Project(("basic",), ("rbf", "poly"), (-1, 3), (-5, -1))
    evaluation = train(dataset, project, engine="sklearn", jobs=1)

    for result in evaluation.results:
        asked = result.combination
        svm = SVC(
            kernel=asked.kernel, C=2.0**asked.c_exponent, gamma=2.0**asked.gamma_exponent, coef0=0
        )
        pipeline = make_pipeline(FeatureChain(dataset.layout, template=dataset.template), svm)
        folds = PredefinedSplit(evaluation.fold_of)
        predicted = cross_val_predict(pipeline, dataset.values, dataset.labels, cv=folds)
        assert predicted.tolist() == result.predicted.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_pipeline_feeds_its_machine_what_a_model_was_trained_on(
    name: str, make_dataset: Any
) -> None:
    dataset = make_dataset(classes=2, size=10)
    model = train(dataset, Project((name,), ("rbf",), (1,), (-3,))).model
    chain = FeatureChain(dataset.layout, name=name, template=dataset.template)

    rows = chain.fit_transform(dataset.values)

    # What a model does to a document are the same two chains, as its steps.
    held = {row.tobytes() for row in model.svm.support_vectors.astype(np.float32)}
    assert held <= {row.tobytes() for row in rows}


def test_recipe_and_machine_are_searched_together_by_scikit_learn(make_dataset: Any) -> None:
    dataset = make_dataset(classes=2, size=12)
    pipeline = Pipeline([("features", FeatureChain(dataset.layout)), ("svm", SVC())])
    grid = {"features__name": ["basic", "lowlevel", "gaussianized"], "svm__C": [0.5, 2.0]}

    search = GridSearchCV(pipeline, grid, cv=3).fit(dataset.values, dataset.labels)

    assert len(search.cv_results_["params"]) == 6
    assert search.best_score_ > 0.8
    assert search.best_estimator_.named_steps["features"].layout.names == dataset.layout.names


def test_output_columns_are_named_after_descriptors() -> None:
    X = [[0, 1, 5, 0], [3, 1, 6, 1], [1, 1, 7, 0]]
    named = Layout((Descriptor(".lowlevel.a", 2), Descriptor(".rhythm.b"), Descriptor(".c")))

    kept = FeatureChain(named, name="lowlevel").fit(X)
    frame = FeatureChain(named).set_output(transform="pandas").fit_transform(X)

    assert kept.get_feature_names_out().tolist() == ["lowlevel.a[0]", "lowlevel.a[1]"]
    assert list(frame.columns) == ["lowlevel.a[0]", "lowlevel.a[1]", "rhythm.b", "c"]


def test_a_recipe_in_the_place_of_the_layout_is_told() -> None:
    with pytest.raises(TypeError, match=r"layout is 'basic', .* FeatureChain"):
        FeatureChain("basic").fit(np.eye(3))  # type: ignore[arg-type]


def test_a_recipe_that_selects_nothing_is_an_error_in_a_pipeline() -> None:
    with pytest.raises(ValueError, match="the recipe 'lowlevel' selects none of the descriptors"):
        FeatureChain(name="lowlevel").fit(np.eye(3))
