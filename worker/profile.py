"""Profiles: which models predict, and under which version, in AcousticBrainz's YAML.

::

    indent: 0
    highlevel:
        svm_models: [danceability.history, {name: gender, file: models/gender.model}]
    mergeValues:
        metadata: {version: {highlevel: {models_essentia_git_sha: v2.1_beta1}}}

Paths are relative to the profile's folder. A model goes by the name of its file without endings
unless it is given one; with ``version`` instead of ``file`` it is one that was published. Keys of
the extractor's that mean nothing here are passed over.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainer.errors import ModelError, TrainerError
from trainer.parsing import parse_yaml
from trainer.regular_files import read_regular
from trainer.wording import shown
from worker.settings import SettingsError

if TYPE_CHECKING:
    from trainer.inference import ModelSet
    from trainer.models.bundle import Model

MODELS_VERSION = "models_essentia_git_sha"

_MERGED = ("mergeValues", "metadata", "version", "highlevel")
_MAX_BYTES = 2**20  # AcousticBrainz's has 1,300
_MAX_MODELS = 1000
_MAX_INDENT = 16
_FORMATS = ("json", "yaml")
_KEYS = {"name", "file", "version", "sha256"}


@dataclass(frozen=True)
class Entry:
    """A model of a profile: a file, or the version of a published one.

    Attributes
    ----------
    name
        Under which its predictions appear.
    file
        A bundle or a Gaia ``.history``; None for a published model.
    version
        Of the published model; None for a file.
    sha256
        What the file must hash to, where the profile says so.
    """

    name: str
    file: Path | None = None
    version: str | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Profile:
    """Models in the order of their predictions, and what their documents say of them.

    Attributes
    ----------
    path
        Where the profile lies.
    entries
        The models; names are unique.
    merge_values
        Keys and values for ``metadata.version.highlevel``, `MODELS_VERSION` among them.
    indent
        Columns by which written JSON is indented; 0 for none, and one line.
    input_format
        ``json`` or ``yaml``: what documents in files are.
    """

    path: Path
    entries: tuple[Entry, ...]
    merge_values: Mapping[str, str]
    indent: int = 4
    input_format: str = "json"

    @property
    def models_version(self) -> str:
        """The version under which AcousticBrainz's tables store the models."""
        return self.merge_values[MODELS_VERSION]

    def load(self) -> "ModelSet":
        """Open all models; one that cannot be opened means that there are none.

        Raises
        ------
        SettingsError
            Naming each model that is missing or damaged, or that was published and is no file.
        """
        from trainer.inference import ModelSet  # noqa: PLC0415 - loads SciPy; a profile is light

        models, problems = [], []
        for entry in self.entries:
            try:
                models.append(_open(entry))
            except ModelError as error:
                problems.append(f"{self.path}: model {shown(entry.name)}: {error}")
        if problems:
            raise SettingsError(problems)
        return ModelSet(tuple(models))


def read_profile(path: Path) -> Profile:
    """Read a profile; its models are not opened.

    Raises
    ------
    SettingsError
        It cannot be read, or a key is missing or wrong: each with what to write there.
    """
    content = _content(path)
    problems: list[str] = []
    entries = tuple(_entries(content, path.absolute().parent, problems))
    profile = Profile(
        path=path,
        entries=entries,
        merge_values=_merge_values(content, problems),
        indent=_indent(content, problems),
        input_format=_format(_at(content, "highlevel", "inputFormat"), problems),
    )
    if _at(content, "outputFormat") not in (None, "", "json"):
        problems.append(f"outputFormat is {shown(content['outputFormat'])}: only json is written")
    if problems:
        raise SettingsError([f"{path}: {problem}" for problem in problems])
    return profile


def _open(entry: Entry) -> "Model":
    from trainer.models.opening import open_model  # noqa: PLC0415 - loads SciPy

    if entry.file is None:
        raise ModelError(
            f"version {shown(entry.version)} is one of the database, which only the high-level "
            "worker knows: write `file` and the path of a model file in place of `version`"
        )
    return open_model(entry.file, name=entry.name, sha256=entry.sha256)


def _content(path: Path) -> dict[str, Any]:
    try:
        text = read_regular(path, _MAX_BYTES)
    except OSError as error:
        raise SettingsError([f"profile {path} cannot be read: {error.strerror}"]) from error
    if len(text) > _MAX_BYTES:
        raise SettingsError([f"{path} is larger than {_MAX_BYTES:,} bytes: no profile is"])
    try:
        # Everything as text: a version such as 2.1 is no number.
        content = parse_yaml(text, typed=False, unique_keys=True)
    except TrainerError as error:
        raise SettingsError([f"{path} is no profile: {error}"]) from error
    if not isinstance(content, dict):
        raise SettingsError([f"{path} is no profile: it holds {shown(content)}, not keys"])
    return content


