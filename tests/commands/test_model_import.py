"""``acoustic models import``: Gaia's models as bundles, whole or not at all."""

import gzip
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

import examples
from tests.trainer.history_writer import history_of
from trainer.models.bundle import Model

Acoustic = Callable[..., Result]


@pytest.fixture(scope="module")
def content(model: Path) -> bytes:
    """A history of the model that the other tests train."""
    return history_of(Model.load(model), c=2.0**5).content()


@pytest.fixture
def folder(tmp_path: Path, content: bytes) -> Path:
    """A folder of three histories, one of them damaged, and of other things."""
    path = tmp_path / "histories"
    (path / "below.history").mkdir(parents=True)
    for name in ("timbre", "danceability", "gender"):
        (path / f"{name}.history").write_bytes(content)
    (path / "gender.history").write_bytes(content[:-1])
    (path / "._timbre.history").write_bytes(b"of a Mac")
    (path / "README").touch()
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_folder_is_imported_and_what_is_damaged_named(
    acoustic: Acoustic, folder: Path, out: Path
) -> None:
    result = acoustic("models", "import", folder, "--out", out)

    assert result.exit_code == 2
    assert names(out) == ["danceability.model", "timbre.model"]
    assert f"{folder / 'gender.history'} is not an intact Gaia history" in result.stderr
    assert "1 of 3 files were refused: gender.history" in result.stderr
    for name in ("danceability", "timbre"):
        (line,) = [line for line in result.stdout.splitlines() if line.startswith(name)]
        digest = hashlib.sha256((out / f"{name}.model").read_bytes()).hexdigest()
        assert "danceable, not_danceable" in line
        assert digest[:12] in line
        assert str(out / f"{name}.model") in line
        assert Model.load(out / f"{name}.model").name == name


def test_history_and_bundle_predict_the_same_by_the_command(
    acoustic: Acoustic, folder: Path, out: Path
) -> None:
    acoustic("models", "import", folder / "timbre.history", "--out", out)

    lines = [
        acoustic("predict", file, "--documents", examples.documents()).stdout
        for file in (folder / "timbre.history", out / "timbre.model")
    ]

    assert '"timbre"' in lines[0]
    assert lines[0] == lines[1]


def test_name_and_version_are_kept(acoustic: Acoustic, folder: Path, out: Path) -> None:
    file = folder / "timbre.history"
    options = ("--name", "mood", "--version", "v2.1_beta1", "--out", out)

    result = acoustic("models", "import", file, *options, "--json")

    assert result.exit_code == 0
    (outcome,) = json.loads(result.stdout)
    loaded = Model.load(Path(outcome["path"]))
    assert Path(outcome["path"]) == out / "mood.model"
    assert outcome["sha256"] == hashlib.sha256((out / "mood.model").read_bytes()).hexdigest()
    assert outcome["support_vectors"] == len(loaded.svm.support_vectors)
    assert outcome["classes"] == ["danceable", "not_danceable"]
    assert loaded.name == outcome["name"] == "mood"
    assert loaded.training["provenance"] == {
        "source": "timbre.history",
        "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        "source_format": "Gaia history 102",
        "version": "v2.1_beta1",
    }


def test_the_model_folder_of_the_settings_is_the_default(
    acoustic: Acoustic, folder: Path, out: Path
) -> None:
    result = acoustic("models", "import", folder / "timbre.history", ACOUSTIC_MODEL_DIR=str(out))

    assert result.exit_code == 0, result.stderr
    assert names(out) == ["timbre.model"]


def test_what_is_there_is_replaced_only_by_force(
    acoustic: Acoustic, folder: Path, out: Path
) -> None:
    file = folder / "timbre.history"

    def imported(*options: object) -> Result:
        return acoustic("models", "import", file, "--out", out, *options)

    imported()
    first = (out / "timbre.model").read_bytes()

    assert "was there" in imported().stdout
    refused = imported("--version", "v2")
    assert refused.exit_code == 2
    assert "is another model; --force replaces it" in refused.stderr
    assert (out / "timbre.model").read_bytes() == first
    assert imported("--version", "v2", "--force").exit_code == 0
    assert (out / "timbre.model").read_bytes() != first
    assert names(out) == ["timbre.model"]


