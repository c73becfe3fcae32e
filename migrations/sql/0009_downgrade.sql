ALTER TABLE worker.highlevel_queue DROP COLUMN refused_by;
