-- name: use_one_snapshot
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: select_contacts
-- A guest is switched on and off by somebody else, and a vehicle stands still for days: their silence alerts nobody, and
-- they stand for no area.
SELECT station, area, latitude, longitude, last_heard FROM alerting.heard
WHERE last_heard IS NOT NULL AND NOT starts_with(station, 'guest-') AND NOT starts_with(station, 'mobile-')

-- name: select_sites
SELECT name, area, latitude, longitude FROM alerting.facility

-- name: select_unreachable
-- Receivers to which nothing was delivered since the first notification that has been waiting, or was refused.
SELECT o.receiver, min(o.created_at) AS since FROM alerting.outbox o
LEFT JOIN alerting.outbox h ON h.id = o.gathered_into
WHERE o.created_at > now() - interval '1 day' AND o.created_at < now() - make_interval(secs => %(seconds)s)
  AND coalesce(h.state, o.state) IN ('pending', 'sending', 'refused', 'unknown') AND o.receiver <> %(network_receiver)s
  AND NOT EXISTS (SELECT 1 FROM alerting.outbox d JOIN alerting.delivery y ON y.outbox_id = d.id
                  WHERE d.receiver = o.receiver AND y.outcome IN ('delivered', 'partial')
                    AND y.ended_at >= o.created_at)
GROUP BY o.receiver

-- name: select_refusals
SELECT receiver, channel, addressee, since, detail FROM alerting.refusal ORDER BY receiver, channel, addressee

-- name: delete_refusal
DELETE FROM alerting.refusal WHERE receiver = %(receiver)s AND channel = %(channel)s AND addressee = %(addressee)s

-- name: select_node_faults
-- A wrong clock is a fault after as long a time as missing data is.
SELECT node, area, station, latitude, longitude, kind, since, clock_error_ms FROM alerting.node_fault
WHERE (kind <> 'wrong_clock' OR since <= now() - make_interval(secs => %(seconds)s)) AND NOT starts_with(node, 'guest-')
ORDER BY kind, node

-- name: select_open_network_alerts
SELECT event_id, revision, alert::text AS alert FROM (
    SELECT DISTINCT ON (event_id) event_id, revision, alert FROM alerting.inbox
    WHERE alert ->> 'kind' IN ('silent', 'undeliverable', 'copied', 'wrong_clock') ORDER BY event_id, revision DESC
) AS newest WHERE alert ->> 'change' IN ('opened', 'updated')
