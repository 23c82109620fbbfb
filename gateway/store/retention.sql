-- Retention and compression. Run by `piekwacht migrate` and `piekwacht upkeep run`; each can be run again.

-- name: has_timescale
SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'

-- name: set_chunk_interval
SELECT set_chunk_time_interval('observation', make_interval(hours => %(hours)s))

-- name: remove_compression_policy
SELECT remove_compression_policy('observation', if_exists => true)

-- name: add_compression_policy
SELECT add_compression_policy('observation', compress_after => make_interval(days => %(days)s))

-- name: remove_retention_policies
-- A policy would drop chunks without a record; only `piekwacht upkeep` drops them.
SELECT remove_retention_policy(relation, if_exists => true)
FROM unnest(ARRAY['observation', 'observation_1min', 'observation_1h', 'observation_1day']::regclass[]) AS relation

-- name: prune_observations
-- Plain PostgreSQL: a slice at a time, so that no transaction is long. The record of removals is part of each statement.
WITH gone AS (
    DELETE FROM observation WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM observation WHERE observed_at < now() - make_interval(days => %(days)s) LIMIT 50000))
    RETURNING datastream_id, observed_at
), recorded AS (
    INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
    SELECT coalesce(s.area_id, '*'), 'observations', 'retention', min(g.observed_at), max(g.observed_at), count(*)
    FROM gone g LEFT JOIN datastream d ON d.id = g.datastream_id LEFT JOIN station s ON s.id = d.station_id GROUP BY 1
)
SELECT count(*) FROM gone

-- name: prune_evidence
-- Deletes the signed bytes; number and hash of each batch stay, so that a redelivery is still recognised.
WITH emptied AS (
    UPDATE batch SET payload = '' WHERE id = ANY(ARRAY(
        SELECT id FROM batch WHERE committed_at < now() - make_interval(days => %(days)s) AND payload <> '' LIMIT 5000))
    RETURNING node_id, committed_at
), recorded AS (
    INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
    SELECT coalesce(n.area_id, '*'), 'signed-bytes', 'retention', min(e.committed_at), max(e.committed_at), count(*)
    FROM emptied e LEFT JOIN node n ON n.id = e.node_id GROUP BY 1
)
SELECT count(*) FROM emptied

-- name: prune_shadow
WITH gone AS (
    DELETE FROM shadow_event WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM shadow_event WHERE committed_at < now() - make_interval(days => %(days)s) LIMIT 5000))
    RETURNING station_id, committed_at
), recorded AS (
    INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
    SELECT s.area_id, 'shadow-events', 'retention', min(g.committed_at), max(g.committed_at), count(*)
    FROM gone g JOIN station s ON s.id = g.station_id GROUP BY 1
)
SELECT count(*) FROM gone

-- name: prune_selftest
-- Hours with all their results. The newest hour of each detector stays: the self-test continues from it.
WITH old AS (
    SELECT area_id, detector, hour FROM selftest_hour h
    WHERE hour < now() - make_interval(days => %(days)s)
      AND hour < (SELECT max(hour) FROM selftest_hour n WHERE (n.area_id, n.detector) = (h.area_id, h.detector))
    LIMIT 500),
peaks AS (
    DELETE FROM selftest_peak p USING old
    WHERE (p.area_id, p.detector, p.hour) = (old.area_id, old.detector, old.hour)),
exposures AS (
    DELETE FROM selftest_exposure e USING old
    WHERE (e.area_id, e.detector, e.hour) = (old.area_id, old.detector, old.hour)),
gone AS (
    DELETE FROM selftest_hour h USING old
    WHERE (h.area_id, h.detector, h.hour) = (old.area_id, old.detector, old.hour)
    RETURNING h.area_id, h.hour),
recorded AS (
    INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
    SELECT area_id, 'selftest-hours', 'retention', min(hour), max(hour), count(*) FROM gone GROUP BY 1)
SELECT count(*) FROM gone
