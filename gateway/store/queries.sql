-- Queries of the gateway. Arrays are unnested, so that a micro-batch is one round trip per statement.

-- name: set_keepalives
-- A machine that lost its power holds its locks for 15 s, not for the two hours until TCP probes the connection.
SELECT set_config('tcp_keepalives_' || name, value, false)
FROM (VALUES ('idle', '5'), ('interval', '5'), ('count', '2')) AS t(name, value)

-- name: lock_areas
-- A writer for all areas excludes a writer for one area, and the reverse.
SELECT bool_and(pg_try_advisory_lock(7431101, hashtext(a))) AND
       bool_and(a = '*' OR pg_try_advisory_lock_shared(7431101, hashtext('*')))
FROM unnest(%(areas)s::text[]) AS a

-- name: unlock_areas
SELECT pg_advisory_unlock_all()

-- name: select_registry_version
SELECT version FROM registry_version

-- name: select_areas
SELECT id, name, authority, outline, time_zone FROM area ORDER BY id

-- name: select_sites
SELECT id, area_id AS area, name, operator, latitude, longitude FROM site ORDER BY id

-- name: select_stations
SELECT id, area_id AS area, name, latitude, longitude FROM station ORDER BY id

-- name: select_nodes
SELECT n.id, n.area_id AS area, i.station_id AS station, n.verifier_key AS key, n.revoked_at IS NOT NULL AS revoked
FROM node n JOIN installation i ON i.node_id = n.id AND i.until IS NULL
ORDER BY n.id

-- name: select_properties
SELECT id, unit, name_nl, name_en, lower, upper, max_rise, severity FROM observed_property ORDER BY id

-- name: select_maintenance
-- Windows in ms UTC: also past ones, as late readings and a repetition of an event need them.
SELECT node_id AS node, (extract(epoch FROM starts_at) * 1000)::bigint AS start_ms, ceil(extract(epoch FROM ends_at) * 1000)::bigint AS end_ms, properties
FROM maintenance_window ORDER BY starts_at, id

-- name: select_datastreams
SELECT d.id, d.station_id AS station, d.node_id AS node, d.property_id AS observed_property
FROM datastream d JOIN node n ON n.id = d.node_id JOIN station s ON s.id = d.station_id
WHERE ARRAY['*', n.area_id, s.area_id] && %(areas)s ORDER BY d.id

-- name: create_datastreams
INSERT INTO datastream (station_id, node_id, property_id)
SELECT i.station_id, m.node_id, m.property_id
FROM unnest(%(nodes)s::text[], %(properties)s::text[]) AS m(node_id, property_id)
JOIN installation i ON i.node_id = m.node_id AND i.until IS NULL
ON CONFLICT DO NOTHING

-- name: accept_batches
-- All that a transaction needs before it writes, in one row: the registry's version; which of these keys (counted
-- from 0) are committed already, with their hashes; as many new ids, as bytes.
SELECT (SELECT version FROM registry_version), s.numbers, s.hashes,
       (SELECT string_agg(int8send(nextval('batch_id')), '') FROM generate_series(1, %(count)s))
FROM (
    SELECT array_agg(k.ordinal - 1) AS numbers, array_agg(b.sha256) AS hashes
    FROM ROWS FROM (json_to_recordset(convert_from(%(keys)b, 'UTF8')::json) AS (node_id text, incarnation text, seq bigint))
         WITH ORDINALITY AS k(node_id, incarnation, seq, ordinal)
    JOIN ledger l ON l.node_id = k.node_id AND l.incarnation = k.incarnation AND l.received @> k.seq
    LEFT JOIN batch b ON b.node_id = k.node_id AND b.incarnation = k.incarnation AND b.seq = k.seq
) s

-- name: record_received
INSERT INTO ledger (node_id, incarnation, received)
SELECT node_id, incarnation, range_agg(int8range(seq, seq, '[]'))
FROM json_to_recordset(convert_from(%(keys)b, 'UTF8')::json) AS k(node_id text, incarnation text, seq bigint)
GROUP BY node_id, incarnation
ON CONFLICT (node_id, incarnation) DO UPDATE SET received = ledger.received + excluded.received, updated_at = now()

