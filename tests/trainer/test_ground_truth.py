"""Classes of recordings: what is read from files, refused with a sentence, and selected."""

import csv
import gzip
import io
import json
import random
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from trainer.errors import DatasetError, GroundTruthError
from trainer.ground_truth import GroundTruth, Selection, artist_filter, limit_class_sizes, select
from trainer.parsing import MAX_BYTES

MBID = "0df42a54-6b8b-4f4d-b4d5-6a9c5a3a5d8e"
MOODS = {"happy": ("a", "b"), "sad": ("c", "d")}

names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"], max_codepoint=0x2FF),
    min_size=1,
)
ground_truths = st.dictionaries(names, st.integers(2, 4), min_size=2).map(
    lambda sizes: {
        label: tuple(f"{place}-{number}" for number in range(size))
        for place, (label, size) in enumerate(sizes.items())
    }
)


def write(path: Path, content: str | bytes) -> Path:
    content = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def gaia(classes: dict[str, Any], **changes: Any) -> str:
    class_of = {recording: label for label in classes for recording in classes[label]}
    given = {"className": "moods", "type": "singleClass", "version": 1.0, "groundTruth": class_of}
    return yaml.safe_dump({k: v for k, v in (given | changes).items() if v is not None})


def dataset(sizes: dict[str, int]) -> GroundTruth:
    classes = [(name, [f"{name}{n:04}" for n in range(size)]) for name, size in sizes.items()]
    return GroundTruth.from_classes("made", classes)


# Checks


def test_classes_and_recordings_keep_their_order() -> None:
    truth = GroundTruth.from_classes("moods", [("sad", ["d", "c"]), ("happy", ["b", "a"])])

    assert truth == GroundTruth.from_classes("moods", {"sad": ["d", "c"], "happy": ["b", "a"]})
    assert list(truth.classes.items()) == [("sad", ("d", "c")), ("happy", ("b", "a"))]
    assert list(truth.class_of.items()) == [
        ("d", "sad"),
        ("c", "sad"),
        ("b", "happy"),
        ("a", "happy"),
    ]


def test_recordings_that_are_listed_more_than_once_are_named_in_a_note() -> None:
    once = GroundTruth.from_classes("d", [("a", ["1", "2"]), ("b", ["3", "4"])])
    twice = GroundTruth.from_classes("d", [("a", ["1", "2", "1", "1"]), ("b", ["3", "4"])])

    assert once.notes == ()
    (note,) = twice.notes
    assert note == "1 recording listed more than once in the same class, where it counts once: '1'"


def test_a_csv_with_swapped_columns_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "swapped.csv"
    path.write_text("".join(f"{'happy' if row % 2 else 'sad'},id-{row}\n" for row in range(10)))

    with pytest.raises(
        GroundTruthError, match=r"columns seem to be swapped.*such as 'id-0'; write"
    ):
        GroundTruth.read(path)


def test_classes_of_one_recording_each_are_no_swapped_columns(tmp_path: Path) -> None:
    path = tmp_path / "tempo.csv"
    path.write_text("".join(f"id-{row},{60 + row}\n" for row in range(10)))

    with pytest.raises(GroundTruthError, match="at least 2 are needed in each class"):
        GroundTruth.read(path)


def test_a_recording_that_is_twice_in_a_class_counts_once() -> None:
    truth = GroundTruth.from_classes("x", [("a", ["1", "2", "1"]), ("b", ["3", "4"]), ("a", ["2"])])

    assert truth.classes == {"a": ("1", "2"), "b": ("3", "4")}


def test_an_mbid_is_the_same_recording_in_upper_case() -> None:
    with pytest.raises(GroundTruthError, match=rf"recording '{MBID}' is in two classes"):
        GroundTruth.from_classes("x", [("a", [MBID.upper(), "1"]), ("b", [MBID, "2"])])


