"""The high-level worker from Postgres to Postgres, beside the obvious way to do the same.

Both read the same documents from tables of an embedded Postgres that is made for it, and write all
that AcousticBrainz's server reads. Ours is the daemon itself, in as many processes as ordered. The
other is what one writes first: for each recording read its document, ask scikit-learn's
``predict_proba`` of each model, insert the rows, commit. It does fewer recordings, and into tables
of its own, so that the outputs can be compared.
"""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from sqlalchemy import Connection, Engine, text
from threadpoolctl import threadpool_limits

import migrations
from schema.database import connect
from schema.documents import json_text
from schema.models import Status
from trainer.bench.made_models import Made, made_documents, made_layout, made_models
from trainer.descriptors import flatten
from worker.embedded import EmbeddedPostgres
from worker.highlevel import run
from worker.highlevel_batch import Tally
from worker.publishing import publish
from worker.settings import Settings

_CHUNK = 200

STORE = text("""
    WITH stored AS (
        INSERT INTO lowlevel (gid, build_sha1, gid_type, submission_offset)
        SELECT gen_random_uuid(), 'made', 'mbid', 0 FROM generate_series(1, :count)
     RETURNING id
    ), made_version AS (
        INSERT INTO version (data, data_sha256, type) VALUES ('{}', '', 'lowlevel') RETURNING id
    )
    INSERT INTO lowlevel_json (id, data, data_sha256, version)
    SELECT numbered.id, CAST(data AS jsonb), hash, made_version.id
      FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM stored) AS numbered
      JOIN unnest(CAST(:data AS text[]), CAST(:hashes AS text[]))
           WITH ORDINALITY AS given (data, hash, place) USING (place), made_version
""")

ALTERNATIVE = text("""
    CREATE SCHEMA alternative;
    CREATE TABLE alternative.highlevel (LIKE public.highlevel INCLUDING ALL);
    CREATE TABLE alternative.highlevel_meta (LIKE public.highlevel_meta INCLUDING ALL);
    CREATE TABLE alternative.highlevel_model (LIKE public.highlevel_model INCLUDING ALL)
""")

COMPARED = text("""
    SELECT count(*) AS compared,
           count(*) FILTER (WHERE ours.data ->> 'value' <> theirs.data ->> 'value') AS mismatches,
           max(abs((ours.data ->> 'probability')::float8
                   - (theirs.data ->> 'probability')::float8)) AS largest_difference
      FROM alternative.highlevel_model theirs
      JOIN public.highlevel_model ours USING (highlevel, model)
""")

WRITTEN = text("SELECT count(*) FROM highlevel_model")


@dataclass(frozen=True)
class Order:
    """What to measure.

    Attributes
    ----------
    recordings
        Low-level documents, of about 50 kB each.
    models, vectors, d
        Models, their support vectors together, and columns of each.
    processes
        Daemons, all at once.
    batch
        Recordings that a daemon takes at a time.
    sample
        Recordings that the alternative does.
    seed
        Of all that is made.
    """

    recordings: int = 2000
    models: int = 18
    vectors: int = 7000
    d: int = 679
    processes: int = 1
    batch: int = 100
    sample: int = 30
    seed: int = 1


@dataclass(frozen=True)
class Figures:
    """What was measured.

    Attributes
    ----------
    rate, per_process
        Recordings a second, of all processes and of one.
    processor
        Milliseconds of processor time of a daemon, without the server's, for a recording.
    stages
        Milliseconds of a process for a recording, by stage.
    their_rate
        Recordings a second of the alternative, in one process.
    rows
        Rows in `highlevel_model` afterwards.
    document_bytes
        Mean size of a document.
    compared, mismatches, largest_difference
        Outputs of both sides, those of another class, and how far probabilities are apart.
    """

    rate: float
    per_process: float
    processor: float
    stages: dict[str, float]
    their_rate: float
    rows: int
    document_bytes: int
    compared: int
    mismatches: int
    largest_difference: float


def room(order: Order) -> int:
    """Return how many bytes the models and a chunk of documents take at least."""
    return (order.vectors + _CHUNK) * order.d * np.dtype(np.float64).itemsize


def measure(order: Order) -> Figures:
    """Make a database, fill it, and work on it in both ways."""
    with _database() as (url, folder):
        settings = _settings(url, folder, order)
        engine = connect(url, application_name="acoustic bench")
        try:
            made = made_models(order.models, order.vectors, order.d, seed=order.seed)
            ids = _publish(engine, settings.model_dir, made)
            size = _fill(engine, order)
            their_rate = _alternative(engine, made, ids, order)
            tallies = _ours(settings, order)
            return _figures(engine, order, tallies, their_rate, size)
        finally:
            engine.dispose()


@contextmanager
def _database() -> Iterator[tuple[str, Path]]:
    with tempfile.TemporaryDirectory(prefix="acoustic-bench-") as name:
        folder = Path(name)
        # Durable, as a real one is: what is written costs what it costs.
        with EmbeddedPostgres(folder / "data") as server:
            migrations.upgrade(server.url())
            yield server.url(), folder