-- name: select_received_ranges
-- As the JSON of StoredRanges, which nodes receive; an inclusive range is a pair.
SELECT json_agg(json_build_object('v', 1, 'node', l.node_id, 'inc', l.incarnation, 'ranges', (
    SELECT json_agg(json_build_array(lower(part), upper(part) - 1)) FROM unnest(l.received) AS part)))::text
FROM json_to_recordset(convert_from(%(spools)b, 'UTF8')::json) AS k(node_id text, incarnation text)
JOIN ledger l USING (node_id, incarnation)

-- name: copy_batches
-- Columns in the order of gateway.store.copy_batches. committed_at is the database's clock at the end of the
-- transaction: this is the last statement before COMMIT.
COPY batch (id, node_id, incarnation, boot, clock, seq, mono, hist, received_at, sha256, payload) FROM STDIN (FORMAT binary)

-- name: copy_observations
COPY observation (datastream_id, observed_at, value, flags, batch_id) FROM STDIN (FORMAT binary)

-- name: insert_quarantine
INSERT INTO quarantine (received_at, topic, reason, detail, payload)
SELECT * FROM unnest(%(received)s::timestamptz[], %(topics)s::text[], %(reasons)s::text[], %(details)s::text[], %(payloads)b::bytea[])

-- name: save_states
-- The states of all nodes are one parameter: psycopg encodes arrays element by element.
WITH k AS MATERIALIZED (
    SELECT * FROM json_to_recordset(convert_from(%(nodes)b, 'UTF8')::json)
        AS (node_id text, datastreams int[], first int)
)
INSERT INTO node_state (node_id, component, datastreams, state)
SELECT node_id, 'quality', datastreams,
       substr(%(quality)b::bytea, 1 + first * %(quality_bytes)s::int, cardinality(datastreams) * %(quality_bytes)s::int)
FROM k
UNION ALL
SELECT node_id, %(detector)s, datastreams,
       substr(%(detection)b::bytea, 1 + first * %(detection_bytes)s::int, cardinality(datastreams) * %(detection_bytes)s::int)
FROM k
ON CONFLICT (node_id, component) DO UPDATE SET datastreams = excluded.datastreams, state = excluded.state

-- name: load_states
SELECT datastreams, state FROM node_state WHERE component = %(component)s AND node_id = ANY(%(nodes)s)

-- name: load_detector_states
SELECT component, datastreams, state FROM node_state WHERE component LIKE 'peak@%%' AND node_id = ANY(%(nodes)s)

-- name: select_former_events
-- Open events that another detector detected, with its last states of their nodes.
SELECT r.body::text AS body, e.datastream_id, s.datastreams, s.state
FROM event e JOIN event_revision r ON r.event_id = e.id AND r.revision = e.revision
JOIN datastream d ON d.id = e.datastream_id
LEFT JOIN node_state s ON s.node_id = d.node_id AND s.component = e.detector
WHERE e.ended_at IS NULL AND e.change IN ('opened', 'updated') AND e.detector <> %(detector)s
  AND d.node_id = ANY(%(nodes)s)
ORDER BY e.onset, e.id

-- name: select_plume_events
-- These events and those of their areas that were not over before then, of which a new one may continue the plume.
SELECT e.plume_id AS plume, f.onset AS plume_onset, e.id, e.area_id AS area, e.kind, e.change, e.station_id AS station,
       e.property_id AS observed_property, e.onset, e.ended_at AS "end",
       ARRAY(SELECT jsonb_array_elements_text(e.around -> 'neighbours' -> 'stations')) AS risen_stations,
       coalesce((e.around -> 'neighbours' ->> 'window')::int, 0) AS "window"
FROM event e JOIN event f ON f.id = e.plume_id
WHERE e.id = ANY(%(ids)s)
   OR (e.area_id = ANY(%(areas)s) AND e.onset >= %(since)s AND e.onset <= %(until)s
       AND (e.ended_at IS NULL OR e.ended_at >= %(not_over_before)s))
ORDER BY e.onset, e.id

-- name: save_event
INSERT INTO event (id, revision, change, kind, datastream_id, area_id, station_id, property_id, severity, onset, peak_at,
                   detected_at, ended_at, peak, background, excess, noise, confidence, reasons, detector, detected_late,
                   merged_into, state_hash, around, plume_id)
