"""Profiles: AcousticBrainz's own reads, and whatever is wrong is named with what to write."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import examples
from trainer.bench.made_models import made_models
from trainer.highlevel import ACOUSTICBRAINZ_MODELS
from worker.profile import MODELS_VERSION, Entry, Profile, read_profile
from worker.settings import SettingsError

MERGED = {"metadata": {"version": {"highlevel": {MODELS_VERSION: "v2.1_beta1"}}}}

# As in AcousticBrainz's repository: a value to be filled out, a number for `compute`.
ACOUSTICBRAINZ = f"""
indent: 0

highlevel:
   compute: 1.
   svm_models: [ {", ".join(f"/data/svm_models/{name}.history" for name in ACOUSTICBRAINZ_MODELS)}
               ]
mergeValues:
    metadata:
        version:
            highlevel:
                essentia_build_sha:
                # TODO: You must fill this out:
                models_essentia_git_sha: v2.1_beta1
"""


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write(content: Any, **more: Any) -> Path:
        path = tmp_path / "profile.yaml"
        if isinstance(content, list):
            content = {"highlevel": {"svm_models": content}, "mergeValues": MERGED} | more
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return write


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three intact models."""
    folder = tmp_path_factory.mktemp("models")
    for one in made_models(3, 30, 12, seed=1):
        one.model.save(folder / f"{one.model.name}.model")
    return folder


def problems(path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        read_profile(path)
    return str(caught.value)


def test_acousticbrainz_s_profile_reads_in_its_order(write: Any) -> None:
    profile = read_profile(write(ACOUSTICBRAINZ))

    assert [entry.name for entry in profile.entries] == list(ACOUSTICBRAINZ_MODELS)
    assert profile.entries[0].file == Path("/data/svm_models/danceability.history")
    assert profile.merge_values == {MODELS_VERSION: "v2.1_beta1"}
    assert profile.models_version == "v2.1_beta1"
    assert profile.indent == 0


def test_paths_are_relative_to_the_profile_whatever_folder_one_is_in(
    write: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(["a.history", "sub/b.v1.model", "/c.history"])
    monkeypatch.chdir(path.parent)

    entries = read_profile(Path(path.name)).entries

    assert [entry.file for entry in entries] == [
        tmp_path / "a.history",
        tmp_path / "sub" / "b.v1.model",
        Path("/c.history"),
    ]
    assert [entry.name for entry in entries] == ["a", "b", "c"]


def test_a_model_may_be_named_pinned_or_a_published_one(write: Any, tmp_path: Path) -> None:
    profile = read_profile(
        write(
            [
                {"name": "timbre", "file": "x.model", "sha256": "0" * 64},
                {"name": "gender", "version": "2.1"},
            ]
        )
    )

    assert profile.entries == (
        Entry("timbre", file=tmp_path / "x.model", sha256="0" * 64),
        Entry("gender", version="2.1"),
    )


def test_a_version_that_looks_like_a_number_stays_text(write: Any) -> None:
    merged = "mergeValues: {metadata: {version: {highlevel: {models_essentia_git_sha: 2.10}}}}"

    profile = read_profile(write("highlevel: {svm_models: [a.history]}\n" + merged))

    assert profile.models_version == "2.10"
    assert (profile.indent, profile.input_format) == (4, "json")


@pytest.mark.parametrize(
    "merged",
    [
        {},
        None,
        "text",
        {"metadata": {"version": {}}},
        {"metadata": {"version": {"highlevel": {MODELS_VERSION: None}}}},
        {"metadata": {"version": {"highlevel": {MODELS_VERSION: ["v1"]}}}},
    ],
)
def test_without_the_models_version_the_key_is_named_and_what_to_write(
    write: Any, merged: Any
) -> None:
    # As AcousticBrainz leaves it out: an empty value, which PyYAML writes as null.
    path = write(["a.history"], mergeValues=merged)
    path.write_text(path.read_text().replace("null", ""))

    said = problems(path)

    assert f"mergeValues.metadata.version.highlevel.{MODELS_VERSION} is not set" in said
    assert f"                {MODELS_VERSION}: v2.1_beta1" in said


@pytest.mark.parametrize("models", [[], None, "a.history", {"a": "b"}])
def test_without_models_the_key_is_named_and_what_to_write(write: Any, models: Any) -> None:
    content = {"highlevel": {"svm_models": models}, "mergeValues": MERGED}

    said = problems(write(content))

    assert "highlevel.svm_models is missing or no list" in said
    assert "svm_models: [danceability.history" in said
    assert "may be meant" not in said


def test_a_misspelt_key_is_named(write: Any) -> None:
    said = problems(write({"highlevel": {"svm_modles": ["a"]}, "mergeValues": MERGED}))

    assert "'svm_modles' is there, which may be meant" in said


@pytest.mark.parametrize("zero", [0, 0.0])
def test_a_profile_that_computes_nothing_is_refused(write: Any, zero: float) -> None:
    section = {"compute": zero, "svm_models": ["a.history"]}

    assert "highlevel.compute is 0" in problems(
        write({"highlevel": section, "mergeValues": MERGED})
    )


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("", "'' is no path"),
        (["a"], "a list is no path"),
        ({"name": "x"}, "either `file`, a path, or `version`"),
        ({"name": "x", "file": "a", "version": "1"}, "either `file`, a path, or `version`"),
        ({"version": "1"}, "has `name` and `version` and nothing else"),
        ({"name": "x", "version": "1", "sha256": "0"}, "has `name` and `version` and nothing else"),
        ({"name": "x", "path": "a"}, "a model has file, name, sha256, version"),
        ({"file": ["a"]}, "a model has file, name, sha256, version"),
        ("sub/other.model", "'other' is there twice"),
    ],
)
def test_a_wrong_entry_is_named_by_its_number(write: Any, entry: Any, said: str) -> None:
    found = problems(write(["other.history", entry]))

    assert "highlevel.svm_models, model 2: " in found
    assert said in found


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"indent": -1}, "indent is '-1'"),
        ({"indent": 17}, "indent is '17'"),
        ({"indent": "10" * 5000}, "indent is '1010"),
        ({"outputFormat": "yaml"}, "outputFormat is 'yaml'"),
        ({"mergeValues": MERGED | {"x": "y"}}, "mergeValues.x is nothing that can be merged"),
    ],
)
def test_a_wrong_value_is_named_by_its_key(write: Any, more: Any, said: str) -> None:
    assert said in problems(write(["a.history"], **more))