@pytest.mark.parametrize("classes", [[], [("a", [])], [("a", []), ("b", [])]])
def test_a_dataset_without_recordings_is_refused(classes: list[Any]) -> None:
    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.from_classes("moods", classes)

    assert str(raised.value) == (
        "dataset 'moods' is empty: it needs at least 2 classes of at least 2 recordings"
    )


def test_one_class_is_refused() -> None:
    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.from_classes("moods", [("happy", ["a", "b"])])

    assert str(raised.value) == (
        "dataset 'moods' has only one class, 'happy'; at least 2 are needed"
    )


def test_a_class_of_fewer_than_two_recordings_is_refused() -> None:
    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.from_classes("moods", [("happy", ["a", "b"]), ("sad", ["c"]), ("none", [])])

    assert str(raised.value) == (
        "2 classes have too few recordings: 'sad' 1, 'none' 0; at least 2 are needed in each class"
    )


def test_one_class_that_is_too_small_is_named_in_a_plain_sentence() -> None:
    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.from_classes("moods", [("happy", ["a", "b"]), ("sad", ["c"])])

    assert str(raised.value) == ("class 'sad' has 1 recording; at least 2 are needed in each class")


def test_of_many_classes_that_are_too_small_a_few_are_named() -> None:
    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.from_classes("x", [(f"c{number}", [str(number)]) for number in range(10)])

    assert str(raised.value) == (
        "10 classes have too few recordings: 'c0' 1, 'c1' 1, 'c2' 1 and 7 more; "
        "at least 2 are needed in each class"
    )


def test_a_name_of_spaces_is_called_blank_and_not_empty() -> None:
    with pytest.raises(GroundTruthError, match=r"class name is '  ', which is blank; give each"):
        GroundTruth.from_classes("x", [("  ", ["a", "b"]), ("c", ["d", "e"])])


def test_a_recording_in_two_classes_is_refused() -> None:
    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.from_classes("moods", [("happy", ["a", "b"]), ("sad", ["b", "c", "a"])])

    assert str(raised.value) == (
        "recording 'b' is in two classes, 'happy' and 'sad' and 1 more; "
        "leave each recording in one class"
    )


def test_too_many_classes_are_refused() -> None:
    classes = [(f"c{n}", [f"{n}-1", f"{n}-2"]) for n in range(1001)]

    assert len(GroundTruth.from_classes("x", classes[:-1]).classes) == 1000
    with pytest.raises(GroundTruthError, match=r"has 1,001 classes; at most 1,000"):
        GroundTruth.from_classes("x", classes)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        ("", "a class name is empty"),
        (" \n", "which is blank"),
        ("x" * 501, "is longer than 500 characters"),
        ("a\0", r"class name 'a\\x00' holds a character that cannot be stored"),
        ("a\ud800", r"class name 'a\\ud800' holds a character that cannot be stored"),
        (7, "class name 7 is not text"),
        (None, "class name null is not text"),
    ],
)
def test_a_class_name_that_cannot_be_used_is_refused(label: Any, problem: str) -> None:
    with pytest.raises(GroundTruthError, match=problem):
        GroundTruth.from_classes("x", [(label, ["a", "b"]), ("other", ["c", "d"])])


def test_a_text_in_place_of_ids_is_not_taken_for_its_letters() -> None:
    with pytest.raises(GroundTruthError, match="class 'a' holds '12'; give a list of recording"):
        GroundTruth.from_classes("x", {"a": "12", "b": ["3", "4"]})


@pytest.mark.parametrize("recording", ["", 7, ["a"], "a\0", "x" * 501])
def test_an_id_that_cannot_be_used_is_refused_with_its_class(recording: Any) -> None:
    with pytest.raises(GroundTruthError, match=r"recording id of class 'sad'"):
        GroundTruth.from_classes("x", [("sad", ["a", recording]), ("happy", ["c", "d"])])


