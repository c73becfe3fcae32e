"""The file that holds a model: exact, repeatable, and data only."""

import json
import os
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.descriptors import flatten
from trainer.errors import DocumentError, ModelError
from trainer.grid.project import Project
from trainer.models.bundle import Model
from trainer.models.manifest import HISTORY_MAGIC
from trainer.models.probability import PairwiseSigmoids
from trainer.training import train

PROJECT = Project(("gaussianized",), ("rbf",), (1,), (-3,))


@pytest.fixture(scope="module")
def model(make_dataset: Any) -> Any:
    """A model of three classes, with affine and rank steps and with codes."""
    return train(make_dataset(classes=3, size=6), PROJECT, 1, jobs=1, provenance={"job": "7"}).model


@pytest.fixture(scope="module")
def content(model: Any) -> Any:
    return model.to_bytes()


@pytest.fixture(scope="module")
def documents(make_document: Any) -> Any:
    return [flatten(make_document(number, number % 3)) for number in range(40, 60)]


def load(path: Path, content: Any) -> Any:
    path.write_bytes(content)
    return Model.load(path)


def unpacked(content: Any) -> Any:
    """Return manifest and arrays of a bundle."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    return json.loads(header["__metadata__"]["acoustic"]), safetensors.numpy.load(content)


def packed(manifest: Any, arrays: Any) -> Any:
    text = manifest if isinstance(manifest, str) else json.dumps(manifest)
    return safetensors.numpy.save(arrays, metadata={"acoustic": text})


def with_header(content: Any, change: Any) -> Any:
    """Change the JSON in front of the arrays, which stay as they are."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def test_a_loaded_model_predicts_to_the_bit_what_the_saved_one_did(
    model: Any, documents: Any, tmp_path: Path
) -> None:
    model.save(tmp_path / "m.model")

    loaded = Model.load(tmp_path / "m.model")

    assert loaded.probabilities(documents).tobytes() == model.probabilities(documents).tobytes()
    assert loaded.predict(documents) == model.predict(documents)
    assert loaded.manifest == model.manifest
    assert loaded.to_bytes() == model.to_bytes()


def test_saving_returns_the_sha_256_that_loading_checks(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "m.model"
    digest = model.save(path)

    assert Model.load(path, sha256=digest).classes == model.classes
    with pytest.raises(ModelError, match="not the file that was saved"):
        Model.load(path, sha256="0" * 64)


def test_the_manifest_says_what_the_model_is_and_where_it_comes_from(
    model: Any, tmp_path: Path
) -> None:
    model.save(tmp_path / "m.model")

    manifest = Model.load(tmp_path / "m.model").manifest

    assert manifest["name"] == "made"
    assert manifest["format"] == 1
    training = manifest["training"]
    assert training["provenance"] == {"job": "7"}
    assert training["parameters"]["model"]["preprocessing"] == "gaussianized"
    assert {"accuracy", "confusion_matrix", "seed", "versions", "classes"} <= training.keys()
    assert "timings" not in training


def test_a_prediction_is_a_distribution_over_all_classes(model: Any, documents: Any) -> None:
    for prediction in model.predict(documents):
        assert tuple(prediction.all) == model.classes
        assert sum(prediction.all.values()) == pytest.approx(1)
        assert prediction.probability == prediction.all[prediction.value]
        assert prediction.probability == max(prediction.all.values())


def test_a_prediction_does_not_depend_on_what_else_is_predicted(model: Any, documents: Any) -> None:
    alone = [model.predict([document])[0] for document in documents]

    assert [p.value for p in model.predict(documents)] == [p.value for p in alone]
    for together, by_itself in zip(model.predict(documents), alone, strict=True):
        assert together.all == pytest.approx(by_itself.all, rel=1e-9)


def test_of_equally_probable_classes_the_first_in_label_order_is_predicted(
    model: Any, documents: Any
) -> None:
    nothing = np.zeros(3)
    undecided = replace(model, sigmoids=PairwiseSigmoids(nothing, nothing))

    predictions = undecided.predict(documents)

    assert {prediction.value for prediction in predictions} == {model.labels[0]}


@settings(max_examples=60)
@given(numbers=st.lists(st.floats(width=32), min_size=22, max_size=22))
def test_any_numbers_are_a_distribution_or_refused(model: Any, numbers: list[float]) -> None:
    loudness, bpm, rms, *others = numbers
    document = {
        "lowlevel": {
            "average_loudness": loudness,
            "barkbands": {"mean": others[:6]},
            "mfcc": {"mean": others[6:]},
            "spectral_rms": {"mean": rms},
        },
        "rhythm": {"bpm": bpm},
        "tonal": {"key_key": "A", "key_scale": "major"},
    }
    try:
        (prediction,) = model.predict([flatten(document)])
    except DocumentError:
        assert not np.isfinite(numbers).all() or max(map(abs, numbers)) > 1e30
    else:
        assert sum(prediction.all.values()) == pytest.approx(1)


def test_no_documents_give_no_predictions(model: Any) -> None:
    assert model.predict([]) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rhythm": {}}, "lacks rhythm.bpm"),
        ({"rhythm": {"bpm": float("nan")}}, "rhythm.bpm that is not finite"),
        ({"rhythm": {"bpm": 1e39}}, "rhythm.bpm that is not finite"),
    ],
)
def test_a_document_that_a_model_cannot_take_is_refused_by_descriptor(
    model: Any, make_document: Any, change: Any, message: Any
) -> None:
    with pytest.raises(DocumentError, match=message):
        model.predict([flatten(make_document(1, **change))])


