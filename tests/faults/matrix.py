"""The faults, by number: how each is made, and what is expected."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """A row of the table in docs/reliability.md."""

    made: str
    expected: str


FAULTS = {
    "F1": Fault(
        "evaluation worker killed (SIGKILL) in the middle of a job",
        "its training dies with it; the attempt is `lost` once the lease ran out; attempt 2 on "
        "another worker is `done`",
    ),
    "F2": Fault(
        "training process killed",
        "attempt `crashed`, by which signal, within a second; tried again after a pause",
    ),
    "F3": Fault(
        "the process that a training starts beside itself killed: its guard",
        "the training goes on",
    ),
    "F4": Fault("worker killed in the middle of a search, its threads in C", "nothing computes on"),
    "F5": Fault(
        "out of memory: an address space limit, and the kernel's killer in a control group",
        "attempt `error` or `crashed` with a word on memory; the worker lives and goes on",
    ),
    "F6": Fault(
        "a job that kills its training every time",
        "exactly as many attempts as allowed, then `failed`; other jobs are done",
    ),
    "F7": Fault("a job that kills the worker every time", "the same"),
    "F8": Fault(
        "an exception, or wrong input",
        "an exception is tried again with its traceback kept; wrong input fails at attempt 1 with "
        "a sentence",
    ),
    "F9": Fault(
        "worker stopped (SIGSTOP) for longer than its lease, woken when a rival did the job",
        "it writes nothing, ends its training, removes its files",
    ),
    "F10": Fault(
        "a result that comes late, while a rival runs or is done",
        "refused; the rival's stays; one model file",
    ),
    "F11": Fault("database restarted at once (crash) during a job", "the same attempt is `done`"),
    "F12": Fault("database away for longer than the lease, no rival", "the same attempt is `done`"),
    "F13": Fault(
        "link to the database silent (all is acknowledged, nothing comes back), no rival",
        "calls end at their deadline; the same attempt is `done`",
    ),
    "F14": Fault(
        "link silent, a rival on a healthy one",
        "the rival is `done`; the silenced worker stops and writes nothing",
    ),
    "F15": Fault(
        "all connections ended by the server, again and again",
        "no job lost, no result accepted twice",
    ),
    "F16": Fault(
        "pgbouncer in transaction mode, which swallows LISTEN",
        "jobs are found by polling and done",
    ),
    "F17": Fault(
        "SIGTERM: idle, in a job, in one that does not end; then a new worker",
        "exit within the drain time, `interrupted` and not counted, no process left; done by the "
        "next worker",
    ),
    "F18": Fault(
        "SIGTERM twice, SIGINT, SIGTERM while the database is away",
        "exit at once; where nothing could be written, exit code 1 and the lease runs out",
    ),
    "F19": Fault("workers race for the same jobs", "each job claimed once, one result each"),
    "F20": Fault(
        "many workers killed at random, all the time",
        "every job done, or failed with a reason; as many results as done jobs",
    ),
    "F21": Fault(
        "job deleted while it runs",
        "training stopped without waiting for a renewal, files removed, no loop of errors",
    ),
    "F22": Fault(
        "job cancelled, also when its training does not react to SIGTERM",
        "stopped within the grace of 5 s; stays `failed`, cancelled by operator",
    ),
    "F23": Fault(
        "operator sets a running job to pending or done",
        "the old attempt is stopped and writes nothing; pending: a new attempt does it",
    ),
    "F24": Fault(
        "clock of a worker an hour ahead or behind; clock of the database steps",
        "nothing is rescued early or late for a worker's clock; after a step of the database's "
        "one result all the same",
    ),
    "F25": Fault(
        "model folder full, read-only, or forbidden; its disk fails (EIO) on write, fsync or "
        "rename",
        "attempt `error` that names the folder and the remedy; no row points to a missing file; "
        "tried again",
    ),
    "F26": Fault(
        "worker killed between saving the model and writing the row",
        "the file is an orphan that the next attempt removes; no row without a file",
    ),
    "F27": Fault(
        "corrupt low-level documents",
        "high-level: that recording fails with a reason, the rest of its batch is written; "
        "evaluation: named in the sentence",
    ),
    "F28": Fault(
        "snapshot with missing recordings, a recording twice, a class of one, nothing at all",
        "failed at attempt 1 with a sentence that names them",
    ),
    "F29": Fault(
        "one of the published models missing or damaged",
        "the high-level worker names it and does not start; never a part of the outputs",
    ),
    "F30": Fault(
        "connection lost in the middle of writing the outputs of a batch",
        "all outputs of a recording or none",
    ),
    "F31": Fault("several high-level workers on the same recordings", "one set of outputs each"),
    "F32": Fault(
        "training deaf for longer than its lease, a rival waiting",
        "the parent renews: the lease never lapses, attempt 1 is `done`",
    ),
    "F33": Fault(
        "schema older or newer than the program; options that make no sense",
        "the worker does not start (exit code 3); the job fails at attempt 1 with the JSON path",
    ),
    "F34": Fault(
        "a million finished jobs behind a few that wait",
        "claim, sweep and renewal read the queue and not the history",
    ),
    "F35": Fault(
        "a transaction held open elsewhere under high-level load (vacuum removes nothing)",
        "slower within bounds, all done",
    ),
    "F36": Fault(
        "no process can be started, no descriptor left, /tmp full, log pipe closed",
        "the attempt says so and the worker lives; the job is done when it can be",
    ),
    "F37": Fault("container killed, host restarted", "as F1"),
    "F38": Fault(
        "two workers with the same host name and process id",
        "their names differ all the same; each job done once",
    ),
}

# What no test makes happen, and why.
NOT_INJECTED = {
    "F37": "needs a container engine or a second host; every process of a worker dying at once is "
    "F1 and F4",
}
# The same for parts of faults whose other parts are tested.
PARTS_NOT_INJECTED = {
    "F3": "the loss of a process of a pool: searches run in threads of the training, no pool is "
    "there to lose one",
    "F24": "a step of the server's own clock: leases are moved instead, which is the same to the "
    "statements",
}