def test_control_characters_are_shown_escaped() -> None:
    with pytest.raises(GroundTruthError, match=r"only one class, 'a\\n\\x1b\[31m'"):
        GroundTruth.from_classes("x", [("a\n\x1b[31m", ["a", "b"])])


# Files


@pytest.mark.parametrize("name", ["x.yaml", "x.yml", "x.yaml.gz"])
def test_gaias_yaml_is_read(tmp_path: Path, name: str) -> None:
    truth = GroundTruth.read(write(tmp_path / name, gaia(MOODS)))

    assert truth == GroundTruth("moods", MOODS)


def test_class_names_in_yaml_stay_text(tmp_path: Path) -> None:
    text = "type: singleClass\nversion: 1.0\ngroundTruth: {a: 1.0, b: 1.0, 010: yes, 011: yes}"

    assert GroundTruth.read(write(tmp_path / "x.yaml", text)).classes == {
        "1.0": ("a", "b"),
        "yes": ("010", "011"),
    }


def test_yaml_of_python_2_is_read(tmp_path: Path) -> None:
    text = gaia({"happy": ["a", "b"], "sad": ["c", "d"]}).replace("happy", "!!python/unicode 'x'")

    assert list(GroundTruth.read(write(tmp_path / "x.yaml", text)).classes) == ["x", "sad"]


