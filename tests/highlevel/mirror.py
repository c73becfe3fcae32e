"""A small mirror of AcousticBrainz: recordings, published models, real high-level workers."""

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Engine, create_engine, text

from schema import lowlevel
from schema.models import Status
from trainer.dataset import prepare
from trainer.descriptors import flatten
from trainer.ground_truth import GroundTruth
from trainer.models.bundle import Model
from trainer.options import JobOptions
from trainer.training import train
from worker.publishing import Publication, publish
from worker.settings import Settings

CLASSES = {
    "danceability": ("danceable", "not_danceable"),
    "gender": ("female", "male"),
    "mood": ("happy", "sad", "relaxed"),
}

# What a document has instead of its sections, to be of no use.
UNUSABLE: Mapping[str, Any] = {"lowlevel": {"average_loudness": "loud"}, "rhythm": {}, "tonal": {}}

READ = {
    # How AcousticBrainz's server reads what it then answers: metadata, and all shown models.
    "metadata": """
        SELECT ll.gid::text, ll.submission_offset::text, hlm.data
          FROM highlevel hl
          JOIN highlevel_meta hlm ON hl.id = hlm.id
          JOIN lowlevel ll ON ll.id = hl.id
         WHERE ll.id = :id""",
    "models": """
        SELECT m.model, hlmo.data, version.data AS version, m.class_mapping
          FROM highlevel_model hlmo
          JOIN model m ON m.id = hlmo.model
          JOIN version ON version.id = hlmo.version
          JOIN lowlevel ll ON ll.id = hlmo.highlevel
         WHERE ll.id = :id AND m.status = 'show'""",
}


def document(randomness: random.Random, centre: float) -> dict[str, Any]:
    """Make a low-level document of few descriptors; recordings of one class share a centre."""

    def real() -> float:
        return randomness.gauss(centre, 0.6)

    return {
        "lowlevel": {
            "average_loudness": real(),
            "mfcc": {"mean": [real() for _ in range(5)]},
            "spectral_centroid": {"mean": real(), "var": abs(real())},
        },
        "rhythm": {"bpm": 120 + real()},
        "tonal": {"key_key": randomness.choice("ABCD"), "key_strength": real()},
        "metadata": {
            "tags": {"title": ["Señorita \N{MUSICAL SYMBOL G CLEF}"], "file_name": "a: b.flac"},
            "audio_properties": {"sample_rate": 44100, "lossless": True, "length": 30.5},
            "version": {"essentia": "2.1-beta2", "essentia_build_sha": "abc"},
        },
    }


def with_descriptor(made: dict[str, Any], name: str) -> dict[str, Any]:
    """Add a descriptor, as another extractor would write it."""
    made["lowlevel"][name] = {"mean": made["lowlevel"]["average_loudness"] / 2}
    return made


@cache
def trained(name: str, seed: int = 1, extra: str = "") -> Model:
    """Train a small model; another seed is another model of the same classes.

    With the name of a further descriptor it needs documents that have that too.
    """
    randomness = random.Random(f"{name} {seed}")
    documents, classes = {}, {}
    for number, label in enumerate(CLASSES[name]):
        ids = [str(UUID(int=randomness.getrandbits(128))) for _ in range(8)]
        for i in ids:
            made = document(randomness, float(number))
            documents[i] = flatten(with_descriptor(made, extra) if extra else made)
        classes[label] = ids
    options = JobOptions.parse(
        {"preprocessing_values": ["basic"], "c_values": [1], "gamma_values": [-3], "folds": 2}
    )
    dataset = prepare(GroundTruth.from_classes(name, list(classes.items())), documents, options)
    return train(dataset, options.project, options.seed, engine="sklearn", jobs=1).model


