"""``acoustic compare evaluations``: report files or jobs, side by side."""

import json
from pathlib import Path
from typing import Any


def written(folder: Path, name: str, right: str) -> Path:
    path = folder / name
    recordings = [f"r{place}" for place in range(len(right))]
    predicted = ["a" if sign == "+" else "b" for sign in right]
    path.write_text(
        json.dumps({"recordings": recordings, "actual": ["a"] * len(right), "predicted": predicted})
    )
    return path


def test_accuracies_table_p_and_words_are_shown(acoustic: Any, tmp_path: Path) -> None:
    first = written(tmp_path, "a.json", "+" * 20)
    second = written(tmp_path, "b.json", "-" * 12 + "+" * 9)

    result = acoustic("compare", "evaluations", first, second)

    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "100.00 %" in said
    assert "40.00 %" in said
    assert "A right 8 12" in said
    assert "p = 0.000488" in said
    assert "A is better than B on recordings like these" in said
    assert "only in B 1, not counted: r20" in said


def test_json_is_for_a_machine(acoustic: Any, tmp_path: Path) -> None:
    first, second = written(tmp_path, "a.json", "++-"), written(tmp_path, "b.json", "+-+")

    result = acoustic("compare", "evaluations", first, second, "--json")

    said = json.loads(result.stdout)
    assert said["right"] == {"both": 1, "only_a": 1, "only_b": 1, "neither": 0}
    assert said["p"] == 1


def test_what_is_neither_a_file_nor_a_job_is_told(acoustic: Any, tmp_path: Path) -> None:
    result = acoustic("compare", "evaluations", written(tmp_path, "a.json", "+"), "missing.json")

    assert result.exit_code == 2
    assert "'missing.json' is neither a file nor the id of a job" in result.stderr


def test_a_job_without_result_is_told(on_database: Any, job: Any, tmp_path: Path) -> None:
    result = on_database("compare", "evaluations", written(tmp_path, "a.json", "+"), str(job()))

    assert result.exit_code == 2
    assert "is pending and has no result" in result.stderr
