-- AcousticBrainz's schema 4 as its own scripts leave it: made here independently of the migrations,
-- from the description of its tables, with the rows that a database in use has. Names of indexes
-- and constraints are not those that the migrations give.

CREATE TYPE eval_job_status AS ENUM ('pending', 'running', 'done', 'failed');
CREATE TYPE model_status AS ENUM ('hidden', 'evaluation', 'show');
CREATE TYPE version_type AS ENUM ('lowlevel', 'highlevel');
CREATE TYPE eval_location_type AS ENUM ('local', 'remote');
CREATE TYPE gid_type AS ENUM ('mbid', 'msid');

CREATE TABLE lowlevel (
    id serial, gid uuid NOT NULL, build_sha1 text NOT NULL, lossless boolean DEFAULT 'n',
    submitted timestamptz DEFAULT now(), gid_type gid_type NOT NULL,
    submission_offset integer NOT NULL);
CREATE TABLE lowlevel_json (
    id integer, data jsonb NOT NULL, data_sha256 char(64) NOT NULL, version integer NOT NULL);
CREATE TABLE highlevel (
    id integer, mbid uuid NOT NULL, build_sha1 text NOT NULL, submitted timestamptz DEFAULT now());
CREATE TABLE highlevel_meta (id integer, data jsonb NOT NULL, data_sha256 char(64) NOT NULL);
CREATE TABLE highlevel_model (
    id serial, highlevel integer, data jsonb NOT NULL, data_sha256 char(64) NOT NULL,
    model integer NOT NULL, version integer NOT NULL, created timestamptz DEFAULT now());
CREATE TABLE version (
    id serial, data jsonb NOT NULL, data_sha256 char(64) NOT NULL, type version_type NOT NULL,
    created timestamptz DEFAULT now());
CREATE TABLE model (
    id serial, model text NOT NULL, model_version text NOT NULL, date timestamptz DEFAULT now(),
    status model_status NOT NULL DEFAULT 'hidden', class_mapping jsonb);
CREATE TABLE "user" (
    id serial, created timestamptz DEFAULT now(), musicbrainz_id varchar,
    admin boolean NOT NULL DEFAULT false, gdpr_agreed timestamptz);
CREATE TABLE dataset (
    id uuid, name varchar NOT NULL, description text NOT NULL, author integer NOT NULL,
    public boolean NOT NULL, created timestamptz DEFAULT now(),
    last_edited timestamptz DEFAULT now());
CREATE TABLE dataset_class (
    id serial, name varchar NOT NULL, description text NOT NULL, dataset uuid NOT NULL);
CREATE TABLE dataset_class_member (class integer, mbid uuid);
CREATE TABLE dataset_snapshot (
    id uuid, dataset_id uuid, data jsonb NOT NULL, created timestamptz NOT NULL DEFAULT now());
CREATE TABLE dataset_eval_sets (id serial, data jsonb NOT NULL);
CREATE TABLE dataset_eval_jobs (
    id uuid, snapshot_id uuid NOT NULL, status eval_job_status NOT NULL DEFAULT 'pending',
    status_msg varchar, options jsonb, training_snapshot integer, testing_snapshot integer,
    created timestamptz NOT NULL DEFAULT now(), updated timestamptz NOT NULL DEFAULT now(),
    result jsonb, eval_location eval_location_type NOT NULL DEFAULT 'local');
CREATE TABLE api_key (
    value text NOT NULL, is_active boolean NOT NULL DEFAULT true, owner integer NOT NULL,
    created timestamptz DEFAULT now());
CREATE TABLE feedback (
    user_id integer, highlevel_model_id integer, correct boolean NOT NULL, suggestion text);

ALTER TABLE lowlevel ADD CONSTRAINT lowlevel_pkey PRIMARY KEY (id);
ALTER TABLE lowlevel_json ADD CONSTRAINT lowlevel_json_pkey PRIMARY KEY (id);
ALTER TABLE highlevel ADD CONSTRAINT highlevel_pkey PRIMARY KEY (id);
ALTER TABLE highlevel_meta ADD CONSTRAINT highlevel_meta_pkey PRIMARY KEY (id);
ALTER TABLE highlevel_model ADD CONSTRAINT highlevel_model_pkey PRIMARY KEY (id);
ALTER TABLE version ADD CONSTRAINT version_pkey PRIMARY KEY (id);
ALTER TABLE model ADD CONSTRAINT model_pkey PRIMARY KEY (id);
ALTER TABLE "user" ADD CONSTRAINT user_pkey PRIMARY KEY (id);
ALTER TABLE dataset ADD CONSTRAINT dataset_pkey PRIMARY KEY (id);
ALTER TABLE dataset_class ADD CONSTRAINT dataset_class_pkey PRIMARY KEY (id);
ALTER TABLE dataset_class_member ADD CONSTRAINT dataset_class_member_pkey PRIMARY KEY (class, mbid);
ALTER TABLE dataset_snapshot ADD CONSTRAINT dataset_snapshot_pkey PRIMARY KEY (id);
ALTER TABLE dataset_eval_sets ADD CONSTRAINT dataset_eval_sets_pkey PRIMARY KEY (id);
ALTER TABLE dataset_eval_jobs ADD CONSTRAINT dataset_eval_jobs_pkey PRIMARY KEY (id);
ALTER TABLE api_key ADD CONSTRAINT api_key_pkey PRIMARY KEY (value);
ALTER TABLE feedback ADD CONSTRAINT feedback_pkey PRIMARY KEY (user_id, highlevel_model_id);

