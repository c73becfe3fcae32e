"""The high-level worker: gives recordings the outputs of the models that they lack.

One process computes. Its main thread waits, for signals, notifications and the time; a second one
takes batch after batch from the queue. There is nothing to hand over and nothing to renew: a batch
is one transaction, whose row locks are the claim, and a process that dies leaves none of it behind.
More speed is more processes, on any number of hosts.
"""

import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import structlog
from threadpoolctl import threadpool_limits

from schema.database import check_revision
from schema.highlevel import CHANNEL
from trainer.inference import ModelSet
from worker import telemetry
from worker.database_link import DatabaseLink, Outage, is_refusal, reason_of
from worker.heartbeat import LONGEST_SECONDS, Heartbeat
from worker.highlevel_batch import MOST_REFUSED_SECONDS, Batches, Tally
from worker.highlevel_lane import Lane
from worker.highlevel_look import QueueLook
from worker.highlevel_models import Models, OfProfile, Predict, Published, Source
from worker.metrics import HighLevelMetrics
from worker.metrics_server import Probe, serving
from worker.profile import read_profile
from worker.settings import Settings, SettingsError
from worker.supervisor import Backoff, Drain, Supervisor, Timer

DONE, UNEXPECTED = 0, 1

STATEMENT_TIMEOUT = timedelta(seconds=60)

# A batch takes less than a second, so whoever stops us need not wait as long as for a training.
MOST_DRAIN_SECONDS = 15.0

_LEAST_ATTEMPTS = 2
_REPORT_SECONDS = 10.0
_LONGEST_WAIT = 60.0


def run(
    settings: Settings,
    *,
    once: bool,
    profile: Path | None = None,
    predict: Predict = ModelSet.predict,
    report: Callable[[Tally], None] | None = None,
) -> int:
    """Run the high-level worker until it is told to stop, or until nothing is left to do.

    Parameters
    ----------
    settings
        What it is told from outside.
    once
        End when nothing is left, having looked at all recordings for outputs that are missing.
    profile
        A file that lists the models; without one, all that are published are computed.
    predict
        What predicts.
    report
        Called at the end with what was done.

    Returns
    -------
    int
        The exit code: 0 nothing is left, or told to stop; 1 the database was away (`once`), or a
        batch did not end in time when it was told to stop.

    Raises
    ------
    SettingsError
        A model is missing or damaged; with `once`, also where there is none. Or the port of the
        metrics cannot be listened on.
    schema.errors.SchemaMismatch
        The database is older or newer than this program.
    """
    telemetry.configure(settings.log_format, settings.log_level, keys=telemetry.HIGHLEVEL_KEYS)
    source: Source = Published(settings.model_dir)
    if profile is not None:
        source = OfProfile(read_profile(profile), settings.model_dir)
    # More threads gain nothing here, and results are the same to the bit only with one.
    metrics = HighLevelMetrics()
    with threadpool_limits(1), Supervisor() as supervisor:
        worker = HighLevelWorker(settings, supervisor, source, metrics, once=once, predict=predict)
        try:
            with serving(settings, metrics.registry, worker.probes):
                return worker.run()
        finally:
            worker.close()
            if report is not None:
                report(worker.tally)