@pytest.mark.parametrize("changes", [{"type": "unknown"}, {"version": 2}, {"type": None}])
def test_yaml_of_an_unexpected_type_or_version_is_read(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    path = write(tmp_path / "x.yaml", gaia(MOODS, **changes))

    assert GroundTruth.read(path).classes == MOODS


def test_yaml_of_an_unexpected_type_and_version_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.yaml", gaia(MOODS, type="unknown", version=None))

    with pytest.raises(GroundTruthError, match="type 'unknown' and version null are not those"):
        GroundTruth.read(path)


def test_a_recording_with_two_classes_in_yaml_is_refused(tmp_path: Path) -> None:
    text = "type: singleClass\ngroundTruth:\n a: happy\n b: happy\n c: sad\n a: sad\n"

    with pytest.raises(GroundTruthError, match="'a' is there twice, as 'happy' and as 'sad'"):
        GroundTruth.read(write(tmp_path / "x.yaml", text))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_acousticbrainz_csv_is_read(tmp_path: Path, encoding: str, newline: str) -> None:
    lines = [
        'description,"Moods, by ear"',
        'description:sad,"two\nlines"',
        "mbid,class",
        "a,happy",
        f"{MBID.upper()},happy",
        "",
        'c,"sad, or worse"',
        'd , "sad, or worse"',
    ]
    path = write(tmp_path / "moods.csv", newline.join(lines).encode(encoding))

    assert GroundTruth.read(path) == GroundTruth(
        "moods", {"happy": ("a", MBID), "sad, or worse": ("c", "d")}
    )


def test_only_the_first_line_of_a_csv_is_a_heading(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "a,happy\nid,happy\nb,sad\nc,sad\n")

    assert GroundTruth.read(path).classes == {"happy": ("a", "id"), "sad": ("b", "c")}


@pytest.mark.parametrize(
    ("row", "remedy"),
    [
        ("a", "write both with a comma between them, and take out what is no recording"),
        ("a,b,c", "keep these two alone, and put in quotes what holds a comma of its own"),
        ("a;b", "write both with a comma between them"),
    ],
)
def test_a_csv_line_without_two_columns_is_shown_and_what_to_do(
    tmp_path: Path, row: str, remedy: str
) -> None:
    path = write(tmp_path / "x.csv", f"a,happy\n\n{row}\n")

    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.read(path)

    said = str(raised.value)
    assert f"x.csv': line 3, '{row}', has {row.count(',') + 1} column" in said
    assert remedy in said


@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("name", ["x.csv", "x.tsv.gz"])
def test_semicolons_and_tabs_are_read_as_a_spreadsheet_writes_them(
    tmp_path: Path, mark: str, name: str
) -> None:
    rows = [("id", "class"), ("a", "happy"), ("b", '"sad, or worse"'), ("c", "happy")]
    rows.append(("d", f'"sad, or worse"{"" if mark == ";" else " "}'))

    truth = GroundTruth.read(write(tmp_path / name, "\r\n".join(map(mark.join, rows))))

    assert truth.classes == {"happy": ("a", "c"), "sad, or worse": ("b", "d")}


def test_a_file_that_can_be_read_by_commas_is_read_by_them(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "a;1,happy\nb;2,happy\nc;3,sad\nd;4,sad\n")

    assert GroundTruth.read(path).classes == {"happy": ("a;1", "b;2"), "sad": ("c;3", "d;4")}


def test_what_is_wrong_between_semicolons_is_said_in_their_words(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "a;happy\nb;happy\nc;sad;3\nd;sad\n")

    with pytest.raises(GroundTruthError, match=r"line 3, 'c;sad;3', has 3 .* holds a semicolon"):
        GroundTruth.read(path)


def test_a_long_line_that_is_refused_is_shortened(tmp_path: Path) -> None:
    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.read(write(tmp_path / "x.csv", f"a,b\n# {'my labels ' * 100}\n"))

    assert "line 2, '# my labels my labels" in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_csv_line_that_is_none_is_refused(tmp_path: Path) -> None:
    cell = "x" * 200_000

    with pytest.raises(GroundTruthError, match=r"x.csv': line 2 is not CSV"):
        GroundTruth.read(write(tmp_path / "x.csv", f"a,happy\nb,{cell}\n"))


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_a_file_of_more_than_16_mib_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(GroundTruthError, match="larger than 16 MiB"):
        GroundTruth.read(write(tmp_path / name, b"\n" * (MAX_BYTES + 1)))


@pytest.mark.parametrize(("row", "lacking"), [("b,", "class"), (",sad", "recording id")])
def test_a_csv_line_that_lacks_one_of_the_two_is_shown(
    tmp_path: Path, row: str, lacking: str
) -> None:
    with pytest.raises(GroundTruthError, match=rf"line 2, '{row}', has no {lacking}; write it"):
        GroundTruth.read(write(tmp_path / "x.csv", f"a,happy\n{row}\n"))


@pytest.mark.parametrize("name", ["x.csv", "x.json", "x.yaml"])
def test_text_of_another_encoding_is_to_be_saved_as_utf_8(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name, "# labels\n\nJ\xf6rg,happy\n".encode("latin-1"))

    with pytest.raises(GroundTruthError) as raised:
        GroundTruth.read(path)

    told = f"'{path}': the text is not UTF-8 text (line 3); save it as UTF-8"
    assert str(raised.value) == told


def test_utf_16_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(GroundTruthError, match="not UTF-8 text but UTF-16; save it as UTF-8"):
        GroundTruth.read(write(tmp_path / "x.csv", "a,happy\n".encode("utf-16")))


def test_a_file_that_is_packed_by_its_name_alone_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv.gz"
    path.write_text("a,happy\n")

    with pytest.raises(GroundTruthError, match=r"not packed by gzip .*: take \.gz off"):
        GroundTruth.read(path)


@pytest.mark.parametrize("name", ["x.json", "x.json.gz"])
@pytest.mark.parametrize(
    "classes",
    [MOODS, [{"name": label, "recordings": ids} for label, ids in MOODS.items()]],
)
def test_json_is_read(tmp_path: Path, name: str, classes: Any) -> None:
    path = write(tmp_path / name, json.dumps({"name": "moods", "classes": classes}))

    assert GroundTruth.read(path) == GroundTruth("moods", MOODS)


@pytest.mark.parametrize(
    "value", [MOODS, {recording: label for label, ids in MOODS.items() for recording in ids}]
)
def test_json_of_nothing_but_classes_or_recordings_is_read(tmp_path: Path, value: Any) -> None:
    assert GroundTruth.read(write(tmp_path / "moods.json", json.dumps(value))) == GroundTruth(
        "moods", MOODS
    )


@pytest.mark.parametrize("name", [{}, {"name": None}, {"name": ""}])
def test_the_name_is_that_of_the_file_if_it_gives_none(tmp_path: Path, name: Any) -> None:
    path = write(tmp_path / "my moods.v2.json.gz", json.dumps({"classes": MOODS, **name}))

    assert GroundTruth.read(path).name == "my moods.v2"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "the ground truth is a list, not an object"),
        ("{}", r'there is no "classes"; write {"classes": {class: \[ids\]}}, or {id: class}'),
        ('{"name": "x", "a": ["1"]}', 'there is no "classes"; write'),
        ('{"name": "x", "a": "b"}', 'there is no "classes"; write'),
        ('{"a": ["1"], "b": [2]}', 'there is no "classes"; write'),
        ('{"classes": null}', r'"classes" is null, not an object; write {"classes": {class'),
        (
            '{"accuracy": 1, "confusion_matrix": {}, "classes": ["a"]}',
            "the report of an evaluation",
        ),
        ('{"classes": {"a": "b"}}', "class 'a' holds 'b', not a list of recording ids; write"),
        ('{"classes": {"a": [1, 2]}}', "recording id of class 'a' 1 is not text"),
        ('{"classes": [["a"]]}', r'"classes"\[0\] is a list, not an object'),
        ('{"classes": [{"recordings": ["a"]}]}', "class name null is not text"),
        ('{"classes": {"a": ["1"], "a": ["2"]}}', "'a' is there twice"),
        ('{"name": 7, "classes": {"a": ["1", "2"]}}', "name of the dataset 7 is not text"),
        ("{", "not JSON"),
    ],
)
def test_json_of_another_shape_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(GroundTruthError, match=problem) as raised:
        GroundTruth.read(write(tmp_path / "x.json", text))

    assert "x.json'" in str(raised.value)


