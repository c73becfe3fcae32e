-- Which models the high-level worker computes, and the file of each.

-- Beside AcousticBrainz's table `model`, which goes on saying who sees a model (its status) and
-- what its classes are called. Nothing is unique there; here a name and version means one file. The
-- foreign key keeps a row from vanishing under models that are being computed.
CREATE TABLE worker.models (
    model integer PRIMARY KEY REFERENCES public.model,
    name text NOT NULL CHECK (name <> ''),
    version text NOT NULL CHECK (version <> ''),
    sha256 char(64) NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    path text NOT NULL CHECK (path <> ''),
    classes text[] NOT NULL CHECK (cardinality(classes) > 1),
    provenance jsonb NOT NULL DEFAULT '{}',
    published timestamptz NOT NULL DEFAULT now(),
    retired timestamptz,
    UNIQUE (name, version)
);
COMMENT ON TABLE worker.models IS 'Models that were published for the high-level worker';
COMMENT ON COLUMN worker.models.model IS 'Its row in AcousticBrainz''s table model';
COMMENT ON COLUMN worker.models.path IS 'Of its file, below the model folder';
COMMENT ON COLUMN worker.models.sha256 IS 'Of its file: another file is another version';
COMMENT ON COLUMN worker.models.provenance IS 'Where the file came from, as JSON';
COMMENT ON COLUMN worker.models.retired IS 'Since then it is not computed any more';

CREATE VIEW worker.published_models AS
    SELECT ours.model AS id, ours.name, ours.version,
           CASE WHEN ours.retired IS NULL THEN theirs.status::text ELSE 'retired' END AS status,
           ours.classes, theirs.class_mapping, ours.sha256, ours.path, ours.provenance,
           ours.published, ours.retired
      FROM worker.models ours JOIN public.model theirs ON theirs.id = ours.model;
COMMENT ON VIEW worker.published_models IS
    'Published models and their status: hidden, evaluation, show or retired';
