-- What a published model predicts by is its content; the same may lie in several files, as a Gaia
-- history and as the bundle made of it.

-- NULL: of a model that was published before. Then only its file says whether another is the same.
ALTER TABLE worker.models
    ADD COLUMN content char(64) CHECK (content ~ '^[0-9a-f]{64}$'),
    ALTER COLUMN path DROP NOT NULL;
COMMENT ON COLUMN worker.models.content IS
    'SHA-256 over what predicts: another content is another version';
COMMENT ON COLUMN worker.models.sha256 IS 'Of its file';
COMMENT ON COLUMN worker.models.path IS
    'Of its file, below the model folder; NULL: only workers whose profile names it compute it';

CREATE OR REPLACE VIEW worker.published_models AS
    SELECT ours.model AS id, ours.name, ours.version,
           CASE WHEN ours.retired IS NULL THEN theirs.status::text ELSE 'retired' END AS status,
           ours.classes, theirs.class_mapping, ours.sha256, ours.path, ours.provenance,
           ours.published, ours.retired, ours.content
      FROM worker.models ours JOIN public.model theirs ON theirs.id = ours.model;