VALUES (%(id)s, %(revision)s, %(change)s, %(kind)s, %(datastream_id)s, %(area_id)s, %(station_id)s, %(property_id)s,
        %(severity)s, %(onset)s, %(peak_at)s, %(detected_at)s, %(ended_at)s, %(peak)s, %(background)s, %(excess)s,
        %(noise)s, %(confidence)s, %(reasons)s, %(detector)s, %(detected_late)s,
        %(merged_into)s, %(state_hash)s, %(around)s::jsonb, %(plume_id)s)
ON CONFLICT (id) DO UPDATE SET
    revision = excluded.revision, change = excluded.change, kind = excluded.kind, severity = excluded.severity,
    peak_at = excluded.peak_at, ended_at = excluded.ended_at, peak = excluded.peak, background = excluded.background,
    excess = excluded.excess, noise = excluded.noise, confidence = excluded.confidence, reasons = excluded.reasons,
    merged_into = excluded.merged_into, state_hash = excluded.state_hash, around = excluded.around, changed_at = now(),
    plume_id = coalesce(event.plume_id, excluded.plume_id)  -- once in a plume, an event stays there
WHERE excluded.revision > event.revision

-- name: save_event_revision
INSERT INTO event_revision (event_id, revision, body) VALUES (%(id)s, %(revision)s, %(body)s::jsonb) ON CONFLICT DO NOTHING

-- name: take_live_ids
SELECT nextval('live_id') FROM generate_series(1, %(count)s)

-- name: upsert_node_status
-- The newest status and health of a node, and when it was heard; absent parts keep their stored values.
-- `dated`: whether its newest live batch has a believable time; NULL: no live batch here.
INSERT INTO node_status (node_id, last_seen, online, status, health, undated_since, clock_error_ms)
SELECT u.node_id, u.last_seen, u.online, u.status::jsonb, u.health::jsonb, CASE WHEN NOT u.dated THEN u.last_seen END, u.clock_error_ms
FROM json_to_recordset(convert_from(%(entries)b, 'UTF8')::json)
     AS u(node_id text, last_seen timestamptz, online boolean, status text, health text, dated boolean, clock_error_ms bigint)
ON CONFLICT (node_id) DO UPDATE SET
    undated_since = CASE WHEN excluded.undated_since IS NOT NULL
                         THEN coalesce(node_status.undated_since, excluded.undated_since)
                         WHEN excluded.clock_error_ms IS NULL THEN node_status.undated_since END,
    clock_error_ms = coalesce(excluded.clock_error_ms, node_status.clock_error_ms),
    last_seen = greatest(node_status.last_seen, excluded.last_seen),
    online = coalesce(excluded.online, node_status.online),
    status = coalesce(excluded.status, node_status.status),
    health = coalesce(excluded.health, node_status.health)

-- name: upsert_node_copy
-- One hour without a sighting ends an episode, as in the view alerting.node_fault.
INSERT INTO node_copy (node_id, first_at, began_at, last_at, conflicts, incarnations)
VALUES (%(node)s, now(), now(), now(), %(conflicts)s, %(incarnations)s)
ON CONFLICT (node_id) DO UPDATE SET last_at = now(),
    began_at = CASE WHEN node_copy.last_at > now() - interval '1 hour' THEN node_copy.began_at ELSE now() END,
    conflicts = node_copy.conflicts + excluded.conflicts,
    incarnations = excluded.incarnations

-- name: select_recent_copies
SELECT node_id AS node, last_at FROM node_copy WHERE last_at > now() - interval '1 day' ORDER BY node_id

-- name: put_area
INSERT INTO area (id, name, authority, outline, time_zone)
VALUES (%(id)s, %(name)s, %(authority)s, %(outline)s::jsonb, %(time_zone)s)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, authority = excluded.authority, outline = excluded.outline,
    time_zone = excluded.time_zone

-- name: put_site
INSERT INTO site (id, area_id, name, operator, latitude, longitude)
VALUES (%(id)s, %(area)s, %(name)s, %(operator)s, %(latitude)s, %(longitude)s)
ON CONFLICT (id) DO UPDATE SET area_id = excluded.area_id, name = excluded.name, operator = excluded.operator,
    latitude = excluded.latitude, longitude = excluded.longitude