def _entries(content: dict[str, Any], folder: Path, problems: list[str]) -> Iterator[Entry]:
    listed = _at(content, "highlevel", "svm_models")
    if not isinstance(listed, list) or not listed:
        problems.append(
            "highlevel.svm_models is missing or no list: write the model files there, "
            "such as svm_models: [danceability.history, gender.history]"
        )
        return
    if len(listed) > _MAX_MODELS:
        problems.append(f"highlevel.svm_models lists more than {_MAX_MODELS:,} models")
        return
    names = set()
    for number, given in enumerate(listed, start=1):
        try:
            entry = _entry(given, folder)
        except ValueError as error:
            problems.append(f"highlevel.svm_models, model {number}: {error}")
            continue
        if entry.name in names:
            problems.append(
                f"highlevel.svm_models, model {number}: {shown(entry.name)} is there twice; "
                "leave one out or give it another name"
            )
        names.add(entry.name)
        yield entry


def _entry(given: Any, folder: Path) -> Entry:
    """Make an entry of a path, or of a mapping with `_KEYS`; a ValueError says what is wrong."""
    if isinstance(given, str) and given:
        return Entry(name=_name_of(given), file=folder / given)
    if not isinstance(given, dict):
        raise ValueError(f"{shown(given)} is no path of a model file")  # noqa: TRY004 - of the value
    unknown = given.keys() - _KEYS
    if unknown or not all(isinstance(value, str) and value for value in given.values()):
        raise ValueError(f"a model has {', '.join(sorted(_KEYS))}, each of them text")
    if ("file" in given) == ("version" in given):
        raise ValueError("a model has either `file`, a path, or `version`, that was published")
    if "version" in given:
        if "name" not in given or "sha256" in given:
            raise ValueError("a published model has `name` and `version` and nothing else")
        return Entry(name=given["name"], version=given["version"])
    return Entry(
        name=given.get("name") or _name_of(given["file"]),
        file=folder / given["file"],
        sha256=given.get("sha256"),
    )


def _name_of(path: str) -> str:
    return Path(path).name.partition(".")[0] or Path(path).name


def _merge_values(content: dict[str, Any], problems: list[str]) -> dict[str, str]:
    key = ".".join((*_MERGED, MODELS_VERSION))
    others = _others_than_merged(content.get("mergeValues"))
    if others:
        problems.append(f"mergeValues.{others} is nothing that can be merged: only {key} and such")
    values = _at(content, *_MERGED)
    values = values if isinstance(values, dict) else {}
    if not isinstance(values.get(MODELS_VERSION), str) or not values[MODELS_VERSION]:
        problems.append(
            f"{key} is not set: write the version of the models there, such as\n"
            "mergeValues:\n    metadata:\n        version:\n            highlevel:\n"
            f"                {MODELS_VERSION}: v2.1_beta1"
        )
    for name, value in values.items():
        if not isinstance(value, str):
            problems.append(f"{'.'.join(_MERGED)}.{shown(name)} is {shown(value)}, not text")
    # An empty value is one that was left to be filled out: AcousticBrainz's essentia_build_sha.
    return {name: value for name, value in values.items() if isinstance(value, str) and value}


def _others_than_merged(value: Any) -> str:
    """Path of the first thing to merge that lies elsewhere than `_MERGED`, or an empty text."""
    path: list[str] = []
    for key in _MERGED[1:]:
        if not isinstance(value, dict):
            return ".".join(path)
        other = next((name for name in value if name != key), None)
        if other is not None:
            return ".".join([*path, other])
        path.append(key)
        value = value.get(key)
    return ""


def _indent(content: dict[str, Any], problems: list[str]) -> int:
    text = content.get("indent", "4")
    # A list of the texts that are right: int() takes "+4", "1_0" and digits of any script.
    if text in map(str, range(_MAX_INDENT + 1)):
        return int(text)
    problems.append(f"indent is {shown(text)}: write a number from 0 to {_MAX_INDENT}")
    return 0


def _format(text: Any, problems: list[str]) -> str:
    if text in (None, ""):
        return "json"
    if text not in _FORMATS:
        problems.append(f"highlevel.inputFormat is {shown(text)}: write json or yaml")
        return "json"
    return str(text)


def _at(value: Any, *path: str) -> Any:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