def _settings(url: str, folder: Path, order: Order) -> Settings:
    return Settings.from_environment(
        {
            "DATABASE_URL": url,
            "ACOUSTIC_MODEL_DIR": str(folder / "models"),
            "ACOUSTIC_PROJECT_DIR": str(folder / "projects"),
            "ACOUSTIC_BATCH_SIZE": str(order.batch),
            "ACOUSTIC_LOG_LEVEL": "warning",
        }
    )


def _publish(engine: Engine, folder: Path, made: list[Made]) -> list[int]:
    ids = []
    for one in made:
        file = folder.parent / "made.model"
        one.model.save(file)
        published = publish(
            engine, folder, file, name=one.model.name, version="made", status=Status.SHOW
        )
        ids.append(published.model.id)
    return ids


def _fill(engine: Engine, order: Order) -> int:
    """Store the documents; return their mean size in bytes."""
    layout = made_layout(order.d)
    size = 0
    for start in range(0, order.recordings, _CHUNK):
        count = min(_CHUNK, order.recordings - start)
        documents = made_documents(count, layout, seed=order.seed + start)
        contents = [orjson.dumps(document).decode() for document in documents]
        size += sum(map(len, contents))
        hashes = [sha256(content.encode()).hexdigest() for content in contents]
        with engine.begin() as connection:
            connection.execute(STORE, {"count": count, "data": contents, "hashes": hashes})
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    return size // order.recordings


def _ours(settings: Settings, order: Order) -> list[Tally]:
    """Run the daemons, each in a process of its own, until nothing is left."""
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(order.processes, mp_context=spawned) as processes:
        running = [processes.submit(_daemon, settings) for _ in range(order.processes)]
        return [one.result() for one in running]


def _daemon(settings: Settings) -> Tally:
    tallies: list[Tally] = []
    run(settings, once=True, report=tallies.append)
    return tallies[0]


def _alternative(engine: Engine, made: list[Made], ids: list[int], order: Order) -> float:
    """Do some of the recordings in the obvious way; return recordings a second."""
    with engine.begin() as connection:
        connection.execute(ALTERNATIVE)
        query = text("SELECT id FROM lowlevel_json ORDER BY id LIMIT :n")
        chosen = list(connection.execute(query, {"n": order.sample + 1}).scalars())
    one = partial(_one_recording, engine, list(zip(ids, made, strict=True)))
    with threadpool_limits(1):
        one(chosen.pop())  # makes what is made once
        began = time.perf_counter()
        for identifier in chosen:
            one(identifier)
        return len(chosen) / (time.perf_counter() - began)


def _one_recording(engine: Engine, made: list[tuple[int, Made]], identifier: int) -> None:
    with engine.begin() as connection:
        read = "SELECT data::text FROM lowlevel_json WHERE id = :id"
        content = connection.execute(text(read), {"id": identifier}).scalar_one()
        document = orjson.loads(content)
        flat = flatten(document)
        _insert(connection, "highlevel", id=identifier, mbid=_NOBODY, build_sha1="made")
        data, digest = _hashed(document["metadata"])
        _insert(connection, "highlevel_meta", id=identifier, data=data, data_sha256=digest)
        for model, one in made:
            values = one.model.layout.matrix([flat])
            [probabilities] = one.machine.predict_proba(one.inputs(values))
            data, digest = _hashed(_output(one, probabilities.tolist()))
            _insert(
                connection,
                "highlevel_model",
                highlevel=identifier,
                data=data,
                data_sha256=digest,
                model=model,
                version=1,
            )


_NOBODY = "00000000-0000-0000-0000-000000000000"


def _output(one: Made, probabilities: list[float]) -> dict[str, Any]:
    best = int(np.argmax(probabilities))
    return {
        "all": dict(zip(one.model.labels, probabilities, strict=True)),
        "probability": probabilities[best],
        "value": one.model.labels[best],
    }


def _hashed(value: Any) -> tuple[str, str]:
    written = json_text(value, canonical=True)
    return written, sha256(written.encode()).hexdigest()


def _insert(connection: Connection, table: str, **columns: Any) -> None:
    names = ", ".join(columns)
    values = ", ".join(
        f"CAST(:{name} AS jsonb)" if name == "data" else f":{name}" for name in columns
    )
    statement = f"INSERT INTO alternative.{table} ({names}) VALUES ({values})"  # noqa: S608
    connection.execute(text(statement), columns)


def _figures(
    engine: Engine, order: Order, tallies: list[Tally], their_rate: float, size: int
) -> Figures:
    worked = [one for one in tallies if one.began is not None and one.ended is not None]
    seconds = max(one.ended or 0.0 for one in worked) - min(one.began or 0.0 for one in worked)
    recordings = sum(one.recordings for one in tallies)
    stages: dict[str, float] = {}
    for tally in tallies:
        for stage, spent in tally.seconds.items():
            stages[stage] = stages.get(stage, 0.0) + 1000 * spent / recordings
    with engine.connect() as connection:
        compared = connection.execute(COMPARED).one()
        rows = connection.execute(WRITTEN).scalar_one()
    return Figures(
        rate=recordings / seconds,
        per_process=recordings / seconds / order.processes,
        processor=1000 * sum(one.processor for one in tallies) / recordings,
        stages=stages,
        their_rate=their_rate,
        rows=rows,
        document_bytes=size,
        compared=compared.compared,
        mismatches=compared.mismatches,
        largest_difference=compared.largest_difference or 0.0,
    )
