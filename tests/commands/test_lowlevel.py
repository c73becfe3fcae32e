"""``acoustic lowlevel load``: documents from files and dumps into the database."""

import bz2
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import zstandard
from click.testing import Result
from sqlalchemy import Engine, text

Acoustic = Callable[..., Result]
Rows = Callable[[], list[tuple[str, int]]]

ONE, OTHER = (str(UUID(int=number)) for number in (1, 2))


def document(mbid: str | None = ONE, number: float = 0, **properties: Any) -> dict[str, Any]:
    tags = {} if mbid is None else {"musicbrainz_recordingid": [mbid]}
    return {
        "lowlevel": {"average_loudness": number},
        "rhythm": {"bpm": 120},
        "tonal": {"key_key": "A"},
        "metadata": {
            "tags": tags,
            "audio_properties": properties,
            "version": {"essentia_build_sha": "abc"},
        },
    }


def dump(path: Path, members: Mapping[str, bytes], *, end: int | None = None) -> Path:
    """Write an archive as AcousticBrainz's dumps are; `end`: cut the tar there."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in {"COPYING": b"CC0", **members}.items():
            entry = tarfile.TarInfo(f"acousticbrainz-lowlevel-json-20220623/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    pack = {
        ".tar": bytes,
        ".zst": zstandard.ZstdCompressor().compress,
        ".bz2": bz2.compress,
        ".gz": gzip.compress,
    }[path.suffix]
    path.write_bytes(pack(written.getvalue()[:end]))
    return path


def as_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()


@pytest.fixture
def load(on_database: Acoustic) -> Acoustic:
    return lambda *paths: on_database("lowlevel", "load", *paths)


@pytest.fixture
def rows(engine: Engine) -> Rows:
    """MBID and submission of all that is stored."""

    def rows() -> list[tuple[str, int]]:
        with engine.connect() as connection:
            found = connection.execute(
                text("SELECT gid::text, submission_offset FROM lowlevel ORDER BY 1, 2")
            )
            return [(row.gid, row.submission_offset) for row in found]

    return rows


@pytest.mark.parametrize("suffix", [".tar", ".tar.zst", ".tar.bz2", ".tar.gz"])
def test_a_dump_is_stored_under_the_mbids_and_submissions_that_its_names_tell(
    load: Acoustic, rows: Rows, tmp_path: Path, suffix: str
) -> None:
    members = {
        f"lowlevel/00/0/{ONE}-0.json": as_bytes(document()),
        f"lowlevel/00/0/{ONE}-1.json": as_bytes(document(number=1)),
        f"lowlevel/00/0/{OTHER}-3.json": as_bytes(document(OTHER)),
        f"lowlevel/00/0/._{OTHER}-3.json": b"\0\5\26\7",
    }

    result = load(dump(tmp_path / f"dump{suffix}", members))

    assert result.exit_code == 0
    assert result.stdout == "3 documents: 3 stored, 0 there already.\n"
    assert rows() == [(ONE, 0), (ONE, 1), (OTHER, 3)]


@pytest.mark.parametrize(
    ("number", "shown"), [("NaN", "nan"), ("-Infinity", "-inf"), ("1e400", "inf")]
)
def test_a_descriptor_that_is_no_finite_number_is_named_and_not_stored(
    load: Acoustic, rows: Rows, tmp_path: Path, number: str, shown: str
) -> None:
    written = json.dumps(document(OTHER)).replace("120", f"[120, {number}]")
    file = tmp_path / f"{OTHER}.json"
    file.write_text(written)

    result = load(file)

    assert result.exit_code == 1
    assert f"Refused: {OTHER}: rhythm.bpm[1] is {shown}, and" in result.stderr
    assert rows() == []


def test_metadata_without_finite_numbers_are_stored_as_null(
    load: Acoustic, rows: Rows, tmp_path: Path
) -> None:
    file = tmp_path / f"{ONE}.json"
    file.write_text(json.dumps(document(ONE, replay_gain=float("-inf"))))

    assert load(file).exit_code == 0
    assert rows() == [(ONE, 0)]


def test_parts_of_a_dump_may_be_loaded_in_any_order(
    load: Acoustic, rows: Rows, engine: Engine, tmp_path: Path
) -> None:
    load(dump(tmp_path / "2.tar", {f"{ONE}-1.json": as_bytes(document(number=1))}))
    load(dump(tmp_path / "1.tar", {f"{ONE}-0.json": as_bytes(document(number=7))}))

    assert rows() == [(ONE, 0), (ONE, 1)]
    with engine.connect() as connection:
        first = connection.execute(
            text("""SELECT data #> '{lowlevel,average_loudness}' FROM lowlevel_json
                      JOIN lowlevel USING (id) WHERE submission_offset = 0""")
        ).scalar_one()
    assert first == 7


def test_a_submission_whose_number_is_taken_becomes_the_next(
    load: Acoustic, rows: Rows, tmp_path: Path
) -> None:
    load(dump(tmp_path / "1.tar", {f"{ONE}-0.json": as_bytes(document())}))
    load(dump(tmp_path / "2.tar", {f"{ONE}-0.json": as_bytes(document(number=1))}))

    assert rows() == [(ONE, 0), (ONE, 1)]


def test_loading_again_stores_only_what_is_missing(
    load: Acoustic, rows: Rows, tmp_path: Path
) -> None:
    first = {f"{ONE}-0.json": as_bytes(document())}
    load(dump(tmp_path / "dump.tar", first))
    second = {**first, f"{OTHER}-0.json": as_bytes(document(OTHER))}

    result = load(dump(tmp_path / "dump.tar", second))

    assert result.stdout == "2 documents: 1 stored, 1 there already.\n"
    assert rows() == [(ONE, 0), (OTHER, 0)]


def test_each_document_that_is_refused_is_named_and_the_others_are_stored(
    load: Acoustic, rows: Rows, tmp_path: Path
) -> None:
    stranger = str(UUID(int=3))
    members = {
        f"{ONE}-0.json": as_bytes(document()),
        f"{stranger}-0.json": as_bytes(document(None) | {"lowlevel": {"average_loudness": 0}}),
        "broken-0.json": b'{"lowlevel": ',
        "song.json": as_bytes(document(None, number=5)),
        f"{UUID(int=4)}-0.json": as_bytes(document(ONE, number=6)),
        f"{UUID(int=5)}-0.json": as_bytes({"highlevel": {}}),
        f"{UUID(int=6)}-0.json": as_bytes(document(None)),
        f"{OTHER}-0.json": as_bytes(document(OTHER)),
    }

    result = load(dump(tmp_path / "dump.tar", members))

    assert result.exit_code == 1
    assert result.stdout == "8 documents: 3 stored, 0 there already, 5 refused.\n"
    assert [mbid for mbid, _ in rows()] == [ONE, OTHER, stranger]
    for sentence in (
        "broken-0.json: the text is not JSON",
        "song: nothing says which recording it is: name it after its MBID, or give it the tag",
        f"{UUID(int=4)}: it is named after recording {UUID(int=4)}, and its tag",
        f"{UUID(int=5)}: it is no low-level document of a recording: it has no 'lowlevel'",
        f"{UUID(int=6)}: recording {stranger} has the same document",
    ):
        assert sentence in result.stderr


def test_a_document_that_is_named_otherwise_goes_by_its_tag(
    load: Acoustic, rows: Rows, tmp_path: Path
) -> None:
    (tmp_path / "My song.json").write_bytes(as_bytes(document(OTHER)))

    assert load(tmp_path).exit_code == 0
    assert rows() == [(OTHER, 0)]


def test_a_document_is_changed_as_the_server_changes_it(
    load: Acoustic, engine: Engine, tmp_path: Path
) -> None:
    old = document(None, lossless=1)
    old["metadata"]["tags"]["musicbrainz_trackid"] = [ONE]
    expected = deepcopy(old)
    expected["metadata"]["tags"] = {"musicbrainz_recordingid": [ONE]}
    expected["metadata"]["audio_properties"]["lossless"] = True
    (tmp_path / f"{ONE}.json").write_bytes(as_bytes(old))

    load(tmp_path)

    with engine.connect() as connection:
        row = connection.execute(
            text("SELECT lossless, build_sha1, data FROM lowlevel JOIN lowlevel_json USING (id)")
        ).one()
    assert (row.lossless, row.build_sha1, row.data) == (True, "abc", expected)


@pytest.mark.parametrize("end", [5 * 1024, 5 * 1024 + 100, 5 * 1024 + 600])
def test_what_comes_before_the_end_of_a_cut_archive_is_stored(
    load: Acoustic, rows: Rows, tmp_path: Path, end: int
) -> None:
    members = {f"{UUID(int=n)}-0.json": as_bytes(document(None, number=n)) for n in range(1, 20)}

    result = load(dump(tmp_path / "dump.tar.zst", members, end=end))

    assert result.exit_code == 1
    assert "dump.tar.zst cannot be read beyond" in result.stderr
    assert "fetch it again" in result.stderr
    assert len(rows()) == 4  # a header and a block each, as COPYING has them


def test_a_header_that_would_fill_the_memory_is_refused(load: Acoustic, tmp_path: Path) -> None:
    header = tarfile.TarInfo("long")
    header.type, header.size = tarfile.XHDTYPE, 2**40
    (tmp_path / "dump.tar").write_bytes(header.tobuf(tarfile.GNU_FORMAT) + bytes(1024))

    result = load(tmp_path / "dump.tar")

    assert result.exit_code == 1
    assert "a header of 1,099,511,627,776 bytes is in there" in result.stderr


def test_a_damaged_archive_is_named(load: Acoustic, tmp_path: Path) -> None:
    path = dump(tmp_path / "dump.tar.zst", {f"{ONE}-0.json": as_bytes(document())})
    path.write_bytes(path.read_bytes()[:-20])

    result = load(path)

    assert result.exit_code == 1
    assert "dump.tar.zst cannot be read" in result.stderr


def test_more_documents_than_a_transaction_holds_are_stored(
    load: Acoustic, rows: Rows, tmp_path: Path
) -> None:
    lines = [
        json.dumps({"id": str(UUID(int=n)), "document": document(None, number=n)})
        for n in range(1, 252)
    ]
    (tmp_path / "documents.jsonl").write_text("\n".join(lines))

    assert load(tmp_path / "documents.jsonl").exit_code == 0
    assert len(rows()) == 251


def test_what_was_stored_waits_for_the_high_level_worker(
    load: Acoustic, on_database: Acoustic, tmp_path: Path
) -> None:
    (tmp_path / f"{ONE}.json").write_bytes(as_bytes(document()))
    load(tmp_path)

    status = json.loads(on_database("highlevel", "status", "--json").stdout)
    assert status["waiting"] == 1