-- name: put_station
INSERT INTO station (id, area_id, name, latitude, longitude)
VALUES (%(id)s, %(area)s, %(name)s, %(latitude)s, %(longitude)s)
ON CONFLICT (id) DO UPDATE SET area_id = excluded.area_id, name = excluded.name,
    latitude = excluded.latitude, longitude = excluded.longitude

-- name: put_mobile_station
INSERT INTO mobile_station AS m (station_id, vehicle, has_exhaust, is_private)
VALUES (%(id)s, %(vehicle)s, %(has_exhaust)s, %(is_private)s)
ON CONFLICT (station_id) DO UPDATE SET vehicle = excluded.vehicle, has_exhaust = excluded.has_exhaust, is_private = excluded.is_private
WHERE (m.vehicle, m.has_exhaust, m.is_private) IS DISTINCT FROM (excluded.vehicle, excluded.has_exhaust, excluded.is_private)

-- name: put_node
INSERT INTO node (id, area_id, verifier_key) VALUES (%(id)s, %(area)s, %(key)s)
ON CONFLICT (id) DO UPDATE SET area_id = excluded.area_id, verifier_key = excluded.verifier_key, revoked_at = NULL

-- name: end_installation
UPDATE installation SET until = now() WHERE node_id = %(node)s AND until IS NULL AND station_id <> %(station)s

-- name: begin_installation
-- From now on. The first installation of a node begins when it began to measure there, if that is given.
INSERT INTO installation (node_id, station_id, since)
SELECT %(node)s, %(station)s, CASE WHEN EXISTS (SELECT 1 FROM installation WHERE node_id = %(node)s) THEN now()
                                   ELSE coalesce(%(since)s::timestamptz, now()) END
WHERE NOT EXISTS (SELECT 1 FROM installation WHERE node_id = %(node)s AND until IS NULL)

-- name: revoke_node
UPDATE node SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL

-- name: list_nodes
SELECT n.id AS node, n.area_id AS area, i.station_id AS station, n.revoked_at, s.last_seen, s.online, s.status, s.health,
       s.undated_since, s.clock_error_ms,
       (SELECT count(*) FROM clock_suspect c WHERE c.node_id = n.id AND c.shift_ms IS NULL AND c.doubt IS NOT NULL) AS undated_batches,
       c.last_at AS copied_at
FROM node n
LEFT JOIN node_copy c ON c.node_id = n.id AND c.last_at > now() - interval '1 day'
LEFT JOIN installation i ON i.node_id = n.id AND i.until IS NULL
LEFT JOIN node_status s ON s.node_id = n.id
ORDER BY n.id

-- name: select_area_of_station
SELECT area_id FROM station WHERE id = %(id)s

-- name: select_node_key
SELECT area_id, verifier_key FROM node WHERE id = %(id)s

-- name: select_node_revoked
SELECT revoked_at IS NOT NULL AS revoked FROM node WHERE id = %(id)s

-- name: insert_desired_config
-- A new version for a node; parameters that are NULL keep the value of the version before.
INSERT INTO node_desired (node_id, version, toml, certificate, desired_by)
SELECT %(node)s, coalesce(max(version), 0) + 1,
       coalesce(%(toml)s::text, (array_agg(toml ORDER BY version DESC))[1], ''),
       coalesce(%(certificate)s::text, (array_agg(certificate ORDER BY version DESC))[1], ''),
       %(by)s
FROM node_desired WHERE node_id = %(node)s
RETURNING version

-- name: select_desired_configs
SELECT DISTINCT ON (node_id) node_id AS node, version, toml, certificate FROM node_desired ORDER BY node_id, version DESC

-- name: insert_clock_suspects
-- Batches whose stamps an anchor may correct; those of a boot with an anchor are pending at once.
INSERT INTO clock_suspect (batch_id, node_id, boot, offset_ms, doubt, first_at, last_at, is_pending)
SELECT u.*, u.offset_ms IS NOT NULL AND a.node_id IS NOT NULL
FROM unnest(%(batches)s::bigint[], %(nodes)s::text[], %(boots)s::text[], %(offsets)s::bigint[], %(doubts)s::text[],
            %(first)s::timestamptz[], %(last)s::timestamptz[])
     AS u(batch_id, node_id, boot, offset_ms, doubt, first_at, last_at)