ALTER TABLE lowlevel_json
    ADD CONSTRAINT lowlevel_json_fk_lowlevel FOREIGN KEY (id) REFERENCES lowlevel (id),
    ADD CONSTRAINT lowlevel_json_fk_version FOREIGN KEY (version) REFERENCES version (id);
ALTER TABLE highlevel
    ADD CONSTRAINT highlevel_fk_lowlevel FOREIGN KEY (id) REFERENCES lowlevel (id);
ALTER TABLE highlevel_meta
    ADD CONSTRAINT highlevel_meta_fk_highlevel FOREIGN KEY (id) REFERENCES highlevel (id);
ALTER TABLE highlevel_model
    ADD CONSTRAINT highlevel_model_fk_highlevel FOREIGN KEY (highlevel) REFERENCES highlevel (id),
    ADD CONSTRAINT highlevel_model_fk_model FOREIGN KEY (model) REFERENCES model (id),
    ADD CONSTRAINT highlevel_model_fk_version FOREIGN KEY (version) REFERENCES version (id);
ALTER TABLE dataset
    ADD CONSTRAINT dataset_fk_user FOREIGN KEY (author) REFERENCES "user" (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE dataset_class
    ADD CONSTRAINT class_fk_dataset FOREIGN KEY (dataset) REFERENCES dataset (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE dataset_class_member
    ADD CONSTRAINT class_member_fk_class FOREIGN KEY (class) REFERENCES dataset_class (id)
    ON UPDATE CASCADE ON DELETE CASCADE;
ALTER TABLE dataset_snapshot
    ADD CONSTRAINT dataset_id_fk_dataset FOREIGN KEY (dataset_id) REFERENCES dataset (id);
ALTER TABLE dataset_eval_jobs
    ADD CONSTRAINT eval_job_fk_snapshot FOREIGN KEY (snapshot_id) REFERENCES dataset_snapshot (id),
    ADD CONSTRAINT eval_job_fk_training FOREIGN KEY (training_snapshot)
        REFERENCES dataset_eval_sets (id) ON DELETE CASCADE,
    ADD CONSTRAINT eval_job_fk_testing FOREIGN KEY (testing_snapshot)
        REFERENCES dataset_eval_sets (id) ON DELETE CASCADE;
ALTER TABLE api_key ADD CONSTRAINT api_key_fk_user FOREIGN KEY (owner) REFERENCES "user" (id);
ALTER TABLE "user" ADD CONSTRAINT user_musicbrainz_id_key UNIQUE (musicbrainz_id);

CREATE INDEX lowlevel_gid ON lowlevel (gid);
CREATE INDEX lowlevel_gid_type ON lowlevel (gid_type);
CREATE INDEX lowlevel_build ON lowlevel (build_sha1);
CREATE INDEX lowlevel_submitted ON lowlevel (submitted);
CREATE INDEX lowlevel_lossless ON lowlevel (lossless);
CREATE INDEX lowlevel_gid_offset ON lowlevel (gid, submission_offset);
CREATE UNIQUE INDEX lowlevel_json_hash ON lowlevel_json (data_sha256);
CREATE INDEX highlevel_mbid ON highlevel (mbid);
CREATE INDEX highlevel_build ON highlevel (build_sha1);
CREATE INDEX highlevel_meta_hash ON highlevel_meta (data_sha256);
CREATE UNIQUE INDEX highlevel_model_hash ON highlevel_model (data_sha256, highlevel, model);
CREATE INDEX highlevel_model_model ON highlevel_model (model);
CREATE INDEX highlevel_model_version ON highlevel_model (version);
CREATE INDEX highlevel_model_highlevel ON highlevel_model (highlevel);
CREATE UNIQUE INDEX user_lower_name ON "user" (lower(musicbrainz_id));

COMMENT ON TABLE dataset_eval_jobs IS 'Somebody''s own comment';

INSERT INTO "user" (musicbrainz_id) VALUES ('somebody');
INSERT INTO model (model, model_version, status) VALUES ('mood_sad', 'v2.1_beta1', 'show');
INSERT INTO version (data, data_sha256, type) VALUES ('{}', repeat('0', 64), 'lowlevel');
INSERT INTO lowlevel (gid, build_sha1, gid_type, submission_offset)
VALUES ('a0000000-0000-4000-8000-000000000001', 'abc', 'mbid', 0);
INSERT INTO lowlevel_json (id, data, data_sha256, version) VALUES (1, '{}', repeat('1', 64), 1);
INSERT INTO dataset (id, name, description, author, public)
VALUES ('d0000000-0000-4000-8000-000000000001', 'moods', '', 1, true);
INSERT INTO dataset_snapshot (id, dataset_id, data)
VALUES ('50000000-0000-4000-8000-000000000001', 'd0000000-0000-4000-8000-000000000001',
        '{"name": "moods", "description": "", "classes": []}');
INSERT INTO dataset_eval_sets (data) VALUES ('{}'), ('{}');
INSERT INTO dataset_eval_jobs (id, snapshot_id, status, training_snapshot, testing_snapshot)
VALUES ('e0000000-0000-4000-8000-000000000001', '50000000-0000-4000-8000-000000000001',
        'done', 1, 2),
       ('e0000000-0000-4000-8000-000000000002', '50000000-0000-4000-8000-000000000001',
        'running', NULL, NULL),
       ('e0000000-0000-4000-8000-000000000003', '50000000-0000-4000-8000-000000000001',
        'pending', NULL, NULL);
