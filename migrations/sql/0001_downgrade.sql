-- Without CASCADE: where somebody else's table refers to one of ours, the downgrade stops.
DO $$
DECLARE
    made record;
BEGIN
    FOR made IN
        SELECT kind, name
          FROM worker.created
          JOIN unnest(ARRAY[
                'dataset_eval_jobs', 'dataset_eval_sets', 'dataset_snapshot',
                'dataset_class_member', 'dataset_class', 'dataset', 'user', 'highlevel_model',
                'highlevel_meta', 'highlevel', 'model', 'lowlevel_json', 'lowlevel', 'version',
                'gid_type', 'eval_location_type', 'version_type', 'model_status',
                'eval_job_status']) WITH ORDINALITY AS known (name, place) USING (name)
      ORDER BY place
    LOOP
        EXECUTE format('DROP %s IF EXISTS public.%I', made.kind, made.name);
    END LOOP;
END $$;

DROP TABLE worker.created;
DROP SCHEMA worker;
