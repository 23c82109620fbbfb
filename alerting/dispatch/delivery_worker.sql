-- name: select_time_series
SELECT at, value, flags FROM alerting.curve(%(station)s, %(property)s, %(since)s, %(until)s)

-- name: select_plume_summary
SELECT p.summary::text FROM alerting.member m JOIN alerting.plume p ON p.id = m.plume_id
WHERE m.event_id = %(event)s AND p.summary IS NOT NULL

-- name: select_other_receivers
SELECT DISTINCT receiver FROM alerting.decision
WHERE event_id = %(event)s AND told AND receiver <> %(receiver)s ORDER BY receiver