@pytest.mark.parametrize("groundtruth", [None, ["a"], {"a": ["happy"]}])
def test_yaml_without_classes_of_recordings_is_refused(tmp_path: Path, groundtruth: Any) -> None:
    text = yaml.safe_dump({"type": "singleClass", "version": 1.0, "groundTruth": groundtruth})

    with pytest.raises(GroundTruthError, match=r"(not an object|not text); write "):
        GroundTruth.read(write(tmp_path / "x.yaml", text))


@pytest.mark.parametrize(
    "name", ["none.json", "folder.json", "truncated.csv.gz", "damaged.csv.gz", "x.mp3"]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "truncated.csv.gz").write_bytes(gzip.compress(b"a,b\nc,d\n")[:-9])
    (tmp_path / "damaged.csv.gz").write_bytes(gzip.compress(b"")[:10] + b"\xff" * 30)

    with pytest.raises(GroundTruthError, match=f"{name}' (cannot be read|is not a ground truth)"):
        GroundTruth.read(tmp_path / name)


@given(ground_truths)
def test_every_kind_of_file_gives_the_same_classes(classes: dict[str, tuple[str, ...]]) -> None:
    expected = GroundTruth.from_classes("moods", classes.items()).classes
    table = io.StringIO()
    csv.writer(table).writerows((r, label) for label in classes for r in classes[label])
    with_suffix = {
        ".yaml": yaml.safe_dump(
            {
                "type": "unknown",
                "version": 1.0,
                "groundTruth": {r: label for label in classes for r in classes[label]},
            },
            sort_keys=False,
        ),
        ".csv": table.getvalue(),
        ".json": json.dumps({"classes": classes}),
    }

    for suffix, text in with_suffix.items():
        assert read_text(suffix, text.encode()) == expected


