DROP FUNCTION worker.resume_evaluation();
DROP FUNCTION worker.pause_evaluation(text);
DROP TABLE worker.pauses;

CREATE OR REPLACE FUNCTION worker.time_left(progress jsonb) RETURNS interval
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    done double precision;
    total double precision;
    spent interval;
BEGIN
    done := progress ->> 'done';
    total := progress ->> 'total';
    spent := now() - (progress ->> 'started')::timestamptz;
    -- A clock that is ahead of ours, or hardly any work done: a guess would say nothing.
    IF done > 0 AND total >= done AND spent >= interval '0'
       AND spent * ((total - done) / done) < interval '1 year' THEN
        RETURN spent * ((total - done) / done);
    END IF;
    RETURN NULL;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $$;
COMMENT ON COLUMN worker.evaluation_attempts.progress IS
    '{"stage": text, "done": n, "total": n, "started": when the stage began, ISO 8601}';

DROP TRIGGER acoustic_workers_emptied_checkpoints ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_deleted_checkpoints ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_over ON public.dataset_eval_jobs;
DROP FUNCTION worker.forget_all_checkpoints();
DROP FUNCTION worker.forget_checkpoints();
DROP TABLE worker.evaluation_checkpoints;