def test_a_value_beyond_float32_once_scaled_is_refused_instead_of_predicted_as_nan(
    make_dataset: Any,
) -> None:
    dataset = make_dataset()
    column = dataset.layout.starts[dataset.layout.names.index(".lowlevel.mfcc.mean")]
    values = dataset.values.copy()
    values[:, column] *= np.float32(1e-5)
    small = train(
        replace(dataset, values=values), Project(("basic",), ("rbf",), (1,), (-3,)), 1, jobs=1
    )
    document = {"lowlevel": {"mfcc": {"mean": [3e38] + [0.0] * 12}, "spectral_rms": {"mean": 1}}}
    document |= {"rhythm": {"bpm": 1}, "tonal": {"key_key": "A", "key_scale": "minor"}}
    document["lowlevel"] |= {"average_loudness": 1, "barkbands": {"mean": [1] * 6}}

    with pytest.raises(DocumentError, match=r"mfcc\.mean that is too far outside"):
        small.model.predict([flatten(document)])


def test_text_never_seen_before_is_predicted_alike_whatever_came_before(
    model: Any, make_document: Any
) -> Any:
    def predicted(*keys: Any) -> Any:
        documents = [
            flatten(make_document(1, tonal={"key_key": key, "key_scale": "minor"})) for key in keys
        ]
        return model.probabilities(documents).tolist()

    assert predicted("X", "Y", "X") == predicted("Z", "Z", "Z")


def test_equal_models_are_equal_bytes(model: Any, content: Any, make_dataset: Any) -> None:
    again = train(
        make_dataset(classes=3, size=6), PROJECT, 1, jobs=2, provenance={"job": "7"}
    ).model

    assert model.to_bytes() == content
    assert again.to_bytes() == content


def test_the_order_of_keys_of_the_provenance_changes_no_byte(model: Any, content: Any) -> None:
    turned = dict(reversed(model.training.items()))

    assert replace(model, training=turned).to_bytes() == content


TRAIN_AND_HASH = """
import hashlib
import numpy as np
from trainer.dataset import prepare
from trainer.descriptors import flatten
from trainer.grid.project import Project
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions
from trainer.training import train
rng = np.random.default_rng(0)
documents = {f"r{n}": flatten({"lowlevel": {f"d{k}": rng.normal() + n % 2 for k in range(9)},
             "tonal": {"key_key": "ABC"[n % 3]}}) for n in range(12)}
classes = [(str(c), [f"r{n}" for n in range(c, 12, 2)]) for c in (0, 1)]
truth = GroundTruth.from_classes("t", classes)
dataset = prepare(truth, documents, JobOptions.parse(None))
project = Project(("basic", "normalized"), c_exponents=(1, 3), gamma_exponents=(-3,))
print(hashlib.sha256(train(dataset, project, 1, jobs=JOBS).model.to_bytes()).hexdigest())
"""


