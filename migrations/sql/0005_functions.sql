-- As before, but: names are qualified, for where everybody may create in schema public (Postgres 13
-- and 14) a function of a better fit could be put in the way; enqueue and cancel run with the rights
-- of their owner, so that whoever may call them needs none on the tables; options have a size.

CREATE OR REPLACE FUNCTION worker.enqueue_evaluation(dataset_id uuid, options jsonb DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    waiting record;
    document jsonb;
    snapshot uuid := gen_random_uuid();
    job uuid := gen_random_uuid();
BEGIN
    IF octet_length(options::text) > 65536 THEN
        RAISE EXCEPTION 'The options are % bytes of JSON, and at most 65536 are possible.',
            octet_length(options::text) USING ERRCODE = 'program_limit_exceeded';
    END IF;

    -- The lock lets one of two people who enqueue the same dataset at once see the other's job.
    PERFORM FROM public.dataset d WHERE d.id = dataset_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no dataset %.', coalesce(dataset_id::text, 'NULL')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT id, name FROM public.dataset;';
    END IF;

    SELECT j.id, j.status INTO waiting
      FROM public.dataset_eval_jobs j JOIN public.dataset_snapshot s ON s.id = j.snapshot_id
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
                                    FROM public.dataset_class_member m WHERE m.class = c.id), '[]'))
                              ORDER BY c.id)
                     FROM public.dataset_class c WHERE c.dataset = d.id), '[]'))
      INTO document
      FROM public.dataset d WHERE d.id = dataset_id;

    INSERT INTO public.dataset_snapshot (id, dataset_id, data) VALUES (snapshot, dataset_id, document);
    INSERT INTO public.dataset_eval_jobs (id, snapshot_id, options) VALUES (job, snapshot, options);
    RETURN job;
END $$;
COMMENT ON FUNCTION worker.enqueue_evaluation(uuid, jsonb) IS
    'Freezes the dataset as it is now and asks for its evaluation; returns the id of the job';

CREATE OR REPLACE FUNCTION worker.cancel_evaluation(job_id uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    was public.eval_job_status;
BEGIN
    SELECT j.status INTO was FROM public.dataset_eval_jobs j WHERE j.id = job_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'There is no evaluation job %.', coalesce(job_id::text, 'NULL')
            USING ERRCODE = 'no_data_found', HINT = 'SELECT * FROM worker.job_status;';
    END IF;
    IF was IN ('done', 'failed') THEN
        RETURN format('Job %s is %s already: there is nothing to cancel.', job_id, was);
    END IF;

    UPDATE public.dataset_eval_jobs j
       SET status = 'failed', status_msg = 'cancelled by operator', updated = now()
     WHERE j.id = job_id;
    RETURN format('Job %s is cancelled; it was %s.', job_id, was);
END $$;
COMMENT ON FUNCTION worker.cancel_evaluation(uuid) IS
    'Ends a pending or running job as failed; a worker that runs it stops within seconds';

CREATE OR REPLACE FUNCTION worker.retry_evaluation(job_id uuid) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    was public.eval_job_status;
    attempt record;
BEGIN
    SELECT j.status INTO was FROM public.dataset_eval_jobs j WHERE j.id = job_id FOR NO KEY UPDATE;
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
    UPDATE public.dataset_eval_jobs j SET status = 'pending', status_msg = NULL, updated = now()
     WHERE j.id = job_id;
    RETURN format('Job %s is pending again; it was %s.', job_id, was);
END $$;
COMMENT ON FUNCTION worker.retry_evaluation(uuid) IS
    'Sets a job that is not being worked on back to pending, with a fresh count of attempts';

-- Among them the functions of triggers: whoever may call one could make a trigger of it, on a table
-- of their own, and have it end every attempt with its owner's rights.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
                 WHERE pronamespace = 'worker'::regnamespace AND prosecdef LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', made.name);
    END LOOP;
END $$;
