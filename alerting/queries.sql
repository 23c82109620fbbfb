-- Everything alerting reads and writes.

-- name: put
INSERT INTO alerting.inbox (event_id, revision, alert)
SELECT * FROM unnest(%(events)s::text[], %(revisions)s::int[], %(alerts)s::jsonb[])
ON CONFLICT DO NOTHING

-- name: wake
SELECT pg_notify('piekwacht_alerting', '')

-- name: take_inbox
-- One event's revisions are decided in order and by one worker: the first waiting one of each event.
SELECT i.alert::text FROM alerting.inbox i
WHERE i.dispatched_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM alerting.inbox e
                  WHERE e.event_id = i.event_id AND e.revision < i.revision AND e.dispatched_at IS NULL)
ORDER BY i.received_at LIMIT 50
FOR UPDATE SKIP LOCKED

-- name: told
SELECT i.alert ->> 'severity' FROM alerting.decision d
JOIN alerting.inbox i ON i.event_id = d.event_id AND i.revision = d.revision
WHERE d.event_id = %(event)s AND d.receiver = %(receiver)s AND d.told

-- name: decide
INSERT INTO alerting.decision (event_id, revision, receiver, told, reason)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(told)s, %(reason)s) ON CONFLICT DO NOTHING

-- name: queue
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, message_id)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(channel)s, %(message)s) ON CONFLICT DO NOTHING

-- name: dispatched
UPDATE alerting.inbox SET dispatched_at = now() WHERE event_id = %(event)s AND revision = %(revision)s

-- name: claim
UPDATE alerting.outbox o
SET state = 'sending', attempts = attempts + 1, fence = fence + 1, lease_until = now() + interval '60 seconds'
FROM alerting.inbox i
WHERE i.event_id = o.event_id AND i.revision = o.revision AND o.id = (
    SELECT c.id FROM alerting.outbox c
    WHERE (c.state = 'pending' AND c.next_attempt_at <= now()) OR (c.state = 'sending' AND c.lease_until < now())
    ORDER BY c.next_attempt_at, c.id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING o.id, o.receiver, o.channel, o.message_id, o.attempts, o.fence, i.alert::text

-- name: record
INSERT INTO alerting.delivery (outbox_id, attempt, began_at, outcome, detail, sha256)
VALUES (%(id)s, %(attempt)s, %(began)s, %(outcome)s, %(detail)s, %(sha256)s) ON CONFLICT DO NOTHING

-- name: finish
UPDATE alerting.outbox
SET state = %(state)s, lease_until = NULL, next_attempt_at = coalesce(%(next)s, next_attempt_at),
    finished_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE now() END
WHERE id = %(id)s AND fence = %(fence)s AND state = 'sending'

-- name: sizes
SELECT (SELECT count(*) FROM alerting.inbox WHERE dispatched_at IS NULL),
       (SELECT count(*) FROM alerting.outbox WHERE state IN ('pending', 'sending'))
