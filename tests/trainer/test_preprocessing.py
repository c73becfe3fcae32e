"""What the transforms and recipes learn, by Gaia's rules."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trainer.layout import Descriptor, Layout
from trainer.preprocessing.chain import fit_inner, fit_recipe
from trainer.preprocessing.fitting import clean, fit_ranges
from trainer.preprocessing.recipes import NAMES

# A vector of two, one number, one code.
LAYOUT = Layout((Descriptor(".a", 2), Descriptor(".b"), Descriptor(".c", 1, ("x", "y"))))


def matrix_of(rows: Any) -> Any:
    return np.array(rows, dtype=np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_makes_of_its_matrix_what_it_made_while_it_was_fitted(
    name: str, make_dataset: Any
) -> None:
    dataset = make_dataset(classes=3)

    chain, at_once = fit_recipe(dataset.values, dataset.layout, name)

    assert chain.apply(dataset.values).tobytes() == at_once.tobytes()


@pytest.mark.parametrize("name", NAMES)
def test_what_reaches_the_machine_depends_on_a_row_alone(name: str, make_dataset: Any) -> None:
    dataset = make_dataset(classes=3)
    chain, _ = fit_recipe(dataset.values, dataset.layout, name)

    rows = [chain.apply(dataset.values[row : row + 1]) for row in range(5)]

    assert np.concatenate(rows).tobytes() == chain.apply(dataset.values[:5]).tobytes()


def test_a_constant_descriptor_goes_and_is_named() -> None:
    cleaning = clean(matrix_of([[1, 1, 5, 0], [2, 1, 5, 0], [3, 1, 5, 0]]), LAYOUT)

    assert cleaning.columns.tolist() == [0, 1, 3]
    assert (cleaning.constant, cleaning.not_finite) == ((".b",), ())


def test_one_varying_dimension_keeps_a_vector_and_codes_always_stay() -> None:
    X = matrix_of([[0, 1, 2, 1], [0, 3, 4, 1]])

    assert clean(X, LAYOUT).columns.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_a_descriptor_that_is_not_finite_somewhere_goes_whole_and_is_named(odd: Any) -> None:
    cleaning = clean(matrix_of([[1, 2, 3, 0], [odd, 5, 6, 1], [7, 8, 9, 0]]), LAYOUT)

    assert cleaning.columns.tolist() == [2, 3]
    assert (cleaning.constant, cleaning.not_finite) == ((), (".a",))


def test_a_descriptor_that_is_not_finite_anywhere_is_not_called_constant() -> None:
    cleaning = clean(matrix_of([[np.inf, np.nan, 1, 0], [np.inf, np.nan, 2, 0]]), LAYOUT)

    assert (cleaning.constant, cleaning.not_finite) == ((), (".a",))


@pytest.mark.parametrize(
    ("spread", "kept"), [(0.0, False), (0.99e-7, False), (1e-7, True), (1.01e-7, True)]
)
def test_the_threshold_of_constancy_is_an_absolute_1e_7_and_strict(spread: Any, kept: Any) -> None:
    cleaning = clean(matrix_of([[0.0], [spread]]), Layout.of_columns(1))

    assert (len(cleaning.columns) == 1) is kept


def test_a_small_unit_makes_a_varying_descriptor_constant() -> None:
    X, layout = matrix_of([[1e-9], [8e-9], [-5e-9]]), Layout.of_columns(1)

    assert not len(clean(X, layout).columns)
    assert len(clean(X * 1e3, layout).columns)


def test_the_range_of_a_vector_is_shared_unless_dimensions_are_independent() -> None:
    X = np.array([[0, 5, 1, 0], [10, 6, 3, 1]], dtype=np.float32)

    shared = fit_ranges(X, LAYOUT).apply(X)
    own = fit_ranges(X, LAYOUT, independent=True).apply(X)

    assert shared.tolist() == [[0, 0.5, 0, 0], [1, np.float32(0.6), 1, 1]]
    assert own.tolist() == [[0, 0, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("independent", [False, True])
def test_codes_pass_through_the_scaler_untouched(independent: Any) -> None:
    X = np.array([[0, 1, 2, 7], [3, 4, 5, 9]], dtype=np.float32)

    scaled = fit_ranges(X, LAYOUT, independent=independent).apply(X)

    assert scaled[:, 3].tolist() == [7, 9]


def test_a_constant_dimension_in_a_varying_vector_is_scaled_to_zero() -> None:
    X = np.array([[7, 0, 1, 0], [7, 1, 2, 1]], dtype=np.float32)
    chain = fit_inner(X, LAYOUT)

    assert chain.apply(X)[:, 0].tolist() == [0, 0]
    # Whatever a recording that was not trained on has there.
    assert chain.apply(matrix_of([[1e6, 0, 1, 0]]))[:, 0].tolist() == [0]


@pytest.mark.parametrize("independent", [False, True])
def test_a_range_beyond_float32_is_scaled_to_zero_rather_than_to_nan(independent: Any) -> None:
    X = np.array([[-3e38], [3e38], [0]], dtype=np.float32)

    scaled = fit_ranges(X, Layout.of_columns(1), independent=independent).apply(X)

    assert scaled.tolist() == [[0], [0], [0]]


def test_the_inner_chain_forgets_what_the_cleaning_takes() -> None:
    chain = fit_inner(matrix_of([[np.nan, 1, 5, 0], [1, 2, 6, 1]]), LAYOUT)

    assert chain.columns.tolist() == [2, 3]
    assert chain.apply(matrix_of([[np.inf, np.nan, 5.5, 3]])).tolist() == [[0.5, 3]]


def test_a_chain_that_is_left_nothing_gives_an_empty_matrix() -> None:
    chain = fit_inner(matrix_of(np.ones((3, 2))), Layout.of_columns(2))

    assert chain.apply(matrix_of(np.ones((2, 2)))).shape == (2, 0)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_that_finds_nothing_gives_an_empty_matrix(name: str) -> None:
    layout = Layout((Descriptor(".lowlevel.mfcc.min"),))

    chain, matrix = fit_recipe(matrix_of([[1.0], [2.0]]), layout, name)

    assert matrix.shape == (2, 0)
    assert chain.apply(matrix_of([[1.0]])).shape == (1, 0)


def test_text_that_no_recipe_names_goes_and_is_named() -> None:
    layout = Layout(
        (
            Descriptor(".lowlevel.x"),
            Descriptor(".tonal.key_key", 1, ("A",)),
            Descriptor(".tonal.mood", 1, ("B",)),
        )
    )

    chain, _ = fit_recipe(matrix_of([[1, 0, 0], [2, 1, 1]]), layout)

    assert chain.layout.names == (".lowlevel.x", ".tonal.key_key")
    assert chain.not_enumerated == (".tonal.mood",)


def test_patterns_that_match_nothing_are_named_and_no_error() -> None:
    layout = Layout((Descriptor(".lowlevel.x"), Descriptor(".rhythm.bpm")))

    chain, _ = fit_recipe(matrix_of([[1, 2], [3, 4]]), layout, "nobands")

    assert {"tonal.thpcp", "tonal.key_key", "barkbands*"} <= set(chain.unmatched)
    assert "*" not in chain.unmatched


def test_lowlevel_drops_the_codes_again() -> None:
    layout = Layout((Descriptor(".lowlevel.x"), Descriptor(".tonal.key_key", 1, ("A", "B"))))

    chain, _ = fit_recipe(matrix_of([[1, 0], [2, 1]]), layout, "lowlevel")

    assert chain.layout.names == (".lowlevel.x",)


def test_only_lowlevel_descriptors_are_gaussianized() -> None:
    layout = Layout((Descriptor(".lowlevel.x"), Descriptor(".rhythm.bpm")))
    X = np.array([[1, 60], [2, 90], [30, 120]], dtype=np.float32)

    _, gaussianized = fit_recipe(X, layout, "gaussianized")

    assert gaussianized[:, 1] == pytest.approx([0, 0.5, 1])
    assert gaussianized[1, 0] == gaussianized[2, 0]  # ranks 2 and 3 of 3 are one


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(2, 6), st.just(2)),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_scaled_training_values_lie_in_0_to_1_but_for_rounding(X: Any) -> None:
    scaled = fit_ranges(X, Layout.of_columns(2), independent=True).apply(X)

    # Far from zero float32 has few digits left for a small range.
    spread = np.maximum(np.ptp(X, axis=0), 1e-30)
    rounding = 1e-6 * (1 + np.abs(X).max(axis=0) / spread)
    assert ((scaled >= -rounding) & (scaled <= 1 + rounding)).all()
