-- Three roles with no more rights than their work takes. They cannot log in: grant them to those who
-- do (CREATE ROLE evaluator LOGIN PASSWORD '…' IN ROLE acoustic_worker). Doing it again is fine.
--
-- acoustic_worker    the daemons, `acoustic evaluator` and `acoustic highlevel run`
-- acoustic_enqueuer  asks for evaluations, cancels them and looks at the queue, by functions and views
-- acoustic_reader    looks at everything but user accounts

-- Roles belong to all databases of a server, so they may be there already.
DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['acoustic_worker', 'acoustic_enqueuer', 'acoustic_reader'] LOOP
        IF to_regrole(wanted) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
        END IF;
        -- Everybody may use schema public, unless somebody took that right away.
        IF NOT has_schema_privilege(wanted, 'public', 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', wanted);
        END IF;
    END LOOP;
END $$;

GRANT USAGE ON SCHEMA worker TO acoustic_worker, acoustic_enqueuer, acoustic_reader;
GRANT SELECT ON public.acoustic_workers_revision
    TO acoustic_worker, acoustic_enqueuer, acoustic_reader;
GRANT SELECT ON worker.evaluation_jobs, worker.job_status, worker.pauses
    TO acoustic_worker, acoustic_enqueuer, acoustic_reader;

GRANT EXECUTE ON FUNCTION worker.enqueue_evaluation(uuid, jsonb), worker.cancel_evaluation(uuid)
    TO acoustic_enqueuer;
-- What the view shows of it; lists are put in order by the indexes of the table.
GRANT SELECT (id, status, eval_location, created, updated) ON public.dataset_eval_jobs
    TO acoustic_enqueuer;

GRANT SELECT ON
    public.dataset, public.dataset_class, public.dataset_class_member, public.dataset_snapshot,
    public.dataset_eval_jobs, public.dataset_eval_sets,
    public.lowlevel, public.lowlevel_json, public.version, public.model,
    public.highlevel, public.highlevel_meta, public.highlevel_model
    TO acoustic_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA worker TO acoustic_reader;

-- Evaluation. Not options and snapshot of a job: what was asked for stays as it was.
GRANT SELECT ON
    public.dataset, public.dataset_snapshot, public.dataset_eval_jobs, public.dataset_eval_sets,
    public.lowlevel, public.lowlevel_json
    TO acoustic_worker;
GRANT UPDATE (status, status_msg, updated, result, training_snapshot, testing_snapshot)
    ON public.dataset_eval_jobs TO acoustic_worker;
GRANT INSERT ON public.dataset_eval_sets TO acoustic_worker;
GRANT SELECT, INSERT, UPDATE ON worker.evaluation_attempts TO acoustic_worker;
GRANT SELECT, INSERT ON worker.evaluation_checkpoints TO acoustic_worker;

-- Outputs of models. A profile may name models that AcousticBrainz's table lacks.
GRANT SELECT ON
    public.version, public.model, public.highlevel, public.highlevel_meta, public.highlevel_model,
    worker.models, worker.published_models, worker.highlevel_backfills
    TO acoustic_worker;
GRANT INSERT ON public.version, public.highlevel, public.highlevel_meta, public.highlevel_model
    TO acoustic_worker;
GRANT UPDATE (build_sha1, submitted) ON public.highlevel TO acoustic_worker;
GRANT INSERT (model, model_version, status) ON public.model TO acoustic_worker;
-- Not path: a file for all workers is given by whoever publishes.
GRANT INSERT (model, name, version, sha256, content, classes, provenance)
    ON worker.models TO acoustic_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON worker.highlevel_queue TO acoustic_worker;
GRANT SELECT, INSERT, UPDATE ON worker.highlevel_sweep TO acoustic_worker;

DO $$
DECLARE
    wanted text;
    numbers text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['dataset_eval_sets', 'version', 'model', 'highlevel_model'] LOOP
        numbers := pg_get_serial_sequence('public.' || wanted, 'id');
        IF numbers IS NOT NULL THEN
            EXECUTE format('GRANT USAGE ON SEQUENCE %s TO acoustic_worker', numbers);
        END IF;
    END LOOP;
END $$;