def test_processes_with_other_hash_seeds_and_jobs_write_the_same_bytes() -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN_AND_HASH.replace("JOBS", jobs)],
            env=os.environ | {"PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed, jobs in (("1", "1"), ("2", "2"))
    ]

    first, second = (process.communicate(timeout=60)[0] for process in processes)

    assert len(first.strip()) == 64
    assert first == second


class Payload:
    def __reduce__(self) -> Any:
        return os.mkdir, ("pwned",)


def other_files(tmp_path: Path, content: Any) -> Any:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("m", content)
    np.savez(tmp_path / "a.npz", a=np.ones(3))
    return {
        "empty": b"",
        "one byte": b"\0",
        "text": b"not a model\n",
        "pickle": pickle.dumps(Payload()),
        "zip": (tmp_path / "a.zip").read_bytes(),
        "npz": (tmp_path / "a.npz").read_bytes(),
        "history": HISTORY_MAGIC + content,
        "safetensors without a manifest": safetensors.numpy.save({"a": np.ones(3)}),
        "null metadata": with_header(content, lambda header: header.update(__metadata__=None)),
        "header of 2**63 bytes": (2**63).to_bytes(8, "little") + content[8:],
        "twice": content + content,
    }


def test_other_files_are_refused_and_run_nothing(
    content: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    files = other_files(tmp_path, content)
    accepted = [what for what, other in files.items() if not refuses(tmp_path / "m", other)]

    assert accepted == []
    assert not (tmp_path / "pwned").exists()


def test_a_gaia_history_is_called_by_its_name(tmp_path: Path, content: Any) -> None:
    with pytest.raises(ModelError, match=r"Gaia \.history file"):
        load(tmp_path / "m", HISTORY_MAGIC + content)


def test_what_cannot_be_read_is_a_model_error_that_names_the_path(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", tmp_path / "missing" / "m"):
        with pytest.raises(ModelError, match=f"{path} cannot be read"):
            Model.load(path)


def set_in(manifest: Any, path: list[Any], value: Any) -> None:
    *keys, last = path
    for key in keys:
        manifest = manifest[key]
    manifest[last] = value


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["format"], 2),
        (["format"], "1"),
        (["name"], 7),
        (["labels"], ["only"]),
        (["labels"], ["a", "b"]),
        (["labels"], ["a", "a", "b"]),
        (["labels"], ["a", "b", "c", "d"]),
        (["kernel"], "linear"),
        (["gamma"], 0),
        (["gamma"], -1),
        (["gamma"], "NaN"),
        (["layout"], []),
        (["layout", 0, "dimensions"], 0),
        (["layout", 0, "dimensions"], 10**9),
        (["layout", 0, "dimensions"], 99),
        (["layout", 0, "name"], "no.dot"),
        (["layout", 0, "values"], 7),
        (["layout", 0, "further"], 7),
        (["steps"], []),
        (["steps"], ["affine"]),
        (["steps", 0], "rank"),
        (["steps", 0], "eval"),
        (["training"], None),
        (["further"], 1),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused(
    content: Any, tmp_path: Path, path: list[Any], value: Any
) -> None:
    manifest, arrays = unpacked(content)
    set_in(manifest, path, value)

    with pytest.raises(ModelError, match="not an intact model bundle"):
        load(tmp_path / "m", packed(manifest, arrays))


@pytest.mark.parametrize("key", ["format", "name", "labels", "kernel", "gamma", "layout", "steps"])
def test_a_manifest_that_lacks_a_key_is_refused_by_its_name(
    content: Any, tmp_path: Path, key: Any
) -> None:
    manifest, arrays = unpacked(content)
    del manifest[key]

    with pytest.raises(ModelError, match=f"manifest {key}"):
        load(tmp_path / "m", packed(manifest, arrays))


@pytest.mark.parametrize("text", ["", "{", "null", "[]", "[" * 100_000, '{"format": 1e999}'])
def test_a_manifest_that_is_no_manifest_is_refused(content: Any, tmp_path: Path, text: str) -> None:
    _, arrays = unpacked(content)

    with pytest.raises(ModelError):
        load(tmp_path / "m", packed(text, arrays))


def test_a_descriptor_that_comes_twice_is_refused(content: Any, tmp_path: Path) -> None:
    manifest, arrays = unpacked(content)
    first, second = [d for d in manifest["layout"] if "values" in d][:2]
    second["name"] = first["name"]

    with pytest.raises(ModelError, match="a descriptor comes twice"):
        load(tmp_path / "m", packed(manifest, arrays))


ARRAYS = (
    "svm.support_vectors",
    "svm.counts",
    "svm.coefficients",
    "svm.rho",
    "sigmoids.slope",
    "sigmoids.offset",
    "steps.0.slope",
    "steps.0.offset",
    "steps.1.columns",
    "steps.1.distribution",
)


def damages(name: str, array: Any) -> Any:
    """Arrays that training cannot have produced."""
    nan = array.astype(np.float64)
    nan.flat[0] = np.nan
    damaged = {
        "empty": array[:0],
        "one more axis": array[None],
        "no axis": np.array(array.flat[0]),
        "flat": array.ravel() if array.ndim > 1 else array[:, None],
        "half precision": array.astype(np.float16),
        "integers": array.astype(np.int8),
        "truth": array.astype(bool),
        "not finite": nan.astype(array.dtype) if array.dtype.kind == "f" else -1 - array,
    }
    if name == "steps.1.distribution":  # may have any number of rows, if they are sorted
        return damaged | {"upside down": array[::-1].copy()}
    return damaged | {"shorter": array[:-1], "longer": np.concatenate([array, array[-1:]])}


def refuses(path: Path, content: Any) -> bool:
    try:
        load(path, content)
    except ModelError:
        return True
    return False


@pytest.mark.parametrize("name", ARRAYS)
def test_a_damaged_array_is_refused(content: Any, tmp_path: Path, name: str) -> None:
    manifest, arrays = unpacked(content)

    accepted = [
        what
        for what, damaged in damages(name, arrays[name]).items()
        if not refuses(tmp_path / "m", packed(manifest, arrays | {name: damaged}))
    ]
    assert accepted == []


@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_that_lacks_is_refused_by_name(content: Any, tmp_path: Path, name: str) -> None:
    manifest, arrays = unpacked(content)
    del arrays[name]

    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        load(tmp_path / "m", packed(manifest, arrays))


def test_an_array_too_many_is_refused(content: Any, tmp_path: Path) -> None:
    manifest, arrays = unpacked(content)

    with pytest.raises(ModelError, match="other arrays"):
        load(tmp_path / "m", packed(manifest, arrays | {"further": np.ones(1)}))


@pytest.mark.parametrize("dtype", ["BF16", "F8_E4M3", "C64", "U64", "BOOL", "I32", "F32"])
def test_an_array_of_another_type_of_number_is_refused(
    content: Any, tmp_path: Path, dtype: Any
) -> None:
    width = {"BF16": 2, "F8_E4M3": 1, "BOOL": 1, "I32": 4, "F32": 4}.get(dtype, 8)

    def change(header: Any) -> None:
        entry = header["svm.rho"]
        begin, end = entry["data_offsets"]
        entry |= {"dtype": dtype, "shape": [(end - begin) // width]}

    with pytest.raises(ModelError):
        load(tmp_path / "m", with_header(content, change))


def test_a_model_without_support_vectors_is_refused_however_wide_it_claims_to_be(
    content: Any, tmp_path: Path
) -> None:
    manifest, arrays = unpacked(content)
    manifest["layout"] = [{"name": f".d{n}", "dimensions": 10**6} for n in range(1000)]
    manifest["steps"] = []
    arrays = {name: array for name, array in arrays.items() if not name.startswith("steps")}
    arrays["svm.counts"] = np.zeros(3, dtype=np.int64)
    arrays["svm.coefficients"] = np.zeros((2, 0))
    arrays["svm.support_vectors"] = np.zeros((0, 10**9), dtype=np.float32)

    with pytest.raises(ModelError):
        load(tmp_path / "m", packed(manifest, arrays))


@settings(max_examples=300)
@given(st.data())
def test_a_flipped_byte_is_refused_or_changes_nothing(
    tmp_path_factory: Any, content: Any, data: Any
) -> None:
    header = 8 + int.from_bytes(content[:8], "little")
    in_header = data.draw(st.booleans())
    place = data.draw(
        st.integers(0, header - 1) if in_header else st.integers(header, len(content) - 1)
    )
    damaged = bytearray(content)
    damaged[place] ^= data.draw(st.integers(1, 255))

    try:
        loaded = load(tmp_path_factory.getbasetemp() / "flipped.model", bytes(damaged))
    except ModelError:
        return
    assert loaded.to_bytes() == content  # it was blank space


def test_a_changed_number_is_refused_by_the_digest_inside(content: Any, tmp_path: Path) -> None:
    place = content.index(unpacked(content)[1]["svm.rho"].tobytes())
    damaged = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]

    with pytest.raises(ModelError, match="its digest is another"):
        load(tmp_path / "m", damaged)


def test_a_bundle_from_before_the_digest_loads_as_ever(
    model: Any, content: Any, tmp_path: Path
) -> None:
    loaded = load(tmp_path / "m", with_header(content, forget_digest))

    assert loaded.to_bytes() == content
    assert loaded.manifest == model.manifest


def forget_digest(header: Any) -> None:
    del header["__metadata__"]["sha256"]


def test_an_unknown_text_in_the_header_is_refused(content: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unknown text 'sha255'"):
        load(tmp_path / "m", with_header(content, lambda h: h["__metadata__"].update(sha255="")))


@settings(max_examples=60)
@given(st.data())
def test_a_cut_file_is_refused(tmp_path_factory: Any, content: Any, data: Any) -> None:
    length = data.draw(st.integers(0, len(content) - 1))

    with pytest.raises(ModelError):
        load(tmp_path_factory.getbasetemp() / "cut.model", content[:length])


@pytest.mark.parametrize(
    "name", ["a" * 500, "../../etc", "\u202e\n\x1b[2J", "'; DROP TABLE", "\U0001f3b5", '"}],{"']
)
def test_hostile_names_come_back_as_they_were(model: Any, tmp_path: Path, name: str) -> None:
    labels = (name, *model.labels[1:])
    replace(model, name=name, labels=labels, training={name: [name]}).save(tmp_path / "m")

    loaded = Model.load(tmp_path / "m")

    assert (loaded.name, loaded.labels, dict(loaded.training)) == (name, labels, {name: [name]})


def test_provenance_that_no_file_can_hold_does_not_make_a_model_unreadable(
    model: Any, tmp_path: Path
) -> None:
    replace(model, training={"options": {"half": "\ud800", "whole": "\U0001f3b5"}}).save(
        tmp_path / "m"
    )

    options = Model.load(tmp_path / "m").training["options"]

    assert options == {"half": "?", "whole": "\U0001f3b5"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    model: Any, tmp_path: Path
) -> None:
    path = tmp_path / "m.model"
    path.mkdir()
    (path / "precious").touch()

    with pytest.raises(OSError, match=r"m\.model"):
        model.save(path)

    assert [found.name for found in tmp_path.rglob("*")] == ["m.model", "precious"]


def test_a_disk_that_is_full_leaves_the_old_file_and_nothing_beside_it(
    model: Any, tmp_path: Path
) -> None:
    path = tmp_path / "m.model"
    path.write_text("old")
    script = (
        "import resource, signal, sys; from pathlib import Path; "
        "from trainer.models.bundle import Model;"
        "model = Model.load(Path(sys.argv[1])); signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); model.save(Path(sys.argv[2]))"
    )
    model.save(tmp_path / "good")

    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "good", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert "OSError" in done.stderr
    assert path.read_text() == "old"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["good", "m.model"]


def test_saving_makes_the_folders_and_replaces_what_was_there(model: Any, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "m.model"

    first, second = model.save(path), replace(model, name="other").save(path)

    assert first != second
    assert Model.load(path).name == "other"
    assert [found.name for found in path.parent.iterdir()] == ["m.model"]
    assert path.stat().st_mode & 0o777 == 0o644
