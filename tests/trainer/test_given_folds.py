"""Files of folds, and what is said of those that are none."""

import gzip
from pathlib import Path

import pytest

from trainer.errors import OptionsError
from trainer.given_folds import read_folds

MBID = "0C6D27B4-F520-585D-9BEE-2D48FB01835D"


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("f.csv", "id,fold\na,2\nb,1\nc,2\n"),
        ("f.csv.gz", "a, 2\nb, 1\n\nc, 2"),
        ("f.csv", "id;fold\na;2\nb;1\nc;2\n"),
        ("f.tsv", "a\t2\nb\t1\nc\t2\n"),
        ("f.json", '{"a": 7, "b": 0, "c": 7}'),
        ("f.json", '{"a": "7", "b": "0", "c": "7"}'),
        ("f.json.gz", '[["b"], ["a", "c"]]'),
    ],
)
def test_folds_are_read_in_the_order_of_their_numbers(
    tmp_path: Path, name: str, content: str
) -> None:
    assert read_folds(written(tmp_path, name, content)) == (("b",), ("a", "c"))


def test_mbids_are_written_as_everywhere(tmp_path: Path) -> None:
    path = written(tmp_path, "f.csv", f"{MBID},1\n{MBID.lower()}-0,1\nb,2\n")

    assert read_folds(path) == ((MBID.lower(),), ("b",))


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("f.csv", "a,1\nb,x\n", "the fold of recording 'b' is 'x', not a whole number"),
        ("f.csv", "a,1\nb,-1\n", "'-1', not a whole number"),
        ("f.json", '{"a": 1, "b": 1.5}', "1.5, not a whole number"),
        ("f.json", '{"a": 1, "b": true}', "true, not a whole number"),
        ("f.csv", "a,1\nb,2\na,2\n", "recording 'a' is in two folds, 1 and 2"),
        ("f.csv", "a,1\nb,1\n", "1 folds are not between 2 and 50"),
        ("f.csv", "", "0 folds"),
        (
            "f.csv",
            "a,1,2\n",
            "line 1, 'a,1,2', has 3 columns instead of the two of a recording id",
        ),
        ("f.json", "[1]", "neither an object of ids and their folds nor a list"),
        ("f.json", "[[1], [2]]", "1 is no id of a recording"),
        ("f.json", "{", "not JSON"),
        ("f.txt", "a,1\n", "give a file of .csv, .tsv or .json"),
        ("f.csv", "\n".join(f"r{n},{n}" for n in range(51)), "51 folds"),
    ],
)
def test_what_is_wrong_is_said_with_the_name_of_the_file(
    tmp_path: Path, name: str, content: str, sentence: str
) -> None:
    path = written(tmp_path, name, content)

    with pytest.raises(OptionsError) as raised:
        read_folds(path)

    assert sentence in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionsError, match="cannot be read: No such file"):
        read_folds(tmp_path / "f.csv")
