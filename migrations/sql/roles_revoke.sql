-- Takes from the three roles all rights on this database; where there are none, nothing happens. The
-- roles stay: they belong to all databases of the server, and somebody's login may be in them.
DO $$
DECLARE
    held record;
BEGIN
    FOR held IN
        SELECT r.rolname, c.oid::regclass AS relation,
               CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END AS kind
          FROM pg_roles r, pg_class c
         WHERE r.rolname IN ('acoustic_worker', 'acoustic_enqueuer', 'acoustic_reader')
           AND c.relnamespace IN ('public'::regnamespace, 'worker'::regnamespace)
           AND (EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = r.oid)
                OR EXISTS (SELECT FROM pg_attribute t, aclexplode(t.attacl) a
                            WHERE t.attrelid = c.oid AND a.grantee = r.oid))
    LOOP
        EXECUTE format('REVOKE ALL ON %s %s FROM %I', held.kind, held.relation, held.rolname);
    END LOOP;

    FOR held IN
        SELECT r.rolname, p.oid::regprocedure AS name
          FROM pg_roles r, pg_proc p, aclexplode(p.proacl) a
         WHERE r.rolname IN ('acoustic_worker', 'acoustic_enqueuer', 'acoustic_reader')
           AND p.pronamespace = 'worker'::regnamespace AND a.grantee = r.oid
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM %I', held.name, held.rolname);
    END LOOP;

    FOR held IN
        SELECT r.rolname, n.nspname
          FROM pg_roles r, pg_namespace n, aclexplode(n.nspacl) a
         WHERE r.rolname IN ('acoustic_worker', 'acoustic_enqueuer', 'acoustic_reader')
           AND n.nspname IN ('public', 'worker') AND a.grantee = r.oid
    LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %I', held.nspname, held.rolname);
    END LOOP;
END $$;
