-- AcousticBrainz's schema 4, as far as the workers use it. On a database that already has these
-- types and tables nothing is made twice and nothing is altered.

DO $$
BEGIN
    IF to_regnamespace('worker') IS NOT NULL THEN
        RAISE EXCEPTION 'This database has a schema named worker that acoustic-workers did not make.'
            USING HINT = 'Rename it (ALTER SCHEMA worker RENAME TO …), or use another database.';
    END IF;
END $$;

CREATE SCHEMA worker;
COMMENT ON SCHEMA worker IS 'Everything of acoustic-workers that is not a table of AcousticBrainz';

-- What the migrations made on ground that is not theirs. A downgrade drops what is listed here and
-- nothing else, so that a database which had these tables before keeps them.
CREATE TABLE worker.created (
    kind text NOT NULL CHECK (kind IN ('type', 'table', 'default')),
    name text NOT NULL,
    PRIMARY KEY (kind, name)
);
COMMENT ON TABLE worker.created IS
    'What the migrations made outside schema worker; a downgrade drops these and nothing else';

-- In the order in which they can be made; the downgrade goes backwards through it.
CREATE FUNCTION worker.create_missing(kind text, name text, definition text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF kind = 'type' AND to_regtype('public.' || quote_ident(name)) IS NULL
       OR kind = 'table' AND to_regclass('public.' || quote_ident(name)) IS NULL THEN
        EXECUTE definition;
        INSERT INTO worker.created VALUES (kind, name);
    END IF;
END $$;

SELECT worker.create_missing('type', 'eval_job_status',
    $$CREATE TYPE public.eval_job_status AS ENUM ('pending', 'running', 'done', 'failed')$$);
SELECT worker.create_missing('type', 'model_status',
    $$CREATE TYPE public.model_status AS ENUM ('hidden', 'evaluation', 'show')$$);
SELECT worker.create_missing('type', 'version_type',
    $$CREATE TYPE public.version_type AS ENUM ('lowlevel', 'highlevel')$$);
SELECT worker.create_missing('type', 'eval_location_type',
    $$CREATE TYPE public.eval_location_type AS ENUM ('local', 'remote')$$);
SELECT worker.create_missing('type', 'gid_type',
    $$CREATE TYPE public.gid_type AS ENUM ('mbid', 'msid')$$);

SELECT worker.create_missing('table', 'version', $$
    CREATE TABLE public.version (
        id serial PRIMARY KEY,
        data jsonb NOT NULL,
        data_sha256 char(64) NOT NULL,
        type version_type NOT NULL,
        created timestamptz DEFAULT now()
    )$$);

SELECT worker.create_missing('table', 'lowlevel', $$
    CREATE TABLE public.lowlevel (
        id serial PRIMARY KEY,
        gid uuid NOT NULL,
        build_sha1 text NOT NULL,
        lossless boolean DEFAULT false,
        submitted timestamptz DEFAULT now(),
        gid_type gid_type NOT NULL,
        submission_offset integer NOT NULL
    );
    CREATE INDEX gid_ndx_lowlevel ON public.lowlevel (gid);
    CREATE INDEX gid_type_ndx_lowlevel ON public.lowlevel (gid_type);
    CREATE INDEX build_sha1_ndx_lowlevel ON public.lowlevel (build_sha1);
    CREATE INDEX submitted_ndx_lowlevel ON public.lowlevel (submitted);
    CREATE INDEX lossless_ndx_lowlevel ON public.lowlevel (lossless);
    CREATE INDEX gid_submission_offset_ndx_lowlevel
        ON public.lowlevel (gid, submission_offset)$$);

SELECT worker.create_missing('table', 'lowlevel_json', $$
    CREATE TABLE public.lowlevel_json (
        id integer PRIMARY KEY REFERENCES public.lowlevel,
        data jsonb NOT NULL,
        data_sha256 char(64) NOT NULL,
        version integer NOT NULL REFERENCES public.version
    );
    CREATE UNIQUE INDEX data_sha256_ndx_lowlevel_json
        ON public.lowlevel_json (data_sha256)$$);

SELECT worker.create_missing('table', 'model', $$
    CREATE TABLE public.model (
        id serial PRIMARY KEY,
        model text NOT NULL,
        model_version text NOT NULL,
        date timestamptz DEFAULT now(),
        status model_status NOT NULL DEFAULT 'hidden',
        class_mapping jsonb
    )$$);

SELECT worker.create_missing('table', 'highlevel', $$
    CREATE TABLE public.highlevel (
        id integer PRIMARY KEY REFERENCES public.lowlevel,
        mbid uuid NOT NULL,
        build_sha1 text NOT NULL,
        submitted timestamptz DEFAULT now()
    );
    CREATE INDEX mbid_ndx_highlevel ON public.highlevel (mbid);
    CREATE INDEX build_sha1_ndx_highlevel ON public.highlevel (build_sha1)$$);

SELECT worker.create_missing('table', 'highlevel_meta', $$
    CREATE TABLE public.highlevel_meta (
        id integer PRIMARY KEY REFERENCES public.highlevel,
        data jsonb NOT NULL,
        data_sha256 char(64) NOT NULL
    );
    CREATE INDEX data_sha256_ndx_highlevel_meta ON public.highlevel_meta (data_sha256)$$);

SELECT worker.create_missing('table', 'highlevel_model', $$
    CREATE TABLE public.highlevel_model (
        id serial PRIMARY KEY,
        highlevel integer REFERENCES public.highlevel,
        data jsonb NOT NULL,
        data_sha256 char(64) NOT NULL,
        model integer NOT NULL REFERENCES public.model,
        version integer NOT NULL REFERENCES public.version,
        created timestamptz DEFAULT now()
    );
    CREATE UNIQUE INDEX data_sha256_highlevel_model_ndx_highlevel_model
        ON public.highlevel_model (data_sha256, highlevel, model);
    CREATE INDEX model_ndx_highlevel_model ON public.highlevel_model (model);
    CREATE INDEX version_ndx_highlevel_model ON public.highlevel_model (version);
    CREATE INDEX highlevel_ndx_highlevel_model ON public.highlevel_model (highlevel)$$);

SELECT worker.create_missing('table', 'user', $$
    CREATE TABLE public."user" (
        id serial PRIMARY KEY,
        created timestamptz DEFAULT now(),
        musicbrainz_id varchar UNIQUE,
        admin boolean NOT NULL DEFAULT false,
        gdpr_agreed timestamptz
    );
    CREATE UNIQUE INDEX lower_musicbrainz_id_ndx_user
        ON public."user" (lower(musicbrainz_id))$$);

SELECT worker.create_missing('table', 'dataset', $$
    CREATE TABLE public.dataset (
        id uuid PRIMARY KEY,
        name varchar NOT NULL,
        description text NOT NULL,
        author integer NOT NULL REFERENCES public."user" ON UPDATE CASCADE ON DELETE CASCADE,
        public boolean NOT NULL,
        created timestamptz DEFAULT now(),
        last_edited timestamptz DEFAULT now()
    )$$);

SELECT worker.create_missing('table', 'dataset_class', $$
    CREATE TABLE public.dataset_class (
        id serial PRIMARY KEY,
        name varchar NOT NULL,
        description text NOT NULL,
        dataset uuid NOT NULL REFERENCES public.dataset ON UPDATE CASCADE ON DELETE CASCADE
    )$$);

SELECT worker.create_missing('table', 'dataset_class_member', $$
    CREATE TABLE public.dataset_class_member (
        class integer REFERENCES public.dataset_class ON UPDATE CASCADE ON DELETE CASCADE,
        mbid uuid,
        PRIMARY KEY (class, mbid)
    )$$);

SELECT worker.create_missing('table', 'dataset_snapshot', $$
    CREATE TABLE public.dataset_snapshot (
        id uuid PRIMARY KEY,
        dataset_id uuid REFERENCES public.dataset,
        data jsonb NOT NULL,
        created timestamptz NOT NULL DEFAULT now()
    )$$);

SELECT worker.create_missing('table', 'dataset_eval_sets', $$
    CREATE TABLE public.dataset_eval_sets (
        id serial PRIMARY KEY,
        data jsonb NOT NULL
    )$$);

SELECT worker.create_missing('table', 'dataset_eval_jobs', $$
    CREATE TABLE public.dataset_eval_jobs (
        id uuid PRIMARY KEY,
        snapshot_id uuid NOT NULL REFERENCES public.dataset_snapshot,
        status eval_job_status NOT NULL DEFAULT 'pending',
        status_msg varchar,
        options jsonb,
        training_snapshot integer REFERENCES public.dataset_eval_sets ON DELETE CASCADE,
        testing_snapshot integer REFERENCES public.dataset_eval_sets ON DELETE CASCADE,
        created timestamptz NOT NULL DEFAULT now(),
        updated timestamptz NOT NULL DEFAULT now(),
        result jsonb,
        eval_location eval_location_type NOT NULL DEFAULT 'local'
    )$$);

DROP FUNCTION worker.create_missing(text, text, text);

-- A database that has some of these tables in an older form would fail later, in the middle of a
-- job and with a message that names no cause.
DO $$
DECLARE
    missing text;
BEGIN
    SELECT string_agg(format('%s.%s', wanted.relation, wanted.attribute), ', ')
      INTO missing
      FROM (VALUES
            ('lowlevel', 'gid'), ('lowlevel', 'gid_type'), ('lowlevel', 'submission_offset'),
            ('lowlevel_json', 'data_sha256'), ('lowlevel_json', 'version'),
            ('highlevel_model', 'model'), ('highlevel_model', 'version'),
            ('model', 'class_mapping'), ('dataset_snapshot', 'data'),
            ('dataset_snapshot', 'dataset_id'), ('dataset_eval_sets', 'data'),
            ('dataset_eval_jobs', 'snapshot_id'), ('dataset_eval_jobs', 'options'),
            ('dataset_eval_jobs', 'eval_location'), ('dataset_eval_jobs', 'training_snapshot'),
            ('dataset_eval_jobs', 'testing_snapshot')
           ) AS wanted (relation, attribute)
     WHERE NOT EXISTS (SELECT FROM pg_attribute
                        WHERE attrelid = to_regclass('public.' || quote_ident(wanted.relation))
                          AND attname = wanted.attribute AND NOT attisdropped);
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'This database has tables of an AcousticBrainz older than schema 4: % missing.',
            missing USING HINT = 'Apply AcousticBrainz''s own updates first, or use an empty database.';
    END IF;
END $$;
