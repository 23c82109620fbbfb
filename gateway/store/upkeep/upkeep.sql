-- Upkeep. Run by `piekwacht upkeep`, by `piekwacht migrate` (the works that are wanted), and read by the doctor.

-- name: try_lock
-- Two runs at once would wait for each other's tables.
SELECT pg_try_advisory_lock(7431117)

-- name: unlock
SELECT pg_advisory_unlock(7431117)

-- name: set_session
-- Readings are stored meanwhile: a table that somebody uses is left alone until the next run, rather than that
-- writers queue behind us.
SELECT set_config('lock_timeout', '10s', false), set_config('client_min_messages', 'warning', false),
       set_config('application_name', 'piekwacht upkeep', false)

-- name: register_works
INSERT INTO upkeep_work (work) SELECT unnest(%(works)s::text[]) ON CONFLICT DO NOTHING

-- name: delete_other_works
DELETE FROM upkeep_work WHERE work <> ALL(%(works)s::text[])

-- name: register_limits
-- What was deleted under an earlier limit stays deleted, so `dropped_before` only grows.
INSERT INTO storage_limit AS l (relation, compress_after, drop_after, dropped_before)
SELECT relation, make_interval(days => compress_days), make_interval(days => drop_days), now() - make_interval(days => drop_days)
FROM unnest(%(relations)s::text[], %(compress_days)s::int[], %(drop_days)s::int[]) AS u(relation, compress_days, drop_days)
ON CONFLICT (relation) DO UPDATE SET
    dropped_before = greatest(l.dropped_before, now() - l.drop_after, excluded.dropped_before),
    changed_at = CASE WHEN (l.compress_after, l.drop_after) IS DISTINCT FROM (excluded.compress_after, excluded.drop_after)
                      THEN now() ELSE l.changed_at END,
    compress_after = excluded.compress_after, drop_after = excluded.drop_after

-- name: select_states
SELECT work, succeeded_at FROM upkeep_work

-- name: select_scheduler_done
SELECT work, done_at FROM scheduler_done()

-- name: record_success
UPDATE upkeep_work SET succeeded_at = now() WHERE work = %(work)s

-- name: record_failure
UPDATE upkeep_work SET failed_at = now(), error = %(error)s WHERE work = %(work)s

-- name: has_upkeep
-- False in a database of an older version.
SELECT to_regprocedure('upkeep_done()') IS NOT NULL

-- name: select_done
SELECT work, done_at, failed_at, error, now() AS read_at FROM upkeep_done()

-- name: select_chunk_spans
SELECT range_start AS since, range_end AS until
FROM timescaledb_information.chunks
WHERE hypertable_schema = current_schema() AND hypertable_name = 'observation' ORDER BY range_start

-- name: select_dropped
SELECT relation, dropped_before FROM storage_limit WHERE dropped_before IS NOT NULL

-- name: select_filled_until
-- The end of the newest bucket that is stored; what is newer is computed from the readings. No row: nothing is stored.
SELECT f.at
FROM (
    SELECT _timescaledb_functions.to_timestamp(_timescaledb_functions.cagg_watermark(h.id)) AS at
    FROM timescaledb_information.continuous_aggregates a
    JOIN _timescaledb_catalog.hypertable h
      ON (h.schema_name, h.table_name) = (a.materialization_hypertable_schema, a.materialization_hypertable_name)
    WHERE a.view_name = %(view)s
) AS f
WHERE f.at > timestamptz '0001-01-01'  -- the watermark of an empty aggregate is before that

-- name: refresh_means
CALL refresh_continuous_aggregate(%(view)s::regclass, %(since)s::timestamptz, %(until)s::timestamptz)

-- name: select_uncompressed_chunks
-- Chunks that are due, and compressed ones that late readings have made partly uncompressed or unordered.
SELECT format('%I.%I', i.chunk_schema, i.chunk_name)
FROM timescaledb_information.chunks i
JOIN storage_limit l ON l.relation = i.hypertable_name AND i.hypertable_schema = current_schema()
JOIN _timescaledb_catalog.chunk c ON (c.schema_name, c.table_name) = (i.chunk_schema, i.chunk_name)
WHERE i.range_end < now() - l.compress_after
  AND (NOT i.is_compressed OR c.status & (2 | 8) <> 0)  -- unordered, partly compressed
  AND c.status & 4 = 0  -- frozen
  AND coalesce(i.range_end >= now() - l.drop_after, true)  -- else it is dropped soon
ORDER BY i.range_start

-- name: compress_chunk
SELECT compress_chunk(%(chunk)s::regclass, if_not_compressed => true)

-- name: select_old_chunks
-- Chunks that [retention] no longer stores, oldest first.
SELECT relation, chunk FROM overdue_chunks() WHERE work = 'retention' ORDER BY since, relation, chunk

-- name: remove_chunk
SELECT remove_chunk(%(relation)s, %(chunk)s, 'retention')

-- name: sample_size
-- At most one sample a day.
INSERT INTO database_size (bytes) SELECT pg_database_size(current_database())
WHERE NOT EXISTS (SELECT FROM database_size WHERE sampled_at > now() - interval '20 hours')
