-- What people and the server change by hand in dataset_eval_jobs is respected. The functions are
-- SECURITY DEFINER because a web server's role may write that table without having any rights in
-- schema worker.

-- A worker's own statements close the attempt first, so here it is still open only when the job was
-- taken out of 'running' by another hand.
CREATE FUNCTION worker.close_cancelled_attempt() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    reason text;
BEGIN
    IF TG_OP = 'DELETE' THEN
        reason := format('The job was deleted by %s while it ran.', session_user);
    ELSE
        reason := format('The job was set from running to %s by %s while it ran%s.',
                         NEW.status, session_user, ': ' || NEW.status_msg);
    END IF;
    UPDATE worker.evaluation_attempts
       SET ended = now(), outcome = 'cancelled', counted = false, retry_at = NULL, error = reason
     WHERE job_id = OLD.id AND ended IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER acoustic_workers_left_running
    AFTER UPDATE OF status ON public.dataset_eval_jobs
    FOR EACH ROW WHEN (OLD.status = 'running' AND NEW.status <> 'running')
    EXECUTE FUNCTION worker.close_cancelled_attempt();

CREATE TRIGGER acoustic_workers_deleted
    AFTER DELETE ON public.dataset_eval_jobs
    FOR EACH ROW EXECUTE FUNCTION worker.close_cancelled_attempt();

CREATE FUNCTION worker.close_all_attempts() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE worker.evaluation_attempts
       SET ended = now(), outcome = 'cancelled', counted = false, retry_at = NULL,
           error = format('All jobs were deleted by %s while it ran.', session_user)
     WHERE ended IS NULL;
    RETURN NULL;
END $$;

CREATE TRIGGER acoustic_workers_emptied
    AFTER TRUNCATE ON public.dataset_eval_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION worker.close_all_attempts();

-- Without this a job that is set back to pending after three failures would fail at its first one.
CREATE FUNCTION worker.forget_failures() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    UPDATE worker.evaluation_attempts
       SET counted = false, retry_at = NULL
     WHERE job_id = NEW.id AND (counted OR retry_at IS NOT NULL);
    RETURN NULL;
END $$;

CREATE TRIGGER acoustic_workers_set_back
    AFTER UPDATE OF status ON public.dataset_eval_jobs
    FOR EACH ROW WHEN (OLD.status IN ('failed', 'done') AND NEW.status = 'pending')
    EXECUTE FUNCTION worker.forget_failures();

-- A hint for workers that wait (a job to take) or train (their job was taken away); polling is the
-- truth. One constant payload, so that Postgres folds the notifications of a transaction into one.
CREATE FUNCTION worker.notify_evaluation() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('acoustic_evaluation', '');
    RETURN NULL;
END $$;

CREATE FUNCTION worker.notify_evaluation_changes() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM new_jobs n JOIN old_jobs o USING (id)
                WHERE n.status <> o.status
                  AND (n.status::text = 'pending' OR o.status::text = 'running')) THEN
        PERFORM pg_notify('acoustic_evaluation', '');
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER acoustic_workers_notify_insert
    AFTER INSERT ON public.dataset_eval_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION worker.notify_evaluation();

CREATE TRIGGER acoustic_workers_notify_delete
    AFTER DELETE ON public.dataset_eval_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION worker.notify_evaluation();

CREATE TRIGGER acoustic_workers_notify_update
    AFTER UPDATE ON public.dataset_eval_jobs
    REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs
    FOR EACH STATEMENT EXECUTE FUNCTION worker.notify_evaluation_changes();
