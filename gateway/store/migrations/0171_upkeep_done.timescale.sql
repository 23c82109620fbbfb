-- When each work of upkeep was last done, on TimescaleDB. A means is done when the scheduler's job or our own run
-- succeeded. For compression and retention the outcome counts, not a report: the oldest chunk that is overdue.

-- What the policies of before may have deleted already.
INSERT INTO storage_limit (relation, dropped_before)
SELECT coalesce(a.view_name, j.hypertable_name), now() - (j.config ->> 'drop_after')::interval
FROM timescaledb_information.jobs j
LEFT JOIN timescaledb_information.continuous_aggregates a
       ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name)  -- which of the two depends on the version
WHERE j.proc_name = 'policy_retention';

CREATE FUNCTION scheduler_done() RETURNS TABLE (work text, done_at timestamptz)
LANGUAGE sql STABLE AS $$
    SELECT replace(a.view_name, 'observation_', 'means_'), nullif(max(s.last_successful_finish), '-infinity')
    FROM timescaledb_information.jobs j
    JOIN timescaledb_information.continuous_aggregates a
      ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name)
    JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
    WHERE j.proc_name = 'policy_refresh_continuous_aggregate'
    GROUP BY 1
$$;
COMMENT ON FUNCTION scheduler_done IS 'when TimescaleDB''s scheduler last succeeded in refreshing each of the means';

CREATE FUNCTION overdue_chunks() RETURNS TABLE (work text, relation text, chunk text, since timestamptz)
LANGUAGE sql STABLE AS $$
    WITH chunk AS (
        SELECT coalesce(a.view_name, c.hypertable_name) AS relation, format('%I.%I', c.chunk_schema, c.chunk_name) AS name,
               c.range_end, c.is_compressed, c.chunk_creation_time AS created_at
        FROM timescaledb_information.chunks c
        LEFT JOIN timescaledb_information.continuous_aggregates a
               ON (a.materialization_hypertable_schema, a.materialization_hypertable_name)
                = (c.hypertable_schema, c.hypertable_name)
    )
    SELECT 'compression', c.relation, c.name, greatest(c.range_end + l.compress_after, c.created_at, l.changed_at)
    FROM chunk c JOIN storage_limit l USING (relation)
    WHERE NOT c.is_compressed AND c.range_end < now() - l.compress_after
    UNION ALL
    SELECT 'retention', c.relation, c.name, greatest(c.range_end + l.drop_after, c.created_at, l.changed_at)
    FROM chunk c JOIN storage_limit l USING (relation)
    WHERE c.range_end < now() - l.drop_after
$$;
COMMENT ON FUNCTION overdue_chunks IS 'chunks that should be compressed or dropped by now, and since when';

CREATE FUNCTION upkeep_done() RETURNS TABLE (work text, done_at timestamptz, failed_at timestamptz, error text)
LANGUAGE sql STABLE AS $$
    SELECT w.work,
           CASE WHEN w.work IN ('compression', 'retention')
                THEN coalesce((SELECT min(o.since) FROM overdue_chunks() o WHERE o.work = w.work), now())
                ELSE greatest(w.wanted_since, w.succeeded_at, s.done_at) END,
           w.failed_at, w.error
    FROM upkeep_work w LEFT JOIN scheduler_done() s USING (work)
$$;
COMMENT ON FUNCTION upkeep_done IS 'per work of upkeep: the moment up to which it is done, and its last failure';