@pytest.mark.parametrize("suffix", [".yaml", ".csv", ".json", ".json.gz"])
@given(content=st.binary())
def test_whatever_the_bytes_nothing_but_a_ground_truth_error_is_raised(
    suffix: str, content: bytes
) -> None:
    with suppress(GroundTruthError):
        read_text(suffix, content)


def read_text(suffix: str, content: bytes) -> dict[str, tuple[str, ...]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        path.write_bytes(content)
        return dict(GroundTruth.read(path).classes)


def test_the_real_labels_are_read(shared_data: Path) -> None:
    truth = GroundTruth.read(shared_data / "moods" / "mood_aggressive.json")

    assert Counter(truth.class_of.values()) == {"not_aggressive": 147, "aggressive": 133}


# Selection


def test_without_options_everything_trains() -> None:
    truth = GroundTruth.from_classes("moods", [("sad", ["d", "c"]), ("happy", ["b", "a"])])

    selection = select(truth, {})

    assert selection == Selection({"a": "happy", "b": "happy", "c": "sad", "d": "sad"}, {}, ())
    assert list(selection.training) == ["a", "b", "c", "d"]


def test_the_artist_filter_trains_on_one_recording_of_each_artist_in_a_class() -> None:
    truth = dataset({"happy": 30, "sad": 30})
    artist_of = {r: f"artist {place % 7}" for place, r in enumerate(truth.class_of)}

    training, testing = artist_filter(truth, artist_of, seed=1)

    trained = Counter((truth.class_of[r], artist_of[r]) for r in training)
    assert set(trained.values()) == {1}
    assert len(trained) == 14
    assert training | testing == truth.class_of
    assert not training.keys() & testing.keys()


@pytest.mark.parametrize("unknown", [{}, {"happy0000": None}, {"happy0000": ""}])
def test_a_recording_without_an_artist_is_in_neither_set(unknown: dict[str, str | None]) -> None:
    truth = dataset({"happy": 5, "sad": 5})
    artists: dict[str, str | None] = {r: r for r in truth.class_of if r != "happy0000"}

    selection = select(truth, artists | unknown, filter_type="artist")

    assert "happy0000" not in selection.training.keys() | selection.testing.keys()
    (note,) = selection.notes
    assert note.startswith("artist filter: 9 recordings for training, 0 for testing, 1 without")


def test_what_is_chosen_depends_on_the_seed() -> None:
    truth = dataset({"happy": 30, "sad": 30})
    artist_of = {r: r[:-1] for r in truth.class_of}

    chosen = {tuple(artist_filter(truth, artist_of, seed=seed)[0]) for seed in range(5)}
    sampled = {
        tuple(limit_class_sizes(dataset({"a": 9, "b": 5}).class_of, "smallest", seed=seed)[0])
        for seed in range(5)
    }

    assert len(chosen) == len(sampled) == 5


@pytest.mark.parametrize("mode", ["acousticbrainz", "smallest"])
def test_what_is_chosen_does_not_depend_on_the_order_of_the_input(mode: Any) -> None:
    truth = dataset({"happy": 920, "sad": 1000, "so": 960})
    artist_of = {r: r.replace("7", "8") for r in truth.class_of}
    shuffled = [
        (label, random.Random(2).sample(ids, len(ids))) for label, ids in truth.classes.items()
    ]
    other = GroundTruth.from_classes("made", shuffled[::-1])
    options = {"filter_type": "artist", "normalize": True, "normalize_mode": mode, "seed": 3}

    one, two = select(truth, artist_of, **options), select(other, artist_of, **options)

    assert list(one.training.items()) == list(two.training.items())
    assert list(one.testing.items()) == list(two.testing.items())


def test_a_sample_does_not_depend_on_the_order_of_the_input() -> None:
    class_of = dataset({"happy": 9, "sad": 8, "so": 5}).class_of

    one, _ = limit_class_sizes(class_of, "smallest", seed=3)
    two, _ = limit_class_sizes(dict(reversed(class_of.items())), "smallest", seed=3)

    assert list(one) == list(two)


def test_the_choice_of_a_seed_stays_the_same() -> None:
    truth = dataset({"happy": 4, "sad": 4})
    artist_of = {r: r[:-1] + str(int(r[-1]) // 2) for r in truth.class_of}

    training, _ = artist_filter(truth, artist_of, seed=1)
    sample, _ = limit_class_sizes(dataset({"a": 2, "b": 6}).class_of, "smallest", seed=1)

    assert list(training) == ["happy0001", "happy0003", "sad0001", "sad0002"]
    assert list(sample) == ["a0000", "a0001", "b0000", "b0002"]


def test_normalize_takes_450_of_larger_classes_and_drops_the_others() -> None:
    truth = dataset({"happy": 451, "sad": 450, "so": 600})

    selection = select(truth, {}, normalize=True)

    assert Counter(selection.training.values()) == {"happy": 450, "so": 450}
    assert Counter(selection.testing.values()) == {"happy": 1, "so": 150}
    (note,) = selection.notes
    assert note == (
        "normalize: 450 recordings of each of 2 classes for training, 151 further ones for "
        "testing, classes that are too small dropped ('sad' 450)"
    )


def test_smallest_samples_every_class_to_the_size_of_the_smallest() -> None:
    truth = dataset({"happy": 3, "sad": 8})

    selection = select(truth, {}, normalize=True, normalize_mode="smallest")

    assert Counter(selection.training.values()) == {"happy": 3, "sad": 3}
    assert selection.training | selection.testing == truth.class_of
    assert selection.notes == (
        "normalize: 3 recordings of each of 2 classes for training, 5 further ones for testing",
    )


def test_the_artist_filter_comes_before_normalize() -> None:
    truth = dataset({"happy": 6, "sad": 6})
    artist_of = {r: "one" if r in {"happy0000", "happy0001"} else r for r in truth.class_of}

    selection = select(
        truth, artist_of, filter_type="artist", normalize=True, normalize_mode="smallest"
    )

    assert Counter(selection.training.values()) == {"happy": 5, "sad": 5}
    assert Counter(selection.testing.values()) == {"happy": 1, "sad": 1}
    assert len(selection.notes) == 2


def test_no_recording_of_a_dropped_class_is_tested() -> None:
    truth = dataset({"happy": 500, "sad": 500, "so": 500})
    artist_of = {r: "one" if r.startswith("so") else r for r in truth.class_of}

    selection = select(truth, artist_of, filter_type="artist", normalize=True)

    assert set(selection.testing.values()) == {"happy", "sad"}


def test_an_artist_filter_that_empties_a_class_is_named_with_figures_and_remedy() -> None:
    truth = dataset({"happy": 3, "sad": 3, "so": 3})
    artist_of = {
        r: "one" if label == "happy" else r for r, label in truth.class_of.items() if label != "so"
    }

    with pytest.raises(DatasetError) as raised:
        select(truth, artist_of, filter_type="artist")

    assert str(raised.value) == (
        "filter_type 'artist' trains on one recording of each artist in a class, which leaves "
        "fewer than 2 recordings of 'happy' 1 of 3, 'so' 0 of 3; add recordings of other artists, "
        "see that they have a musicbrainz_artistid tag, or set filter_type to null"
    )


@pytest.mark.parametrize(("large", "left"), [(133, "no class"), (451, "1 class")])
def test_a_normalize_that_drops_too_many_classes_is_named_with_figures_and_remedy(
    large: int, left: str
) -> None:
    with pytest.raises(DatasetError) as raised:
        select(dataset({"happy": large, "sad": 112}), {}, normalize=True)

    assert str(raised.value) == (
        f"normalize keeps only classes of more than 450 recordings, which leaves {left} of the 2 "
        f"that are needed ('happy' {large}, 'sad' 112); use normalize_mode 'smallest' or set "
        "normalize to false"
    )