def test_all_problems_are_told_at_once(write: Any) -> None:
    content = {"highlevel": {"svm_models": [3, "a"], "inputFormat": "xml"}, "indent": "x"}

    said = problems(write(content))

    for part in ("inputFormat is 'xml'", "indent is 'x'", MODELS_VERSION):
        assert part in said


BOMB = "a: &a [x, x]\n" + "".join(
    f"{name}: &{name} [*{other}, *{other}]\n"
    for name, other in zip("bcdefgh", "abcdefg", strict=True)
)


@pytest.mark.parametrize(
    "text",
    [
        BOMB,
        "",
        "- a\n- b\n",
        "text",
        "a: [",
        "a: 1\na: 2\n",
        "[" * 100 + "]" * 100,
        "x: " + "y" * 2**20,
        "a: !!python/object/apply:os.system [echo]",
        "\x00",
    ],
)
def test_what_is_no_profile_is_refused_with_its_path(write: Any, text: str) -> None:
    path = write(text)

    assert str(path) in problems(path)


def test_too_many_models_are_refused(write: Any) -> None:
    assert "more than 1,000 models" in problems(write([f"{n}.history" for n in range(1001)]))


def test_a_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    said = problems(tmp_path / "none.yaml")

    assert "none.yaml cannot be read: No such file or directory" in said


def loaded(folder: Path, entries: list[Entry]) -> Any:
    profile = Profile(folder / "p.yaml", tuple(entries), {MODELS_VERSION: "v1"})
    return profile.load()


def test_all_models_are_opened_under_their_names_and_in_order(folder: Path) -> None:
    names = ["genre_dortmund", "danceability"]
    entries = [Entry(name, file=folder / f"{name}.model") for name in names]

    models = loaded(folder, [*entries, Entry("other", file=folder / "gender.model")])

    assert models.names == ("genre_dortmund", "danceability", "other")


def test_each_missing_and_each_damaged_model_is_named_and_none_is_used(
    folder: Path, tmp_path: Path
) -> None:
    whole = (folder / "gender.model").read_bytes()
    (tmp_path / "cut.model").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.model").write_bytes(b"")

    with pytest.raises(SettingsError) as caught:
        loaded(
            folder,
            [
                Entry("danceability", file=folder / "danceability.model"),
                Entry("lost", file=folder / "lost.model"),
                Entry("cut", file=tmp_path / "cut.model"),
                Entry("empty", file=tmp_path / "empty.model"),
                Entry("pinned", file=folder / "gender.model", sha256="0" * 64),
                Entry("published", version="v1"),
            ],
        )

    said = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 5
    for name in ("lost", "cut", "empty", "pinned", "published"):
        assert f"model '{name}'" in said
    assert "danceability" not in said
    assert "only the high-level worker knows" in said


def test_the_example_names_acousticbrainz_s_models_in_its_order() -> None:
    path = Path(examples.__file__).with_name("profile.yaml")

    profile = read_profile(path)

    assert tuple(entry.name for entry in profile.entries) == ACOUSTICBRAINZ_MODELS
    assert profile.entries[0].file == path.parent / "danceability.history"
    assert (profile.models_version, profile.indent) == ("v2.1_beta1", 0)
    assert profile.input_format == "json"