class HighLevelWorker:
    """The loop of the high-level worker.

    Parameters
    ----------
    settings, supervisor, source, metrics
        What it is told, what it waits with, which models it computes, what it tells.
    once
        End when nothing is left.
    predict
        What predicts.
    """

    def __init__(
        self,
        settings: Settings,
        supervisor: Supervisor,
        source: Source,
        metrics: HighLevelMetrics,
        *,
        once: bool,
        predict: Predict,
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._once = once
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        # A link is for one thread: one listens while the other works.
        self._listener, self._link = (_link(settings, metrics) for _ in range(2))
        self._models = Models(self._link, source, retry_seconds=settings.poll_seconds)
        self._batches = Batches(
            self._link,
            worker=self._name,
            size=settings.batch_size,
            # The first attempt is at a batch, and no recording pays for another one of it.
            max_attempts=max(_LEAST_ATTEMPTS, settings.max_attempts),
            predict=predict,
        )
        self._lane = Lane(
            self._link,
            self._models,
            self._batches,
            poll_seconds=settings.poll_seconds,
            once=once,
            look=None if settings.metrics_port is None else QueueLook(self._link, metrics),
        )
        self._metrics = metrics
        self._heartbeat = Heartbeat(settings.heartbeat)
        self._poll = Timer(settings.poll_seconds)
        self._report = Timer(_REPORT_SECONDS)
        self._reported = 0
        self._drain = Drain(min(settings.drain_seconds, MOST_DRAIN_SECONDS), 0.0)
        self._exit_code: int | None = None
        self._told_without_models = False
        self._refusals = Backoff(first=1.0, most=MOST_REFUSED_SECONDS)
        self._log = structlog.get_logger("worker.highlevel")
        structlog.contextvars.bind_contextvars(worker=self._name)
        metrics.introduce(self._name, lambda: self._heartbeat.silent)

    @property
    def probes(self) -> dict[str, Probe]:
        """What other threads may ask, by path: whether the loop turns, whether it is of use."""
        return {"/healthz": self._heartbeat.stuck, "/readyz": self._unready}

    def _unready(self) -> str | None:
        if self._drain.started:
            return "told to stop"
        within = LONGEST_SECONDS + self._settings.poll_seconds
        return self._heartbeat.stuck() or self._link.unusable(within=within)

    @property
    def tally(self) -> Tally:
        """What was done."""
        return self._batches.tally

    def run(self) -> int:
        """Work until there is an exit code."""
        self._start()
        while self._exit_code is None:
            self._turn()
            if self._exit_code is None:
                self._wait()
        tally = self.tally
        self._log.info(
            "high-level worker stopped",
            exit_code=self._exit_code,
            recordings=tally.recordings,
            failed=tally.failed,
        )
        return self._exit_code

    def close(self) -> None:
        """Disconnect; a batch that did not end is rolled back by the server."""
        self._lane.close()
        self._listener.close()
        self._link.close()

    def _start(self) -> None:
        """Check the database and load the models, before anything is claimed."""
        for name in self._settings.unknown:
            self._log.warning("this is not a setting of ours", name=name)
        while self._exit_code is None:
            try:
                self._link.run(check_revision)
                self._metrics.schema_fits.set(1)
                loaded = self._models.current()
            except Outage:
                self._heartbeat.beat()
                self._supervisor.wait(self._link.away)
            else:
                break
            if self._supervisor.stops or self._once:
                self._exit_code = DONE if self._supervisor.stops else UNEXPECTED
                return
        if loaded is None and self._once:
            raise SettingsError(
                ["No model is published: acoustic models publish one, or give a profile."]
            )
        self._log.info(
            "high-level worker started",
            database=self._settings.database_url.masked,
            batch=self._settings.batch_size,
            models=[] if loaded is None else [f"{one.name} {one.version}" for one in loaded.wanted],
        )
        self._report.restart()

    def _turn(self) -> None:
        self._heartbeat.beat()
        self._heed_signals()
        if self._exit_code is not None or self._lane.busy or self._supervisor.stops:
            return
        if self._poll.is_due and self._link.away == 0:
            self._listen()
            self._lane.look()
            self._poll.restart()

    def _wait(self) -> None:
        listening = self._listener.descriptors
        now = time.monotonic()
        due = max(self._poll.due - now, self._link.away)
        if self._lane.busy:
            due = min(self._drain.stop_at, self._report.due) - now
        ready = self._supervisor.wait(min(due, _LONGEST_WAIT), [self._lane.ended, *listening])
        if ready.intersection(listening) and self._listener.notified():
            self._poll.hasten(0)
        if self._lane.ended in ready:
            self._lane.join()
            self._looked()
        if self._report.is_due:
            self._tell_progress()

    def _heed_signals(self) -> None:
        stops = self._supervisor.stops
        if stops and not self._drain.started:
            self._log.info("told to stop; the batch is finished first")
            self._lane.stop()
        self._drain.note(stops)
        if stops and not self._lane.busy:
            self._exit_code = DONE
        elif time.monotonic() >= self._drain.stop_at:
            self._log.warning("stopped within a batch, which is rolled back")
            self._exit_code = UNEXPECTED

    def _looked(self) -> None:
        """Take in how a look ended."""
        error = self._lane.error
        if error is None:
            self._refusals.reset()
            if self._lane.without_models and not self._told_without_models:
                self._log.warning("no model is published; waiting for one")
            self._told_without_models = self._lane.without_models
            if self._once and not self._supervisor.stops:
                self._exit_code = DONE
        elif isinstance(error, Outage):
            if self._once:
                self._exit_code = UNEXPECTED
            self._poll.hasten(0)
        elif self._once or isinstance(error, SettingsError):
            raise error
        elif is_refusal(error):
            seconds = self._refusals.next()
            self._log.error(
                "the database refuses what the worker needs, which an operator has to mend",
                reason=reason_of(error),
                retry_seconds=round(seconds, 1),
            )
            self._link.leave_alone(seconds)
        else:
            # Of the code's or the schema's making: not to be met again without a pause.
            self._log.error("unforeseen error at the database", exc_info=error)
            self._link.back_off(error)

    def _listen(self) -> None:
        with suppress(Outage):  # polling finds the same, later
            self._listener.listen()

    def _tell_progress(self) -> None:
        seconds = time.monotonic() - self._report.last
        done = self.tally.recordings - self._reported
        if done:
            rate = round(done / seconds, 1)
            self._log.info("recordings done", recordings=done, per_second=rate)
        self._reported = self.tally.recordings
        self._report.restart()


def _link(settings: Settings, metrics: HighLevelMetrics) -> DatabaseLink:
    return DatabaseLink(
        settings.database_url,
        channel=CHANNEL,
        deadline=STATEMENT_TIMEOUT,
        application_name="acoustic highlevel",
        metrics=metrics.database,
    )