@pytest.mark.parametrize("name", ["a/b", "..", "", ".hidden", "a\0b"])
def test_a_name_that_is_no_name_of_a_file_is_refused(
    acoustic: Acoustic, folder: Path, out: Path, name: str
) -> None:
    result = acoustic("models", "import", folder / "timbre.history", "--name", name, "--out", out)

    if name:
        assert result.exit_code == 2
        assert "cannot be the name of a file" in result.stderr
        assert not out.exists()
    else:
        assert names(out) == ["timbre.model"]


def test_what_cannot_be_told_apart_is_refused_before_anything_is_written(
    acoustic: Acoustic, folder: Path, out: Path, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "timbre.history").write_bytes(content)

    two = acoustic("models", "import", folder, tmp_path / "timbre.history", "--out", out)
    named = acoustic("models", "import", folder, "--name", "mood", "--out", out)

    assert two.exit_code == named.exit_code == 2
    assert "several files are called 'timbre'" in two.stderr
    assert "--name is for a single file" in named.stderr
    assert not out.exists()


def test_a_folder_without_histories_is_refused(acoustic: Acoustic, tmp_path: Path) -> None:
    result = acoustic("models", "import", tmp_path, "--out", tmp_path)

    assert result.exit_code == 2
    assert "holds no .history file" in result.stderr


def test_another_kind_of_file_is_refused(acoustic: Acoustic, model: Path, out: Path) -> None:
    result = acoustic("models", "import", model, "--out", out)

    assert result.exit_code == 2
    assert "does not begin as a Gaia history does" in result.stderr


def test_a_place_where_nothing_can_be_written_is_named(acoustic: Acoustic, folder: Path) -> None:
    result = acoustic("models", "import", folder / "timbre.history", "--out", "/proc/x")

    assert result.exit_code == 2
    assert "/proc/x/timbre.model cannot be written: No such file" in result.stderr


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (b"", "give the right file"),
        (b"svm_models: [a]\n", "give the right file"),
        (gzip.compress(b"a", mtime=0), "it is compressed: unpack it first"),
    ],
)
def test_what_is_no_history_at_all_is_not_taken_for_converted(
    acoustic: Acoustic, tmp_path: Path, content: bytes, remedy: str
) -> None:
    (tmp_path / "a.history").write_bytes(content)

    result = acoustic("models", "import", tmp_path / "a.history", "--out", tmp_path)

    assert result.exit_code == 2
    assert remedy in result.stderr
    assert "line ends" not in result.stderr


def test_a_folder_in_the_place_of_a_bundle_is_named(
    acoustic: Acoustic, folder: Path, out: Path
) -> None:
    (out / "timbre.model").mkdir(parents=True)

    result = acoustic("models", "import", folder / "timbre.history", "--out", out, "--force")

    assert result.exit_code == 2
    assert f"{out / 'timbre.model'} is a folder" in result.stderr


def test_inspecting_a_history_shows_what_it_is(acoustic: Acoustic, folder: Path) -> None:
    result = acoustic("models", "inspect", folder / "timbre.history")

    assert result.exit_code == 0, result.stderr
    assert "normalized, RBF, C 2^5, gamma 2^-5" in result.stdout
    assert "Gaia history 102" in result.stdout
    assert re.search(r"model +timbre", result.stdout)


def test_all_histories_at_hand_are_imported_in_one_go(
    acoustic: Acoustic, shared_data: Path, out: Path
) -> None:
    result: Any = acoustic("models", "import", shared_data / "histories", "--out", out)

    assert result.exit_code == 0, result.stderr
    assert names(out) == ["danceability.model", "mood_relaxed.model", "tonal_atonal.model"]