LEFT JOIN clock_anchor a USING (node_id, boot)

-- name: upsert_clock_anchors
-- The best anchor of each boot: of a set clock rather than of an unset one, then the earliest after the boot.
-- A difference below half a second is no step of the clock, and moves nothing.
INSERT INTO clock_anchor (node_id, boot, offset_ms, mono, synced)
SELECT * FROM unnest(%(nodes)s::text[], %(boots)s::text[], %(offsets)s::bigint[], %(monos)s::bigint[], %(synced)s::boolean[])
ON CONFLICT (node_id, boot) DO UPDATE SET offset_ms = excluded.offset_ms, mono = excluded.mono, synced = excluded.synced
WHERE (excluded.synced AND NOT clock_anchor.synced)
   OR (excluded.synced = clock_anchor.synced AND excluded.mono < clock_anchor.mono
       AND abs(excluded.offset_ms - clock_anchor.offset_ms) > 500)

-- name: mark_pending_suspects
UPDATE clock_suspect s SET is_pending = true
FROM clock_anchor a JOIN unnest(%(nodes)s::text[], %(boots)s::text[]) AS k(node_id, boot) USING (node_id, boot)
WHERE s.node_id = a.node_id AND s.boot = a.boot AND s.offset_ms IS NOT NULL
  AND (s.shift_ms IS NULL OR abs(a.offset_ms - s.offset_ms - s.shift_ms) > 500)

-- name: mark_batch_pending
-- After more values of a stored batch were added with their stamps.
UPDATE clock_suspect SET is_pending = true WHERE batch_id = %(batch)s AND shift_ms IS NOT NULL

-- name: select_pending_suspects
-- Batches that an anchor can date, of one boot: that of the first pending batch.
WITH first AS (
    SELECT s.node_id, s.boot FROM clock_suspect s JOIN node n ON n.id = s.node_id
    WHERE s.is_pending AND ARRAY['*', n.area_id] && %(areas)s ORDER BY s.batch_id LIMIT 1
)
SELECT s.batch_id, s.node_id AS node, s.boot, s.doubt, s.first_at, s.last_at, s.shift_ms AS applied_ms,
       a.offset_ms - s.offset_ms AS anchor_shift_ms, b.received_at
FROM first JOIN clock_suspect s USING (node_id, boot) JOIN clock_anchor a USING (node_id, boot)
JOIN batch b ON b.id = s.batch_id
WHERE s.is_pending ORDER BY s.batch_id LIMIT %(limit)s

-- name: allow_large_moves
-- A compressed chunk: TimescaleDB unpacks what a statement changes, and by default at most 100,000 rows of it.
SELECT set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true)

-- name: move_observations
-- Gives the rows of these batches the time that is believed; returns the span of each datastream. Rows lie at their
-- stamps (`since` to `until`), or where an earlier anchor put them. The bounds are constants: chunks are chosen by them.
WITH moved AS (
    DELETE FROM observation
    WHERE datastream_id = ANY(%(datastreams)s::int[]) AND batch_id = ANY(%(batches)s::bigint[])
      AND ((observed_at >= %(since)s AND observed_at <= %(until)s)
           OR (observed_at >= %(moved_since)s AND observed_at <= %(moved_until)s))
    RETURNING datastream_id, coalesce(stamped_at, observed_at) AS stamped_at, value, flags, batch_id
),
dated AS (
    INSERT INTO observation (datastream_id, observed_at, stamped_at, value, flags, batch_id)
    SELECT m.datastream_id, m.stamped_at + s.shift_ms * interval '1 millisecond', CASE WHEN s.shift_ms <> 0 THEN m.stamped_at END,
           m.value, m.flags & ~%(undated)s::int, m.batch_id
    FROM moved m JOIN unnest(%(batches)s::bigint[], %(shifts)s::bigint[]) AS s(batch_id, shift_ms) USING (batch_id)
    RETURNING datastream_id, observed_at
)
SELECT datastream_id, min(observed_at) AS since, max(observed_at) AS until FROM dated GROUP BY datastream_id

