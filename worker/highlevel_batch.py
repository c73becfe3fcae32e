"""A batch of recordings: claimed, read, predicted, written and done in one transaction."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog
from sqlalchemy import Connection, text
from structlog.contextvars import bound_contextvars

from schema import highlevel
from schema.highlevel import Outputs, Recording
from trainer.errors import DocumentError
from trainer.highlevel import high_level_document, parse_documents
from trainer.inference import Predictions
from trainer.models.svm import BLOCK
from trainer.reading import Document
from worker.background import one_at_a_time
from worker.conclusion import sentence
from worker.database_link import DatabaseLink, Outage, is_refusal, reason_of, took_too_long
from worker.highlevel_models import LoadedModels, Predict
from worker.supervisor import Backoff
from worker.watchdog import watched

# What is computed at once of a batch, while the server writes what was computed before and gives
# what comes next: so many documents, or those that have so many characters, the last one included.
# There are three such chunks in memory, one of them parsed, which takes some six times as much. A
# machine takes rows in blocks.
_CHUNK = 2 * BLOCK
_CHUNK_CHARACTERS = 32 * 2**20

# A batch takes tenths of a second. What takes this long never ends, or the host is not fit for it.
PATIENCE_SECONDS = 120.0
PATIENCE_SECONDS_PER_RECORDING = 0.1

# Between two tries at a database that refuses what every batch needs.
MOST_REFUSED_SECONDS = 30.0

_Parsed = tuple[Recording, Document]

# A transaction that waits for a computation is idle to the server, whose own limit for that is a
# setting of the session. And a session plans the check of a foreign key once: of tables that were
# empty when they were analysed it would read all for each row, until they are analysed again.
SERVER_SETTINGS = text("""
    SELECT set_config('idle_in_transaction_session_timeout', :limit, true),
           set_config('enable_seqscan', 'off', true)
""")
_SERVER_MARGIN = 30.0


@dataclass
class Tally:
    """What was done since a worker began, and where the time went.

    Attributes
    ----------
    recordings, failed
        Recordings that got outputs, and that were marked as failed.
    began, ended
        When the first batch was claimed and the last one was committed, by ``time.monotonic``.
    processor
        Processor time of this process in between, in seconds.
    seconds
        By stage: claim, read, parse, predict, compose, write, commit. Reading and writing go on
        beside parse, predict and compose, so the sum may be more than the time that passed.
    """

    recordings: int = 0
    failed: int = 0
    began: float | None = None
    ended: float | None = None
    processor: float = 0.0
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timing(self, stage: str) -> Iterator[None]:
        """Add the time that a block takes to a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.seconds[stage] = self.seconds.get(stage, 0.0) + spent


@dataclass(frozen=True)
class _Refusal:
    """Why a recording does not get all outputs.

    Attributes
    ----------
    reason
        In a sentence.
    models
        Rows in AcousticBrainz's table `model` of those that cannot use its document; none, if that
        is no low-level document at all.
    is_whole
        Whether it gets no output. Otherwise it gets those of the other models.
    """

    reason: str
    models: frozenset[int] = frozenset()
    is_whole: bool = True


@dataclass(frozen=True)
class _Computed:
    """What became of recordings: `outputs` of some, a reason for what others do not get."""

    recordings: Sequence[Recording]
    outputs: Sequence[Outputs]
    refused: Mapping[int, _Refusal]


@dataclass
class _Outcome:
    """What a transaction will have done if it commits."""

    recordings: int = 0
    refused: dict[int, _Refusal] = field(default_factory=dict)


