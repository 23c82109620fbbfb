-- Retention and compression. Run by `piekwacht migrate` and `piekwacht upkeep run`; each can be run again.

-- name: has_timescale
SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'

-- name: set_chunk_interval
SELECT set_chunk_time_interval('observation', make_interval(hours => %(hours)s))

-- name: remove_compression_policy
SELECT remove_compression_policy('observation', if_exists => true)

-- name: add_compression_policy
SELECT add_compression_policy('observation', compress_after => make_interval(days => %(days)s))

-- name: remove_retention_policy
SELECT remove_retention_policy(%(table)s::regclass, if_exists => true)

-- name: add_retention_policy
SELECT add_retention_policy(%(table)s::regclass, drop_after => make_interval(days => %(days)s))

-- name: prune_observations
-- Plain PostgreSQL: a slice at a time, so that no transaction is long.
DELETE FROM observation WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM observation WHERE observed_at < now() - make_interval(days => %(days)s) LIMIT 50000))

-- name: prune_evidence
-- Deletes the signed bytes; number and hash of each batch stay, so that a redelivery is still recognised.
UPDATE batch SET payload = '' WHERE id = ANY(ARRAY(
    SELECT id FROM batch WHERE committed_at < now() - make_interval(days => %(days)s) AND payload <> '' LIMIT 5000))

-- name: prune_shadow
DELETE FROM shadow_event WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM shadow_event WHERE committed_at < now() - make_interval(days => %(days)s) LIMIT 5000))

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
    WHERE (e.area_id, e.detector, e.hour) = (old.area_id, old.detector, old.hour))
DELETE FROM selftest_hour h USING old WHERE (h.area_id, h.detector, h.hour) = (old.area_id, old.detector, old.hour)
