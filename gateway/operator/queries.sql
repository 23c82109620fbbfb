-- Queries of the operator's services. `areas`: areas that the operator may see; NULL: all.

-- name: insert_act
INSERT INTO access.audit (who, action, object, area, address, outcome, before, after)
VALUES (%(who)s, %(action)s, %(object)s, %(area)s, %(address)s, %(outcome)s, %(before)s::jsonb, %(after)s::jsonb)

-- name: list_acts
SELECT id, at, who, action, object, area, address, outcome, before, after FROM access.audit
WHERE (%(areas)s::text[] IS NULL OR area = ANY(%(areas)s))
  AND (%(node)s::text IS NULL OR object = 'node ' || %(node)s OR starts_with(object, 'node ' || %(node)s || ' '))
ORDER BY id DESC LIMIT %(limit)s

-- name: take_revision
INSERT INTO node_revision AS r (node_id, revision)
SELECT %(node)s, 1 WHERE coalesce(%(expected)s::int, 0) = 0 OR EXISTS (SELECT FROM node_revision WHERE node_id = %(node)s)
ON CONFLICT (node_id) DO UPDATE SET revision = r.revision + 1
WHERE %(expected)s::int IS NULL OR r.revision = %(expected)s::int
RETURNING revision

-- name: select_fleet
SELECT n.id AS node, n.area_id AS area, i.station_id AS station, t.name AS station_name, n.enrolled_at, n.revoked_at,
       s.last_seen, s.online, s.status, s.health, s.undated_since, s.clock_error_ms,
       (SELECT count(*) FROM clock_suspect c WHERE c.node_id = n.id AND c.shift_ms IS NULL AND c.doubt IS NOT NULL) AS undated_batches,
       c.last_at AS copied_at, d.version AS wanted_version, d.desired_at AS wanted_at, coalesce(r.revision, 0) AS revision
FROM node n
LEFT JOIN node_copy c ON c.node_id = n.id AND c.last_at > now() - interval '1 day'
LEFT JOIN installation i ON i.node_id = n.id AND i.until IS NULL
LEFT JOIN station t ON t.id = i.station_id
LEFT JOIN node_status s ON s.node_id = n.id
LEFT JOIN node_revision r ON r.node_id = n.id
LEFT JOIN LATERAL (SELECT version, desired_at FROM node_desired d WHERE d.node_id = n.id ORDER BY version DESC LIMIT 1) d ON true
WHERE (%(areas)s::text[] IS NULL OR n.area_id = ANY(%(areas)s)) AND (%(node)s::text IS NULL OR n.id = %(node)s)
ORDER BY n.area_id, n.id

-- name: select_area_of_node
SELECT area_id FROM node WHERE id = %(node)s

-- name: select_capture
-- Per datastream in the whole hours of the period since it exists: hours with a valid value, all hours, readings, valid
-- ones, and how many a complete period has by the interval of the newest readings (NULL: unknown).
WITH chosen AS (
    SELECT d.id, d.node_id, d.property_id,
           least(greatest(%(start)s::timestamptz, date_bin('1 hour', d.created_at + interval '1 hour', 'epoch')), %(end)s) AS begins_at
    FROM datastream d JOIN node n ON n.id = d.node_id
    WHERE (%(areas)s::text[] IS NULL OR n.area_id = ANY(%(areas)s)) AND (%(node)s::text IS NULL OR n.id = %(node)s)
      AND d.property_id <> 'lost_readings' AND n.revoked_at IS NULL
), ids AS (SELECT coalesce(array_agg(id), '{}') AS ids FROM chosen), sampling AS MATERIALIZED (
    SELECT DISTINCT ON (s.datastream_id) s.datastream_id, s.seconds
    FROM ids, sampling_intervals(ids.ids, %(start)s, %(end)s::timestamptz - interval '1 microsecond', '1 day') s
    ORDER BY s.datastream_id, s.starts_at DESC
)
SELECT c.node_id AS node, c.property_id AS observed_property, count(m.bucket) FILTER (WHERE m.valid_count > 0) AS hours,
       (extract(epoch FROM %(end)s - c.begins_at) / 3600)::int AS expected_hours,
       coalesce(sum(m.count), 0)::bigint AS count, coalesce(sum(m.valid_count), 0)::bigint AS valid_count,
       (SELECT expected_count(c.begins_at, %(end)s, s.seconds) FROM sampling s
        WHERE s.datastream_id = c.id AND c.begins_at < %(end)s) AS expected_count
FROM chosen c
LEFT JOIN means_1h((SELECT ids FROM ids), %(start)s, %(end)s) m ON m.datastream_id = c.id AND m.bucket >= c.begins_at
GROUP BY c.id, c.node_id, c.property_id, c.begins_at ORDER BY c.node_id, c.property_id

