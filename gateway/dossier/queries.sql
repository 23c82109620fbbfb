-- What a dossier reads beside the queries of the API. Every query runs in one transaction that only reads.

-- name: select_revision
-- One revision of an event (NULL: the newest), with its datastream, its levels and its detector.
SELECT e.id, r.revision, e.revision AS newest_revision, r.changed_at, e.plume_id AS plume, r.body::text AS body, e.area_id AS area,
       e.datastream_id AS datastream, d.node_id AS node, s.name AS station_name, p.unit, p.severity AS levels,
       coalesce(CASE WHEN r.revision = e.revision THEN e.severity END, i.alert ->> 'severity', e.severity) AS severity,
       t.parameters::text AS parameters
FROM event e
JOIN event_revision r ON r.event_id = e.id AND r.revision = coalesce(%(revision)s::int, e.revision)
JOIN datastream d ON d.id = e.datastream_id
JOIN station s ON s.id = e.station_id
JOIN observed_property p ON p.id = e.property_id
LEFT JOIN detector t ON t.name = r.body ->> 'detector'
LEFT JOIN alerting.inbox i ON i.event_id = e.id AND i.revision = r.revision
WHERE e.id = %(id)s

-- name: select_false_alarm_of_event
-- The judgement of an inspector that covers an event.
SELECT f.cause AS cause, f.stated_at AS stated_at FROM event e
JOIN alerting.false_alarm f ON f.plume = e.plume_id AND f.withdrawn_at IS NULL
  AND e.station_id = ANY(f.stations) AND e.severity = ANY(f.severities)
WHERE e.id = %(id)s

-- name: select_newest_revision
SELECT revision FROM event WHERE id = %(id)s

-- name: select_events_of_station
-- Events at a station that overlap a period, oldest first.
SELECT e.id FROM event e
WHERE e.station_id = %(station)s AND e.onset < %(end)s AND coalesce(e.ended_at, 'infinity') > %(start)s
ORDER BY e.onset, e.id LIMIT %(limit)s

-- name: select_events_around
-- Events in an area that overlap a period, with the columns of `select_events` of the API.
SELECT e.id, e.revision,
       CASE WHEN alerting.is_false_alarm(e.plume_id, e.station_id, e.severity) THEN 'voided' ELSE e.change END AS change,
       e.kind, e.area_id AS area, e.station_id AS station, s.name AS station_name,
       e.property_id AS observed_property, p.unit, e.severity, e.onset, e.peak_at, e.detected_at, e.ended_at AS "end",
       e.peak, e.background, e.excess, e.confidence, e.reasons, e.detector, e.detected_late, e.changed_at,
       e.merged_into, e.around
FROM event e JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
WHERE e.area_id = %(area)s AND e.onset < %(end)s AND coalesce(e.ended_at, 'infinity') > %(start)s
ORDER BY e.onset, e.id LIMIT %(limit)s

-- name: select_plume_events
-- The events of a plume, with the columns of `select_events` of the API.
SELECT e.id, e.revision,
       CASE WHEN alerting.is_false_alarm(e.plume_id, e.station_id, e.severity) THEN 'voided' ELSE e.change END AS change,
       e.kind, e.area_id AS area, e.station_id AS station, s.name AS station_name,
       e.property_id AS observed_property, p.unit, e.severity, e.onset, e.peak_at, e.detected_at, e.ended_at AS "end",
       e.peak, e.background, e.excess, e.confidence, e.reasons, e.detector, e.detected_late, e.changed_at,
       e.merged_into, e.around, e.plume_id AS plume
FROM event e JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
WHERE e.plume_id = %(plume)s ORDER BY e.onset, e.id LIMIT %(limit)s

-- name: select_batches
-- The signed batches with a reading of these datastreams in a period. An empty payload was deleted by retention.
SELECT b.node_id AS node, b.incarnation, b.seq AS number, b.sha256, b.payload, b.clock, b.hist AS late, b.received_at,
       b.committed_at, c.shift_ms, c.doubt
FROM batch b LEFT JOIN clock_suspect c ON c.batch_id = b.id
WHERE b.id IN (SELECT o.batch_id FROM observation o WHERE o.datastream_id = ANY(%(ids)s::int[])
               AND o.observed_at >= %(start)s AND o.observed_at < %(end)s)
ORDER BY b.node_id COLLATE "C", b.incarnation COLLATE "C", b.seq LIMIT %(limit)s

-- name: select_installations
-- Every node that ever stood at a station.
SELECT i.node_id AS node, i.since, i.until, n.enrolled_at, n.revoked_at, n.verifier_key AS key
FROM installation i JOIN node n ON n.id = i.node_id
WHERE i.station_id = %(station)s ORDER BY i.since, i.node_id

