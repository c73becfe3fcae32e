DROP TRIGGER acoustic_workers_notify_documents ON public.lowlevel_json;
DROP TRIGGER acoustic_workers_enqueue ON public.lowlevel_json;
DROP FUNCTION worker.notify_highlevel();
DROP FUNCTION worker.enqueue_highlevel();
DROP TABLE worker.highlevel_backfills;
DROP TABLE worker.highlevel_sweep;
DROP TABLE worker.highlevel_queue;
DROP VIEW worker.published_models;
DROP TABLE worker.models;
