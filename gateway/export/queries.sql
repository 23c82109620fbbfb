-- Observations and means between two times, oldest first; queried slice by slice, so that no result is large.

-- name: export_raw
-- Every reading as it is, those that do not count as well: their flags say why.
SELECT o.datastream_id, o.observed_at, o.value, quality_flags(o.value, o.flags) AS flags, b.node_id, b.incarnation, b.seq,
       o.stamped_at
FROM observation o JOIN batch b ON b.id = o.batch_id
WHERE o.datastream_id = ANY(%(ids)s::int[]) AND o.observed_at >= %(start)s AND o.observed_at < %(end)s
ORDER BY o.observed_at, o.batch_id, o.datastream_id, o.value

-- Means have the columns of MeanRow (selection.py). A bucket counts if its start lies in the period.

-- name: export_1min
WITH i AS MATERIALIZED (SELECT * FROM sampling_intervals(%(ids)s::int[], %(start)s, %(end)s, '1 hour'))
SELECT m.datastream_id, m.bucket, m.bucket + interval '1 minute', m.count, m.valid_count,
       expected_count(m.bucket, m.bucket + interval '1 minute', i.seconds), m.mean, m.min, m.max, m.flags
FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m
LEFT JOIN i ON i.datastream_id = m.datastream_id AND i.starts_at = date_bin('1 hour', m.bucket, 'epoch')
ORDER BY m.bucket, m.datastream_id

-- name: export_1h
-- The interval is that of the hour in the last three days, and that of the day before: an operator, or the start of the
-- demo, may change it within a day.
WITH i AS MATERIALIZED (
    SELECT s.*, interval '1 hour' AS width
    FROM sampling_intervals(%(ids)s::int[], greatest(%(start)s::timestamptz, now() - interval '3 days'), %(end)s, '1 hour') s
    UNION ALL
    SELECT s.*, interval '1 day' FROM sampling_intervals(%(ids)s::int[], %(start)s, %(end)s, '1 day') s
)
SELECT m.datastream_id, m.bucket, m.bucket + interval '1 hour', m.count, m.valid_count,
       expected_count(m.bucket, m.bucket + interval '1 hour', i.seconds), m.mean, m.min, m.max, m.flags
FROM means_1h(%(ids)s::int[], %(start)s, %(end)s) m
LEFT JOIN i ON i.datastream_id = m.datastream_id AND i.starts_at = date_bin(i.width, m.bucket, 'epoch')
    AND i.width = CASE WHEN m.bucket >= now() - interval '3 days' THEN interval '1 hour' ELSE interval '1 day' END
ORDER BY m.bucket, m.datastream_id

-- name: export_1day
-- As for hours. A day of which some hours have no known interval has the mean of the others for these.
WITH h AS MATERIALIZED (
    SELECT * FROM sampling_intervals(
        %(ids)s::int[], greatest(%(start)s::timestamptz, now() - interval '3 days'), %(end)s::timestamptz + interval '1 day', '1 hour')
), i AS MATERIALIZED (
    SELECT * FROM sampling_intervals(%(ids)s::int[], %(start)s, %(end)s::timestamptz + interval '1 day', '1 day')
)
SELECT m.datastream_id, m.bucket, m.ends_at, m.count, m.valid_count,
       CASE WHEN m.bucket >= now() - interval '3 days' THEN (
           SELECT greatest(1, round(avg(1 / h.seconds)::numeric * extract(epoch FROM m.ends_at - m.bucket)))::bigint
           FROM h WHERE h.datastream_id = m.datastream_id AND h.starts_at >= m.bucket AND h.starts_at < m.ends_at
           HAVING count(*) > 0
       ) ELSE expected_count(m.bucket, m.ends_at, i.seconds) END, m.mean, m.min, m.max, m.flags
FROM means_1day(%(ids)s::int[], %(start)s, %(end)s, %(time_zone)s) m
LEFT JOIN i ON i.datastream_id = m.datastream_id AND i.starts_at = date_bin('1 day', m.bucket + interval '12 hours', 'epoch')
ORDER BY m.bucket, m.datastream_id

-- name: select_datastreams_of_property
-- The datastreams of a property at a station, with the unit; no row if either is unknown.
SELECT s.id AS station, p.id AS observed_property, p.unit, a.time_zone,
       array_remove(array_agg(d.id ORDER BY d.id), NULL) AS datastreams
FROM station s JOIN area a ON a.id = s.area_id CROSS JOIN observed_property p
LEFT JOIN datastream d ON d.station_id = s.id AND d.property_id = p.id
WHERE s.id = %(station)s AND p.id = %(property)s
GROUP BY s.id, p.id, p.unit, a.time_zone

-- name: select_humidity_datastreams
-- For each datastream the humidity datastream of the same node, else of another node at the station.
SELECT DISTINCT ON (d.id) d.id, h.id
FROM datastream d JOIN datastream h ON h.station_id = d.station_id AND h.property_id = 'humidity'
WHERE d.id = ANY(%(ids)s::int[])
ORDER BY d.id, (h.node_id = d.node_id) DESC, h.id

-- name: select_calibrations
-- Every version of every calibration.
SELECT node_id AS node, property_id AS observed_property, version, valid_from, valid_until, sensor_model, serial, "offset",
       slope, humidity_slope, kappa, uncertainty, source, author
FROM calibration ORDER BY node_id, property_id, version

-- name: select_calibrated_datastreams
SELECT d.id, d.node_id AS node, d.property_id AS observed_property
FROM datastream d
WHERE d.id = ANY(%(ids)s::int[]) AND EXISTS (
    SELECT 1 FROM calibration c WHERE (c.node_id, c.property_id) = (d.node_id, d.property_id))

-- name: air_1min
SELECT m.datastream_id, m.bucket, m.mean, m.flags FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m
ORDER BY m.bucket, m.datastream_id

-- name: air_1h
SELECT m.datastream_id, m.bucket, m.mean, m.flags FROM means_1h(%(ids)s::int[], %(start)s, %(end)s) m
ORDER BY m.bucket, m.datastream_id