-- name: select_doubts
-- Per datastream the hours of the period in which a reading had each of these flags, and the last of these hours.
WITH chosen AS (
    SELECT d.id, d.node_id, d.property_id FROM datastream d JOIN node n ON n.id = d.node_id
    WHERE (%(areas)s::text[] IS NULL OR n.area_id = ANY(%(areas)s)) AND (%(node)s::text IS NULL OR n.id = %(node)s)
      AND d.property_id <> 'lost_readings' AND n.revoked_at IS NULL
)
SELECT c.node_id AS node, c.property_id AS observed_property, f.flag, count(*) AS hours, max(m.bucket) AS last_at
FROM chosen c
JOIN means_1h((SELECT coalesce(array_agg(id), '{}') FROM chosen), %(start)s, %(end)s) m ON m.datastream_id = c.id
JOIN unnest(%(flags)s::int[]) AS f(flag) ON m.flags & f.flag <> 0
GROUP BY c.node_id, c.property_id, f.flag ORDER BY c.node_id, c.property_id, f.flag

-- name: list_quarantine
SELECT id, received_at, topic, reason, detail, length(payload) AS size, replay_asked_at, outcome
FROM quarantine
WHERE (%(reason)s::text IS NULL OR reason = %(reason)s) AND (%(since)s::timestamptz IS NULL OR received_at >= %(since)s)
  AND (%(areas)s::text[] IS NULL OR split_part(topic, '/', 3) = ANY(%(areas)s))
ORDER BY id DESC LIMIT %(limit)s

-- name: count_quarantine_by_reason
SELECT reason, count(*), min(received_at) AS first_at, max(received_at) AS last_at FROM quarantine
WHERE %(areas)s::text[] IS NULL OR split_part(topic, '/', 3) = ANY(%(areas)s)
GROUP BY reason ORDER BY reason

-- name: select_quarantine_entry
SELECT id, received_at, topic, reason, detail, payload, replay_asked_at, replay_asked_by, replayed_at, outcome
FROM quarantine WHERE id = %(id)s

-- name: request_replay
UPDATE quarantine SET replay_asked_at = now(), replay_asked_by = %(by)s, replayed_at = NULL, outcome = NULL
WHERE (id = ANY(%(ids)s) OR reason = %(reason)s)
  AND (%(areas)s::text[] IS NULL OR split_part(topic, '/', 3) = ANY(%(areas)s))
RETURNING id, nullif(split_part(topic, '/', 3), '') AS area

-- name: delete_quarantine
WITH gone AS (
    DELETE FROM quarantine
    WHERE received_at < %(before)s AND (%(reason)s::text IS NULL OR reason = %(reason)s)
      AND (%(areas)s::text[] IS NULL OR split_part(topic, '/', 3) = ANY(%(areas)s))
    RETURNING id, received_at, topic, reason, sha256(payload) AS sha256
)
INSERT INTO quarantine_emptied (emptied_by, quarantined, received_at, topic, reason, sha256)
SELECT %(by)s, * FROM gone

-- name: select_relation_sizes
-- The largest tables with their indexes; the chunks of TimescaleDB together.
SELECT name, bytes FROM (
    SELECT regexp_replace(c.relname, '^(compress)?_hyper_\d+_\d+_chunk$', '(chunks)') AS name,
           sum(pg_total_relation_size(c.oid))::bigint AS bytes
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    GROUP BY 1
) AS s ORDER BY bytes DESC, name LIMIT 12

-- name: select_database_size
SELECT pg_database_size(current_database())::bigint

-- name: select_size_before
-- The oldest sample of the last month.
SELECT sampled_at, bytes FROM database_size WHERE sampled_at > now() - interval '31 days' ORDER BY sampled_at LIMIT 1

-- name: select_node_hours
SELECT id FROM datastream WHERE node_id = %(place)s AND property_id = %(property)s ORDER BY id DESC

-- name: select_station_hours
SELECT d.id FROM datastream d JOIN installation i ON i.node_id = d.node_id AND i.station_id = d.station_id AND i.until IS NULL
WHERE d.station_id = %(place)s AND d.property_id = %(property)s ORDER BY d.id DESC

-- name: select_hours
SELECT bucket, mean FROM means_1h(%(ids)s, %(start)s, %(end)s) WHERE mean IS NOT NULL

-- name: insert_fit
INSERT INTO calibration_fit (node_id, property_id, version, reference, started_at, ended_at, hours, "offset", slope,
                             offset_error, slope_error, r2, spread, shift)
VALUES (%(node)s, %(property)s, %(version)s, %(reference)s, %(start)s, %(end)s, %(hours)s, %(offset)s, %(slope)s,
        %(offset_error)s, %(slope_error)s, %(r2)s, %(spread)s, %(shift)s)

-- name: insert_window
INSERT INTO maintenance_window (node_id, starts_at, ends_at, reason, created_by, properties)
VALUES (%(node)s, %(start)s, %(end)s, %(reason)s, %(by)s, %(properties)s)
RETURNING id, node_id AS node, starts_at, ends_at, reason, created_by, ended_by, properties

-- name: select_window
SELECT id, node_id AS node, starts_at, ends_at, reason, created_by, ended_by, properties FROM maintenance_window WHERE id = %(id)s

