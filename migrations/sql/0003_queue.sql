-- Recordings that may lack outputs of published models. Which ones they lack is found out when they
-- are looked at, so that nothing here has to follow what is published.

-- A row goes when its outputs are written, so the table is small and changes all the time. No
-- foreign key to lowlevel: the server may go on deleting submissions as it always did.
CREATE TABLE worker.highlevel_queue (
    id integer PRIMARY KEY,
    priority smallint NOT NULL DEFAULT 0,
    enqueued timestamptz NOT NULL DEFAULT now(),
    attempts integer NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    interruptions integer NOT NULL DEFAULT 0 CHECK (interruptions >= 0),
    worker text,
    retry_at timestamptz,
    failed timestamptz,
    error text,
    CONSTRAINT a_failed_recording_has_a_reason CHECK (failed IS NULL OR error IS NOT NULL),
    CONSTRAINT a_recording_that_was_tried_may_be_tried_again
        CHECK (failed IS NOT NULL OR (attempts = 0) = (retry_at IS NULL))
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.1);

-- Recordings that nobody tried are taken in batches, those that somebody tried one at a time.
CREATE INDEX highlevel_queue_new ON worker.highlevel_queue (priority, id)
    WHERE attempts = 0 AND failed IS NULL;
CREATE INDEX highlevel_queue_again ON worker.highlevel_queue (retry_at)
    WHERE attempts > 0 AND failed IS NULL;
CREATE INDEX highlevel_queue_failed ON worker.highlevel_queue (failed, id)
    WHERE failed IS NOT NULL;

COMMENT ON TABLE worker.highlevel_queue IS
    'Recordings to look at; a row lock is the claim, and a row that is done is deleted';
COMMENT ON COLUMN worker.highlevel_queue.id IS 'lowlevel.id';
COMMENT ON COLUMN worker.highlevel_queue.priority IS
    '0: submitted now; 1: found by the sweep or a backfill; the lowest first';
COMMENT ON COLUMN worker.highlevel_queue.attempts IS
    'Committed before each attempt, so that one which ends the process counts too';
COMMENT ON COLUMN worker.highlevel_queue.interruptions IS
    'Attempts that were given back, for no fault of the recording';
COMMENT ON COLUMN worker.highlevel_queue.worker IS
    'Who tries it, or ended while trying it';
COMMENT ON COLUMN worker.highlevel_queue.failed IS
    'When its attempts were spent; SELECT * FROM worker.highlevel_queue WHERE failed IS NOT NULL';
COMMENT ON COLUMN worker.highlevel_queue.error IS 'The last thing that went wrong, in a sentence';

-- What is known of an attempt whose worker neither finished it nor said why.
CREATE FUNCTION worker.highlevel_lost(lost worker.highlevel_queue) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT format('Attempt %s ended with its worker, %s, which was killed or lost the database.',
                  lost.attempts, lost.worker)
$$;

-- How far the sweep is. It looks for recordings that have low-level data and no row in highlevel,
-- a bounded number at a time, in order of ids, round and round: what the trigger missed.
CREATE TABLE worker.highlevel_sweep (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    after integer,
    began timestamptz,
    ended timestamptz
);
INSERT INTO worker.highlevel_sweep DEFAULT VALUES;
COMMENT ON COLUMN worker.highlevel_sweep.after IS
    'The last id that was looked at in this round; NULL: none yet';
COMMENT ON COLUMN worker.highlevel_sweep.began IS 'When this round began';
COMMENT ON COLUMN worker.highlevel_sweep.ended IS 'When the last round was through';

-- The same for backfills, one row for each set of models that somebody asked for.
CREATE TABLE worker.highlevel_backfills (
    models integer[] PRIMARY KEY,
    after integer,
    looked bigint NOT NULL DEFAULT 0,
    enqueued bigint NOT NULL DEFAULT 0,
    began timestamptz NOT NULL DEFAULT now(),
    ended timestamptz
);
COMMENT ON COLUMN worker.highlevel_backfills.models IS 'Ids in AcousticBrainz''s model, in order';
COMMENT ON COLUMN worker.highlevel_backfills.looked IS 'Recordings that were looked at';
COMMENT ON COLUMN worker.highlevel_backfills.enqueued IS 'Those among them that lacked a model';

-- On the document, not on `lowlevel`: the server inserts that first. By row, although by statement
-- would be one insert: the transition table of a bulk load holds every document a second time, and
-- a row trigger holds an address. SECURITY DEFINER because a web server's role may write documents
-- without having any rights in schema worker.
CREATE FUNCTION worker.enqueue_highlevel() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO worker.highlevel_queue AS queued (id) VALUES (NEW.id)
        ON CONFLICT (id) DO UPDATE
       SET priority = 0, attempts = 0, interruptions = 0, worker = NULL, retry_at = NULL,
           failed = NULL, error = NULL
     WHERE queued.failed IS NOT NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER acoustic_workers_enqueue
    AFTER INSERT ON public.lowlevel_json
    FOR EACH ROW EXECUTE FUNCTION worker.enqueue_highlevel();

-- A hint, one for each statement; polling is the truth.
CREATE FUNCTION worker.notify_highlevel() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('acoustic_highlevel', '');
    RETURN NULL;
END $$;

CREATE TRIGGER acoustic_workers_notify_documents
    AFTER INSERT ON public.lowlevel_json
    FOR EACH STATEMENT EXECUTE FUNCTION worker.notify_highlevel();
