"""`python -m examples` makes the same files from the same numbers."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.corpus import DOCUMENTS, recording_id, write_corpus, write_documents
from examples.extract import extract, write_wave
from examples.instruments import RATE
from examples.layout import music_1_0, shapes_of


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=100
    )


def test_equal_lines_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one.gz", "two.gz"):
        write_documents(tmp_path / name, [b'{"id": 1}\n', b'{"id": 2}\n'])
    one = (tmp_path / "one.gz").read_bytes()
    assert one == (tmp_path / "two.gz").read_bytes()
    assert one[4:8] == bytes(4)  # the time of writing
    assert gzip.decompress(one) == b'{"id": 1}\n{"id": 2}\n'


def test_samples_survive_the_wave_file(tmp_path: Path) -> None:
    write_wave(tmp_path / "clip.wav", np.array([0.0, 0.5, -1.0, 1.0]))
    assert (tmp_path / "clip.wav").read_bytes()[-8:] == np.array(
        [0, 16384, -32767, 32767], dtype="<i2"
    ).tobytes()


def test_essentia_is_not_needed_to_read_the_corpus() -> None:
    code = "import sys, examples, examples.corpus; print('essentia' in sys.modules)"
    assert run("-c", code).stdout.strip() == "False"


@pytest.mark.parametrize("count", ["0", "-3", "many"])
def test_a_count_that_is_none_is_refused(count: str, tmp_path: Path) -> None:
    result = run("-m", "examples", "--out", str(tmp_path), f"--count={count}")
    assert result.returncode == 2
    assert f"'{count}' is not a whole number above 0" in result.stderr


def test_without_essentia_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys, importlib.util, runpy; sys.modules['essentia'] = None\n"
        f"sys.argv = ['examples', '--out', {str(tmp_path)!r}]\n"
        "runpy.run_module('examples', run_name='__main__')"
    )
    result = run("-c", code)
    assert result.returncode == 2
    assert "pip install 'acoustic-workers[essentia]'" in result.stderr


def test_the_same_seed_gives_the_same_bytes_in_one_process_or_two(tmp_path: Path) -> None:
    pytest.importorskip("essentia")
    seen: list[int] = []
    write_corpus(tmp_path / "one", 7, 2, progress=seen.append)
    write_corpus(tmp_path / "two", 7, 2, jobs=2)
    assert seen == [1, 2]
    assert (tmp_path / "one" / DOCUMENTS).read_bytes() == (
        tmp_path / "two" / DOCUMENTS
    ).read_bytes()
    with gzip.open(tmp_path / "one" / DOCUMENTS) as file:
        ids = [json.loads(line)["id"] for line in file]
    assert ids == [recording_id(7, index) for index in range(2)]


def test_the_bpm_peak_of_a_click_track_is_its_tempo(tmp_path: Path) -> None:
    pytest.importorskip("essentia")
    time = np.arange(12 * RATE) / RATE
    clicks = np.sin(2 * np.pi * 1000 * time) * (time % 0.5 < 0.03)
    write_wave(tmp_path / "clicks.wav", 0.5 * clicks)
    document = extract(tmp_path / "clicks.wav")
    assert shapes_of(document) == music_1_0()
    peak = document["rhythm"]["bpm_histogram_first_peak_bpm"]
    assert peak["mean"] == pytest.approx(120, abs=1)
    assert peak["mean"] == peak["median"] == peak["min"] == peak["max"]
    assert peak["var"] == peak["dmean"] == 0
    tempos = 60 / np.diff(document["rhythm"]["beats_position"])
    weight = document["rhythm"]["bpm_histogram_first_peak_weight"]
    assert weight["mean"] == pytest.approx(np.mean(np.round(tempos) == peak["mean"]), abs=0.01)
