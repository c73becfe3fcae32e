"""What daemons tell Prometheus: values that their loops keep, so that a scrape asks nobody.

No value here needs the database when it is read. Figures of a queue are those of the last look at
it, which the loop takes about every quarter of a minute; ages go on growing in between, and when
nobody looks any more. Each daemon has a registry of its own.
"""

import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.process_collector import ProcessCollector

from schema.evaluation_jobs import Outcome, QueueLoad
from schema.highlevel import Backlog

_HOUR = 3600

# From a small dataset on a fast engine to a large one on scikit-learn.
_ATTEMPT_BUCKETS = (1, 5, 15, 30, 60, 300, 900, 1_800, _HOUR, 4 * _HOUR, 12 * _HOUR)
# A lease is a minute, and is renewed after a quarter of it.
_LAG_BUCKETS = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 45, 60)

# A series beside each counter, of no use to anybody here: Prometheus notices a restart by itself.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Aging:
    """An age that was measured once and has grown since.

    Examples
    --------
    >>> age = Aging()
    >>> age(), age.measured(None), age()
    (0.0, None, 0.0)
    """

    def __init__(self) -> None:
        self._began: float | None = None

    def measured(self, seconds: float | None) -> None:
        """Take in an age; `None`: there is nothing that could be old."""
        self._began = None if seconds is None else time.monotonic() - seconds

    def __call__(self) -> float:
        """Give the age now, in seconds; 0 where there is nothing."""
        began = self._began
        return 0.0 if began is None else max(0.0, time.monotonic() - began)


class DatabaseMetrics:
    """How the database behaves towards one daemon.

    Parameters
    ----------
    registry
        Where the values are found; `None`: nobody asks for them.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self._errors = Counter(
            "acoustic_database_errors",
            "Failures at the database: outage (it is away) or unforeseen (a defect).",
            ["kind"],
            registry=registry,
        )
        for kind in ("outage", "unforeseen"):
            self._errors.labels(kind)
        self.up = Gauge(
            "acoustic_database_up", "1: the last call to the database succeeded.", registry=registry
        )
        self.listening = Gauge(
            "acoustic_notify_listening",
            "1: there is a connection that notifications come by; 0: work is found by polling.",
            registry=registry,
        )
        self.notifications = Counter(
            "acoustic_notify_received", "Notifications of new work.", registry=registry
        )

    def failed(self, *, outage: bool) -> None:
        """Count a failure."""
        self._errors.labels("outage" if outage else "unforeseen").inc()
        self.up.set(0)


class DaemonMetrics:
    """What every daemon tells.

    Parameters
    ----------
    kind
        ``evaluator`` or ``highlevel``.

    Attributes
    ----------
    registry
        All of it.
    database
        For `worker.database_link.DatabaseLink`.
    """

    def __init__(self, kind: str) -> None:
        self.registry = CollectorRegistry()
        self.database = DatabaseMetrics(self.registry)
        self._kind = kind
        self._info = Gauge(
            "acoustic_worker_info",
            "Always 1; its labels say which worker this is.",
            ["kind", "worker", "version"],
            registry=self.registry,
        )
        self._loop = Gauge(
            "acoustic_loop_age_seconds",
            "Time since the daemon's loop last turned.",
            registry=self.registry,
        )
        self.schema_fits = Gauge(
            "acoustic_schema_fits",
            "1: the database has the schema that this version needs.",
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def introduce(self, worker: str, loop_age: Callable[[], float]) -> None:
        """Say who this is, and how the age of its loop is found."""
        self._info.labels(self._kind, worker, _version()).set(1)
        self._loop.set_function(loop_age)


class EvaluatorMetrics(DaemonMetrics):
    """What the evaluation worker tells."""

    def __init__(self) -> None:
        super().__init__("evaluator")
        self._oldest = Aging()
        self._queue_metrics()
        self._attempt_metrics()
        self._lease_metrics()

    def _queue_metrics(self) -> None:
        def gauge(name: str, told: str) -> Gauge:
            return Gauge(f"acoustic_evaluation_{name}", told, registry=self.registry)

        self._pending = gauge("jobs_pending", "Local jobs that wait and may be begun.")
        self._deferred = gauge("jobs_deferred", "Local jobs that wait after a failed attempt.")
        self._running = gauge("jobs_running", "Jobs that a worker holds, on any host.")
        self._expired = gauge(
            "leases_expired", "Running jobs whose lease ran out and that nobody took yet."
        )
        self._paused = gauge("queue_paused", "1: no job is begun, because somebody said so.")
        gauge(
            "oldest_pending_age_seconds",
            "How long the job that waits longest could have been begun by now; 0: none waits.",
        ).set_function(self._oldest)

    def _attempt_metrics(self) -> None:
        self._attempts = Counter(
            "acoustic_evaluation_attempts",
            "Attempts of this worker that ended, by outcome and by the job's status after it.",
            ["outcome", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "acoustic_evaluation_attempt_seconds",
            "How long attempts of this worker took, by outcome.",
            ["outcome"],
            buckets=_ATTEMPT_BUCKETS,
            registry=self.registry,
        )
        self._processor = Counter(
            "acoustic_evaluation_cpu_seconds",
            "Processor time that trainings of this worker took.",
            registry=self.registry,
        )
        self._peak = Gauge(
            "acoustic_evaluation_peak_memory_bytes",
            "Most memory that the last training of this worker held.",
            registry=self.registry,
        )
        self.busy = Gauge(
            "acoustic_evaluator_busy", "1: this worker holds a job.", registry=self.registry
        )
        # Series that exist from the start: a rate needs a value before the first failure.
        self._attempts.labels("done", "done")
        self._attempts.labels("lost", "unknown")
        for outcome in ("error", "crashed", "timeout", "interrupted"):
            self._attempts.labels(outcome, "pending")
            self._attempts.labels(outcome, "failed")

    def _lease_metrics(self) -> None:
        self._lag = Histogram(
            "acoustic_lease_renewal_lag_seconds",
            "How much later than planned leases were renewed.",
            buckets=_LAG_BUCKETS,
            registry=self.registry,
        )
        self._lease_age = Gauge(
            "acoustic_lease_age_seconds",
            "Time since this worker last renewed the lease of its job; 0: it has none.",
            registry=self.registry,
        )
        self._lease = Gauge(
            "acoustic_lease_seconds",
            "How long a lease lasts (ACOUSTIC_LEASE_SECONDS).",
            registry=self.registry,
        )
        self.fenced = Counter(
            "acoustic_fenced_writes",
            "Writes that touched nothing because the job is not this worker's any more.",
            registry=self.registry,
        )
        self.rescued = Counter(
            "acoustic_evaluation_rescues",
            "Jobs that this worker took from workers that fell silent.",
            registry=self.registry,
        )

    def watch_lease(self, seconds: float, age: Callable[[], float]) -> None:
        """Say how long a lease is, and how the age of the one that is held is found."""
        self._lease.set(seconds)
        self._lease_age.set_function(age)

    def renewed(self, *, late: float) -> None:
        """Take in a renewal, and by how many seconds it was late."""
        self._lag.observe(max(0.0, late))

    def looked(self, load: QueueLoad) -> None:
        """Take in a look at the queue."""
        self._pending.set(load.pending)
        self._deferred.set(load.deferred)
        self._running.set(load.running)
        self._expired.set(load.expired)
        self._paused.set(load.paused)
        self._oldest.measured(load.oldest)

    def ended(self, outcome: Outcome, status: str, seconds: float) -> None:
        """Take in the end of an attempt, the job's status after it, and how long it took."""
        self._attempts.labels(outcome.value, status).inc()
        self._seconds.labels(outcome.value).observe(seconds)

    def lost(self, seconds: float) -> None:
        """Take in that a job turned out to be somebody else's."""
        self.fenced.inc()
        self.ended(Outcome.LOST, "unknown", seconds)

    def used(self, cpu_seconds: float | None, peak_memory: int | None) -> None:
        """Take in what a training took; `None`: nobody knows."""
        self._processor.inc(cpu_seconds or 0.0)
        if peak_memory is not None:
            self._peak.set(peak_memory)


