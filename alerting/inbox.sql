-- name: insert_alerts
INSERT INTO alerting.inbox (event_id, revision, alert)
SELECT * FROM unnest(%(events)s::text[], %(revisions)s::int[], %(alerts)s::jsonb[])
ON CONFLICT DO NOTHING

-- name: notify_workers
SELECT pg_notify('piekwacht_alerting', '')
