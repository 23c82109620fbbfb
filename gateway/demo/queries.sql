-- What the demo asks the database: for its view while it runs, and for the account at its end.

-- name: select_nodes
SELECT id FROM node ORDER BY id

-- name: select_values
SELECT d.property_id, (extract(epoch FROM o.observed_at) * 1000)::bigint, o.value
FROM observation o JOIN datastream d ON d.id = o.datastream_id
WHERE d.node_id = %(node)s AND o.value IS NOT NULL

-- name: events
SELECT count(*) FROM event

-- name: count_events_before
SELECT count(*) FROM event WHERE onset < %(end)s

-- name: alerts
SELECT count(DISTINCT event_id) FROM alerting.inbox

-- name: deliveries
SELECT count(*) FROM alerting.outbox WHERE state = 'delivered'

-- name: count_waiting_deliveries
SELECT count(*) FROM alerting.outbox WHERE state IN ('pending', 'sending')

-- name: select_latency
-- Of readings since `start`; NULL: of all.
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY age), percentile_cont(0.99) WITHIN GROUP (ORDER BY age)
FROM (
    SELECT extract(epoch FROM b.committed_at - o.observed_at)::double precision AS age
    FROM observation o JOIN batch b ON b.id = o.batch_id
    WHERE NOT b.hist AND (%(start)s::timestamptz IS NULL OR o.observed_at >= %(start)s)
) AS ages

-- name: select_newest_values
-- Each station's newest values of a few properties, and the time of the newest.
SELECT s.id AS station, s.name, max(n.observed_at) AS observed_at,
       max(n.value) FILTER (WHERE d.property_id = 'pm2_5') AS pm2_5,
       max(n.value) FILTER (WHERE d.property_id = 'pm10') AS pm10,
       max(n.value) FILTER (WHERE d.property_id = 'voc_raw') AS voc_raw
FROM station s
JOIN datastream d ON d.station_id = s.id AND d.property_id IN ('pm2_5', 'pm10', 'voc_raw', 'ch4') AND NOT starts_with(s.id, 'mobile-')
CROSS JOIN LATERAL (
    SELECT o.observed_at, o.value FROM observation o
    WHERE o.datastream_id = d.id AND valid_value(o.value, o.flags) IS NOT NULL
    ORDER BY o.observed_at DESC LIMIT 1
) AS n
GROUP BY s.id, s.name
ORDER BY s.name

-- name: select_newest_peaks
SELECT s.id AS station, s.name, e.property_id AS observed_property, e.severity, e.peak, e.background, e.confidence, e.onset,
       e.ended_at IS NULL AND e.change <> 'voided' AS is_open
FROM event e JOIN station s ON s.id = e.station_id
WHERE e.kind IN ('peak', 'regional')
ORDER BY e.onset DESC, e.id LIMIT 60

-- name: count_stored
SELECT (SELECT count(*) FROM batch) AS batches, (SELECT count(*) FROM event) AS events,
       (SELECT count(*) FROM quarantine) AS quarantined
