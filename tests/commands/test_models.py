"""``acoustic models inspect``."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

import examples

Acoustic = Callable[..., Result]


def test_a_model_tells_where_it_comes_from_and_how_good_it_is(
    acoustic: Acoustic, model: Path
) -> None:
    result = acoustic("models", "inspect", model)

    assert result.exit_code == 0, result.stderr
    assert hashlib.sha256(model.read_bytes()).hexdigest() in result.stdout
    classes = json.loads(examples.ground_truth("danceability").read_text())["classes"]
    sizes = ", ".join(f"{name} ({len(ids)})" for name, ids in sorted(classes.items()))
    assert sizes in result.stdout
    assert "danceability.json" in result.stdout
    assert "normalized, RBF, C 2^5, gamma 2^-5" in result.stdout
    assert "actual \\ predicted" in result.stdout
    assert "scikit-learn" in result.stdout


def test_json_holds_the_whole_manifest(acoustic: Acoustic, model: Path) -> None:
    found = json.loads(acoustic("models", "inspect", model, "--json").stdout)

    assert found["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert found["manifest"]["name"] == "danceability"
    assert found["manifest"]["layout"][0]["name"].startswith(".")


def test_a_damaged_model_is_refused(acoustic: Acoustic, model: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.model"
    damaged.write_bytes(model.read_bytes()[:-100])

    result = acoustic("models", "inspect", damaged)

    assert result.exit_code == 2
    assert "not an intact model bundle" in result.stderr
