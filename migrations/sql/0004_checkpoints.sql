-- What the attempts at a job found before they were ended, for the next attempt to go on from.

-- In the database and not in a folder, for the next attempt may be made on another host. No foreign
-- key, as with the attempts. Contents are compressed already.
CREATE TABLE worker.evaluation_checkpoints (
    job_id uuid NOT NULL,
    attempt integer NOT NULL,
    number integer NOT NULL,
    written timestamptz NOT NULL DEFAULT now(),
    fingerprint text NOT NULL,
    part text NOT NULL,
    content bytea NOT NULL CHECK (octet_length(content) <= 33554432),
    PRIMARY KEY (job_id, attempt, number)
);
ALTER TABLE worker.evaluation_checkpoints ALTER COLUMN content SET STORAGE EXTERNAL;
COMMENT ON TABLE worker.evaluation_checkpoints IS
    'Solved parts of jobs that run, or that wait for their next attempt; gone when a job ends';
COMMENT ON COLUMN worker.evaluation_checkpoints.attempt IS 'The attempt that solved it';
COMMENT ON COLUMN worker.evaluation_checkpoints.number IS 'From 1 in each attempt';
COMMENT ON COLUMN worker.evaluation_checkpoints.fingerprint IS
    'Of data, search, engine and versions; of no use to an attempt with another one';
COMMENT ON COLUMN worker.evaluation_checkpoints.part IS
    'Search, preprocessing and engine, such as "grid basic native"';

CREATE FUNCTION worker.forget_checkpoints() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM worker.evaluation_checkpoints WHERE job_id = OLD.id;
    RETURN NULL;
END $$;

-- Triggers fire in the order of their names: this one after acoustic_workers_left_running, which
-- waits for a checkpoint that is being written at this moment.
CREATE TRIGGER acoustic_workers_over
    AFTER UPDATE OF status ON public.dataset_eval_jobs
    FOR EACH ROW WHEN (OLD.status IN ('running', 'pending') AND NEW.status IN ('done', 'failed'))
    EXECUTE FUNCTION worker.forget_checkpoints();

CREATE TRIGGER acoustic_workers_deleted_checkpoints
    AFTER DELETE ON public.dataset_eval_jobs
    FOR EACH ROW EXECUTE FUNCTION worker.forget_checkpoints();

CREATE FUNCTION worker.forget_all_checkpoints() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM worker.evaluation_checkpoints;
    RETURN NULL;
END $$;

CREATE TRIGGER acoustic_workers_emptied_checkpoints
    AFTER TRUNCATE ON public.dataset_eval_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION worker.forget_all_checkpoints();

-- What was known from checkpoints took no time, and says nothing of the attempt's speed.
CREATE OR REPLACE FUNCTION worker.time_left(progress jsonb) RETURNS interval
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done double precision;
    total double precision;
    known double precision;
    spent interval;
BEGIN
    done := progress ->> 'done';
    total := progress ->> 'total';
    known := coalesce(progress ->> 'known', '0');
    spent := now() - (progress ->> 'started')::timestamptz;
    -- A clock that is ahead of ours, or hardly any work done: a guess would say nothing.
    IF done > known AND total >= done AND known >= 0 AND spent >= interval '0'
       AND spent * ((total - done) / (done - known)) < interval '1 year' THEN
        RETURN spent * ((total - done) / (done - known));
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;
COMMENT ON COLUMN worker.evaluation_attempts.progress IS
    '{"stage": text, "done": n, "total": n, "started": when the stage began, ISO 8601}; where checkpoints were used "known": n of the stage, "resumed": n of all stages';
