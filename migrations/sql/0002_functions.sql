-- What a person types: one SELECT each, with an answer in words.

CREATE FUNCTION worker.enqueue_evaluation(dataset_id uuid, options jsonb DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    waiting record;
    document jsonb;
    snapshot uuid := gen_random_uuid();
    job uuid := gen_random_uuid();
BEGIN
    -- The lock lets one of two people who enqueue the same dataset at once see the other's job.
    PERFORM FROM dataset d WHERE d.id = dataset_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no dataset %.', coalesce(dataset_id::text, 'NULL')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT id, name FROM dataset;';
    END IF;

    SELECT j.id, j.status INTO waiting
      FROM dataset_eval_jobs j JOIN dataset_snapshot s ON s.id = j.snapshot_id
     WHERE s.dataset_id = enqueue_evaluation.dataset_id AND j.status IN ('pending', 'running')
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'Dataset % already has a % job: %.', dataset_id, waiting.status, waiting.id
            USING ERRCODE = 'object_in_use',
                  HINT = format('Wait for it, or SELECT worker.cancel_evaluation(''%s'');',
                                waiting.id);
    END IF;

    -- AcousticBrainz's own shape; recordings in order, so that equal datasets give equal snapshots.
    SELECT jsonb_build_object(
               'id', d.id, 'name', d.name, 'description', d.description,
               'classes', coalesce((
                   SELECT jsonb_agg(jsonb_build_object(
                              'id', c.id, 'name', c.name, 'description', c.description,
                              'recordings', coalesce((
                                  SELECT jsonb_agg(m.mbid ORDER BY m.mbid)
                                    FROM dataset_class_member m WHERE m.class = c.id), '[]'))
                              ORDER BY c.id)
                     FROM dataset_class c WHERE c.dataset = d.id), '[]'))
      INTO document
      FROM dataset d WHERE d.id = dataset_id;

    INSERT INTO dataset_snapshot (id, dataset_id, data) VALUES (snapshot, dataset_id, document);
    INSERT INTO dataset_eval_jobs (id, snapshot_id, options) VALUES (job, snapshot, options);
    RETURN job;
END $$;
COMMENT ON FUNCTION worker.enqueue_evaluation(uuid, jsonb) IS
    'Freezes the dataset as it is now and asks for its evaluation; returns the id of the job';

CREATE FUNCTION worker.cancel_evaluation(job_id uuid) RETURNS text
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    was eval_job_status;
BEGIN
    SELECT j.status INTO was FROM dataset_eval_jobs j WHERE j.id = job_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no evaluation job %.', coalesce(job_id::text, 'NULL')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT * FROM worker.job_status;';
    END IF;
    IF was IN ('done', 'failed') THEN
        RETURN format('Job %s is %s already: there is nothing to cancel.', job_id, was);
    END IF;

    UPDATE dataset_eval_jobs j
       SET status = 'failed', status_msg = 'cancelled by operator', updated = now()
     WHERE j.id = job_id;
    RETURN format('Job %s is cancelled; it was %s.', job_id, was);
END $$;
COMMENT ON FUNCTION worker.cancel_evaluation(uuid) IS
    'Ends a pending or running job as failed; a worker that runs it stops within seconds';

CREATE FUNCTION worker.retry_evaluation(job_id uuid) RETURNS text
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    was eval_job_status;
    attempt record;
BEGIN
    SELECT j.status INTO was FROM dataset_eval_jobs j WHERE j.id = job_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no evaluation job %.', coalesce(job_id::text, 'NULL')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT * FROM worker.job_status;';
    END IF;

    SELECT a.worker INTO attempt
      FROM worker.evaluation_attempts a WHERE a.job_id = retry_evaluation.job_id AND a.ended IS NULL;
    IF FOUND AND was = 'running' THEN
        RETURN format('Job %s runs on %s: cancel it first.', job_id, attempt.worker);
    END IF;
    IF was = 'pending' THEN
        UPDATE worker.evaluation_attempts a SET retry_at = NULL
         WHERE a.job_id = retry_evaluation.job_id AND a.retry_at > now();
        IF NOT FOUND THEN
            RETURN format('Job %s is pending already.', job_id);
        END IF;
        PERFORM pg_notify('acoustic_evaluation', '');
        RETURN format('Job %s is retried at once.', job_id);
    END IF;

    -- Also a job that an older worker, one without leases, left as running when it died.
    UPDATE dataset_eval_jobs j SET status = 'pending', status_msg = NULL, updated = now()
     WHERE j.id = job_id;
    RETURN format('Job %s is pending again; it was %s.', job_id, was);
END $$;
COMMENT ON FUNCTION worker.retry_evaluation(uuid) IS
    'Sets a job that is not being worked on back to pending, with a fresh count of attempts';