class Batches:
    """Takes recordings from the queue under one worker's name, and gives them their outputs.

    Parameters
    ----------
    link
        How the database is reached.
    worker
        The name; different from that of any other worker.
    size
        Recordings that are taken at once.
    max_attempts
        Attempts after which a recording has failed.
    predict
        What predicts, `trainer.inference.ModelSet.predict`.

    Attributes
    ----------
    tally
        What was done.
    """

    def __init__(
        self, link: DatabaseLink, *, worker: str, size: int, max_attempts: int, predict: Predict
    ) -> None:
        self.tally = Tally()
        self._link = link
        self._worker = worker
        self._size = size
        self._max_attempts = max_attempts
        self._predict = predict
        self._number = 0
        self._in_doubt: str | None = None  # why, where claims may be left of an outage
        self._refusals = Backoff(first=1.0, most=MOST_REFUSED_SECONDS)
        self._alone_next = True
        self._used_before = 0.0
        self._log = structlog.get_logger("worker.highlevel")

    def next(self, loaded: LoadedModels) -> bool:
        """Do a batch, or one recording that was tried before.

        Returns
        -------
        bool
            Whether there was anything to do.

        Raises
        ------
        worker.database_link.Outage
            The database went away. Nothing is lost: what was claimed is given back when it is back.
        """
        if self._in_doubt is not None:
            self._give_back(self._in_doubt)
        try:
            return self._next(loaded)
        except Outage as outage:
            self._in_doubt = f"The database went away: {reason_of(outage.__cause__)}."
            raise

    def exhaust(self, loaded: LoadedModels) -> None:
        """Mark as failed what ended every worker that tried it."""
        spent = self._link.run(
            lambda connection: highlevel.exhaust(
                connection, max_attempts=self._max_attempts, build_sha1=loaded.models.digest
            )
        )
        self._tell_failed(spent)

    def _next(self, loaded: LoadedModels) -> bool:
        now, used = time.monotonic(), time.process_time()
        with self.tally.timing("claim"):
            ids = self._claim(loaded.ids)
        if not ids:
            return False
        if self.tally.began is None:
            self.tally.began, self._used_before = now, used
        self._number += 1
        with bound_contextvars(batch=self._number):
            self._try(ids, loaded)
        return True

    def _try(self, ids: Sequence[int], loaded: LoadedModels) -> None:
        try:
            with watched(PATIENCE_SECONDS + PATIENCE_SECONDS_PER_RECORDING * len(ids)):
                self._do(ids, loaded)
        except Outage as outage:
            if is_refusal(outage.__cause__):
                self._wait_for_operator(outage.__cause__)
            elif took_too_long(outage.__cause__):
                self._set_aside(ids, outage.__cause__)
            raise
        except Exception as error:
            if is_refusal(error):
                self._wait_for_operator(error)
                raise Outage(reason_of(error)) from error
            self._put_off(ids, error, loaded)  # whatever it is, one of the documents met it
        else:
            self._refusals.reset()

    def _claim(self, models: Sequence[int]) -> list[int]:
        """Claim a batch and single recordings in turns, so that neither waits for the other."""

        def new(connection: Connection) -> list[int]:
            return highlevel.claim_new(
                connection, worker=self._worker, limit=self._size, models=models
            )

        def again(connection: Connection) -> list[int]:
            return highlevel.claim_again(
                connection, worker=self._worker, max_attempts=self._max_attempts, models=models
            )

        self._alone_next = not self._alone_next
        first, second = (again, new) if self._alone_next else (new, again)
        return self._link.run(first) or self._link.run(second)

    def _do(self, ids: Sequence[int], loaded: LoadedModels) -> None:
        ended = 0.0

        def transaction(connection: Connection) -> _Outcome:
            nonlocal ended
            outcome = self._work(connection, ids, loaded)
            ended = time.perf_counter()
            return outcome

        outcome = self._link.run(transaction)
        seconds = self.tally.seconds
        seconds["commit"] = seconds.get("commit", 0.0) + time.perf_counter() - ended
        self.tally.ended = time.monotonic()
        self.tally.processor = time.process_time() - self._used_before
        self.tally.recordings += outcome.recordings
        whole = {i: one.reason for i, one in outcome.refused.items() if one.is_whole}
        self._tell_failed(whole)
        self._tell_refused(len(outcome.refused) - len(whole), outcome.refused, loaded)

    def _work(self, connection: Connection, ids: Sequence[int], loaded: LoadedModels) -> _Outcome:
        outcome = _Outcome()
        limit = PATIENCE_SECONDS + PATIENCE_SECONDS_PER_RECORDING * len(ids) + _SERVER_MARGIN
        connection.execute(SERVER_SETTINGS, {"limit": f"{limit:.0f}s"})
        held = highlevel.lock(connection, ids, worker=self._worker)
        recordings = highlevel.read(connection, held, models=loaded.known)

        def turn(computed: _Computed | None) -> list[Recording]:
            """Write what was computed and read what is next, all that needs the connection."""
            if computed is not None:
                self._write(connection, computed, loaded)
            return self._chunk(recordings)

        computed: _Computed | None = None
        chunk = turn(None)
        with one_at_a_time("high-level input and output") as background:
            while chunk:
                background.start(partial(turn, computed))
                computed = self._compute(chunk, loaded)
                outcome.recordings += len(computed.outputs)
                outcome.refused |= computed.refused
                chunk = background.wait()
        turn(computed)
        return outcome

    def _chunk(self, recordings: Iterator[Recording]) -> list[Recording]:
        """Read the next recordings, as many as may be in memory together."""
        chunk: list[Recording] = []
        characters = 0
        with self.tally.timing("read"):
            while len(chunk) < _CHUNK and characters < _CHUNK_CHARACTERS:
                recording = next(recordings, None)
                if recording is None:
                    break
                chunk.append(recording)
                characters += len(recording.document or "")
        return chunk

    def _write(self, connection: Connection, computed: _Computed, loaded: LoadedModels) -> None:
        digest, refused = loaded.models.digest, computed.refused
        done = [one for one in computed.recordings if one.id not in refused]
        with self.tally.timing("write"):
            highlevel.write(
                connection, computed.outputs, build_sha1=digest, version=loaded.version_id
            )
            highlevel.fail(
                connection,
                {identifier: one.reason for identifier, one in refused.items()},
                worker=self._worker,
                build_sha1=digest,
                refused_by={identifier: one.models for identifier, one in refused.items()},
            )
            self._let_go(connection, done, loaded)

    def _let_go(
        self, connection: Connection, done: Sequence[Recording], loaded: LoadedModels
    ) -> None:
        """Take recordings off the queue, but for models that only other workers compute."""
        by_rest: dict[frozenset[int], list[Recording]] = {}
        for recording in done:
            rest = loaded.others - recording.present if _there(recording) else frozenset()
            by_rest.setdefault(rest, []).append(recording)
        highlevel.dismiss(connection, by_rest.pop(frozenset(), []), worker=self._worker)
        for rest, recordings in by_rest.items():
            highlevel.leave(connection, recordings, sorted(rest), worker=self._worker)

    def _compute(self, recordings: Sequence[Recording], loaded: LoadedModels) -> _Computed:
        """Give the outputs that recordings lack, and why there are none or some are missing.

        A document that cannot be used fails at its first attempt: it says the same every time.
        """
        refused: dict[int, _Refusal] = {}
        with self.tally.timing("parse"):
            by_lack = _parsed(recordings, loaded, refused)
        outputs: list[Outputs] = []
        again: dict[frozenset[int], list[_Parsed]] = {}
        for lacking, parsed in by_lack.items():
            for recording, document in self._predict_all(lacking, parsed, loaded, outputs):
                refusal = _refusal(recording, document, lacking, loaded)
                refused[recording.id] = refusal
                if not refusal.is_whole and (usable := lacking - refusal.models):
                    again.setdefault(usable, []).append((recording, document))
        for usable, parsed in again.items():
            left = self._predict_all(usable, parsed, loaded, outputs)
            if left:
                raise AssertionError("a document was refused by models that can use it")
        return _Computed(recordings, outputs, refused)

    def _predict_all(
        self,
        lacking: frozenset[int],
        parsed: Sequence[_Parsed],
        loaded: LoadedModels,
        outputs: list[Outputs],
    ) -> list[_Parsed]:
        """Add the outputs of some models; give the documents that not all of these can use."""
        with self.tally.timing("predict"):
            predicted = self._predicted(lacking, [document for _, document in parsed], loaded)
        left = []
        with self.tally.timing("compose"):
            for (recording, document), answer in zip(parsed, predicted, strict=True):
                if isinstance(answer, DocumentError):
                    left.append((recording, document))
                else:
                    outputs.append(_outputs(recording, document, answer, loaded))
        return left

    def _predicted(
        self, lacking: frozenset[int], documents: Sequence[Document], loaded: LoadedModels
    ) -> Sequence[Predictions | DocumentError]:
        if not lacking:  # all outputs are there, only metadata are not
            return [{} for _ in documents]
        return self._predict(loaded.part(lacking), documents)

    def _put_off(self, ids: Sequence[int], error: Exception, loaded: LoadedModels) -> None:
        self._log.exception("unforeseen error in a batch", recordings=len(ids))
        self._link.run(
            lambda connection: highlevel.put_off(
                connection,
                ids,
                worker=self._worker,
                error=sentence(error),
                max_attempts=self._max_attempts,
                build_sha1=loaded.models.digest,
            )
        )

    def _wait_for_operator(self, error: BaseException | None) -> None:
        """Give back what the database refused to take from any worker: no document is to blame."""
        seconds = self._refusals.next()
        self._log.error(
            "the database refuses outputs, which an operator has to mend",
            reason=reason_of(error),
            retry_seconds=round(seconds, 1),
        )
        self._link.run(
            lambda connection: highlevel.give_back(connection, worker=self._worker, innocent=True)
        )
        self._link.leave_alone(seconds)

    def _set_aside(self, ids: Sequence[int], error: BaseException | None) -> None:
        """Have recordings be tried alone: one of them may be what the database waited for."""
        reason = reason_of(error)
        self._link.run(
            lambda connection: highlevel.set_aside(
                connection, ids, worker=self._worker, error=f"The database took too long: {reason}."
            )
        )
        self._log.warning(
            "the database took too long, as behind a lock; each recording is tried alone",
            reason=reason,
            recordings=len(ids),
            recording=ids[0] if len(ids) == 1 else None,
        )

    def _give_back(self, reason: str) -> None:
        """Give back what was claimed when the database went away; what was written is not there."""
        given = self._link.run(
            lambda connection: highlevel.give_back(connection, worker=self._worker, error=reason)
        )
        self._in_doubt = None
        if given:
            self._log.info("gave back what the outage interrupted", recordings=given)

    def _tell_refused(
        self, recordings: int, refused: Mapping[int, _Refusal], loaded: LoadedModels
    ) -> None:
        """Tell which models that are not shown cannot use documents: a line for a batch."""
        if recordings:
            ids = {i for one in refused.values() if not one.is_whole for i in one.models}
            named = [f"{one.name} {one.version}" for one in loaded.wanted if one.id in ids]
            self._log.warning(
                "models that are not shown cannot use documents; the others' outputs are written",
                recordings=recordings,
                models=named,
            )

    def _tell_failed(self, reasons: Mapping[int, str]) -> None:
        self.tally.failed += len(reasons)
        for identifier, reason in reasons.items():
            self._log.warning("a recording has failed", recording=identifier, reason=reason)


