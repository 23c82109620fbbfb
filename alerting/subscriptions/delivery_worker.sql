-- name: lease_notices
-- The next that are due at one provider. A worker whose session has ended is dead: its leases are free at once. A lease is
-- long enough for all that a worker leases at a time, if the other side takes its longest for each.
WITH alive AS MATERIALIZED (
    SELECT pid FROM pg_stat_activity WHERE datname = current_database()
), chosen AS (
    SELECT push_id FROM subscriptions.notice
    WHERE provider = %(provider)s AND next_attempt_at <= now()
      AND (lease_until IS NULL OR lease_until < now() OR claimed_by NOT IN (SELECT pid FROM alive))
    ORDER BY next_attempt_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
), leased AS (
    UPDATE subscriptions.notice n
    SET attempts = attempts + 1, fence = fence + 1, lease_until = now() + interval '15 minutes', claimed_by = pg_backend_pid()
    FROM chosen WHERE n.push_id = chosen.push_id RETURNING n.*
)
SELECT l.push_id, l.contact_id, l.reason, l.plume, l.event_id, l.revision, l.lines::text AS lines, l.subscription_id,
       l.committed_at, l.attempts, l.fence, c.pseudonym, c.kind, c.address, c.push_key, c.push_secret, c.language
FROM leased l JOIN subscriptions.contact c ON c.id = l.contact_id ORDER BY l.created_at

-- name: select_alert
SELECT alert::text FROM alerting.inbox WHERE event_id = %(event)s AND revision = %(revision)s

-- name: select_plume_alerts
SELECT i.alert::text AS alert,
       alerting.is_false_alarm(m.plume, i.alert ->> 'station', i.alert ->> 'severity') AS is_false_alarm
FROM subscriptions.plume_event m
JOIN alerting.inbox i ON i.event_id = m.event_id AND i.revision = m.revision
WHERE m.plume = %(plume)s ORDER BY m.event_id

-- name: select_false_alarm_cause
SELECT cause FROM alerting.false_alarm WHERE plume = %(plume)s AND withdrawn_at IS NULL

-- name: select_receivers
SELECT DISTINCT d.receiver FROM subscriptions.plume_event m
JOIN alerting.decision d ON d.event_id = m.event_id AND d.told WHERE m.plume = %(plume)s ORDER BY d.receiver

-- name: select_subscription
SELECT s.place_kind, coalesce(p.name, s.place) AS place, s.latitude, s.longitude, s.radius, s.property, s.level, s.cadence,
       s.quiet_from, s.quiet_until, s.wakes
FROM subscriptions.subscription s LEFT JOIN subscriptions.place p ON p.kind = s.place_kind AND p.id = s.place
WHERE s.id = %(id)s

-- name: insert_texts
INSERT INTO subscriptions.sent_text (sha256, content) SELECT * FROM unnest(%(hashes)s::bytea[], %(texts)s::text[])
ON CONFLICT DO NOTHING

-- name: insert_deliveries
INSERT INTO subscriptions.delivery (push_id, attempt, pseudonym, channel, reason, plume, event_id, revision, outcome, answer,
                                    text_sha256, committed_at, began_at, ended_at)
SELECT * FROM unnest(%(push_ids)s::text[], %(attempts)s::int[], %(pseudonyms)s::uuid[], %(channels)s::text[],
                     %(reasons)s::text[], %(plumes)s::text[], %(events)s::text[], %(revisions)s::int[], %(outcomes)s::text[],
                     %(answers)s::text[], %(hashes)s::bytea[], %(committed)s::timestamptz[], %(began)s::timestamptz[],
                     %(ended)s::timestamptz[])
ON CONFLICT DO NOTHING

-- name: delete_settled
DELETE FROM subscriptions.notice n USING unnest(%(push_ids)s::text[], %(fences)s::bigint[]) AS done (push_id, fence)
WHERE n.push_id = done.push_id AND n.fence = done.fence

-- name: postpone
UPDATE subscriptions.notice n SET lease_until = NULL, claimed_by = NULL, next_attempt_at = later.at
FROM unnest(%(push_ids)s::text[], %(fences)s::bigint[], %(times)s::timestamptz[]) AS later (push_id, fence, at)
WHERE n.push_id = later.push_id AND n.fence = later.fence

-- name: delete_gone_contacts
-- The browser has unsubscribed, or was removed: nothing is stored of it any more.
DELETE FROM subscriptions.contact WHERE id = ANY(%(contacts)s)

-- name: select_queue_state
-- Notices that wait, and the age of the oldest that is due and of the oldest revision without a decision, in seconds.
SELECT (SELECT count(*) FROM subscriptions.notice) AS waiting,
       greatest(coalesce((SELECT extract(epoch FROM now() - min(created_at)) FROM subscriptions.notice
                          WHERE next_attempt_at <= now() AND attempts = 0), 0),
                coalesce((SELECT extract(epoch FROM now() - min(committed_at)) FROM subscriptions.queue), 0))::float8 AS delay
