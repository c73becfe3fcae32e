DROP VIEW worker.job_status;
DROP VIEW worker.evaluation_jobs;
DROP FUNCTION worker.time_left(jsonb);
DROP FUNCTION worker.retry_evaluation(uuid);
DROP FUNCTION worker.cancel_evaluation(uuid);
DROP FUNCTION worker.enqueue_evaluation(uuid, jsonb);

DROP TRIGGER acoustic_workers_notify_update ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_notify_delete ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_notify_insert ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_set_back ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_emptied ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_deleted ON public.dataset_eval_jobs;
DROP TRIGGER acoustic_workers_left_running ON public.dataset_eval_jobs;
DROP FUNCTION worker.notify_evaluation_changes();
DROP FUNCTION worker.notify_evaluation();
DROP FUNCTION worker.forget_failures();
DROP FUNCTION worker.close_all_attempts();
DROP FUNCTION worker.close_cancelled_attempt();

DROP FUNCTION worker.backoff(bigint, interval);
DROP INDEX public.acoustic_workers_running_jobs;
DROP INDEX public.acoustic_workers_pending_jobs;

DO $$
BEGIN
    IF EXISTS (SELECT FROM worker.created WHERE name = 'dataset_eval_jobs.id') THEN
        ALTER TABLE public.dataset_eval_jobs ALTER COLUMN id DROP DEFAULT;
        DELETE FROM worker.created WHERE name = 'dataset_eval_jobs.id';
    END IF;
END $$;

DROP TABLE worker.evaluation_attempts;
