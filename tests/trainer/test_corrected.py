"""The corrected estimate: what the best of many combinations is worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.corrected import _draw, correct


def guesses(count: int, combinations: int, n_classes: int = 2, seed: int = 0) -> tuple:
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=count)
    return labels, [generator.integers(n_classes, size=count) for _ in range(combinations)]


@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_many_guesses_is_corrected_to_chance(seed: int) -> None:
    labels, predictions = guesses(300, 720, seed=seed)

    corrected = correct(labels, predictions, 1)

    assert max((p == labels).mean() for p in predictions) > 0.56
    assert corrected.balanced_accuracy.low < 50 < corrected.balanced_accuracy.high
    assert abs(corrected.balanced_accuracy.value - 50) < 3


def test_what_is_always_right_needs_no_correction() -> None:
    labels, predictions = guesses(100, 20)

    corrected = correct(labels, [*predictions, labels], 1)

    assert corrected.accuracy.value == corrected.accuracy.low == corrected.accuracy.high == 100


def test_of_a_single_combination_it_is_the_bootstrap_of_its_accuracy() -> None:
    labels, _ = guesses(500, 1)
    predicted = np.where(np.arange(500) % 5 == 0, 1 - labels, labels)

    corrected = correct(labels, [predicted], 1)

    assert corrected.accuracy.value == pytest.approx(80, abs=0.5)
    assert corrected.accuracy.low < 80 < corrected.accuracy.high


def test_a_recording_without_prediction_is_wrong() -> None:
    labels, _ = guesses(200, 1)

    assert correct(labels, [np.full(200, -1)], 1).accuracy.value == 0


def test_the_seed_decides() -> None:
    labels, predictions = guesses(60, 9)

    assert correct(labels, predictions, 1) == correct(labels, predictions, 1)
    assert correct(labels, predictions, 1) != correct(labels, predictions, 2)


def test_there_is_none_where_most_draws_leave_a_class_with_nothing_to_score() -> None:
    assert correct(np.array([0, 0, 0, 0, 1]), [np.zeros(5, dtype=int)], 1) is None


@settings(max_examples=40)
@given(st.integers(12, 40), st.integers(1, 6), st.integers(2, 3), st.integers(0, 99))
def test_it_is_what_its_definition_says(
    count: int, combinations: int, n_classes: int, seed: int
) -> None:
    labels, predictions = guesses(count, combinations, n_classes, seed)
    hits = [(predicted == labels).tolist() for predicted in predictions]

    def right(place: int, rows: list[int]) -> int:
        return sum(hits[place][row] for row in rows)

    values = []
    for drawn in _draw(count, seed).tolist():
        bag = [row for row, times in enumerate(drawn) for _ in range(times)]
        left = [row for row, times in enumerate(drawn) if not times]
        best = max(range(combinations), key=lambda place: (right(place, bag), -place))
        if {labels[row] for row in left} == set(labels.tolist()):
            values.append(100 * right(best, left) / len(left))

    corrected = correct(labels, predictions, seed)

    if corrected is None:
        assert len(values) < 250
    else:
        assert corrected.draws == len(values)
        assert corrected.accuracy.value == pytest.approx(np.mean(values))


def test_recordings_of_one_group_are_drawn_together_and_say_no_more_than_one() -> None:
    # Ten copies of each: as many recordings, no more knowledge.
    labels, predictions = guesses(50, 1, seed=3)
    copies = np.repeat(np.arange(50), 10)

    alone = correct(labels, predictions, 1)
    grouped = correct(labels[copies], [predictions[0][copies]], 1, groups=copies + 7)
    naive = correct(labels[copies], [predictions[0][copies]], 1)

    assert grouped == alone
    assert naive.accuracy.high - naive.accuracy.low < (alone.accuracy.high - alone.accuracy.low) / 2
