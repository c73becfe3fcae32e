"""What an evaluation comes to, in a sentence."""

from typing import Any

import pytest

from trainer.corrected import Corrected, Estimate
from trainer.findings import Finding
from trainer.verdict import Figures, Trial, Verdict, verdict_of, verdict_of_model

GOOD = Corrected(Estimate(89.6, 84.2, 94.4), Estimate(88.0, 83.0, 93.0), 500)


def verdict(*kinds: str, recordings: tuple[str, ...] = (), **figures: Any) -> Verdict:
    given = {
        "accuracy": 91.0,
        "majority": 60.0,
        "corrected": GOOD,
        "combinations": 720,
        "recordings": 200,
    }
    found = [Finding(kind, "warning", "", recordings) for kind in kinds]
    return verdict_of(Figures(**given | figures), found)


def test_a_sound_evaluation_says_how_many_of_a_hundred_and_what_to_hold_it_against() -> None:
    said = verdict("small classes", "left out")

    assert said.kind == "better"
    assert "of 100 new recordings like these it recognises about 90 (84 to 94)" in said.sentence
    assert said.sentence.endswith("always answering the largest class is right for 60.")


@pytest.mark.parametrize(
    ("kinds", "kind", "part"),
    [
        (("chance",), "chance", "the 91.0 % may be what the luckiest of 720 attempts reached"),
        (("majority",), "majority", "the largest class, which is right for 60.0 %"),
        (("class of one album",), "doubtful", "it may be the album that is recognised"),
        (("class of one artist",), "doubtful", "it may be the artist that is recognised"),
        (("album in several folds",), "heard", "tested on albums that it had heard"),
        (("artist in several folds",), "heard", "tested on artists that it had heard"),
        (("artists unknown",), "better", "could not be tested"),
    ],
)
def test_what_was_found_decides(kinds: tuple[str, ...], kind: str, part: str) -> None:
    assert verdict(*kinds).kind == kind
    assert part in verdict(*kinds).sentence


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ("chance", "class of one album"),
        ("majority", "class of one album"),
        ("class of one artist", "album in several folds"),
        ("artist in several folds", "artists unknown"),
    ],
)
def test_the_worst_of_several_decides(worse: str, better: str) -> None:
    assert verdict(better, worse) == verdict(worse)


@pytest.mark.parametrize(("many", "kind"), [(10, "better"), (11, "heard")])
def test_duplicates_count_when_they_are_many(many: int, kind: str) -> None:
    twice = tuple(f"r{number}" for number in range(many))

    assert verdict("duplicates", recordings=twice).kind == kind


def test_without_an_estimate_nothing_is_claimed() -> None:
    assert verdict("chance", corrected=None).kind == "unknown"


def test_the_luck_of_a_single_combination_is_not_that_of_a_choice() -> None:
    assert "91.0 % may be luck" in verdict("chance", combinations=1).sentence


def tried(**more: Any) -> Verdict:
    given: dict[str, Any] = {"right": 78, "majority": 54, "new": 100, "seen": 0, "knows": True}
    return verdict_of_model(Trial(**given | more))


def test_a_model_on_recordings_that_it_knows_all_cannot_be_believed() -> None:
    said = tried(right=0, majority=0, new=0, seen=212)

    assert said.kind == "doubtful"
    assert said.sentence.startswith(
        "Cannot be believed: the model was trained on all of these recordings"
    )


def test_a_model_on_new_recordings_is_held_against_the_largest_class_by_its_interval() -> None:
    better, not_surely = tried(), tried(right=60)

    assert better.kind == "better"
    assert "of 100 new recordings like these it recognises about 78 (69 to 85)" in better.sentence
    assert better.sentence.endswith("always answering the largest class is right for 54.")
    assert not_surely.kind == "majority"
    assert "the largest class, which is right for 54.0 %. Do not" in not_surely.sentence


def test_a_model_that_knows_some_of_its_recordings_is_judged_by_the_others() -> None:
    better, not_surely = tried(seen=20), tried(seen=20, right=60)

    assert better.kind == "heard"
    assert "partly memory: the model was trained on 20 of these 120 recordings" in better.sentence
    assert "By the other 100, of 100 new recordings like these" in better.sentence
    assert not_surely.kind == "majority"
    assert "of the 100 recordings that the model was not trained on" in not_surely.sentence


def test_a_model_that_cannot_say_what_it_was_trained_on_is_believed_with_that_reserve() -> None:
    said = tried(knows=False)

    assert said.kind == "better"
    assert "Whether it was trained on some of these it does not say" in said.sentence
