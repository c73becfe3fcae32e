-- A model that is not shown takes no outputs from those that are. What it could not be used with is
-- kept, so that retiring it puts its recordings back, and other backfills pass over none of them.
ALTER TABLE worker.highlevel_queue ADD COLUMN refused_by integer[];
COMMENT ON COLUMN worker.highlevel_queue.refused_by IS
    'Ids in AcousticBrainz''s model: those that could not use the document of a recording that failed';
