-- name: lock_outbox
-- One worker at a time leases, so that each notification is gathered once.
SELECT pg_advisory_xact_lock(7402981)

-- name: lease_notification
-- The next that is due. A channel that had %(burst)s notifications within ten minutes gets the others gathered, in one
-- notification every %(gather)s seconds. A channel with a delivery under way waits, so that one that hangs delays no
-- other. A worker whose session has ended is dead: its leases are free at once, before they run out.
WITH alive AS MATERIALIZED (
    SELECT pid FROM pg_stat_activity WHERE datname = current_database()
), busy AS MATERIALIZED (
    SELECT receiver, channel, count(*) AS tried, max(first_try_at) AS last_try
    FROM alerting.outbox WHERE first_try_at > now() - interval '10 minutes' GROUP BY receiver, channel
), under_way AS MATERIALIZED (
    SELECT DISTINCT receiver, channel FROM alerting.outbox
    WHERE state = 'sending' AND lease_until >= now() AND claimed_by IN (SELECT pid FROM alive)
), chosen AS (
    SELECT c.id, c.attempts = 0 AND coalesce(b.tried >= %(burst)s, false) AS gathers
    FROM alerting.outbox c
    LEFT JOIN busy b ON b.receiver = c.receiver AND b.channel = c.channel
    LEFT JOIN under_way u ON u.receiver = c.receiver AND u.channel = c.channel
    WHERE ((c.state = 'pending' AND c.next_attempt_at <= now()
            AND (c.attempts > 0 OR b.tried IS NULL OR b.tried < %(burst)s
                 OR b.last_try <= now() - make_interval(secs => %(gather)s)))
           OR (c.state = 'sending' AND (c.lease_until < now() OR c.claimed_by NOT IN (SELECT pid FROM alive))))
      AND u.receiver IS NULL
    ORDER BY c.next_attempt_at, c.id LIMIT 1 FOR UPDATE OF c SKIP LOCKED
)
UPDATE alerting.outbox o
SET state = 'sending', attempts = attempts + 1, fence = fence + 1, lease_until = now() + make_interval(secs => %(lease)s),
    first_try_at = coalesce(first_try_at, clock_timestamp()), claimed_by = pg_backend_pid()
FROM alerting.inbox i, chosen
WHERE i.event_id = o.event_id AND i.revision = o.revision AND o.id = chosen.id
RETURNING o.id, o.receiver, o.channel, o.message_id AS notification_id, o.attempts, o.fence AS fencing_token,
          i.alert::text AS alert,
          (SELECT d.reason FROM alerting.decision d WHERE d.event_id = o.event_id AND d.revision = o.revision
             AND d.receiver = o.receiver AND d.round = o.round) AS reason,
          (SELECT d.detail FROM alerting.decision d WHERE d.event_id = o.event_id AND d.revision = o.revision
             AND d.receiver = o.receiver AND d.round = o.round) AS detail,
          i.received_at, o.created_at AS decided_at, chosen.gathers

-- name: gather_pending
UPDATE alerting.outbox g SET state = 'gathered', gathered_into = h.id, finished_at = now()
FROM alerting.outbox h
WHERE h.id = %(id)s AND g.receiver = h.receiver AND g.channel = h.channel AND g.state = 'pending' AND g.attempts = 0

-- name: select_gathered
SELECT i.alert::text AS alert,
       (SELECT d.reason FROM alerting.decision d WHERE d.event_id = g.event_id AND d.revision = g.revision
          AND d.receiver = g.receiver AND d.round = g.round) AS reason
FROM alerting.outbox g
JOIN alerting.inbox i ON i.event_id = g.event_id AND i.revision = g.revision
WHERE g.gathered_into = %(id)s ORDER BY g.id

-- name: select_addressees
-- Each addressee of the notification with the outcome of its newest attempt.
SELECT DISTINCT ON (addressee) addressee, outcome FROM alerting.addressee_outcome WHERE outbox_id = %(id)s
ORDER BY addressee, attempt DESC

-- name: count_certain_attempts
-- Attempts of which we know what came of them. One that ended with its worker has no row.
SELECT count(*) FROM alerting.delivery y
WHERE y.outbox_id = %(id)s AND y.outcome <> 'unknown'
  AND NOT EXISTS (SELECT 1 FROM alerting.addressee_outcome a
                  WHERE a.outbox_id = y.outbox_id AND a.attempt = y.attempt AND a.outcome = 'unknown')

