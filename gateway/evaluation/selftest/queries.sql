-- What the self-test reads of stored readings, and the results it keeps. It writes nothing else.

-- name: try_lock
SELECT pg_try_advisory_lock(7431103, 0)

-- name: select_areas
SELECT id FROM area ORDER BY id

-- name: select_active_datastreams
-- The datastreams of an area that had a reading in the span; on those of moving stations nothing is detected.
SELECT d.id FROM datastream d JOIN node n ON n.id = d.node_id
WHERE n.area_id = %(area)s AND d.property_id = ANY(%(properties)s) AND NOT starts_with(d.station_id, 'mobile-')
  AND EXISTS (SELECT FROM observation o
              WHERE o.datastream_id = d.id AND o.observed_at >= %(since)s AND o.observed_at < %(until)s)

-- name: select_readings
-- Valid readings of a datastream over a span, by time.
SELECT (extract(epoch FROM observed_at) * 1000)::bigint, value FROM observation
WHERE datastream_id = %(id)s AND observed_at >= %(since)s AND observed_at < %(until)s
  AND valid_value(value, flags) IS NOT NULL
ORDER BY observed_at

-- name: select_batch_ids
-- The batches of an area with a reading in the span, in the order in which they were taken in; not what came late.
SELECT b.id FROM batch b
WHERE b.id IN (
    SELECT o.batch_id FROM observation o JOIN datastream d ON d.id = o.datastream_id JOIN node n ON n.id = d.node_id
    WHERE n.area_id = %(area)s AND o.observed_at >= %(since)s AND o.observed_at < %(until)s)
  AND NOT b.hist AND b.id >= %(first)s
ORDER BY b.id

-- name: select_payloads
SELECT id, node_id AS node, payload, received_at, hist AS late, committed_at FROM batch WHERE id = ANY(%(ids)s) ORDER BY id

-- name: select_last_hour
SELECT max(hour) FROM selftest_hour WHERE area_id = %(area)s AND detector = %(detector)s

-- name: select_newest_hour
SELECT date_trunc('hour', max(o.observed_at)) + interval '1 hour' FROM datastream d JOIN node n ON n.id = d.node_id
CROSS JOIN LATERAL (SELECT observed_at FROM observation WHERE datastream_id = d.id AND observed_at <= now()
                    ORDER BY observed_at DESC LIMIT 1) o
WHERE n.area_id = %(area)s

-- name: insert_hour
INSERT INTO selftest_hour (area_id, detector, hour) VALUES (%(area)s, %(detector)s, %(hour)s)
ON CONFLICT DO NOTHING RETURNING hour

-- name: insert_peak
INSERT INTO selftest_peak (area_id, detector, hour, copy, property_id, station_id, interval_s, onset, ends_at, shape, multiple,
                           height, outcome, called, delay_s, size_ratio)
VALUES (%(area)s, %(detector)s, %(hour)s, %(copy)s, %(property)s, %(station)s, %(interval)s, %(onset)s, %(end)s, %(shape)s,
        %(multiple)s, %(height)s, %(outcome)s, %(called)s, %(delay)s, %(ratio)s)

-- name: insert_exposure
INSERT INTO selftest_exposure (area_id, detector, hour, property_id, interval_s, sensor_days, peaks, alone)
VALUES (%(area)s, %(detector)s, %(hour)s, %(property)s, %(interval)s, %(sensor_days)s, %(peaks)s, %(alone)s)
