"""From labelled documents to one matrix."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.dataset import Dataset, prepare, sorted_ids
from trainer.descriptors import flatten
from trainer.errors import DatasetError
from trainer.ground_truth import GroundTruth
from trainer.layout import Layout
from trainer.options import JobOptions
from trainer.preprocessing.fitting import clean


def prepared(documents: Any, class_of: Any = None, options: Any = None) -> Any:
    """Prepare documents; every other one is of the second class unless said otherwise."""
    class_of = class_of or {r: "ab"[place % 2] for place, r in enumerate(sorted(documents))}
    classes = {}
    for recording, label in class_of.items():
        classes.setdefault(label, []).append(recording)
    return prepare(
        GroundTruth.from_classes("made", classes.items()),
        {recording: flatten(document) for recording, document in documents.items()},
        JobOptions.parse(options),
    )


def simple(count: int = 4, **more: Any) -> Any:
    return {f"r{number}": {"x": number + 0.5, **more} for number in range(count)}


def test_recordings_are_in_ascending_order_of_ids_whatever_the_order_given() -> None:
    documents = dict(reversed(simple().items()))

    dataset = prepared(documents)

    assert dataset.recordings == ("r0", "r1", "r2", "r3")
    assert dataset.values.ravel().tolist() == [0.5, 1.5, 2.5, 3.5]
    assert dataset.training == {"r0": "a", "r1": "b", "r2": "a", "r3": "b"}


def test_ids_are_ordered_by_utf_16_code_unit_as_qt_orders() -> None:
    # In UTF-16 what lies beyond the first plane comes before U+FF5E.
    assert sorted_ids(["\uff5e", "\U0001f3b5", "a"]) == ["a", "\U0001f3b5", "\uff5e"]


def test_classes_are_sorted_and_labels_are_positions_in_them() -> None:
    class_of = {"r0": "jazz", "r1": "blues", "r2": "jazz", "r3": "blues"}

    dataset = prepared(simple(), class_of)

    assert dataset.classes == ("blues", "jazz")
    assert dataset.labels.tolist() == [1, 0, 1, 0]


def test_text_is_coded_by_first_appearance_over_sorted_ids() -> None:
    documents = {
        "r3": {"x": 3, "key": "A"},
        "r0": {"x": 0, "key": "F"},
        "r2": {"x": 2, "key": "A"},
        "r1": {"x": 1, "key": "C"},
    }

    dataset = prepared(documents)

    (key,) = (d for d in dataset.layout.descriptors if not d.is_real)
    assert key.codes == {"F": 0, "C": 1, "A": 2}
    assert dataset.values[:, 0].tolist() == [0, 1, 2, 2]


def test_descriptors_are_ordered_level_by_level_of_their_paths() -> None:
    documents = {
        f"r{number}": {"a": {"z": number}, "a-b": number, "a.c": number} for number in range(4)
    }

    assert prepared(documents).layout.names == (".a.c", ".a.z", ".a-b")


def test_a_descriptor_of_varying_length_goes_and_is_named() -> None:
    documents = simple()
    for number, document in enumerate(documents.values()):
        document["beats"] = [1.0] * (3 + number)
        document["words"] = ["x"] * (3 + number)

    dataset = prepared(documents)

    assert dataset.layout.names == (".x",)
    assert dataset.removed["variable length"] == (".beats", ".words")


def test_an_empty_descriptor_goes_with_those_of_varying_length() -> None:
    assert prepared(simple(beats=[])).removed["variable length"] == (".beats",)


def test_constant_descriptors_go_and_are_named() -> None:
    dataset = prepared(simple(rate=44100, small=[1e-9, 2e-9]))

    assert dataset.layout.names == (".x",)
    assert dataset.removed["constant"] == (".rate", ".small")


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), 1e39, 10**400])
def test_a_descriptor_that_is_not_finite_in_one_document_goes_and_is_named(odd: Any) -> None:
    documents = simple(y=[1, 2])
    documents["r2"]["y"] = [1, odd]

    dataset = prepared(documents)

    assert dataset.layout.names == (".x",)
    assert dataset.removed["not finite"] == (".y",)


def test_constant_text_stays_as_in_gaia() -> None:
    dataset = prepared(simple(key="A"))

    assert dataset.layout.names == (".key", ".x")


def test_the_most_common_layout_counts_and_what_lacks_a_descriptor_is_left_out_and_named() -> None:
    documents = simple(7, y=1.0)
    for number in range(4, 7):
        documents[f"r{number}"]["y"] = number
    del documents["r1"]["y"]
    documents["r6"]["y"] = "text"

    dataset = prepared(documents)

    assert dataset.recordings == ("r0", "r2", "r3", "r4", "r5")
    assert dataset.left_out == {
        "r1": "lacks y as the other documents have it",
        "r6": "lacks y as the other documents have it",
    }
    assert len(dataset.labels) == len(dataset.values) == 5


def test_a_document_with_further_descriptors_stays_and_they_are_ignored() -> None:
    documents = simple(6)
    documents["r1"]["further"] = 1

    dataset = prepared(documents)

    assert not dataset.left_out
    assert dataset.layout.names == (".x",)


def test_of_equally_common_layouts_that_of_the_first_id_counts() -> None:
    documents = simple(8)
    for number in range(4):
        documents[f"r{number}"]["y"] = number

    for shuffled in (documents, dict(reversed(documents.items()))):
        assert prepared(shuffled).recordings == ("r0", "r1", "r2", "r3")


def test_a_number_where_the_others_have_text_is_text() -> None:
    documents = simple(6, key="A")
    documents["r1"]["key"] = 7
    documents["r2"]["key"] = 0.5

    dataset = prepared(documents)

    (key,) = (d for d in dataset.layout.descriptors if not d.is_real)
    assert key.values == ("A", "7", "0.5")
    assert not dataset.left_out


def test_a_class_that_layouts_make_too_small_is_an_error_that_names_it_and_them() -> None:
    documents = simple(8, y=1.0)
    class_of = {f"r{number}": "few" if number < 3 else "many" for number in range(8)}
    for recording in ("r0", "r2"):
        del documents[recording]["y"]

    with pytest.raises(
        DatasetError, match="class 'few' has 1 usable recording of the 2"
    ) as refused:
        prepared(documents, class_of)

    assert "r0 lacks y" in str(refused.value)
    assert "r2 lacks y" in str(refused.value)


def test_recordings_without_a_document_are_counted_and_the_first_ten_named() -> None:
    ids = [f"r{number:02}" for number in range(14)]
    ground_truth = GroundTruth.from_classes("made", {"a": ids[:7], "b": ids[7:]}.items())

    with pytest.raises(DatasetError) as refused:
        prepare(ground_truth, {"r13": flatten({"x": 1})}, JobOptions.parse(None))

    message = str(refused.value)
    assert message.startswith("13 recordings of the dataset without low-level document: r00, r01,")
    assert "r09 and 3 more" in message
    assert "r10" not in message


def test_documents_of_other_recordings_are_ignored() -> None:
    documents = simple()
    class_of = {r: "ab"[place % 2] for place, r in enumerate(documents)}

    dataset = prepared(documents | {"other": {"z": 1}}, class_of)

    assert dataset.recordings == tuple(documents)


@pytest.mark.parametrize("document", [{"x": 1}, {"x": 1e-9, "y": "text"}, {"x": [1, 1]}])
def test_copies_of_one_document_are_refused(document: Any) -> None:
    with pytest.raises(DatasetError, match="nothing to learn from"):
        prepared({f"r{number}": document for number in range(4)})


def test_documents_whose_lengths_all_differ_are_refused() -> None:
    documents = {f"r{number}": {"x": [1.0] * (number + 1)} for number in range(4)}

    with pytest.raises(DatasetError, match="no descriptor of one length in common"):
        prepared(documents)


def test_the_template_is_that_of_the_documents_that_are_trained_on() -> None:
    documents = {
        recording: document | {"y": 1, "metadata": {"version": {"essentia": "2.1-beta5"}}}
        for recording, document in simple(6).items()
    }
    documents["r1"] = {"x": 9, "metadata": {"version": {"essentia": "2.1-beta2"}}}

    dataset = prepared(documents)

    assert dataset.left_out.keys() == {"r1"}
    assert dataset.template == "2.1-beta5"


def test_the_artist_filters_rest_is_kept_for_testing_with_its_documents(make_document: Any) -> None:
    documents = {f"r{number:02}": make_document(number) for number in range(12)}
    class_of = {r: "ab"[place % 4 // 2] for place, r in enumerate(documents)}

    dataset = prepared(documents, class_of, {"filter_type": "artist"})

    assert len(dataset.training) == len(dataset.testing) == 6
    assert dataset.testing.keys() == dataset.testing_documents.keys()
    assert not dataset.training.keys() & dataset.testing.keys()
    assert dataset.testing.items() <= class_of.items()
    assert any("artist filter" in note for note in dataset.notes)


def test_rows_are_taken_with_their_recordings_and_labels(make_dataset: Any) -> None:
    dataset = make_dataset()

    taken = dataset.take(np.array([1, 4, 6]))

    assert taken.recordings == tuple(dataset.recordings[row] for row in (1, 4, 6))
    assert taken.values.tolist() == dataset.values[[1, 4, 6]].tolist()
    assert taken.training.items() <= dataset.training.items()


@given(st.randoms(use_true_random=False))
def test_the_order_of_what_is_given_changes_nothing(make_document: Any, randomly: Any) -> None:
    documents = {f"r{number}": make_document(number) for number in range(8)}
    del documents["r3"]["rhythm"]
    expected = prepared(documents)
    class_of = {r: "ab"[place % 2] for place, r in enumerate(sorted(documents))}
    shuffled = [shuffled_keys(documents, randomly), shuffled_keys(class_of, randomly)]
    shuffled[0] = {r: shuffled_keys(document, randomly) for r, document in shuffled[0].items()}

    dataset = prepared(*shuffled)

    assert dataset.values.tobytes() == expected.values.tobytes()
    assert dataset.recordings == expected.recordings
    assert dataset.layout == expected.layout
    assert dataset.labels.tolist() == expected.labels.tolist()
    assert dataset.left_out == expected.left_out
    assert dataset.removed == expected.removed


def test_other_names_in_the_same_order_give_the_same_values(make_document: Any) -> None:
    documents = {f"r{number}": make_document(number) for number in range(8)}
    renamed = {
        recording: {f"my_{key}": part for key, part in document.items() if key != "metadata"}
        for recording, document in documents.items()
    }

    dataset, other = prepared(documents), prepared(renamed)

    assert other.values.tobytes() == dataset.values.tobytes()
    assert other.layout.names == tuple(f".my_{name[1:]}" for name in dataset.layout.names)


def shuffled_keys(mapping: Any, randomly: Any) -> Any:
    keys = list(mapping)
    randomly.shuffle(keys)
    return {key: mapping[key] for key in keys}


def without(count: int, **options: Any) -> Any:
    """Prepare 12 recordings of two classes, the first `count` of them without document."""
    recordings = [f"r{number:02}" for number in range(12)]
    documents = {r: flatten({"x": place + 0.5}) for place, r in enumerate(recordings)}
    classes = {"a": recordings[:6], "b": recordings[6:]}
    return prepare(
        GroundTruth.from_classes("made", classes.items()),
        {recording: documents[recording] for recording in recordings[count:]},
        JobOptions.parse(options),
    )


def test_recordings_without_document_end_it_unless_they_may_be_left_out() -> None:
    with pytest.raises(
        DatasetError, match=r"r00, r01; submit .* by the option missing .*--missing leave-out"
    ):
        without(2)


@pytest.mark.parametrize(
    ("labelled", "told"),
    [
        ("{}.json", "all match but for the suffix"),
        ("low/{}", "all match but for the folder"),
        ("low\\{}.mp3.gz", "all match but for folder and suffix"),
        ("R{}", "'r1', 'r2', 'r3'); mend the ids"),
    ],
)
def test_ids_that_match_no_document_are_told_what_the_documents_are_called(
    labelled: str, told: str
) -> None:
    documents = {f"r{number}": flatten({"x": number}) for number in range(1, 5)}
    ids = [labelled.format(recording) for recording in documents]

    for missing in ("fail", "leave out"):
        with pytest.raises(DatasetError) as raised:
            Dataset.prepare(
                GroundTruth.from_classes("x", {"a": ids[:2], "b": ids[2:]}),
                documents,
                missing=missing,
            )

        assert "(the documents have ids such as 'r1', 'r2', 'r3'" in str(raised.value)
        assert told in str(raised.value)
        assert "submit" not in str(raised.value)


def test_ids_that_differ_in_the_case_of_letters_are_told_how_many(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"song {number}.json").write_text(f'{{"x": {number}}}')
    classes = {"a": ["Song 0", "song 1"], "b": ["SONG 2", "another"]}

    with pytest.raises(DatasetError, match="2 of 3 match but for the case of letters"):
        Dataset.prepare(GroundTruth.from_classes("x", classes), tmp_path)


def test_recordings_without_document_are_left_out_by_name() -> None:
    dataset = without(2, missing="leave out")

    assert dataset.recordings == tuple(f"r{number:02}" for number in range(2, 12))
    assert dataset.missing == ("r00", "r01")
    assert dataset.left_out == dict.fromkeys(dataset.missing, "has no low-level document")


def test_a_class_that_leaving_out_makes_too_small_is_refused() -> None:
    with pytest.raises(DatasetError) as raised:
        without(5, missing="leave out")

    assert "class 'a' has 1 recording with a low-level document of the 2" in str(raised.value)
    assert "r00, r01" in str(raised.value)


def test_where_nothing_is_missing_leaving_out_changes_nothing() -> None:
    assert without(0, missing="leave out").missing == ()


def test_the_recording_that_takes_every_descriptor_with_it_is_named(make_document: Any) -> None:
    documents = {f"r{number}": flatten(make_document(number, 1.0)) for number in range(4)}
    for values in documents["r2"].reals.values():
        values[:] = np.nan
    ground_truth = GroundTruth.from_classes("made", {"a": ["r0", "r1"], "b": ["r2", "r3"]}.items())

    with pytest.raises(DatasetError, match="such values are in 'r2'; take it out"):
        prepare(ground_truth, documents, JobOptions.parse(None))


def test_the_largest_numbers_are_looked_at_without_a_word() -> None:
    largest = np.finfo(np.float32).max
    matrix = np.array([[largest, 1], [-largest, 2], [largest, 3]], dtype=np.float32)

    assert clean(matrix, Layout.of_columns(2)).columns.tolist() == [0, 1]