-- name: end_window
-- A window that has not begun keeps one microsecond.
UPDATE maintenance_window SET ends_at = greatest(now(), starts_at + interval '1 microsecond'), ended_by = %(by)s
WHERE id = %(id)s AND ends_at > now() AND ended_by IS NULL
RETURNING id, node_id AS node, starts_at, ends_at, reason, created_by, ended_by, properties

-- name: list_windows
SELECT id, node_id AS node, starts_at, ends_at, reason, created_by, ended_by, properties FROM maintenance_window
WHERE node_id = %(node)s ORDER BY starts_at DESC, id DESC LIMIT 50

-- name: select_properties_of_node
SELECT DISTINCT property_id FROM datastream WHERE node_id = %(node)s

-- name: insert_sensor_change
INSERT INTO sensor_change (node_id, properties, changed_at, former_serial, model, serial, reason, recorded_by)
VALUES (%(node)s, %(properties)s, %(changed_at)s, %(former_serial)s, %(model)s, %(serial)s, %(reason)s, %(by)s)

-- name: list_sensor_changes
SELECT node_id AS node, properties, changed_at, model, serial, reason, former_serial, recorded_by, recorded_at
FROM sensor_change WHERE node_id = %(node)s ORDER BY changed_at DESC, id DESC LIMIT 50

-- name: select_area
SELECT id FROM area WHERE id = %(area)s

-- name: select_notary
SELECT verifier_key FROM notary

-- name: insert_guest
INSERT INTO guest (node_id, format, mapping, sender, token_sha256, topic, poll_url, owner, consent_on, consent_text, incarnation)
VALUES (%(node)s, %(format)s, %(mapping)s, %(sender)s, %(token)s, %(topic)s, %(poll_url)s, %(owner)s, %(consent_on)s,
        %(consent_text)s, %(incarnation)s)

-- name: select_guest_format
SELECT format FROM guest WHERE node_id = %(node)s AND revoked_at IS NULL

-- name: update_guest_token
UPDATE guest SET token_sha256 = %(token)s WHERE node_id = %(node)s

-- name: update_guest_revoked
-- Only the public place of the station stays.
WITH place AS (
    UPDATE station SET latitude = round(latitude::numeric, 3), longitude = round(longitude::numeric, 3) WHERE id = %(node)s
)
UPDATE guest SET revoked_at = now() WHERE node_id = %(node)s

-- name: list_guests
SELECT g.node_id AS node, n.area_id AS area, t.name, g.format, g.sender, g.topic, g.poll_url, g.owner, g.consent_on,
       g.consent_text, g.enrolled_at, g.revoked_at, s.last_seen,
       (SELECT count(*) FROM guest_message m WHERE m.node_id = g.node_id) AS waiting,
       (SELECT count(*) FROM quarantine q WHERE q.topic = 'pw/v1/' || n.area_id || '/' || g.node_id || '/foreign') AS quarantined
FROM guest g JOIN node n ON n.id = g.node_id JOIN station t ON t.id = g.node_id
LEFT JOIN node_status s ON s.node_id = g.node_id
WHERE %(areas)s::text[] IS NULL OR n.area_id = ANY(%(areas)s)
ORDER BY g.node_id

-- name: select_guest_medians
-- Per property of a guest the median of its hourly means, and that of all stations of the network in its area.
WITH chosen AS (
    SELECT d.id, d.node_id, d.property_id, n.area_id, starts_with(n.id, 'guest-') AS is_guest
    FROM datastream d JOIN node n ON n.id = d.node_id
    WHERE (%(areas)s::text[] IS NULL OR n.area_id = ANY(%(areas)s)) AND n.revoked_at IS NULL
      AND n.area_id IN (SELECT area_id FROM node WHERE starts_with(id, 'guest-') AND (%(node)s::text IS NULL OR id = %(node)s))
), hours AS (
    SELECT c.node_id, c.property_id, c.area_id, c.is_guest, m.mean
    FROM chosen c JOIN means_1h((SELECT coalesce(array_agg(id), '{}') FROM chosen), %(start)s, %(end)s) m ON m.datastream_id = c.id
    WHERE m.mean IS NOT NULL
), network AS (
    SELECT area_id, property_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY mean) AS median
    FROM hours WHERE NOT is_guest GROUP BY area_id, property_id
)
SELECT h.node_id AS node, h.property_id AS observed_property, count(*)::int AS hours,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY h.mean) AS median, w.median AS network_median
FROM hours h JOIN network w USING (area_id, property_id)
WHERE h.is_guest AND (%(node)s::text IS NULL OR h.node_id = %(node)s)
GROUP BY h.node_id, h.property_id, w.median ORDER BY h.node_id, h.property_id

-- name: select_revoked
SELECT revoked_at FROM node WHERE id = %(node)s AND revoked_at IS NOT NULL

-- name: select_desired
SELECT version, toml, desired_by, desired_at FROM node_desired WHERE node_id = %(node)s ORDER BY version DESC LIMIT 1

-- name: select_label
SELECT n.id AS node, n.area_id AS area, i.station_id AS station, n.verifier_key AS key, n.enrolled_at
FROM node n LEFT JOIN installation i ON i.node_id = n.id AND i.until IS NULL WHERE n.id = %(node)s
