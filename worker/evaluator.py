"""The evaluation worker: claims jobs, has them trained in a child process, writes what came of it.

This process computes nothing and alone writes to the database. Each write names the claim (job and
attempt); one that touches no row says that the job is somebody else's by now, and then the child is
stopped and its files go.
"""

import time
from contextlib import suppress
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from schema.database import check_revision
from schema.errors import SchemaMismatch
from schema.evaluation_jobs import CHANNEL, EvaluationJob, Outcome
from worker import telemetry
from worker.attempt import GRACE_SECONDS, Attempt
from worker.attempt_folder import remove_leftovers
from worker.conclusion import Conclusion
from worker.database_link import DatabaseLink, Outage, is_refusal, reason_of
from worker.heartbeat import LONGEST_SECONDS, Heartbeat
from worker.job_queue import JobQueue
from worker.metrics import EvaluatorMetrics
from worker.metrics_server import Probe, serving
from worker.model_store import ModelStore
from worker.settings import Settings
from worker.supervisor import Backoff, Drain, Supervisor, Timer
from worker.waiting_child import WaitingChild

DONE, UNEXPECTED, JOB_FAILED = 0, 1, 4

# Progress is shown to people; more often than this it would only be writes.
_PROGRESS_SECONDS = 2.0
# A notification may mean that this job was cancelled, but many mean other jobs.
_HINT_SECONDS = 0.5
_LONGEST_WAIT = 60.0
# Checkpoints that could not be written; the end of an attempt does not wait for more.
_MOST_UNSAVED = 3
_LEAST_DEADLINE = 2.0
# Between two tries at a database that refuses the end of a job.
_MOST_REFUSED_SECONDS = 10.0


def run(settings: Settings, *, once: bool) -> int:
    """Run the evaluation worker until it is told to stop, or through one job.

    Parameters
    ----------
    settings
        What it is told from outside.
    once
        Run at most one job.

    Returns
    -------
    int
        The exit code: 0 done, or nothing to do, or told to stop; 1 the database was away when the
        last thing had to be written (another worker will do the job); 4 the one job failed.

    Raises
    ------
    SettingsError
        A folder cannot be written to, or the port of the metrics cannot be listened on.
    schema.errors.SchemaMismatch
        The database is older or newer than this program.
    """
    telemetry.configure(settings.log_format, settings.log_level)
    settings.make_folders()
    metrics = EvaluatorMetrics()
    link = DatabaseLink(
        settings.database_url,
        channel=CHANNEL,
        deadline=_deadline(settings),
        metrics=metrics.database,
    )
    with Supervisor() as supervisor:
        evaluator = Evaluator(settings, supervisor, link, metrics, once=once)
        try:
            with serving(settings, metrics.registry, evaluator.probes):
                return evaluator.run()
        finally:
            evaluator.close()
            link.close()


