-- Removal of readings on request. Run by `piekwacht readings remove`.

-- name: select_datastreams_of_station
SELECT d.id FROM datastream d WHERE d.station_id = %(station)s

-- name: has_station
SELECT EXISTS (SELECT 1 FROM station WHERE id = %(station)s)

-- name: select_span
-- First and last reading of a period; NULL: none.
SELECT min(observed_at) AS first_at, max(observed_at) AS last_at FROM observation
WHERE datastream_id = ANY(%(ids)s::int[]) AND observed_at >= %(start)s AND observed_at < %(end)s

-- name: remove_readings
-- Readings, and the signed bytes of the batches that they came in; numbers and hashes of the batches stay.
WITH gone AS (
    DELETE FROM observation
    WHERE datastream_id = ANY(%(ids)s::int[]) AND observed_at >= %(start)s AND observed_at < %(end)s
    RETURNING datastream_id, observed_at, batch_id
), recorded AS (
    INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
    SELECT s.area_id, 'observations', 'on-request', min(g.observed_at), max(g.observed_at), count(*)
    FROM gone g JOIN datastream d ON d.id = g.datastream_id JOIN station s ON s.id = d.station_id GROUP BY 1
), emptied AS (
    UPDATE batch SET payload = '' WHERE id IN (SELECT batch_id FROM gone) AND payload <> ''
    RETURNING node_id, committed_at
), recorded_bytes AS (
    INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
    SELECT coalesce(n.area_id, '*'), 'signed-bytes', 'on-request', min(e.committed_at), max(e.committed_at), count(*)
    FROM emptied e LEFT JOIN node n ON n.id = e.node_id GROUP BY 1
)
SELECT (SELECT count(*) FROM gone) AS readings, (SELECT count(*) FROM emptied) AS batches
