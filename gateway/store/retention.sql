-- How long what is kept, and when it is compressed. Run by `piekwacht migrate`; each can be run again.

-- name: has_timescale
SELECT 1 FROM pg_extension WHERE extname = 'timescaledb'

-- name: set_chunk_interval
SELECT set_chunk_time_interval('observation', make_interval(hours => %(hours)s))

-- name: remove_compression_policy
SELECT remove_compression_policy('observation', if_exists => true)

-- name: add_compression_policy
SELECT add_compression_policy('observation', compress_after => make_interval(days => %(days)s))

-- name: remove_retention_policy
SELECT remove_retention_policy(%(of)s::regclass, if_exists => true)

-- name: add_retention_policy
SELECT add_retention_policy(%(of)s::regclass, drop_after => make_interval(days => %(days)s))

-- name: prune_observations
-- Plain PostgreSQL: a slice at a time, so that no transaction is long.
DELETE FROM observation WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM observation WHERE observed_at < now() - make_interval(days => %(days)s) LIMIT 50000))

-- name: prune_evidence
-- The signed bytes go; number and hash of each batch stay, so that a redelivery is still known for what it is.
UPDATE batch SET payload = '' WHERE id = ANY(ARRAY(
    SELECT id FROM batch WHERE committed_at < now() - make_interval(days => %(days)s) AND payload <> '' LIMIT 5000))

-- name: prune_shadow
DELETE FROM shadow_event WHERE ctid = ANY(ARRAY(
    SELECT ctid FROM shadow_event WHERE committed_at < now() - make_interval(days => %(days)s) LIMIT 5000))

-- name: prune_selftest
-- An hour with all that was found in it. The newest of each detector stays: it says from where to go on.
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
