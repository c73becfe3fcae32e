"""``acoustic highlevel-extract``: files in, files out, whatever some of them are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result

from trainer.bench.made_models import made_documents, made_models
from trainer.highlevel import high_level_document, version_block
from trainer.inference import ModelSet

Acoustic = Callable[..., Result]

MERGED = {"metadata": {"version": {"highlevel": {"models_essentia_git_sha": "v2.1_beta1"}}}}


@pytest.fixture(scope="module")
def made() -> tuple[ModelSet, list[dict[str, Any]]]:
    """Three models, and documents for them with a tag that tells them apart."""
    models = [one.model for one in made_models(3, 40, 16, seed=1)]
    documents = made_documents(4, models[0].layout, seed=2)
    for number, document in enumerate(documents):
        document["metadata"]["tags"] = {"title": [f"Übung {number}"]}
    return ModelSet(tuple(models)), documents


@pytest.fixture
def folder(tmp_path: Path, made: Any) -> Path:
    """A folder with models, documents and a profile."""
    models, documents = made
    for model in models.models:
        model.save(tmp_path / f"{model.name}.model")
    for number, document in enumerate(documents):
        (tmp_path / f"in-{number}").write_text(json.dumps(document))
    write_profile(tmp_path, models)
    return tmp_path


def write_profile(folder: Path, models: ModelSet, **more: Any) -> None:
    listed = [f"{name}.model" for name in models.names]
    content = {"indent": 0, "highlevel": {"svm_models": listed}, "mergeValues": MERGED} | more
    (folder / "profile.yaml").write_text(yaml.safe_dump(content))


def extract(acoustic: Acoustic, folder: Path, *names: str) -> Result:
    return acoustic("highlevel-extract", *(folder / name for name in (*names, "profile.yaml")))


def test_pairs_of_files_give_the_documents_of_the_library(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    result = extract(acoustic, folder, "in-0", "out-0.json", "in-1", "out-1", "in-2", "out-2")

    assert result.exit_code == 0, result.output
    assert result.output == ""
    models, documents = made
    version = version_block(models, {"models_essentia_git_sha": "v2.1_beta1"})
    for name, document, predicted in zip(
        ("out-0.json", "out-1", "out-2"), documents, models.predict(documents), strict=False
    ):
        text = (folder / name).read_text()
        assert json.loads(text) == high_level_document(document, predicted, version)
        assert text.count("\n") == 1
        assert "Übung" in text


def test_outputs_are_those_of_each_file_alone_to_the_byte(acoustic: Acoustic, folder: Path) -> None:
    extract(acoustic, folder, "in-0", "together-0", "in-1", "together-1")
    extract(acoustic, folder, "in-1", "alone")

    assert (folder / "alone").read_bytes() == (folder / "together-1").read_bytes()


def test_models_have_the_order_of_the_profile(acoustic: Acoustic, folder: Path, made: Any) -> None:
    models, _ = made
    reverse = ModelSet(models.models[::-1])
    write_profile(folder, reverse)

    extract(acoustic, folder, "in-0", "out")

    assert tuple(json.loads((folder / "out").read_text())["highlevel"]) == reverse.names


def test_an_indent_is_that_of_the_profile(acoustic: Acoustic, folder: Path, made: Any) -> None:
    write_profile(folder, made[0], indent=2)

    extract(acoustic, folder, "in-0", "out")

    assert (folder / "out").read_text().startswith('{\n  "highlevel": {\n    "danceability"')


def test_yaml_is_read_where_the_profile_says_so(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    models, documents = made
    write_profile(folder, models)
    extract(acoustic, folder, "in-0", "from-json")
    profile = yaml.safe_load((folder / "profile.yaml").read_text())
    profile["highlevel"]["inputFormat"] = "yaml"
    (folder / "profile.yaml").write_text(yaml.safe_dump(profile))
    (folder / "in.sig").write_text(yaml.safe_dump(json.loads(json.dumps(documents[0]))))

    result = extract(acoustic, folder, "in.sig", "from-yaml")

    assert result.exit_code == 0, result.output
    assert (folder / "from-yaml").read_bytes() == (folder / "from-json").read_bytes()


def test_a_bad_document_is_named_and_the_others_are_written(
    acoustic: Acoustic, folder: Path
) -> None:
    (folder / "broken").write_text("{")
    (folder / "lacking").write_text('{"lowlevel": {"x": 1}}')

    result = extract(
        acoustic,
        folder,
        *("in-0", "out-0", "broken", "out-1", "lost", "out-2", "lacking", "out-3", "in-1", "out-4"),
    )

    assert result.exit_code == 1
    for name, reason in (("broken", "not JSON"), ("lost", "cannot be read"), ("lacking", "lacks")):
        assert f"Error: {folder / name}: " in result.stderr
        assert reason in result.stderr
    assert "model 'danceability' cannot use it" in result.stderr
    assert sorted(path.name for path in folder.glob("out-*")) == ["out-0", "out-4"]


def test_more_pairs_than_a_batch_are_all_written(acoustic: Acoustic, folder: Path) -> None:
    pairs = [name for n in range(70) for name in (f"in-{n % 4}", f"out-{n}")]

    assert extract(acoustic, folder, *pairs).exit_code == 0

    texts = {(folder / f"out-{n}").read_bytes() for n in range(70)}
    assert len(texts) == 4


def test_a_file_that_was_there_is_replaced_and_nothing_is_left_beside(
    acoustic: Acoustic, folder: Path
) -> None:
    (folder / "out").write_text("old")
    before = set(folder.iterdir())

    extract(acoustic, folder, "in-0", "out")

    assert (folder / "out").read_text().startswith('{"highlevel"')
    assert set(folder.iterdir()) == before


def test_of_a_document_that_cannot_be_used_an_old_output_stays(
    acoustic: Acoustic, folder: Path
) -> None:
    (folder / "broken").write_text("[")
    (folder / "out").write_text("old")

    extract(acoustic, folder, "broken", "out")

    assert (folder / "out").read_text() == "old"


@pytest.mark.parametrize("count", [1, 2, 4])
def test_paths_that_are_no_pairs_and_profile_are_refused(
    acoustic: Acoustic, folder: Path, count: int
) -> None:
    result = acoustic("highlevel-extract", *[folder / "in-0"] * count)

    assert result.exit_code == 2
    assert "IN OUT [IN OUT]... PROFILE" in result.stderr


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (("in-0", "in-1", "in-1", "out"), "in-1 is the same file as"),
        (("in-0", "in-0"), "in-0 is the same file as"),
        (("in-0", "out", "in-1", "out"), "out is the same file as"),
        (("in-0", "link"), "is the same file as"),
        (("in-0", "profile.yaml"), "profile.yaml is the same file as"),
        (("in-0", "gender.model"), "gender.model is the same file as"),
        (("in-0", "nowhere/out"), "cannot be written"),
        (("in-0", "."), "is a folder"),
    ],
)
def test_an_output_that_would_destroy_something_is_refused_before_any_is_written(
    acoustic: Acoustic, folder: Path, names: tuple[str, ...], reason: str
) -> None:
    (folder / "link").symlink_to(folder / "in-0")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    result = extract(acoustic, folder, "in-3", "first", *names)

    assert result.exit_code == 2
    assert reason in result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_standard_input_is_no_document(acoustic: Acoustic, folder: Path) -> None:
    result = acoustic("highlevel-extract", "-", folder / "out", folder / "profile.yaml")

    assert result.exit_code == 2
    assert "standard input is not read" in result.stderr


def test_missing_and_damaged_models_are_all_named_and_nothing_is_written(
    acoustic: Acoustic, folder: Path
) -> None:
    (folder / "gender.model").unlink()
    (folder / "danceability.model").write_bytes(b"damaged")

    result = extract(acoustic, folder, "in-0", "out")

    assert result.exit_code == 2
    assert "model 'gender'" in result.stderr
    assert "model 'danceability'" in result.stderr
    assert "genre_dortmund" not in result.stderr
    assert not (folder / "out").exists()


def test_a_profile_without_the_models_version_is_refused(
    acoustic: Acoustic, folder: Path, made: Any
) -> None:
    write_profile(folder, made[0], mergeValues={})

    result = extract(acoustic, folder, "in-0", "out")

    assert result.exit_code == 2
    assert "mergeValues.metadata.version.highlevel.models_essentia_git_sha is not set" in (
        result.stderr
    )