-- name: record_shifts
UPDATE clock_suspect s SET shift_ms = u.shift_ms, is_pending = false
FROM unnest(%(batches)s::bigint[], %(shifts)s::bigint[]) AS u(batch_id, shift_ms) WHERE s.batch_id = u.batch_id

-- name: has_dating
SELECT EXISTS (SELECT 1 FROM information_schema.columns WHERE table_name = 'clock_suspect' AND column_name = 'doubt')

-- name: select_undated_nodes
-- Nodes with batches whose time is not known, and whether their newest live batch is one of them.
SELECT s.node_id AS node, count(*) AS batches, min(b.received_at) AS since, max(s.doubt) AS doubt,
       st.undated_since, st.clock_error_ms
FROM clock_suspect s JOIN batch b ON b.id = s.batch_id LEFT JOIN node_status st ON st.node_id = s.node_id
WHERE s.shift_ms IS NULL AND s.doubt IS NOT NULL
GROUP BY s.node_id, st.undated_since, st.clock_error_ms ORDER BY s.node_id

-- name: select_durability_settings
SELECT name, setting FROM pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit');

-- name: has_schema
SELECT to_regclass('schema_migration') IS NOT NULL;

-- name: has_node_copies
SELECT to_regclass('node_copy') IS NOT NULL;

-- name: select_applied_migrations
SELECT name, sha256 FROM schema_migration;

-- name: select_timescale_version
SELECT (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb') AS version,
       to_regclass('observation_1min') IS NOT NULL
       AND EXISTS (SELECT 1 FROM pg_class WHERE relname = 'schema_migration')
       AND EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = '_timescaledb_catalog') AS made_with_timescale;

-- name: count_failed_jobs
SELECT count(*) FROM timescaledb_information.job_stats WHERE last_run_status = 'Failed';

-- name: select_database_clock
SELECT clock_timestamp() AS now, max(committed_at) AS newest_batch FROM batch;

-- name: select_quarantined_hashes
-- Which of these hashes are of payloads that were quarantined for this reason; also if they were deleted since.
SELECT h.sha256 FROM unnest(%(hashes)s::bytea[]) AS h(sha256)
WHERE EXISTS (SELECT FROM quarantine q WHERE q.reason = %(reason)s AND sha256(q.payload) = h.sha256)
   OR EXISTS (SELECT FROM quarantine_emptied e WHERE e.reason = %(reason)s AND e.sha256 = h.sha256)

-- name: select_replay_requests
SELECT id, received_at, topic, reason, payload FROM quarantine
WHERE replay_asked_at IS NOT NULL AND replayed_at IS NULL AND ARRAY['*', split_part(topic, '/', 3)] && %(areas)s
ORDER BY id LIMIT %(limit)s

-- name: update_replay_outcomes
UPDATE quarantine q SET replayed_at = now(), outcome = u.outcome
FROM unnest(%(ids)s::bigint[], %(outcomes)s::text[]) AS u(id, outcome) WHERE q.id = u.id

-- name: select_stored_batch
-- The id of the batch with this key, and the properties with stored observations of it.
SELECT b.id, ARRAY(SELECT DISTINCT d.property_id FROM datastream d WHERE d.node_id = b.node_id
                   AND EXISTS (SELECT 1 FROM observation o WHERE o.datastream_id = d.id AND o.batch_id = b.id)) AS properties
FROM batch b WHERE b.node_id = %(node)s AND b.incarnation = %(incarnation)s AND b.seq = %(seq)s

-- name: insert_detector
INSERT INTO detector (name, parameters) VALUES (%(name)s, %(parameters)s::jsonb) ON CONFLICT DO NOTHING

-- name: select_detector_parameters
SELECT parameters::text FROM detector WHERE name = %(name)s

-- name: insert_checkpoint
INSERT INTO checkpoint (detector, areas, before_batch, newest, ids, quality, detection)
VALUES (%(detector)s, %(areas)s, %(before)s, %(newest)s, %(ids)s, %(quality)s, %(detection)s)