class HighLevelMetrics(DaemonMetrics):
    """What the high-level worker tells."""

    def __init__(self) -> None:
        super().__init__("highlevel")

        def gauge(name: str, told: str) -> Gauge:
            return Gauge(f"acoustic_highlevel_{name}", told, registry=self.registry)

        self._oldest = Aging()
        self._waiting = gauge("queue_waiting", "Recordings that wait for their first attempt.")
        self._again = gauge("queue_again", "Recordings that were tried and are tried again.")
        self._failed = gauge("queue_failed", "Recordings whose document could not be used.")
        self._paused = gauge(
            "queue_paused", "1: no recording is taken up, because somebody said so."
        )
        gauge(
            "oldest_waiting_age_seconds",
            "How long the recording that waits longest has waited; 0: none waits.",
        ).set_function(self._oldest)
        self.models = gauge("models", "Models that this worker computes.")
        self._recordings = Counter(
            "acoustic_highlevel_recordings",
            "Recordings that this worker is done with: written, or failed.",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("written", "failed"):
            self._recordings.labels(outcome)

    def done(self, *, written: int, failed: int) -> None:
        """Count recordings that got outputs, and that were marked as failed."""
        self._recordings.labels("written").inc(written)
        self._recordings.labels("failed").inc(failed)

    def looked(self, backlog: Backlog, oldest: float | None, *, paused: bool) -> None:
        """Take in a look at the queue, and how long its oldest recording has waited (seconds)."""
        self._waiting.set(backlog.waiting)
        self._again.set(backlog.again)
        self._failed.set(backlog.failed)
        self._paused.set(paused)
        self._oldest.measured(oldest)


def _version() -> str:
    try:
        return version("acoustic-workers")
    except PackageNotFoundError:
        return "unknown"
