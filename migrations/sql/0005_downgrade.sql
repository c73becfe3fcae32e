DO $$
DECLARE
    made record;
BEGIN
    FOR made IN SELECT oid::regprocedure AS name FROM pg_proc
                 WHERE pronamespace = 'worker'::regnamespace AND prosecdef LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO PUBLIC', made.name);
    END LOOP;
END $$;

DROP FUNCTION worker.retry_evaluation(uuid);
DROP FUNCTION worker.cancel_evaluation(uuid);
DROP FUNCTION worker.enqueue_evaluation(uuid, jsonb);
