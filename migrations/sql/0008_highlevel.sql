-- What a worker does not compute is left for those that do; the high-level queue can be paused.

-- Workers with different profiles may share a database. Without this, whoever took a recording
-- first took it off the queue, with the models that only others compute.
ALTER TABLE worker.highlevel_queue ADD COLUMN models integer[] CHECK (cardinality(models) > 0);
COMMENT ON COLUMN worker.highlevel_queue.models IS
    'Ids in AcousticBrainz''s model: only a worker that computes all of them takes it; NULL: any';

-- Two indexes, so that neither kind of recording lies in the way of the other.
DROP INDEX worker.highlevel_queue_new;
CREATE INDEX highlevel_queue_new ON worker.highlevel_queue (priority, id)
    WHERE attempts = 0 AND failed IS NULL AND models IS NULL;
CREATE INDEX highlevel_queue_left ON worker.highlevel_queue (models, priority, id)
    WHERE attempts = 0 AND failed IS NULL AND models IS NOT NULL;

-- What a worker gives back after an outage is found among all that wait for another attempt.
CREATE INDEX highlevel_queue_claimed ON worker.highlevel_queue (worker) WHERE worker IS NOT NULL;

ALTER TABLE worker.pauses
    DROP CONSTRAINT pauses_queue_check,
    ADD CONSTRAINT pauses_queue_check CHECK (queue IN ('evaluation', 'highlevel'));

CREATE FUNCTION worker.pause_highlevel(reason text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    INSERT INTO worker.pauses (queue, reason) VALUES ('highlevel', reason)
        ON CONFLICT (queue) DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'The high-level queue is paused already.';
    END IF;
    RETURN 'The high-level queue is paused: batches that run are finished, no other is begun.';
END $$;
COMMENT ON FUNCTION worker.pause_highlevel(text) IS
    'No recording is given outputs from now on; recordings go on being queued';

CREATE FUNCTION worker.resume_highlevel() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM worker.pauses WHERE queue = 'highlevel';
    IF NOT FOUND THEN
        RETURN 'The high-level queue is not paused.';
    END IF;
    PERFORM pg_notify('acoustic_highlevel', '');
    RETURN 'The high-level queue goes on.';
END $$;
COMMENT ON FUNCTION worker.resume_highlevel() IS 'Recordings are given outputs again';
