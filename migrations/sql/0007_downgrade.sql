-- A view can be given columns, but none can be taken from it.
DROP VIEW worker.published_models;
CREATE VIEW worker.published_models AS
    SELECT ours.model AS id, ours.name, ours.version,
           CASE WHEN ours.retired IS NULL THEN theirs.status::text ELSE 'retired' END AS status,
           ours.classes, theirs.class_mapping, ours.sha256, ours.path, ours.provenance,
           ours.published, ours.retired
      FROM worker.models ours JOIN public.model theirs ON theirs.id = ours.model;
COMMENT ON VIEW worker.published_models IS
    'Published models and their status: hidden, evaluation, show or retired';

-- Profiles name them again; what they computed belongs to AcousticBrainz's table.
DELETE FROM worker.models WHERE path IS NULL;
ALTER TABLE worker.models DROP COLUMN content, ALTER COLUMN path SET NOT NULL;
COMMENT ON COLUMN worker.models.path IS 'Of its file, below the model folder';
COMMENT ON COLUMN worker.models.sha256 IS 'Of its file: another file is another version';
