-- People see the jobs that ended last. Also those of a remote evaluator wait, which the index for
-- claiming leaves out.
CREATE INDEX acoustic_workers_ended_jobs ON public.dataset_eval_jobs (updated DESC, id)
    WHERE status IN ('done', 'failed');
CREATE INDEX acoustic_workers_remote_jobs ON public.dataset_eval_jobs (created, id)
    WHERE status = 'pending' AND eval_location = 'remote';
