"""What the demo does, step by step."""

import shlex
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from json import dumps
from pathlib import Path
from typing import Any
from uuid import UUID

from rich.text import Text
from sqlalchemy import Engine

import examples
import migrations
from schema import datasets, evaluation_jobs, highlevel, lowlevel
from schema.database import connect
from schema.evaluation_jobs import JobDetails
from schema.models import Status
from trainer.documents import read_documents
from trainer.ground_truth import GroundTruth
from trainer.options import JobOptions
from worker.commands import surroundings
from worker.commands.highlevel import outputs
from worker.commands.invocation import Invocation
from worker.commands.job_details import show_result
from worker.commands.signals import ended_by_signals
from worker.commands.text import visible
from worker.commands.watching import follow

JOB_FAILED = 4

_FEW = 5
_VERSION = "example"

_WRITTEN = """
    SELECT count(*) AS outputs, count(DISTINCT highlevel) AS recordings,
           (SELECT gid FROM lowlevel ORDER BY id LIMIT 1) AS mbid
      FROM highlevel_model
"""


@dataclass(frozen=True)
class Demonstration:
    """One evaluation job on a database of its own, then models of all tasks for all recordings.

    Attributes
    ----------
    invocation
        Where it is shown.
    task
        Name of the example task.
    options
        Options of the job.
    """

    invocation: Invocation
    task: str
    options: Mapping[str, Any]

    def run(self, keep: Path | None) -> int:
        """Run it in the folder to keep, or in one that is removed; 0, or 4 if the job failed."""
        JobOptions.parse(self.options)
        with ended_by_signals(), surroundings.working_folder(keep) as folder:
            with surroundings.postgres(folder, durable=keep is not None) as url:
                engine = connect(url, application_name="acoustic demo")
                try:
                    result = self._work(engine, url, folder)
                finally:
                    engine.dispose()
            if result is None:
                return JOB_FAILED
            self._next(result, keep)
        return 0

    def _work(self, engine: Engine, url: str, folder: Path) -> Any:
        """Return the result of the job; None if it failed."""
        step = _numbered(self._write)
        step("A Postgres of its own runs; apply the migrations:")
        migrations.upgrade(url)
        self._write(f"   the schema is at revision {migrations.head()}")
        step(f"Load the example corpus and the dataset {self.task}:")
        dataset = self._load(engine)
        step("Ask for its evaluation, in SQL:")
        job = self._enqueue(engine, dataset)
        step("Run `acoustic evaluator --once` as a process of its own until the job ends:")
        details = self._evaluate(engine, job, url=url, folder=folder)
        if details.result is None:
            self._write(f"The job failed: {details.status.reason}")
            return None
        self._write("")
        show_result(self.invocation.out, details.result, most=_FEW)
        self._write("")
        others = len(examples.tasks()) - 1
        step(f"Publish its model, and small ones of the other {others} tasks, as version example:")
        self._publish(engine, job, folder)
        step("Run `acoustic highlevel run --once`: all models, for every recording:")
        self._classify(engine, url, folder)
        return details.result

    def _load(self, engine: Engine) -> UUID:
        ground_truth = GroundTruth.read(examples.ground_truth(self.task))
        documents = ((UUID(mbid), text) for mbid, text in read_documents([examples.documents()]))
        with engine.begin() as connection:
            loaded = lowlevel.insert(connection, documents)
            dataset = datasets.create(
                connection,
                name=ground_truth.name,
                description="synthetic clips, made for trying things out",
                classes={
                    name: [UUID(mbid) for mbid in mbids]
                    for name, mbids in ground_truth.classes.items()
                },
                author="acoustic",
            )
        sizes = [f"{name} {len(mbids)}" for name, mbids in ground_truth.classes.items()]
        self._write(f"   {loaded} low-level documents; recordings: {', '.join(sizes)}")
        return dataset

    def _enqueue(self, engine: Engine, dataset: UUID) -> UUID:
        given = dumps(self.options).replace("'", "''")
        options = f", '{given}'" if self.options else ""
        statement = f"SELECT worker.enqueue_evaluation('{dataset}'{options});"
        self._write(f"   {statement}")
        with engine.begin() as connection:
            job: UUID = connection.exec_driver_sql(statement).scalar_one()
        return job

    def _evaluate(self, engine: Engine, job: UUID, *, url: str, folder: Path) -> JobDetails:
        self._write("   meanwhile, in another terminal:")
        self._write(f"   DATABASE_URL={shlex.quote(url)} {self._program()} jobs watch")
        self._write("")
        with surroundings.evaluator(self.invocation.environment, url, folder) as process:
            pause = surroundings.Pause(process, folder)
            follow(engine, self.invocation, job=job, pause=pause)
        with engine.connect() as connection:
            return evaluation_jobs.show(connection, job)

    def _publish(self, engine: Engine, job: UUID, folder: Path) -> None:
        # Imported here: scikit-learn takes a second, in which the evaluator is at work already.
        from worker.commands.example_models import train_examples  # noqa: PLC0415
        from worker.publishing import bundle_of_job, publish  # noqa: PLC0415

        def published(name: str, bundle: Path, **origin: Any) -> None:
            publish(
                engine,
                surroundings.models_of(folder),
                bundle,
                name=name,
                version=_VERSION,
                status=Status.SHOW,
                origin=origin,
            )

        with engine.connect() as connection:
            bundle, origin = bundle_of_job(connection, job, surroundings.models_of(folder))
        published(self.task, bundle, **origin)
        others = [examples.ground_truth(task) for task in examples.tasks() if task != self.task]
        accuracies: list[str] = []
        trained = train_examples(
            others,
            examples.documents(),
            lambda name, accuracy: accuracies.append(f"{name} {accuracy:.0f} %"),
        )
        for name, model in trained.items():
            aside = folder / f"{name}.model"
            model.save(aside)
            published(name, aside, example=name)
            aside.unlink()
        self._write(f"   {', '.join(accuracies)}")

    def _classify(self, engine: Engine, url: str, folder: Path) -> None:
        surroundings.classify(self.invocation.environment, url, folder)
        with engine.connect() as connection:
            rows = connection.exec_driver_sql(_WRITTEN).one()
            document = highlevel.document_of(connection, rows.mbid)
        self._write(f"   {rows.outputs} outputs of {rows.recordings} recordings; one of them:")
        self._write(f"   DATABASE_URL=… {self._program()} highlevel show {rows.mbid}")
        self._write("")
        self.invocation.out.print(outputs(document["highlevel"]))
        self._write("")

    def _next(self, result: Any, keep: Path | None) -> None:
        self._write("The clips are synthetic: what is trained on them is for trying things out.")
        program, documents = self._program(), shlex.quote(str(examples.documents()))
        ground_truth = shlex.quote(str(examples.ground_truth(self.task)))
        if keep is None:
            self._write("The server is stopped, and database and model are removed. Next, type:")
            self._write(f"  {program} demo --keep demo")
        else:
            model = shlex.quote(result["model"]["path"])
            self._write(f"The server is stopped; {keep} holds all the rest. Next, type:")
            self._write(f"  {program} models inspect {model}")
            self._write(f"  {program} predict {model} --documents {documents}")
            self._write(f"  {program} demo --keep {shlex.quote(str(keep))} --serve")
        self._write(f"  {program} train {ground_truth} {documents} --model {self.task}.model")

    def _program(self) -> str:
        """How a person calls this program, also where it is not on PATH."""
        script = Path(sys.executable).with_name("acoustic")
        found = shutil.which("acoustic", path=self.invocation.environment.get("PATH"))
        if found is not None and Path(found).resolve() == script.resolve():
            return "acoustic"
        if not script.exists():
            return f"{shlex.quote(sys.executable)} -m worker.commands"
        with suppress(ValueError):
            script = script.relative_to(Path.cwd())
        return shlex.quote(str(script))

    def _write(self, line: str) -> None:
        self.invocation.out.print(Text(visible(line)), soft_wrap=True)


def _numbered(write: Callable[[str], None]) -> Callable[[str], None]:
    numbers = count(1)

    def step(title: str) -> None:
        write(f"{next(numbers)}. {title}")

    return step
