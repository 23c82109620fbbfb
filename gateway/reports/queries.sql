-- What a report reads beside the queries of the API and of exports. Every query runs in one transaction that only reads.

-- name: select_report_acknowledgements
-- Every acknowledgement of an event of these plumes.
SELECT e.plume_id AS plume, a.said_at AS at, a.who AS author, a.note
FROM event e JOIN alerting.acknowledgement a ON a.event_id = e.id
WHERE e.plume_id = ANY(%(plumes)s::text[]) ORDER BY a.said_at, a.event_id, a.who COLLATE "C", a.note COLLATE "C"

-- name: select_report_known_sources
-- Known sources that an inhibition of the authority names, with its legal basis, by plume.
SELECT e.plume_id AS plume, min(d.decided_at) AS at, d.detail
FROM event e JOIN alerting.decision d ON d.event_id = e.id AND d.reason = 'known_source'
WHERE e.plume_id = ANY(%(plumes)s::text[]) GROUP BY e.plume_id, d.detail ORDER BY min(d.decided_at), d.detail COLLATE "C"

-- name: select_report_installations
-- Which node stood at which station of the area, if that overlaps the period or ended before it.
SELECT i.node_id AS node, i.station_id AS station, i.since, i.until
FROM installation i JOIN station s ON s.id = i.station_id
WHERE s.area_id = %(area)s AND NOT starts_with(i.station_id, 'mobile-')
ORDER BY i.since, i.node_id COLLATE "C"

-- name: select_report_detectors
-- The detectors whose events began in the period, with the number of events of each.
SELECT e.detector AS name, t.since, count(*) AS events
FROM event e LEFT JOIN detector t ON t.name = e.detector
WHERE e.area_id = %(area)s AND e.onset >= %(start)s AND e.onset < %(end)s
GROUP BY e.detector, t.since ORDER BY min(e.onset), e.detector COLLATE "C"
