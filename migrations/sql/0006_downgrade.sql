DROP INDEX public.acoustic_workers_remote_jobs;
DROP INDEX public.acoustic_workers_ended_jobs;
