-- What the demo asks the database: for its view while it runs, and for the account at its end.

-- name: select_values
SELECT d.node_id, d.property_id, (extract(epoch FROM o.observed_at) * 1000)::bigint, o.value
FROM observation o JOIN datastream d ON d.id = o.datastream_id
WHERE o.value IS NOT NULL

-- name: events
SELECT count(*) FROM event

-- name: alerts
SELECT count(DISTINCT event_id) FROM alerting.inbox

-- name: deliveries
SELECT count(*) FROM alerting.outbox WHERE state = 'delivered'

-- name: count_waiting_deliveries
SELECT count(*) FROM alerting.outbox WHERE state IN ('pending', 'sending')

-- name: select_latency
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY age), percentile_cont(0.99) WITHIN GROUP (ORDER BY age)
FROM (
    SELECT extract(epoch FROM b.committed_at - o.observed_at)::double precision AS age
    FROM observation o JOIN batch b ON b.id = o.batch_id
    WHERE NOT b.hist
) AS ages

-- name: select_newest_values
-- Each station's newest values of a few properties, and when they were true.
SELECT s.name, max(n.observed_at),
       max(n.value) FILTER (WHERE d.property_id = 'pm2_5'),
       max(n.value) FILTER (WHERE d.property_id = 'pm10'),
       max(n.value) FILTER (WHERE d.property_id = 'voc_raw')
FROM station s
JOIN datastream d ON d.station_id = s.id AND d.property_id IN ('pm2_5', 'pm10', 'voc_raw', 'ch4')
CROSS JOIN LATERAL (
    SELECT o.observed_at, o.value FROM observation o
    WHERE o.datastream_id = d.id AND valid_value(o.value, o.flags) IS NOT NULL
    ORDER BY o.observed_at DESC LIMIT 1
) AS n
GROUP BY s.id, s.name
ORDER BY s.name

-- name: select_newest_peaks
SELECT s.name, p.name_nl, e.change, e.severity, e.peak, e.background, e.confidence, e.onset
FROM event e JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
ORDER BY e.onset DESC, e.id LIMIT 8

-- name: count_stored
SELECT (SELECT count(*) FROM batch), (SELECT count(*) FROM observation), (SELECT count(*) FROM quarantine)
