DROP FUNCTION worker.resume_highlevel();
DROP FUNCTION worker.pause_highlevel(text);
DELETE FROM worker.pauses WHERE queue = 'highlevel';
ALTER TABLE worker.pauses
    DROP CONSTRAINT pauses_queue_check,
    ADD CONSTRAINT pauses_queue_check CHECK (queue IN ('evaluation'));
DROP INDEX worker.highlevel_queue_claimed;
DROP INDEX worker.highlevel_queue_left;
DROP INDEX worker.highlevel_queue_new;
ALTER TABLE worker.highlevel_queue DROP COLUMN models;
CREATE INDEX highlevel_queue_new ON worker.highlevel_queue (priority, id)
    WHERE attempts = 0 AND failed IS NULL;
