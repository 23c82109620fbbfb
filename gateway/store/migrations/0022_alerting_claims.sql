-- Who is sending: where that database session is gone, its worker died, and nobody need wait for the lease.

ALTER TABLE alerting.outbox ADD COLUMN claimed_by int;  -- pg_backend_pid()
