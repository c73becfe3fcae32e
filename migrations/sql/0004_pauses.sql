-- Queues that nobody is to take from for a while; what runs goes on.
CREATE TABLE worker.pauses (
    queue text PRIMARY KEY CHECK (queue IN ('evaluation')),
    since timestamptz NOT NULL DEFAULT now(),
    paused_by text NOT NULL DEFAULT session_user,
    reason text
);
COMMENT ON TABLE worker.pauses IS 'A row for each queue that is paused';

CREATE FUNCTION worker.pause_evaluation(reason text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
BEGIN
    INSERT INTO worker.pauses (queue, reason) VALUES ('evaluation', reason)
        ON CONFLICT (queue) DO NOTHING;
    IF NOT FOUND THEN
        RETURN 'The queue of evaluation jobs is paused already.';
    END IF;
    RETURN 'The queue of evaluation jobs is paused: jobs that run go on, no other is begun.';
END $$;
COMMENT ON FUNCTION worker.pause_evaluation(text) IS
    'No evaluation job is begun from now on; jobs can be enqueued, and those that run go on';

CREATE FUNCTION worker.resume_evaluation() RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    DELETE FROM worker.pauses WHERE queue = 'evaluation';
    IF NOT FOUND THEN
        RETURN 'The queue of evaluation jobs is not paused.';
    END IF;
    PERFORM pg_notify('acoustic_evaluation', '');
    RETURN 'The queue of evaluation jobs goes on.';
END $$;
COMMENT ON FUNCTION worker.resume_evaluation() IS 'Evaluation jobs are begun again';
