"""The transforms keep scikit-learn's contract, and Gaia's rules where the two meet."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
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
from trainer.preprocessing.chain import FeatureChain, InnerChain, Preprocessing
from trainer.preprocessing.recipes import NAMES
from trainer.preprocessing.transforms import Cleaner, RangeScaler, RankGaussianizer
from trainer.training import train

ESTIMATORS = (
    Cleaner(),
    RangeScaler(),
    RangeScaler(independent=True),
    RankGaussianizer(),
    Preprocessing(),
    Preprocessing(name="gaussianized"),
    InnerChain(),
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


@pytest.mark.parametrize("name", NAMES)
def test_fit_then_transform_equals_fit_transform(name: str, make_dataset: Any) -> None:
    dataset = make_dataset(classes=3)
    chain = Preprocessing(dataset.layout, name=name)

    at_once = chain.fit_transform(dataset.values)

    assert chain.fit(dataset.values).transform(dataset.values).tobytes() == at_once.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_what_reaches_the_machine_depends_on_a_row_alone(name: str, make_dataset: Any) -> None:
    dataset = make_dataset(classes=3)
    chain = Preprocessing(dataset.layout, name=name).fit(dataset.values)

    rows = [chain.transform(dataset.values[row : row + 1]) for row in range(5)]

    assert np.concatenate(rows).tobytes() == chain.transform(dataset.values[:5]).tobytes()


def test_a_constant_descriptor_goes_and_is_named() -> None:
    cleaner = Cleaner(LAYOUT).fit([[1, 1, 5, 0], [2, 1, 5, 0], [3, 1, 5, 0]])

    assert cleaner.columns_.tolist() == [0, 1, 3]
    assert (cleaner.constant_, cleaner.not_finite_) == ((".b",), ())


def test_one_varying_dimension_keeps_a_vector_and_codes_always_stay() -> None:
    X = np.array([[0, 1, 2, 1], [0, 3, 4, 1]], dtype=np.float32)

    assert Cleaner(LAYOUT).fit_transform(X).tolist() == X.tolist()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_descriptor_that_is_not_finite_somewhere_goes_whole_and_is_named(odd: Any) -> None:
    cleaner = Cleaner(LAYOUT).fit([[1, 2, 3, 0], [odd, 5, 6, 1], [7, 8, 9, 0]])

    assert cleaner.columns_.tolist() == [2, 3]
    assert (cleaner.constant_, cleaner.not_finite_) == ((), (".a",))


def test_a_descriptor_that_is_not_finite_anywhere_is_not_called_constant() -> None:
    cleaner = Cleaner(LAYOUT).fit([[np.inf, np.nan, 1, 0], [np.inf, np.nan, 2, 0]])

    assert (cleaner.constant_, cleaner.not_finite_) == ((), (".a",))


@pytest.mark.parametrize(
    ("spread", "kept"), [(0.0, False), (0.99e-7, False), (1e-7, True), (1.01e-7, True)]
)
def test_the_threshold_of_constancy_is_an_absolute_1e_7_and_strict(spread: Any, kept: Any) -> None:
    assert (len(Cleaner().fit([[0.0], [spread]]).columns_) == 1) is kept


def test_a_small_unit_makes_a_varying_descriptor_constant() -> None:
    X = np.array([[1e-9], [8e-9], [-5e-9]])

    assert not len(Cleaner().fit(X).columns_)
    assert len(Cleaner().fit(X * 1e3).columns_)


def test_the_range_of_a_vector_is_shared_unless_dimensions_are_independent() -> None:
    X = np.array([[0, 5, 1, 0], [10, 6, 3, 1]], dtype=np.float32)

    shared = RangeScaler(LAYOUT).fit_transform(X)
    own = RangeScaler(LAYOUT, independent=True).fit_transform(X)

    assert shared.tolist() == [[0, 0.5, 0, 0], [1, np.float32(0.6), 1, 1]]
    assert own.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("independent", [False, True])
def test_codes_pass_through_the_scaler_untouched(independent: Any) -> None:
    X = np.array([[0, 1, 2, 7], [3, 4, 5, 9]], dtype=np.float32)

    scaled = RangeScaler(LAYOUT, independent=independent).fit_transform(X)

    assert scaled[:, 3].tolist() == [7, 9]


def test_a_constant_dimension_in_a_varying_vector_is_scaled_to_zero() -> None:
    X = np.array([[7, 0, 1, 0], [7, 1, 2, 1]], dtype=np.float32)
    chain = InnerChain(LAYOUT).fit(X)

    assert chain.transform(X)[:, 0].tolist() == [0, 0]
    # Whatever a recording that was not trained on has there.
    assert chain.transform([[1e6, 0, 1, 0]])[:, 0].tolist() == [0]


@pytest.mark.parametrize("independent", [False, True])
def test_a_range_beyond_float32_is_scaled_to_zero_rather_than_to_nan(independent: Any) -> None:
    X = np.array([[-3e38], [3e38], [0]], dtype=np.float32)

    assert RangeScaler(independent=independent).fit_transform(X).tolist() == [[0], [0], [0]]


def test_the_inner_chain_forgets_what_the_cleaner_takes() -> None:
    chain = InnerChain(LAYOUT).fit([[np.nan, 1, 5, 0], [1, 2, 6, 1]])

    assert chain.columns_.tolist() == [2, 3]
    assert chain.transform([[np.inf, np.nan, 5.5, 3]]).tolist() == [[0.5, 3]]


def test_a_chain_that_is_left_nothing_gives_an_empty_matrix() -> None:
    chain = InnerChain().fit(np.ones((3, 2)))

    assert chain.transform(np.ones((2, 2))).shape == (2, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_that_finds_nothing_gives_an_empty_matrix(name: str) -> None:
    layout = Layout((Descriptor(".lowlevel.mfcc.min"),))

    chain = Preprocessing(layout, name=name)

    assert chain.fit_transform([[1.0], [2.0]]).shape == (2, 0)
    assert chain.transform([[1.0]]).shape == (1, 0)


def test_text_that_no_recipe_names_goes_and_is_named() -> None:
    layout = Layout(
        (
            Descriptor(".lowlevel.x"),
            Descriptor(".tonal.key_key", 1, ("A",)),
            Descriptor(".tonal.mood", 1, ("B",)),
        )
    )

    chain = Preprocessing(layout).fit([[1, 0, 0], [2, 1, 1]])

    assert chain.layout_.names == (".lowlevel.x", ".tonal.key_key")
    assert chain.not_enumerated_ == (".tonal.mood",)


def test_patterns_that_match_nothing_are_named_and_no_error() -> None:
    layout = Layout((Descriptor(".lowlevel.x"), Descriptor(".rhythm.bpm")))

    chain = Preprocessing(layout, name="nobands").fit([[1, 2], [3, 4]])

    assert {"tonal.thpcp", "tonal.key_key", "barkbands*"} <= set(chain.unmatched_)
    assert "*" not in chain.unmatched_


def test_lowlevel_drops_the_codes_again() -> None:
    layout = Layout((Descriptor(".lowlevel.x"), Descriptor(".tonal.key_key", 1, ("A", "B"))))

    chain = Preprocessing(layout, name="lowlevel").fit([[1, 0], [2, 1]])

    assert chain.layout_.names == (".lowlevel.x",)


def test_only_lowlevel_descriptors_are_gaussianized() -> None:
    layout = Layout((Descriptor(".lowlevel.x"), Descriptor(".rhythm.bpm")))
    X = np.array([[1, 60], [2, 90], [30, 120]], dtype=np.float32)

    gaussianized = Preprocessing(layout, name="gaussianized").fit_transform(X)

    assert gaussianized[:, 1] == pytest.approx([0, 0.5, 1])
    assert gaussianized[1, 0] == gaussianized[2, 0]  # ranks 2 and 3 of 3 are one


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


def test_a_recipe_that_selects_nothing_is_an_error_in_a_pipeline() -> None:
    with pytest.raises(ValueError, match="the recipe 'lowlevel' selects none of the descriptors"):
        FeatureChain(name="lowlevel").fit(np.eye(3))


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(2, 6), st.just(2)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_scaled_training_values_lie_in_0_to_1_but_for_rounding(X: Any) -> None:
    scaled = RangeScaler(independent=True).fit_transform(X)

    # Far from zero float32 has few digits left for a small range.
    spread = np.maximum(np.ptp(X, axis=0), 1e-30)
    rounding = 1e-6 * (1 + np.abs(X).max(axis=0) / spread)
    assert ((scaled >= -rounding) & (scaled <= 1 + rounding)).all()