-- name: delete_surplus_checkpoints
-- After eight days one a day is enough, and those of the two hours before an event, from which it can be detected again.
DELETE FROM checkpoint c WHERE made_at < now() - interval '8 days' AND EXISTS (
    SELECT FROM checkpoint e WHERE e.detector = c.detector AND e.areas = c.areas
    AND e.made_at < c.made_at AND e.made_at >= date_trunc('day', c.made_at))
AND NOT EXISTS (
    SELECT FROM event e WHERE e.detected_at >= c.made_at AND e.detected_at < c.made_at + interval '2 hours 15 minutes')

-- name: select_checkpoint_before
-- The newest checkpoint without this batch and without readings from this time on.
SELECT before_batch AS next_batch, ids, quality, detection FROM checkpoint
WHERE detector = %(detector)s AND areas && ARRAY['*', %(area)s::text]
  AND before_batch <= coalesce(%(batch)s::bigint, before_batch) AND newest < coalesce(%(since)s::timestamptz, 'infinity')
ORDER BY before_batch DESC LIMIT 1

-- name: select_batches_between
SELECT b.id, b.node_id AS node, b.payload, b.received_at, b.hist AS late, b.committed_at FROM batch b JOIN node n ON n.id = b.node_id
WHERE n.area_id = %(area)s AND b.id >= %(first)s AND b.committed_at <= %(until)s
ORDER BY b.id LIMIT %(limit)s

-- name: select_batches_in_span
-- Every batch of an area that has a reading in the span, with what dated it.
SELECT b.id, b.node_id AS node, b.payload, b.received_at, b.hist AS late, b.committed_at, s.shift_ms
FROM batch b LEFT JOIN clock_suspect s ON s.batch_id = b.id
WHERE b.id IN (
    SELECT o.batch_id FROM observation o JOIN datastream d ON d.id = o.datastream_id JOIN node n ON n.id = d.node_id
    WHERE n.area_id = %(area)s AND o.observed_at > %(since)s AND o.observed_at <= %(until)s)
ORDER BY b.id

-- name: select_datastreams_until
SELECT id FROM datastream WHERE created_at <= %(until)s

-- name: select_event_for_replay
-- The event's newest revision, when it was stored, and when the first revision was.
SELECT e.area_id, e.detector, r.body::text, r.changed_at, (SELECT min(changed_at) FROM event_revision WHERE event_id = e.id),
       e.detected_late
FROM event e JOIN event_revision r ON r.event_id = e.id AND r.revision = e.revision WHERE e.id = %(id)s

-- name: select_first_batch_since
-- OFFSET 0 keeps the planner from walking all ids for the smallest.
SELECT coalesce(min(id), 0) FROM (
    SELECT id FROM batch WHERE committed_at >= %(at)s AND committed_at < %(at)s + interval '10 minutes' OFFSET 0
) AS about_then

-- name: upsert_gaps
INSERT INTO gap (datastream_id, since, until)
SELECT * FROM unnest(%(ids)s::int[], %(since)s::timestamptz[], %(until)s::timestamptz[])
ON CONFLICT (datastream_id) DO UPDATE SET
    since = least(gap.since, excluded.since), until = greatest(gap.until, excluded.until), changed_at = now()

-- name: take_repaired_gaps
-- Gaps that nothing was added to for a while; deleted here, and processed in the same transaction.
DELETE FROM gap g USING datastream d JOIN node n ON n.id = d.node_id
WHERE d.id = g.datastream_id AND g.changed_at <= now() - make_interval(secs => %(quiet)s)
  AND ARRAY['*', n.area_id] && %(areas)s
RETURNING n.area_id, g.datastream_id, g.since, g.until

-- name: select_overlapping_events
-- Stored events of these datastreams that overlap a span; ended_without_data: only because no reading followed;
-- is_open_late: found in late data, and its end is not known yet.
SELECT id, datastream_id, onset, ended_at, revision,
       change = 'ended' AND 'no_data' = ANY(reasons) AS ended_without_data,
       detected_late AND ended_at IS NULL AND change <> 'voided' AS is_open_late
FROM event
WHERE datastream_id = ANY(%(ids)s) AND onset <= %(until)s AND coalesce(ended_at, 'infinity') >= %(since)s