def _parsed(
    recordings: Sequence[Recording], loaded: LoadedModels, refused: dict[int, _Refusal]
) -> dict[frozenset[int], list[_Parsed]]:
    """Parse documents of recordings that lack something, by what they lack."""
    wanted = frozenset(loaded.ids)
    needy = [one for one in recordings if _there(one) and _lacks(one, wanted)]
    parsed: dict[frozenset[int], list[_Parsed]] = {}
    documents = parse_documents(recording.document or "" for recording in needy)
    for recording, document in zip(needy, documents, strict=True):
        if isinstance(document, DocumentError):
            refused[recording.id] = _Refusal(str(document))
        else:
            parsed.setdefault(wanted - recording.present, []).append((recording, document))
    return parsed


def _refusal(
    recording: Recording, document: Document, lacking: frozenset[int], loaded: LoadedModels
) -> _Refusal:
    """Say why not all models can use a document, and whether any output is written.

    Nobody sees some of the shown models' outputs only. Models that are not shown are tried out, and
    take no outputs from those that are.
    """
    try:
        refusals = loaded.part(lacking).refusals(document)
    except DocumentError as error:
        return _Refusal(str(error))
    row_of = loaded.names
    models = frozenset(row_of[name] for name in refusals)
    decisive = [one for name, one in refusals.items() if row_of[name] in loaded.required]
    if not decisive and models == lacking and not recording.complete:  # nothing would be written
        decisive = list(refusals.values())
    if decisive:
        return _Refusal(str(decisive[0]), models)
    reasons = "; ".join(map(str, refusals.values()))
    return _Refusal(f"outputs of the other models are written; {reasons}", models, is_whole=False)


def _there(recording: Recording) -> bool:
    return recording.document is not None and recording.mbid is not None


def _lacks(recording: Recording, wanted: frozenset[int]) -> bool:
    return not recording.complete or not wanted <= recording.present


def _outputs(
    recording: Recording,
    document: Document,
    predictions: Predictions,
    loaded: LoadedModels,
) -> Outputs:
    made = high_level_document(document, predictions, loaded.version)
    row_of = loaded.names
    return Outputs(
        recording=recording,
        metadata=made["metadata"],
        models={row_of[name]: output for name, output in made["highlevel"].items()},
    )
