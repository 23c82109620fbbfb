-- When each work of upkeep was last done. Plain PostgreSQL has no means to refresh and no chunks.

CREATE FUNCTION upkeep_done() RETURNS TABLE (work text, done_at timestamptz, failed_at timestamptz, error text)
LANGUAGE sql STABLE AS $$
    SELECT w.work, greatest(w.wanted_since, w.succeeded_at), w.failed_at, w.error FROM upkeep_work w
$$;
COMMENT ON FUNCTION upkeep_done IS 'per work of upkeep: the moment up to which it is done, and its last failure';
