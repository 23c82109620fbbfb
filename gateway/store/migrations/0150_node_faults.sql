-- Faults of nodes that go to operators as network alerts: two cards send at once, or the clock is wrong.

ALTER TABLE node_copy ADD COLUMN began_at timestamptz;  -- of the present episode; one hour without a sighting ends it
UPDATE node_copy SET began_at = first_at;
ALTER TABLE node_copy ALTER COLUMN began_at SET NOT NULL;

CREATE VIEW alerting.node_fault AS  -- each fault that goes on, of a node in use
SELECT f.node_id AS node, n.area_id AS area, s.name AS station, round(s.latitude::numeric, 3)::float8 AS latitude,
       round(s.longitude::numeric, 3)::float8 AS longitude, f.kind, f.since, f.clock_error_ms
FROM (
    SELECT node_id, 'copied' AS kind, began_at AS since, NULL::bigint AS clock_error_ms
    FROM public.node_copy WHERE last_at > now() - interval '1 hour'
    UNION ALL
    SELECT node_id, 'wrong_clock', undated_since, clock_error_ms FROM public.node_status WHERE undated_since IS NOT NULL
) AS f
JOIN public.node n ON n.id = f.node_id AND n.revoked_at IS NULL
JOIN public.installation i ON i.node_id = n.id AND i.until IS NULL
JOIN public.station s ON s.id = i.station_id;

DROP INDEX alerting.inbox_quiet;
CREATE INDEX inbox_network ON alerting.inbox (event_id, revision)
    WHERE alert ->> 'kind' IN ('silent', 'undeliverable', 'copied', 'wrong_clock');
