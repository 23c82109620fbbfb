-- What the public may read. Positions are rounded to 3 decimals (about 100 m) before they leave.

-- name: select_areas
SELECT id, name, authority, outline FROM area ORDER BY id

-- name: select_sites
SELECT id, area_id, name, operator, latitude, longitude FROM site ORDER BY id

-- name: select_stations
SELECT id, area_id, name, round(latitude::numeric, 3)::float8, round(longitude::numeric, 3)::float8 FROM station ORDER BY id

-- name: select_properties
SELECT id, unit, name_nl, name_en, lower, upper FROM observed_property ORDER BY id

-- name: select_datastreams
SELECT id, station_id, node_id, property_id, created_at FROM datastream ORDER BY id

-- name: select_versions
-- Whether what a process remembers is still so: operators' changes, and the number of the newest commit.
SELECT r.version, CASE WHEN l.is_called THEN l.last_value ELSE 0 END FROM registry_version r, live_id l

-- name: select_newest_minutes
-- For each datastream the readings of the 60 s that end at its newest one.
SELECT d.id, m.at, m.value, m.flags
FROM datastream d
CROSS JOIN LATERAL (
    SELECT o.observed_at FROM observation o WHERE o.datastream_id = d.id ORDER BY o.observed_at DESC LIMIT 1
) AS n
CROSS JOIN LATERAL (
    SELECT array_agg((extract(epoch FROM o.observed_at) * 1000)::bigint ORDER BY o.observed_at, o.batch_id) AS at,
           array_agg(o.value ORDER BY o.observed_at, o.batch_id) AS value,
           array_agg(o.flags ORDER BY o.observed_at, o.batch_id) AS flags
    FROM observation o
    WHERE o.datastream_id = d.id AND o.observed_at > n.observed_at - interval '60 seconds' AND o.observed_at <= n.observed_at
) AS m
ORDER BY d.id

-- name: select_readings
-- One page of single values, newest first. The cursor is the last row's time and batch, and how many rows with just
-- these have been given.
SELECT o.datastream_id, o.observed_at, o.value, o.flags, o.batch_id, b.node_id, b.incarnation, b.seq
FROM observation o JOIN batch b ON b.id = o.batch_id
WHERE o.datastream_id = ANY(%(ids)s::int[])
  AND o.observed_at >= %(start)s AND o.observed_at < %(end)s
  AND (%(before)s::timestamptz IS NULL OR (o.observed_at, o.batch_id) <= (%(before)s, %(key)s::bigint))
ORDER BY o.observed_at DESC, o.batch_id DESC, o.datastream_id, o.value LIMIT %(limit)s OFFSET %(offset)s

-- name: select_means_1min
SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m ORDER BY m.bucket DESC, m.datastream_id DESC

-- name: select_means_1h
SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM means_1h(%(ids)s::int[], %(start)s, %(end)s) m ORDER BY m.bucket DESC, m.datastream_id DESC

-- name: select_means_1day
SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM means_1day(%(ids)s::int[], %(start)s, %(end)s) m ORDER BY m.bucket DESC, m.datastream_id DESC

-- name: select_events
SELECT e.id, e.revision, e.change, e.kind, e.area_id, e.station_id, s.name, e.property_id, p.unit, e.severity, e.onset,
       e.peak_at, e.detected_at, e.ended_at, e.peak, e.background, e.excess, e.confidence, e.reasons, e.detector,
       e.detected_late, e.changed_at, e.merged_into, e.around
FROM event e JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
WHERE (%(id)s::text IS NULL OR e.id = %(id)s)
  AND (%(area)s::text IS NULL OR e.area_id = %(area)s)
  AND (%(station)s::text IS NULL OR e.station_id = %(station)s)
  AND (%(property)s::text IS NULL OR e.property_id = %(property)s)
  AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
  AND (%(open)s::boolean IS NULL OR (e.ended_at IS NULL AND e.change <> 'voided') = %(open)s)
  AND (%(start)s::timestamptz IS NULL OR e.onset >= %(start)s)
  AND (%(end)s::timestamptz IS NULL OR e.onset < %(end)s)
  AND (%(before)s::timestamptz IS NULL OR (e.onset, e.id) < (%(before)s, %(before_id)s))
ORDER BY e.onset DESC, e.id DESC LIMIT %(limit)s