-- name: select_configurations
-- Configurations that operators sent to a node before the end of the period.
SELECT node_id AS node, version, desired_at FROM node_desired
WHERE node_id = ANY(%(nodes)s::text[]) AND desired_at < %(end)s ORDER BY node_id, version

-- name: select_copies
-- Nodes of which two ran at once, if that overlaps the period.
SELECT node_id AS node, first_at, last_at, conflicts FROM node_copy
WHERE node_id = ANY(%(nodes)s::text[]) AND first_at < %(end)s AND last_at >= %(start)s ORDER BY node_id

-- name: select_silences
-- Silences and maintenance windows that were in force in the period.
SELECT id, match, author, reason, starts_at, ends_at, kind FROM alerting.silence
WHERE starts_at < %(end)s AND ends_at > %(start)s ORDER BY starts_at, id LIMIT %(limit)s

-- name: summarise_selftest_peaks
-- Synthetic peaks of one detector over the thirty days up to a moment.
SELECT p.property_id AS observed_property, p.interval_s AS interval, p.multiple, count(*) AS injected,
       count(*) FILTER (WHERE outcome = 'found') AS found, percentile_cont(0.5) WITHIN GROUP (ORDER BY delay_s) AS delay,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY size_ratio) AS ratio
FROM selftest_peak p
WHERE p.detector = %(detector)s AND p.property_id = %(property)s AND p.outcome IN ('found', 'missed')
  AND p.hour > %(until)s::timestamptz - interval '30 days' AND p.hour <= %(until)s
GROUP BY p.property_id, p.interval_s, p.multiple ORDER BY p.interval_s, p.multiple

-- name: summarise_selftest_exposure
-- Over the same days: sensor days and peaks without synthetic peaks.
SELECT e.property_id AS observed_property, e.interval_s AS interval, sum(e.sensor_days) AS sensor_days,
       sum(e.peaks)::int AS peaks, sum(e.alone)::int AS alone
FROM selftest_exposure e
WHERE e.detector = %(detector)s AND e.property_id = %(property)s
  AND e.hour > %(until)s::timestamptz - interval '30 days' AND e.hour <= %(until)s
GROUP BY e.property_id, e.interval_s ORDER BY e.interval_s

-- name: select_checkpoint_before_event
-- A state of an area without the batches that were stored with the first revision of the event or after it: the newest
-- one before the onset, so that every reading of the event follows it. After a restart a state is from the time of the
-- event; then the state before that one is used. OFFSET 0 keeps the planner from walking all ids for the smallest.
WITH opened AS (SELECT min(changed_at) AS at FROM event_revision WHERE event_id = %(event)s),
first_batch AS (
    SELECT min(id) AS id FROM (
        SELECT b.id FROM batch b, opened
        WHERE b.committed_at >= opened.at AND b.committed_at < opened.at + interval '10 minutes' OFFSET 0) AS about_then
),
nearest AS (
    SELECT before_batch, newest, ids, quality, detection FROM checkpoint, first_batch
    WHERE detector = %(detector)s AND areas && ARRAY['*', %(area)s::text] AND before_batch <= first_batch.id
    ORDER BY before_batch DESC LIMIT 2
)
SELECT before_batch, ids, quality, detection FROM nearest
ORDER BY newest < %(onset)s::timestamptz DESC, before_batch DESC LIMIT 1

-- name: select_detection_span
-- Adjacent leaves of an area: from the first batch with at least this id to the last one that was stored by `until`.
-- `cut`: the first of them that cannot be in a file. It is not published, its bytes were deleted, or they are too many.
WITH ends AS (
    SELECT (SELECT number FROM log_leaf WHERE area_id = %(area)s AND batch_id >= %(first)s ORDER BY batch_id LIMIT 1)
               AS first,
           (SELECT max(l.number) FROM batch b JOIN log_leaf l ON l.batch_id = b.id
            WHERE l.area_id = %(area)s AND b.committed_at <= %(until)s
              AND b.committed_at >= (SELECT min(changed_at) FROM event_revision
                                      WHERE event_id = ANY(%(events)s::text[]))) AS last
), leaves AS (
    SELECT l.number, l.entry IS NULL AND coalesce(octet_length(b.payload), 0) = 0 AS is_deleted,
           sum(%(leaf_bytes)s + coalesce(octet_length(l.entry), 0) + coalesce(octet_length(b.payload), 0) * 4 / 3)
               OVER (ORDER BY l.number) AS bytes
    FROM ends JOIN log_leaf l ON l.number BETWEEN ends.first AND ends.last LEFT JOIN batch b ON b.id = l.batch_id
    WHERE l.area_id = %(area)s
)
SELECT first, last, (SELECT min(number) FROM leaves
                     WHERE number >= %(size)s OR number >= ends.first + %(max_leaves)s OR is_deleted
                        OR bytes > %(room)s) AS cut
