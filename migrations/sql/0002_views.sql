-- An attempt's progress is JSON that a worker wrote: what cannot be read as progress gives NULL
-- here, rather than an error that takes the whole view away.
CREATE FUNCTION worker.time_left(progress jsonb) RETURNS interval
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

CREATE VIEW worker.evaluation_jobs AS
SELECT j.id, coalesce(d.name, s.data ->> 'name') AS dataset, j.status::text AS status,
       queue.position, a.attempt, CASE WHEN a.ended IS NULL THEN a.worker END AS worker,
       CASE WHEN a.ended IS NULL THEN a.progress END AS progress,
       CASE WHEN a.ended IS NULL THEN worker.time_left(a.progress) END AS time_left,
       CASE WHEN j.status = 'pending' THEN a.retry_at END AS retry_at,
       j.created, j.updated,
       coalesce(j.status_msg, CASE WHEN j.status <> 'done' THEN last.error END) AS reason
  FROM public.dataset_eval_jobs j
  LEFT JOIN public.dataset_snapshot s ON s.id = j.snapshot_id
  LEFT JOIN public.dataset d ON d.id = s.dataset_id
  LEFT JOIN (SELECT id, row_number() OVER (ORDER BY created, id) AS position
               FROM public.dataset_eval_jobs
              WHERE status = 'pending' AND eval_location = 'local') queue ON queue.id = j.id
  LEFT JOIN LATERAL (SELECT * FROM worker.evaluation_attempts a
                      WHERE a.job_id = j.id ORDER BY a.attempt DESC LIMIT 1) a ON true
  LEFT JOIN LATERAL (SELECT l.error FROM worker.evaluation_attempts l
                      WHERE l.job_id = j.id AND l.ended IS NOT NULL
                   ORDER BY l.attempt DESC LIMIT 1) last ON true;
COMMENT ON VIEW worker.evaluation_jobs IS 'Every evaluation job with its latest attempt, for programs';

CREATE VIEW worker.job_status AS
SELECT dataset, status, position AS pos, attempt AS try, worker, progress ->> 'stage' AS stage,
       CASE WHEN progress ->> 'done' ~ '^\d{1,9}$' AND progress ->> 'total' ~ '^\d{1,9}$'
            THEN format('%s/%s', progress ->> 'done', progress ->> 'total')
                 || coalesce(format(' %s%%', 100 * (progress ->> 'done')::bigint
                                             / nullif((progress ->> 'total')::bigint, 0)), '')
            WHEN retry_at > now()
            THEN format('again in %s', date_trunc('second', retry_at - now())) END AS progress,
       date_trunc('second', time_left) AS "left",
       date_trunc('second', now() - created) AS age,
       left(split_part(reason, E'\n', 1), 100) AS reason, id AS job
  FROM worker.evaluation_jobs
 ORDER BY array_position(ARRAY['running', 'pending'], status), position,
          CASE WHEN status IN ('running', 'pending') THEN created END, updated DESC, id;
COMMENT ON VIEW worker.job_status IS
    'For people: SELECT * FROM worker.job_status LIMIT 20 \watch 2';