-- name: select_revisions
-- What was said of an event before, oldest first: corrections stay visible for ever.
SELECT r.revision, r.changed_at, r.body FROM event_revision r WHERE r.event_id = %(id)s ORDER BY r.revision LIMIT %(limit)s

-- name: select_alerts
-- Who was told of what, as far as everybody may know: the inspectorate's name and the kind of channel, never an address.
SELECT o.id, o.event_id, o.revision, o.round, e.area_id, a.authority, e.station_id, s.name, e.property_id, p.unit, e.severity,
       e.onset, e.peak, o.receiver, split_part(o.channel, ':', 1), o.state, o.created_at, o.finished_at
FROM alerting.outbox o
JOIN event e ON e.id = o.event_id
JOIN area a ON a.id = e.area_id
JOIN station s ON s.id = e.station_id
JOIN observed_property p ON p.id = e.property_id
WHERE (%(id)s::bigint IS NULL OR o.id = %(id)s)
  AND (%(area)s::text IS NULL OR e.area_id = %(area)s)
  AND (%(event)s::text IS NULL OR o.event_id = %(event)s)
  AND (%(start)s::timestamptz IS NULL OR o.created_at >= %(start)s)
  AND (%(end)s::timestamptz IS NULL OR o.created_at < %(end)s)
  AND (%(before)s::bigint IS NULL OR o.id < %(before)s)
ORDER BY o.id DESC LIMIT %(limit)s

-- name: summarise_completeness
-- Of each station the first property that it ever measured: hours with values, readings with a value, readings.
SELECT d.station_id, count(DISTINCT m.bucket), sum(m.valid_count)::bigint, sum(m.count)::bigint
FROM means_1h((SELECT array_agg(f.id) FROM (SELECT min(id) AS id FROM datastream WHERE property_id <> 'lost_readings'
                                            GROUP BY station_id) f), %(start)s, %(end)s) m
JOIN datastream d ON d.id = m.datastream_id
GROUP BY d.station_id ORDER BY d.station_id

-- name: summarise_alert_latency
-- From the moment an event was committed to the moment its first message was delivered, in seconds.
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM o.finished_at - i.received_at)),
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM o.finished_at - i.received_at))
FROM alerting.outbox o JOIN alerting.inbox i ON i.event_id = o.event_id AND i.revision = o.revision
WHERE o.state = 'delivered' AND o.round = 0 AND o.created_at >= %(start)s

-- name: summarise_selftest_peaks
-- Of the detector that was examined last, over thirty days up to then: what became of synthetic peaks.
WITH newest AS (SELECT detector, hour FROM selftest_hour ORDER BY hour DESC, examined_at DESC LIMIT 1)
SELECT n.detector, min(p.hour), max(p.hour), p.property_id, p.interval_s, p.multiple, count(*),
       count(*) FILTER (WHERE outcome = 'found'),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY delay_s), percentile_cont(0.5) WITHIN GROUP (ORDER BY size_ratio)
FROM newest n JOIN selftest_peak p ON p.detector = n.detector AND p.hour > n.hour - interval '30 days'
WHERE p.outcome IN ('found', 'missed')
GROUP BY n.detector, p.property_id, p.interval_s, p.multiple ORDER BY p.property_id, p.interval_s, p.multiple

-- name: summarise_selftest_exposure
-- Over the same days: how much was watched without them.
WITH newest AS (SELECT detector, hour FROM selftest_hour ORDER BY hour DESC, examined_at DESC LIMIT 1)
SELECT e.property_id, e.interval_s, sum(e.sensor_days), sum(e.peaks)::int, sum(e.alone)::int
FROM newest n JOIN selftest_exposure e ON e.detector = n.detector AND e.hour > n.hour - interval '30 days'
GROUP BY e.property_id, e.interval_s ORDER BY e.property_id, e.interval_s

-- name: summarise_detection
-- Peaks begun since then, those withdrawn, and how long after the onset half of them were found, in seconds.
SELECT count(*), count(*) FILTER (WHERE e.change = 'voided'),
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM e.detected_at - e.onset))
           FILTER (WHERE NOT e.detected_late)
FROM event e WHERE e.kind IN ('peak', 'regional') AND e.onset >= %(start)s

-- name: count_migrations
SELECT (SELECT count(*) FROM schema_migration)