@dataclass
class Mirror:
    """A database with recordings and models in it, and the folder of their files."""

    database_url: str
    folder: Path
    engine: Engine = field(init=False)
    randomness: random.Random = field(default_factory=lambda: random.Random(1))

    def __post_init__(self) -> None:
        self.engine = create_engine(self.database_url, pool_pre_ping=True)
        self.folder.mkdir(exist_ok=True)

    @property
    def models(self) -> Path:
        return self.folder / "models"

    def settings(self, **changes: str) -> Settings:
        return Settings.from_environment(self.environment(**changes))

    def environment(self, **changes: str) -> dict[str, str]:
        return {
            "DATABASE_URL": self.database_url,
            "ACOUSTIC_MODEL_DIR": str(self.models),
            "ACOUSTIC_PROJECT_DIR": str(self.folder / "projects"),
            "ACOUSTIC_POLL_SECONDS": "0.2",
            "ACOUSTIC_LOG_FORMAT": "json",
            **changes,
        }

    def rows(self, statement: str, **values: Any) -> Sequence[Any]:
        with self.engine.begin() as connection:
            done = connection.execute(text(statement), values)
            return done.all() if done.returns_rows else []

    def value(self, statement: str, **values: Any) -> Any:
        [[found]] = self.rows(statement, **values)
        return found

    def recordings(self, count: int) -> list[int]:
        """Store as many recordings with a document; their ids."""
        centres = [self.randomness.choice([0.0, 1.0, 2.0]) for _ in range(count)]
        return self.store([document(self.randomness, centre) for centre in centres])

    def store(self, documents: Sequence[Any]) -> list[int]:
        mbids = [uuid4() for _ in documents]
        with self.engine.begin() as connection:
            lowlevel.insert(connection, zip(mbids, documents, strict=True))
        found = self.rows(
            "SELECT id FROM lowlevel WHERE gid = ANY(CAST(:m AS uuid[])) ORDER BY"
            " array_position(CAST(:m AS uuid[]), gid)",
            m=list(map(str, mbids)),
        )
        return [identifier for (identifier,) in found]

    def publish(
        self,
        name: str,
        version: str = "v1",
        status: Status = Status.SHOW,
        seed: int = 1,
        extra: str = "",
        **more: Any,
    ) -> Publication:
        file = self.folder / f"{name}-{seed}{extra}.model"
        trained(name, seed, extra).save(file)
        return publish(
            self.engine, self.models, file, name=name, version=version, status=status, **more
        )

    def publish_all(self) -> list[int]:
        return [self.publish(name).model.id for name in CLASSES]

    def queue(self) -> dict[int, dict[str, Any]]:
        found = self.rows("SELECT * FROM worker.highlevel_queue ORDER BY id")
        return {row.id: dict(row._mapping) for row in found}

    def served(self, identifier: int) -> dict[str, Any] | None:
        """Give what AcousticBrainz's server answers for a submission."""
        metadata = self.rows(READ["metadata"], id=identifier)
        if not metadata:
            return None
        answer: dict[str, Any] = {"metadata": metadata[0].data, "highlevel": {}}
        for row in self.rows(READ["models"], id=identifier):
            answer["highlevel"][row.model] = {**row.data, "version": row.version}
        return answer

    def lowlevel_document(self, identifier: int) -> Any:
        return self.value("SELECT data FROM lowlevel_json WHERE id = :i", i=identifier)

    def counts(self) -> dict[int, int]:
        """Rows in highlevel_model of each row in highlevel."""
        found = self.rows("""
            SELECT h.id, count(o.id) FROM highlevel h
              LEFT JOIN highlevel_model o ON o.highlevel = h.id GROUP BY h.id""")
        return dict(tuple(row) for row in found)

    def duplicates(self) -> Sequence[Any]:
        return self.rows("""SELECT highlevel, model, count(*) FROM highlevel_model
                             GROUP BY highlevel, model HAVING count(*) > 1""")


@dataclass
class Process:
    """A real ``acoustic highlevel run``, and the lines that it logs."""

    process: subprocess.Popen[bytes]
    printed: Path

    def log(self) -> list[dict[str, Any]]:
        lines = self.printed.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self) -> list[str]:
        return [line["event"] for line in self.log()]

    def exit_code(self) -> int:
        return self.process.wait(timeout=60)


Start = Callable[..., Process]


@contextmanager
def processes(mirror: Mirror) -> Iterator[Start]:
    """Start high-level workers on a mirror, and end those that are left."""
    started: list[Process] = []

    def start(*arguments: str, command: Sequence[str] = (), **settings: str) -> Process:
        printed = mirror.folder / f"highlevel-{len(started)}.log"
        program = list(command) or ["-m", "worker.commands", "highlevel", "run"]
        with printed.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, *program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                env={"PATH": "/usr/bin:/bin", **mirror.environment(**settings)},
                cwd=Path(__file__).parents[2],
            )
        started.append(Process(process, printed))
        return started[-1]

    try:
        yield start
    finally:
        for one in started:
            if one.process.poll() is None:
                one.process.kill()
                one.process.wait()
            sys.stdout.write(one.printed.read_text()[-20_000:])  # pytest shows it on failure