-- name: select_original
-- The first notification of the same event that reached anybody of the same receiver by the same channel, or was
-- gathered into one that did. `severity`: of the revision that it was about.
SELECT h.message_id AS id, reached.sent_at, i.received_at, h.created_at AS decided_at,
       revision.alert ->> 'severity' AS severity
FROM alerting.outbox m
JOIN alerting.outbox o ON o.event_id = m.event_id AND o.receiver = m.receiver AND o.channel = m.channel AND o.id < m.id
JOIN alerting.outbox h ON h.id = coalesce(o.gathered_into, o.id)
JOIN LATERAL (SELECT min(y.ended_at) AS sent_at FROM alerting.delivery y
              WHERE y.outbox_id = h.id AND y.outcome IN ('delivered', 'partial')) AS reached
     ON reached.sent_at IS NOT NULL
JOIN alerting.inbox i ON i.event_id = h.event_id AND i.revision = h.revision
JOIN alerting.inbox revision ON revision.event_id = o.event_id AND revision.revision = o.revision
WHERE m.id = %(id)s ORDER BY o.id LIMIT 1

-- name: select_disabled_target
SELECT since FROM alerting.gone WHERE target = %(target)s

-- name: disable_target
INSERT INTO alerting.gone (target) VALUES (%(target)s) ON CONFLICT DO NOTHING

-- name: insert_delivery
INSERT INTO alerting.delivery (outbox_id, attempt, began_at, outcome, detail, sha256, bytes, rules)
SELECT o.id, %(attempt)s, %(began_at)s, %(outcome)s, %(detail)s, %(sha256)s, %(bytes)s,
       coalesce((SELECT d.rules FROM alerting.decision d WHERE d.event_id = o.event_id AND d.revision = o.revision
                   AND d.receiver = o.receiver AND d.round = o.round), '')
FROM alerting.outbox o WHERE o.id = %(id)s
ON CONFLICT DO NOTHING

-- name: insert_addressee_outcome
INSERT INTO alerting.addressee_outcome (outbox_id, attempt, addressee, outcome, detail)
VALUES (%(id)s, %(attempt)s, %(addressee)s, %(outcome)s, %(detail)s)
ON CONFLICT DO NOTHING

-- name: insert_refusal
INSERT INTO alerting.refusal (receiver, channel, addressee, detail)
VALUES (%(receiver)s, %(channel)s, %(addressee)s, %(detail)s)
ON CONFLICT (receiver, channel, addressee) DO UPDATE SET detail = excluded.detail

-- name: delete_refusal
DELETE FROM alerting.refusal
WHERE receiver = %(receiver)s AND channel = %(channel)s AND addressee IN (%(addressee)s, '')

-- name: insert_content
INSERT INTO alerting.sent (sha256, content) VALUES (%(sha256)s, %(content)s) ON CONFLICT DO NOTHING

-- name: finish_attempt
UPDATE alerting.outbox
SET state = %(state)s, lease_until = NULL, next_attempt_at = coalesce(%(next_attempt_at)s, next_attempt_at),
    finished_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE now() END
WHERE id = %(id)s AND fence = %(fencing_token)s AND state = 'sending'

-- name: lock_channel_order
-- Two channels of one order may finish at the same moment; each must see the outcome of the other.
SELECT pg_advisory_xact_lock(7402983, hashtext(receiver || event_id)) FROM alerting.outbox WHERE id = %(id)s

-- name: insert_next_channel
-- If a channel did not deliver, the next of the receiver's order gets the notification and those gathered into it.
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id)
SELECT event_id, revision, receiver, %(channel)s, round,
       concat_ws('-', event_id, revision, receiver, replace(%(channel)s, ':', '-'), round)
FROM alerting.outbox WHERE id = %(id)s OR gathered_into = %(id)s
ON CONFLICT DO NOTHING

-- name: skip_this_channel
UPDATE alerting.outbox o SET state = 'spared', finished_at = now()
WHERE o.id = %(id)s AND o.state = 'pending'
  AND EXISTS (SELECT 1 FROM alerting.outbox d
              WHERE d.event_id = o.event_id AND d.revision = o.revision AND d.receiver = o.receiver
                AND d.round = o.round AND d.state IN ('delivered', 'partial'))

-- name: skip_other_channels
-- One channel of the order has delivered: the others need not try.
UPDATE alerting.outbox o SET state = 'spared', finished_at = now()
FROM alerting.outbox d
WHERE (d.id = %(id)s OR d.gathered_into = %(id)s) AND o.event_id = d.event_id AND o.revision = d.revision
  AND o.receiver = d.receiver AND o.round = d.round AND o.state = 'pending'
