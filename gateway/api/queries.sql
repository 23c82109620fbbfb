-- What the public may read. Positions are rounded to 3 decimals (about 100 m) before they leave.

-- name: areas
SELECT id, name, authority, outline FROM area ORDER BY id

-- name: sites
SELECT id, area_id, name, operator, latitude, longitude FROM site ORDER BY id

-- name: stations
SELECT id, area_id, name, round(latitude::numeric, 3)::float8, round(longitude::numeric, 3)::float8
FROM station
WHERE (%(area)s::text IS NULL OR area_id = %(area)s) AND (%(station)s::text IS NULL OR id = %(station)s)
ORDER BY name

-- name: newest
-- For each datastream the mean and the largest value of the 60 s that end at its newest reading.
SELECT d.station_id, d.property_id, p.unit, n.observed_at, m.mean, m.max, m.valid_count, m.flags
FROM datastream d
JOIN observed_property p ON p.id = d.property_id
JOIN station s ON s.id = d.station_id
CROSS JOIN LATERAL (
    SELECT o.observed_at FROM observation o WHERE o.datastream_id = d.id ORDER BY o.observed_at DESC LIMIT 1
) AS n
CROSS JOIN LATERAL (
    SELECT avg(o.value) AS mean, max(o.value) AS max, count(o.value) AS valid_count, bit_or(o.flags) AS flags
    FROM observation o
    WHERE o.datastream_id = d.id AND o.observed_at > n.observed_at - interval '60 seconds' AND o.observed_at <= n.observed_at
) AS m
WHERE (%(area)s::text IS NULL OR s.area_id = %(area)s) AND (%(station)s::text IS NULL OR s.id = %(station)s)
ORDER BY d.station_id, d.property_id

-- name: newest_of_all
SELECT max(n.observed_at) FROM datastream d CROSS JOIN LATERAL (
    SELECT o.observed_at FROM observation o WHERE o.datastream_id = d.id ORDER BY o.observed_at DESC LIMIT 1) AS n

-- name: properties
SELECT id, unit, name_nl, name_en FROM observed_property ORDER BY id

-- name: raw
-- One page of single values, newest first; the cursor is the last row's time and batch.
SELECT d.property_id, o.observed_at, o.value, o.flags, o.batch_id, b.node_id, b.incarnation, b.seq
FROM datastream d
JOIN observation o ON o.datastream_id = d.id
JOIN batch b ON b.id = o.batch_id
WHERE d.station_id = %(station)s AND d.property_id = %(property)s
  AND o.observed_at >= %(start)s AND o.observed_at < %(end)s
  AND (%(before)s::timestamptz IS NULL OR (o.observed_at, o.batch_id) < (%(before)s, %(batch)s))
ORDER BY o.observed_at DESC, o.batch_id DESC LIMIT %(limit)s

-- name: means_1min
SELECT d.property_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM datastream d JOIN observation_1min m ON m.datastream_id = d.id
WHERE d.station_id = %(station)s AND d.property_id = %(property)s
  AND m.bucket >= %(start)s AND m.bucket < %(end)s AND (%(before)s::timestamptz IS NULL OR m.bucket < %(before)s)
ORDER BY m.bucket DESC LIMIT %(limit)s

-- name: means_1h
SELECT d.property_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM datastream d JOIN observation_1h m ON m.datastream_id = d.id
WHERE d.station_id = %(station)s AND d.property_id = %(property)s
  AND m.bucket >= %(start)s AND m.bucket < %(end)s AND (%(before)s::timestamptz IS NULL OR m.bucket < %(before)s)
ORDER BY m.bucket DESC LIMIT %(limit)s

-- name: means_1day
SELECT d.property_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM datastream d JOIN observation_1day m ON m.datastream_id = d.id
WHERE d.station_id = %(station)s AND d.property_id = %(property)s
  AND m.bucket >= %(start)s AND m.bucket < %(end)s AND (%(before)s::timestamptz IS NULL OR m.bucket < %(before)s)
ORDER BY m.bucket DESC LIMIT %(limit)s

-- name: events
SELECT e.id, e.revision, e.change, e.kind, e.area_id, e.station_id, s.name, e.property_id, p.unit, e.severity, e.onset,
       e.peak_at, e.detected_at, e.ended_at, e.peak, e.background, e.excess, e.confidence, e.reasons, e.detector,
       e.detected_late, e.changed_at
FROM event e JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
WHERE (%(id)s::text IS NULL OR e.id = %(id)s)
  AND (%(area)s::text IS NULL OR e.area_id = %(area)s)
  AND (%(station)s::text IS NULL OR e.station_id = %(station)s)
  AND (%(property)s::text IS NULL OR e.property_id = %(property)s)
  AND (%(open)s::boolean IS NULL OR (e.ended_at IS NULL AND e.change <> 'voided') = %(open)s)
  AND (%(start)s::timestamptz IS NULL OR e.onset >= %(start)s)
  AND (%(end)s::timestamptz IS NULL OR e.onset < %(end)s)
  AND (%(before)s::timestamptz IS NULL OR (e.onset, e.id) < (%(before)s, %(before_id)s))
ORDER BY e.onset DESC, e.id DESC LIMIT %(limit)s

-- name: ready
SELECT (SELECT count(*) FROM schema_migration)