FROM ends WHERE first <= last

-- name: select_event_ends
-- For each event (`until`, `changed_at`) the last batch among these leaves, and whether one is as new as its revision.
SELECT max(l.number) FILTER (WHERE b.committed_at <= e.until) AS last_leaf, bool_or(b.committed_at >= e.changed_at) AS is_reached
FROM unnest(%(untils)s::timestamptz[], %(changes)s::timestamptz[]) WITH ORDINALITY AS e(until, changed_at, place)
LEFT JOIN (log_leaf l JOIN batch b ON b.id = l.batch_id)
    ON l.area_id = %(area)s AND l.number >= %(first)s AND l.number < %(end)s
GROUP BY e.place ORDER BY e.place

-- name: select_batches_of_leaves
-- Nodes and times of arrival of the batches among these leaves.
SELECT array_agg(DISTINCT b.node_id) AS nodes, min(b.received_at) AS first_at, max(b.received_at) AS last_at
FROM log_leaf l JOIN batch b ON b.id = l.batch_id
WHERE l.area_id = %(area)s AND l.number BETWEEN %(first)s AND %(last)s HAVING count(*) > 0

-- name: select_detection_leaves
SELECT l.entry, b.payload, b.received_at, b.hist AS late
FROM log_leaf l LEFT JOIN batch b ON b.id = l.batch_id
WHERE l.area_id = %(area)s AND l.number BETWEEN %(first)s AND %(last)s ORDER BY l.number

-- name: select_revision_leaves
-- The revisions of an event up to one, oldest first.
SELECT l.number, l.entry, l.document
FROM event_revision r JOIN log_leaf l ON l.area_id = %(area)s AND l.source = 'event ' || r.event_id || ' ' || r.revision
WHERE r.event_id = %(event)s AND r.revision <= %(revision)s ORDER BY r.revision

-- name: select_leaf
SELECT number, entry, document FROM log_leaf WHERE area_id = %(area)s AND source = %(source)s

-- name: select_ranges_leaf
-- The newest ranges of the properties before a leaf; the order must not lead over all leaves.
WITH matches AS MATERIALIZED (
    SELECT number, entry, document FROM log_leaf
    WHERE area_id = %(area)s AND source LIKE 'correction-rule ranges-of-properties %%'
)
SELECT number, entry, document FROM matches WHERE number < %(before)s ORDER BY number DESC LIMIT 1

-- name: select_node_key_leaves
-- All statements about the keys of nodes before a leaf.
SELECT l.number, l.entry, l.document
FROM node_key k JOIN log_leaf l ON l.area_id = k.area_id AND l.source = 'node-key ' || k.node_id || ' ' || k.id
WHERE k.area_id = %(area)s AND k.node_id = ANY(%(nodes)s::text[]) AND l.number < %(last)s ORDER BY l.number

-- name: select_detected_streams
-- Datastreams that belong to an area by their node or their station, as the gateway of that area has them.
SELECT d.id, d.station_id AS station, d.node_id AS node, d.property_id AS observed_property
FROM datastream d JOIN node n ON n.id = d.node_id JOIN station s ON s.id = d.station_id
WHERE %(area)s IN (n.area_id, s.area_id)
-- an event is dated in milliseconds, and its first readings may have created the datastream in the same transaction
AND date_trunc('milliseconds', d.created_at) <= %(until)s ORDER BY d.id

-- name: select_batches_by_key
-- Stored batches with their places in a log, as `select_logged_batch` of the API has one.
SELECT b.id, b.node_id AS node, b.incarnation, b.seq AS number, b.payload, b.received_at, l.area_id AS area, l.number AS leaf
FROM unnest(%(nodes)s::text[], %(incarnations)s::text[], %(numbers)s::bigint[]) AS k(node, incarnation, number)
JOIN batch b ON b.node_id = k.node AND b.incarnation = k.incarnation AND b.seq = k.number
LEFT JOIN log_leaf l ON l.batch_id = b.id
ORDER BY b.id

-- name: select_key_statements
-- All statements about the keys of nodes, in the logs of all areas.
SELECT k.id, k.area_id AS area, k.node_id AS node, k.since, k.until, l.number, l.entry
FROM node_key k JOIN log_leaf l ON l.area_id = k.area_id AND l.source = 'node-key ' || k.node_id || ' ' || k.id
WHERE k.node_id = ANY(%(nodes)s::text[]) ORDER BY k.id

-- name: select_maintenance_between
-- A window of a node of the area with readings that arrived in the span; those of a backlog are up to a day older.
SELECT m.id FROM maintenance_window m JOIN node n ON n.id = m.node_id
WHERE n.area_id = %(area)s AND m.starts_at <= %(end)s AND m.ends_at > %(start)s::timestamptz - interval '1 day' LIMIT 1
