"""The corpus as files: identifiers, tags, documents and ground truths.

Identifiers are version-5 UUIDs, computed from a fixed name: `recording_id` and `artist_id`
are the whole rule. They look like MusicBrainz identifiers and are none.
"""

from __future__ import annotations

import gzip
import json
import uuid
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from examples.attributes import KEYS, Attributes
from examples.draw import draw
from examples.extract import extract, write_wave
from examples.labels import TASKS, ground_truth
from examples.render import render

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "urn:acoustic-workers:examples")
DOCUMENTS = "lowlevel.jsonl.gz"
GROUND_TRUTH = "ground_truth"


def recording_id(seed: int, index: int) -> str:
    """Return the identifier of a clip."""
    return str(uuid.uuid5(NAMESPACE, f"recording/{seed}/{index}"))


def artist_id(seed: int, artist: str) -> str:
    """Return the identifier of an artist."""
    return str(uuid.uuid5(NAMESPACE, f"artist/{seed}/{artist}"))


def tags(clip: Attributes) -> dict[str, Any]:
    """Return the tags that a file of the clip would carry, each a list as Essentia has them."""
    style, number = clip.artist.rsplit("-", 1)
    key = "atonal" if clip.mode == "atonal" else f"in {KEYS[clip.key]} {clip.mode}"
    return {
        "artist": [f"Synthetic {style.capitalize()} Ensemble {number}"],
        "file_name": f"{clip.index:04d}.wav",
        "musicbrainz_artistid": [artist_id(clip.seed, clip.artist)],
        "musicbrainz_recordingid": [recording_id(clip.seed, clip.index)],
        "title": [f"{clip.pattern} {key}, no. {clip.index + 1}"],
    }


def line(index: int, seed: int) -> bytes:
    """Render clip `index`, describe it, and return its line of the documents' file."""
    clip = draw(index, seed)
    with TemporaryDirectory(prefix="examples-") as folder:
        path = Path(folder) / "clip.wav"
        write_wave(path, render(clip))
        document = extract(path)
    document["metadata"]["tags"] = tags(clip)
    entry = {"id": recording_id(seed, index), "document": document}
    return json.dumps(entry, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def lines(seed: int, count: int, *, jobs: int = 1) -> Iterator[bytes]:
    """Yield the lines of clips 0 to count - 1 in order, computed in `jobs` processes."""
    numbered = partial(line, seed=seed)
    if jobs == 1:
        yield from map(numbered, range(count))
        return
    # Spawned: Essentia's threads and fork do not go together.
    with get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap(numbered, range(count))


def write_documents(path: Path, entries: Iterable[bytes]) -> None:
    """Write lines as .jsonl.gz; equal lines give equal bytes."""
    with path.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as file:
        file.writelines(entries)


def write_ground_truths(folder: Path, seed: int, count: int) -> None:
    """Write one JSON file per task; a task with fewer than two classes has none."""
    clips = [draw(index, seed) for index in range(count)]
    folder.mkdir(parents=True, exist_ok=True)
    for task in TASKS:
        classes = {
            name: sorted(recording_id(seed, index) for index in indices)
            for name, indices in ground_truth(task, clips).items()
        }
        if len(classes) > 1:
            text = json.dumps({"name": task, "classes": classes}, indent=1) + "\n"
            (folder / f"{task}.json").write_text(text)


def write_corpus(
    folder: Path,
    seed: int,
    count: int,
    *,
    jobs: int = 1,
    progress: Callable[[int], None] = lambda _: None,
) -> None:
    """Write documents and ground truths; `progress` hears the number of clips done."""
    folder.mkdir(parents=True, exist_ok=True)

    def heard() -> Iterator[bytes]:
        for done, entry in enumerate(lines(seed, count, jobs=jobs), start=1):
            yield entry
            progress(done)

    write_documents(folder / DOCUMENTS, heard())
    write_ground_truths(folder / GROUND_TRUTH, seed, count)
