-- The history of evaluation jobs, and what tells one claim of a job from the next.

-- No foreign key to dataset_eval_jobs: the history outlives a deleted job, and the server may go on
-- deleting jobs as it always did. No index on lease_until: it changes at every renewal, and an
-- index on it would make each of those a new index entry (no HOT update).
CREATE TABLE worker.evaluation_attempts (
    job_id uuid NOT NULL,
    attempt integer NOT NULL CHECK (attempt > 0),
    worker text NOT NULL,
    host text NOT NULL,
    started timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,
    ended timestamptz,
    outcome text CHECK (outcome IN
        ('done', 'error', 'crashed', 'timeout', 'lost', 'interrupted', 'cancelled')),
    counted boolean NOT NULL DEFAULT false,
    retry_at timestamptz,
    error text,
    traceback text,
    exit_code integer,
    signal integer,
    peak_memory bigint CHECK (peak_memory >= 0),
    cpu_seconds double precision CHECK (cpu_seconds >= 0),
    progress jsonb,
    PRIMARY KEY (job_id, attempt),
    CONSTRAINT an_ended_attempt_has_an_outcome CHECK ((ended IS NULL) = (outcome IS NULL))
) WITH (fillfactor = 80);

CREATE UNIQUE INDEX one_open_attempt_per_job
    ON worker.evaluation_attempts (job_id) WHERE ended IS NULL;

COMMENT ON TABLE worker.evaluation_attempts IS
    'One row per claim of an evaluation job; (job_id, attempt) is the fence of every write';
COMMENT ON COLUMN worker.evaluation_attempts.lease_until IS
    'By the clock of the database: past it, the worker is taken for dead';
COMMENT ON COLUMN worker.evaluation_attempts.counted IS
    'Weighs towards the limit of attempts (errors, crashes, timeouts, lost workers)';
COMMENT ON COLUMN worker.evaluation_attempts.retry_at IS
    'The job waits until then before it is claimed again';
COMMENT ON COLUMN worker.evaluation_attempts.error IS 'One sentence for a person';
COMMENT ON COLUMN worker.evaluation_attempts.peak_memory IS 'Bytes';
COMMENT ON COLUMN worker.evaluation_attempts.progress IS
    '{"stage": text, "done": n, "total": n, "started": when the stage began, ISO 8601}';

-- AcousticBrainz makes the ids of its jobs in Python; with a default an INSERT of snapshot_id and
-- options is enough. A default that is there already is kept.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_attrdef d
                     JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
                    WHERE d.adrelid = 'public.dataset_eval_jobs'::regclass AND a.attname = 'id')
    THEN
        ALTER TABLE public.dataset_eval_jobs ALTER COLUMN id SET DEFAULT gen_random_uuid();
        INSERT INTO worker.created VALUES ('default', 'dataset_eval_jobs.id');
    END IF;
END $$;

-- Polling must not read the history of all jobs.
CREATE INDEX acoustic_workers_pending_jobs ON public.dataset_eval_jobs (created, id)
    WHERE status = 'pending' AND eval_location = 'local';
CREATE INDEX acoustic_workers_running_jobs ON public.dataset_eval_jobs (id)
    WHERE status = 'running';

-- 30 s, 1 min, 2 min … of an attempt's failures so far, at most an hour, less up to a quarter at
-- random, so that jobs that failed together do not come back together.
CREATE FUNCTION worker.backoff(failures bigint, base interval DEFAULT '30 s') RETURNS interval
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
    SELECT least(interval '1 hour', base * power(2, least(failures, 20))) * (1 - random() / 4)
$$;
