"""Models that need documents of another extractor beside models that are shown."""

from collections.abc import Callable

import pytest

from schema import highlevel, models
from schema.models import Status
from tests.highlevel.mirror import CLASSES, Mirror, document, with_descriptor

Work = Callable[..., int]

# Descriptors that only one extractor writes; documents of tests have neither.
OLD, MUSIC = "pitch", "spectral_entropy"

HIDDEN = pytest.mark.parametrize("status", [Status.HIDDEN, Status.EVALUATION])


@HIDDEN
def test_a_model_that_is_not_shown_takes_no_outputs_from_those_that_are(
    mirror: Mirror, work: Work, status: Status
) -> None:
    mirror.publish_all()
    odd = mirror.publish("mood", "odd", status, extra=OLD).model.id
    ids = mirror.recordings(5)

    assert work() == 0

    assert mirror.counts() == dict.fromkeys(ids, len(CLASSES))
    for identifier, row in mirror.queue().items():
        served = mirror.served(identifier)
        assert served is not None
        assert set(served["highlevel"]) == set(CLASSES)
        assert row["refused_by"] == [odd]
        assert row["error"].startswith("outputs of the other models are written; model 'mood odd'")
        assert "lacks lowlevel.pitch.mean" in row["error"]
    assert set(mirror.queue()) == set(ids)


def test_documents_that_suit_all_models_get_all_outputs_beside_others(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish_all()
    mirror.publish("mood", "odd", Status.HIDDEN, extra=OLD)
    [without] = mirror.recordings(1)
    [complete] = mirror.store([with_descriptor(document(mirror.randomness, 0.0), OLD)])

    work()

    assert mirror.counts() == {without: len(CLASSES), complete: len(CLASSES) + 1}
    assert set(mirror.queue()) == {without}


def test_a_shown_model_that_cannot_use_a_document_still_means_no_outputs(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish("danceability")
    mirror.publish("gender", extra=OLD)
    [identifier] = mirror.recordings(1)

    work()

    assert mirror.counts() == {identifier: 0}
    assert mirror.queue()[identifier]["error"].startswith("model 'gender' cannot use it")


def test_hidden_models_alone_leave_the_servers_mark_where_none_can_use_a_document(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish("gender", "odd", Status.HIDDEN, extra=OLD)
    [identifier] = mirror.recordings(1)

    work()

    assert mirror.served(identifier) is None
    assert mirror.queue()[identifier]["error"].startswith("model 'gender' cannot use it")


def test_showing_a_model_makes_every_document_have_to_suit_it(mirror: Mirror, work: Work) -> None:
    mirror.publish("danceability")
    mirror.publish("gender", "odd", Status.HIDDEN, extra=OLD)
    mirror.recordings(1)
    work()
    mirror.publish("gender", "odd", Status.SHOW, extra=OLD)
    [later] = mirror.recordings(1)

    work()

    assert mirror.counts()[later] == 0


def test_retiring_a_model_puts_back_what_failed_at_nothing_else(mirror: Mirror, work: Work) -> None:
    mirror.publish("danceability")
    odd = mirror.publish("gender", extra=OLD).model.id
    mirror.publish("mood", extra=MUSIC)
    both = mirror.recordings(1)
    one = mirror.store([with_descriptor(document(mirror.randomness, 0.0), MUSIC)])
    work()
    assert set(mirror.queue()) == {*both, *one}

    with mirror.engine.begin() as connection:
        models.retire(connection, name="gender")
        again = highlevel.retry_refused(connection, odd)
    work()

    assert again == 1
    assert set(mirror.queue()) == set(both)
    assert mirror.counts() == {both[0]: 0, one[0]: 2}


def test_what_two_models_refused_is_put_back_with_the_second(mirror: Mirror, work: Work) -> None:
    refusing = [
        mirror.publish(name, "odd", Status.HIDDEN, extra=OLD).model for name in ("gender", "mood")
    ]
    mirror.publish("danceability")
    mirror.recordings(3)
    work()

    again = []
    for model in refusing:
        with mirror.engine.begin() as connection:
            models.retire(connection, name=model.name)
            again.append(highlevel.retry_refused(connection, model.id))
    work()

    assert again == [0, 3]
    assert mirror.queue() == {}


def test_a_backfill_of_another_model_reaches_what_a_hidden_one_refused(
    mirror: Mirror, work: Work
) -> None:
    mirror.publish("danceability")
    odd = mirror.publish("gender", "odd", Status.HIDDEN, extra=OLD).model.id
    [identifier] = mirror.recordings(1)
    work()
    later = mirror.publish("mood").model.id

    with mirror.engine.begin() as connection:
        useless = highlevel.backfill(connection, [odd], limit=10, first=True)
        useful = highlevel.backfill(connection, [odd, later], limit=10, first=True)
    work()

    assert (useless.enqueued, useful.enqueued) == (0, 1)
    assert mirror.counts() == {identifier: 2}
    assert mirror.queue()[identifier]["refused_by"] == [odd]


def test_publishing_says_that_no_document_suits_it_and_those_that_are_shown(
    mirror: Mirror,
) -> None:
    first = mirror.publish("danceability", extra=MUSIC)
    hidden = mirror.publish("gender", "old", Status.HIDDEN, extra=OLD)
    shown = mirror.publish("gender", "old", Status.SHOW, extra=OLD)

    assert first.other_layout == ""
    assert "gender old needs documents of Essentia 1, and" in hidden.other_layout
    assert "danceability needs those of" in hidden.other_layout
    assert "get the outputs of the others" in hidden.other_layout
    assert "gets no outputs at all" in shown.other_layout