class Evaluator:
    """The loop of the evaluation worker, and what it knows between two turns.

    Parameters
    ----------
    settings, supervisor, link, metrics
        What it is told, what it waits with, how it reaches the database, what it tells.
    once
        End after one job, or when there is none.
    """

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        link: DatabaseLink,
        metrics: EvaluatorMetrics,
        *,
        once: bool,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._link = link
        self._metrics = metrics
        self._once = once
        self._queue = JobQueue(link, settings)
        self._poll = Timer(settings.poll_seconds)
        self._renewal = Timer(settings.renewal_seconds)
        self._sweep = Timer(settings.renewal_seconds)
        self._drain = Drain(settings.drain_seconds, GRACE_SECONDS)
        self._refusals = Backoff(first=1.0, most=_MOST_REFUSED_SECONDS)
        self._heartbeat = Heartbeat(settings.heartbeat)
        self._waiting = WaitingChild(wanted=settings.warm_child and not once)
        self._attempt: Attempt | None = None
        self._exit_code: int | None = None
        self._schema_trouble: str | None = None
        self._measurable = True
        self._log = structlog.get_logger("worker.evaluator")
        structlog.contextvars.bind_contextvars(worker=self._queue.worker)
        metrics.introduce(self._queue.worker, lambda: self._heartbeat.silent)
        metrics.watch_lease(settings.lease_seconds, self._lease_age)

    @property
    def probes(self) -> dict[str, Probe]:
        """What other threads may ask, by path: whether the loop turns, whether jobs can be done."""
        return {"/healthz": self._heartbeat.stuck, "/readyz": self._unready}

    def _unready(self) -> str | None:
        if self._drain.started:
            return "told to stop"
        return (
            self._heartbeat.stuck()
            or self._link.unusable(within=LONGEST_SECONDS)
            or self._schema_trouble
        )

    def _lease_age(self) -> float:
        attempt = self._attempt
        held = attempt is not None and attempt.running and not attempt.lost
        return time.monotonic() - self._renewal.last if held else 0.0

    def run(self) -> int:
        """Work until there is an exit code."""
        self._start()
        while self._exit_code is None:
            self._turn()
            if self._exit_code is None:
                self._wait()
        self._log.info("evaluator stopped", exit_code=self._exit_code)
        return self._exit_code

    def close(self) -> None:
        """Leave no process and no working file, whatever ended the loop."""
        self._waiting.close()
        if self._attempt is not None:
            self._attempt.kill()
            # Whether the database took a result is not known then, so the bundle stays; the next
            # attempt at the job finds out.
            self._forget_attempt(bundle=False)

    def _start(self) -> None:
        self._log.info("evaluator started", **_shown(self._settings))
        for name in self._settings.unknown:
            self._log.warning("this is not a setting of ours", name=name)
        self._remove_leftovers()
        while self._exit_code is None:
            try:
                self._link.run(check_revision)
                self._metrics.schema_fits.set(1)
            except Outage:
                self._heartbeat.beat()
                self._supervisor.wait(self._link.away)
            else:
                return
            if self._supervisor.stops or self._once:
                self._exit_code = DONE if self._supervisor.stops else UNEXPECTED

    def _wait(self) -> None:
        attempt = self._attempt
        progress = attempt.descriptors if attempt else []
        listening = self._link.descriptors
        ready = self._supervisor.wait(self._idle_seconds(), [*progress, *listening])
        if ready.intersection(listening) and self._link.notified():
            self._poll.hasten(0)
            self._renewal.hasten(_HINT_SECONDS)

    def _idle_seconds(self) -> float:
        """Give the time until something is due that no descriptor tells of."""
        attempt, drain = self._attempt, self._drain
        timers = [self._sweep.due]
        deadlines = []
        if attempt is None:
            timers.append(self._poll.due)
        elif attempt.conclusion is not None:
            timers.append(0.0)  # to be written as soon as the database is there
            deadlines.append(drain.give_up_at)
        else:
            timers += [] if attempt.lost else [self._renewal.due]
            ending = min(drain.stop_at, attempt.look_again_at)
            deadlines += [ending if attempt.kill_at is None else attempt.kill_at]
        now = time.monotonic()
        database = max(min(timers) - now, self._link.away)
        return min(database, *(deadline - now for deadline in deadlines), _LONGEST_WAIT)

    def _turn(self) -> None:
        self._heartbeat.beat()
        self._attend_child()
        self._waiting.attend()
        self._heed_signals()
        if self._link.away == 0:
            self._talk()
        if self._supervisor.stops and self._attempt is None:
            self._exit_code = DONE
        elif self._attempt is not None and time.monotonic() >= self._drain.give_up_at:
            self._log.warning("stopped while the job could not be given back: its lease runs out")
            self._exit_code = UNEXPECTED

    def _attend_child(self) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        attempt.attend()
        if attempt.progress != attempt.written_progress:
            self._renewal.hasten(_PROGRESS_SECONDS)
        if attempt.resumed and not attempt.said_resumed:
            attempt.said_resumed = True
            self._log.info("resumed what an earlier attempt found", combinations=attempt.resumed)
        if attempt.lost and attempt.conclusion is not None:
            self._forget_lost(attempt)

    def _heed_signals(self) -> None:
        stops = self._supervisor.stops
        if stops and not self._drain.started:
            self._waiting.close()
            self._log.info("told to stop", drain_seconds=self._settings.drain_seconds)
        self._drain.note(stops)
        if self._attempt is None or time.monotonic() < self._drain.stop_at:
            return
        if stops > 1:
            self._attempt.kill()
            self._attend_child()
        else:
            self._attempt.stop()

    def _talk(self) -> None:
        """Do what is due at the database: the end of the job first, a new one last."""
        try:
            self._link.listen()
            attempt = self._attempt
            if attempt is not None and not attempt.lost:
                self._write_conclusion(attempt)
                self._renew(attempt)
            self._rescue()
            self._claim()
        except Outage:
            return  # the link has said so, and knows when to try again
        except Exception as error:
            # Of the code's or the schema's making: it must not end a training, nor be met again
            # and again without a pause.
            if self._once:
                raise
            self._log.exception("unforeseen error at the database")
            self._link.back_off(error)

    def _claim(self) -> None:
        if self._attempt is not None or self._supervisor.stops or not self._poll.is_due:
            return
        if self._exit_code is not None:
            return
        job = self._queue.claim()
        self._poll.restart()
        if job is not None:
            self._begin(job)
        elif self._once:
            self._log.info("nothing to do")
            self._exit_code = DONE

    def _begin(self, job: EvaluationJob) -> None:
        structlog.contextvars.bind_contextvars(job=str(job.id), attempt=job.attempt)
        self._log.info("job claimed")
        self._renewal.restart()
        self._metrics.busy.set(1)
        self._attempt = Attempt.start(job, self._settings, self._waiting)
        with suppress(Outage):
            self._remove_orphans(job)

    def _remove_orphans(self, job: EvaluationJob) -> None:
        """Remove bundles of attempts whose worker died between saving and writing."""
        store = ModelStore(self._settings.model_dir)
        for number in self._queue.not_done(job, store.attempts(job.id)):
            store.remove(job.id, number)

    def _renew(self, attempt: Attempt) -> None:
        if not attempt.running or not self._renewal.is_due:
            return
        progress = attempt.progress
        changed = progress if progress != attempt.written_progress else None
        ours = self._queue.renew(attempt.job, progress=changed)
        self._metrics.renewed(late=time.monotonic() - self._renewal.due)
        self._renewal.restart()
        attempt.written_progress = progress
        if ours:
            self._save_checkpoints(attempt)
        else:
            self._lose(attempt)

    def _save_checkpoints(self, attempt: Attempt) -> None:
        """Write what the child has found; whatever is wrong with that, the job goes on."""
        try:
            self._save_each_checkpoint(attempt)
        except OSError as error:  # of the folder that they are in
            self._log.warning("checkpoints cannot be read", reason=str(error))

    def _save_each_checkpoint(self, attempt: Attempt) -> None:
        for path, checkpoint in attempt.checkpoints():
            try:
                ours = self._queue.save(attempt.job, checkpoint)
            except Outage:
                attempt.unsaved += 1
                raise
            except Exception as error:  # noqa: BLE001 - the same write would meet it again
                self._log.warning("a checkpoint cannot be written", reason=str(error))
                ours = True
            if not ours:
                return  # what is written next finds out, too
            path.unlink(missing_ok=True)

    def _lose(self, attempt: Attempt) -> None:
        """Stop working on a job that was cancelled, deleted, edited or given to another worker."""
        self._log.warning("the job is not ours any more; its training is stopped")
        attempt.lost = True
        self._metrics.lost(attempt.seconds)
        if attempt.running:
            attempt.stop()
        else:
            self._forget_lost(attempt)

    def _forget_lost(self, attempt: Attempt) -> None:
        """Remove what was made in vain; not a bundle that may be another worker's by now."""
        bundle = False
        with suppress(Outage, SQLAlchemyError):
            bundle = not self._queue.is_anothers(attempt.job)
        self._forget_attempt(bundle=bundle)

    def _write_conclusion(self, attempt: Attempt) -> None:
        conclusion = attempt.conclusion
        if conclusion is None:
            return
        if not conclusion.final and attempt.unsaved <= _MOST_UNSAVED:
            self._save_checkpoints(attempt)
        try:
            status = self._queue.write(attempt.job, conclusion)
        except Outage:
            raise
        except Exception as error:
            if is_refusal(error):
                self._wait_for_operator(error)
                raise Outage(reason_of(error)) from error
            self._log.exception("the end of the job cannot be written")  # nor could it be again
            if conclusion.outcome is Outcome.DONE:
                attempt.conclude_error(error)  # what can be written is why
            else:
                self._forget_attempt(bundle=True)
            return
        self._refusals.reset()
        if status is None:
            self._lose(attempt)
        else:
            usage = conclusion.usage
            self._metrics.ended(conclusion.outcome, status, attempt.seconds)
            self._metrics.used(usage.cpu_seconds, usage.peak_memory)
            self._ended(conclusion, status)

    def _wait_for_operator(self, error: Exception) -> None:
        """Keep what a training came to until the database takes it, or the lease has run out."""
        seconds = self._refusals.next()
        self._log.error(
            "the database refuses the end of the job, which an operator has to mend",
            reason=reason_of(error),
            retry_seconds=round(seconds, 1),
        )
        self._link.leave_alone(seconds)

    def _ended(self, conclusion: Conclusion, status: str) -> None:
        interrupted = conclusion.outcome is Outcome.INTERRUPTED
        if status == "done":
            self._log.info("job done", accuracy=conclusion.result.get("accuracy"))
        elif interrupted:
            self._log.info("job given back", reason=conclusion.message)
        else:
            self._log.error("attempt failed", status=status, reason=conclusion.message)
        if self._once:
            self._exit_code = DONE if status == "done" or interrupted else JOB_FAILED
        self._forget_attempt(bundle=status != "done")
        if not conclusion.counted:
            # Whatever this computer lacks, the next job would lack too; and the database tells of
            # this one, which is pending again.
            self._poll.rest()

    def _forget_attempt(self, *, bundle: bool) -> None:
        attempt, self._attempt = self._attempt, None
        self._metrics.busy.set(0)
        try:
            if attempt is not None:
                attempt.remove_files(bundle=bundle)
        except OSError as error:  # what stays is removed by the next attempt at the job
            self._log.warning("files of the attempt cannot be removed", reason=str(error))
        if self._once and self._exit_code is None:
            self._exit_code = JOB_FAILED
        self._poll.hasten(0)
        structlog.contextvars.unbind_contextvars("job", "attempt")

    def _rescue(self) -> None:
        """Take jobs from workers that fell silent, busy or not."""
        if not self._sweep.is_due:
            return
        rescued = self._queue.rescue()
        self._sweep.restart()
        self._metrics.rescued.inc(len(rescued))
        self._measure()
        for job, status in rescued:
            self._log.warning("a job's worker fell silent", lost_job=str(job), status=status)
        if rescued:
            self._remove_leftovers()
            self._poll.hasten(0)

    def _measure(self) -> None:
        """Look at the queue for those who look after it; nobody else needs to."""
        if self._settings.metrics_port is None or not self._measurable:
            return
        try:
            self._metrics.looked(self._queue.measure())
            self._schema_trouble = None
        except Outage:
            raise
        except SchemaMismatch as error:
            self._schema_trouble = str(error)
        except Exception as error:  # noqa: BLE001 - figures are not worth a job
            self._log.warning("the queue's figures cannot be told", reason=str(error))
            self._measurable = False
        self._metrics.schema_fits.set(self._schema_trouble is None)

    def _remove_leftovers(self) -> None:
        settings = self._settings
        for folder in remove_leftovers(settings.project_dir, keep_lowlevel=settings.keep_lowlevel):
            self._log.info("removed what a killed worker left", folder=str(folder.path))


def _shown(settings: Settings) -> dict[str, object]:
    return {
        "database": settings.database_url.masked,
        "models": str(settings.model_dir),
        "projects": str(settings.project_dir),
        "lease_seconds": settings.lease_seconds,
        "engine": settings.engine,
    }


def _deadline(settings: Settings) -> timedelta:
    """Give the longest that a statement may take: a renewal that fails must leave time for more."""
    return timedelta(seconds=min(60.0, max(_LEAST_DEADLINE, settings.renewal_seconds)))
