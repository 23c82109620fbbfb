-- Observations and means between two times, oldest first; queried slice by slice, so that no result is large.

-- name: export_raw
SELECT o.datastream_id, o.observed_at, o.value, o.flags, b.node_id, b.incarnation, b.seq,
       o.stamped_at
FROM observation o JOIN batch b ON b.id = o.batch_id
WHERE o.datastream_id = ANY(%(ids)s::int[]) AND o.observed_at >= %(start)s AND o.observed_at < %(end)s
ORDER BY o.observed_at, o.batch_id, o.datastream_id, o.value

-- name: export_1min
SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m ORDER BY m.bucket, m.datastream_id

-- name: export_1h
SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM means_1h(%(ids)s::int[], %(start)s, %(end)s) m ORDER BY m.bucket, m.datastream_id

-- name: export_1day
SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
FROM means_1day(%(ids)s::int[], %(start)s, %(end)s) m ORDER BY m.bucket, m.datastream_id

-- name: select_datastreams_of_property
-- The datastreams of a property at a station, with the unit; no row if either is unknown.
SELECT s.id AS station, p.id AS observed_property, p.unit, array_remove(array_agg(d.id ORDER BY d.id), NULL) AS datastreams
FROM station s CROSS JOIN observed_property p
LEFT JOIN datastream d ON d.station_id = s.id AND d.property_id = p.id
WHERE s.id = %(station)s AND p.id = %(property)s
GROUP BY s.id, p.id, p.unit

-- name: select_humidity_datastreams
-- For each datastream the humidity datastream of the same node, else of another node at the station.
SELECT DISTINCT ON (d.id) d.id, h.id
FROM datastream d JOIN datastream h ON h.station_id = d.station_id AND h.property_id = 'humidity'
WHERE d.id = ANY(%(ids)s::int[])
ORDER BY d.id, (h.node_id = d.node_id) DESC, h.id

-- name: air_1min
SELECT m.datastream_id, m.bucket, m.mean, m.flags FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m
ORDER BY m.bucket, m.datastream_id

-- name: air_1h
SELECT m.datastream_id, m.bucket, m.mean, m.flags FROM means_1h(%(ids)s::int[], %(start)s, %(end)s) m
ORDER BY m.bucket, m.datastream_id
