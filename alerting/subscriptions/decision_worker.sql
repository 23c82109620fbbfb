-- name: lock_decisions
-- One worker at a time decides: each decision depends on what a contact was last notified of.
SELECT pg_advisory_xact_lock(7402985)

-- name: select_queue
SELECT q.event_id, q.revision, q.committed_at, i.alert::text AS alert FROM subscriptions.queue q
JOIN alerting.inbox i ON i.event_id = q.event_id AND i.revision = q.revision
ORDER BY q.committed_at, q.event_id, q.revision LIMIT 200

-- name: delete_queue
DELETE FROM subscriptions.queue q USING unnest(%(events)s::text[], %(revisions)s::int[]) AS decided (event_id, revision)
WHERE q.event_id = decided.event_id AND q.revision = decided.revision

-- name: upsert_plume_events
INSERT INTO subscriptions.plume_event AS m (event_id, plume, revision)
SELECT * FROM unnest(%(events)s::text[], %(plumes)s::text[], %(revisions)s::int[])
ON CONFLICT (event_id) DO UPDATE SET plume = excluded.plume, revision = excluded.revision
WHERE m.revision < excluded.revision

-- name: select_plume_alerts
-- The newest decided alert of each event of these plumes.
SELECT m.plume, i.alert::text AS alert,
       alerting.is_false_alarm(m.plume, i.alert ->> 'station', i.alert ->> 'severity') AS is_false_alarm
FROM subscriptions.plume_event m
JOIN alerting.inbox i ON i.event_id = m.event_id AND i.revision = m.revision
WHERE m.plume = ANY(%(plumes)s) ORDER BY m.plume, m.event_id

-- name: update_plume
INSERT INTO subscriptions.plume (id, end_due_at) VALUES (%(plume)s, %(end_due_at)s)
ON CONFLICT (id) DO UPDATE SET end_due_at = excluded.end_due_at, changed_at = now()

-- name: select_due_ends
SELECT id FROM subscriptions.plume WHERE end_due_at <= %(now)s ORDER BY end_due_at LIMIT 50

-- name: select_contacts
-- Contacts that may be concerned: by a subscription to a place and property of the plume, or because they were
-- notified of it. Circles are judged in the program.
WITH concerned AS (
    SELECT s.contact_id FROM subscriptions.subscription s
    WHERE s.confirmed_at IS NOT NULL AND s.property = ANY(%(properties)s)
      AND CASE s.place_kind WHEN 'area' THEN s.place = %(area)s WHEN 'station' THEN s.place = ANY(%(stations)s) ELSE true END
    UNION SELECT n.contact_id FROM subscriptions.last_notice n WHERE n.plume = %(plume)s
)
SELECT c.id, c.pseudonym, c.kind, c.address, c.paused_at IS NOT NULL AS is_paused,
       n.event_id, n.severity, n.has_ended, n.is_voided, n.number
FROM concerned JOIN subscriptions.contact c ON c.id = concerned.contact_id
LEFT JOIN subscriptions.last_notice n ON n.contact_id = c.id AND n.plume = %(plume)s
WHERE c.confirmed_at IS NOT NULL

-- name: select_subscriptions
SELECT contact_id, place_kind, place, latitude, longitude, radius, property, level, cadence, quiet_from, quiet_until, wakes
FROM subscriptions.subscription WHERE confirmed_at IS NOT NULL AND contact_id = ANY(%(contacts)s)

-- name: upsert_last_notices
INSERT INTO subscriptions.last_notice (contact_id, plume, event_id, severity, has_ended, is_voided, number)
SELECT * FROM unnest(%(contacts)s::uuid[], %(plumes)s::text[], %(events)s::text[], %(severities)s::text[], %(ended)s::bool[],
                     %(voided)s::bool[], %(numbers)s::int[])
ON CONFLICT (contact_id, plume) DO UPDATE
SET event_id = excluded.event_id, severity = excluded.severity, has_ended = excluded.has_ended,
    is_voided = excluded.is_voided, number = excluded.number, notified_at = now()

-- name: insert_notices
INSERT INTO subscriptions.notice (push_id, contact_id, provider, reason, plume, event_id, revision, lines, committed_at)
SELECT push_id, contact_id, provider, reason, plume, event_id, revision, lines::jsonb, committed_at
FROM unnest(%(push_ids)s::text[], %(contacts)s::uuid[], %(providers)s::text[], %(reasons)s::text[], %(plumes)s::text[],
            %(events)s::text[], %(revisions)s::int[], %(lines)s::text[], %(committed)s::timestamptz[])
     AS new (push_id, contact_id, provider, reason, plume, event_id, revision, lines, committed_at)
ON CONFLICT (push_id) DO NOTHING

-- name: hold_plumes
INSERT INTO subscriptions.held_plume AS h (contact_id, plume, reason, release_at)
SELECT * FROM unnest(%(contacts)s::uuid[], %(plumes)s::text[], %(reasons)s::text[], %(release_at)s::timestamptz[])
ON CONFLICT (contact_id, plume) DO UPDATE SET release_at = least(h.release_at, excluded.release_at)

-- name: release_held
-- What the contact gets a notice about now needs no line later.
DELETE FROM subscriptions.held_plume h USING unnest(%(contacts)s::uuid[], %(plumes)s::text[]) AS done (contact_id, plume)
WHERE h.contact_id = done.contact_id AND h.plume = done.plume

-- name: select_released
-- Whole contacts at a time, so that each gets one notice about all that was held.
SELECT h.contact_id, h.plume FROM subscriptions.held_plume h
WHERE h.release_at <= %(now)s
  AND h.contact_id IN (SELECT DISTINCT contact_id FROM subscriptions.held_plume WHERE release_at <= %(now)s LIMIT 2000)

-- name: delete_released
DELETE FROM subscriptions.held_plume WHERE release_at <= %(now)s AND contact_id = ANY(%(contacts)s)

-- name: select_released_contacts
SELECT c.id, c.pseudonym, c.kind, c.address, c.paused_at IS NOT NULL AS is_paused,
       n.event_id, n.severity, n.has_ended, n.is_voided, n.number
FROM subscriptions.contact c
LEFT JOIN subscriptions.last_notice n ON n.contact_id = c.id AND n.plume = %(plume)s
WHERE c.id = ANY(%(contacts)s)

-- name: delete_unconfirmed_contacts
DELETE FROM subscriptions.contact WHERE confirmed_at IS NULL AND created_at < now() - interval '48 hours'

-- name: delete_unconfirmed_subscriptions
DELETE FROM subscriptions.subscription WHERE confirmed_at IS NULL AND created_at < now() - interval '48 hours'

-- name: delete_old_notices
-- Of a provider that the settings do not have any more; others are settled within a day.
DELETE FROM subscriptions.notice WHERE created_at < now() - interval '3 days'

-- name: delete_old_plumes
-- A correction comes within hours; after 90 days nobody's notices of a plume are stored any more.
WITH old AS (DELETE FROM subscriptions.plume WHERE changed_at < now() - interval '90 days' RETURNING id),
     events AS (DELETE FROM subscriptions.plume_event WHERE plume IN (SELECT id FROM old))
DELETE FROM subscriptions.last_notice WHERE plume IN (SELECT id FROM old)

-- name: notify_senders
SELECT pg_notify('piekwacht_subscriptions', '')
