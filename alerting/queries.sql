-- Everything alerting reads and writes.

-- name: put
INSERT INTO alerting.inbox (event_id, revision, alert)
SELECT * FROM unnest(%(events)s::text[], %(revisions)s::int[], %(alerts)s::jsonb[])
ON CONFLICT DO NOTHING

-- name: wake
SELECT pg_notify('piekwacht_alerting', '')

-- name: take_inbox
-- One event's revisions are decided in order and by one worker: the first waiting one of each event.
SELECT i.event_id, i.revision, i.alert::text FROM alerting.inbox i
WHERE i.dispatched_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM alerting.inbox e
                  WHERE e.event_id = i.event_id AND e.revision < i.revision AND e.dispatched_at IS NULL)
ORDER BY i.received_at LIMIT 200
FOR UPDATE SKIP LOCKED

-- name: told
SELECT d.event_id, d.receiver, i.alert ->> 'severity' FROM alerting.decision d
JOIN alerting.inbox i ON i.event_id = d.event_id AND i.revision = d.revision
WHERE d.event_id = ANY(%(events)s) AND d.told

-- name: decide
INSERT INTO alerting.decision (event_id, revision, receiver, round, told, reason, detail, rules)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(round)s, %(told)s, %(reason)s, %(detail)s, %(rules)s)
ON CONFLICT DO NOTHING

-- name: queue
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(channel)s, %(round)s,
        concat_ws('-', %(event)s::text, %(revision)s, %(receiver)s::text, replace(%(channel)s, ':', '-'), %(round)s))
ON CONFLICT DO NOTHING

-- name: queue_next
-- What one channel did not deliver goes to the next of the receiver's order, with all that was gathered into it.
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id)
SELECT event_id, revision, receiver, %(channel)s, round,
       concat_ws('-', event_id, revision, receiver, replace(%(channel)s, ':', '-'), round)
FROM alerting.outbox WHERE id = %(id)s OR gathered_into = %(id)s
ON CONFLICT DO NOTHING

-- name: order_alone
-- Two channels of one order may end at the same moment: each must see what came of the other.
SELECT pg_advisory_xact_lock(7402983, hashtext(receiver || event_id)) FROM alerting.outbox WHERE id = %(id)s

-- name: spare_self
UPDATE alerting.outbox o SET state = 'spared', finished_at = now()
WHERE o.id = %(id)s AND o.state = 'pending'
  AND EXISTS (SELECT 1 FROM alerting.outbox d
              WHERE d.event_id = o.event_id AND d.revision = o.revision AND d.receiver = o.receiver
                AND d.round = o.round AND d.state = 'delivered')

-- name: spare
-- One channel of the order has delivered: what the others still wanted to try is not needed.
UPDATE alerting.outbox o SET state = 'spared', finished_at = now()
FROM alerting.outbox d
WHERE (d.id = %(id)s OR d.gathered_into = %(id)s) AND o.event_id = d.event_id AND o.revision = d.revision
  AND o.receiver = d.receiver AND o.round = d.round AND o.state = 'pending'

-- name: dispatched
UPDATE alerting.inbox SET dispatched_at = now() WHERE event_id = %(event)s AND revision = %(revision)s

-- name: watch
INSERT INTO alerting.watch (event_id, receiver, revision, told_at, last_at)
VALUES (%(event)s, %(receiver)s, %(revision)s, %(now)s, %(now)s)
ON CONFLICT (event_id, receiver) DO UPDATE SET revision = excluded.revision, round = 0, last_at = excluded.last_at

-- name: unwatch
DELETE FROM alerting.watch WHERE event_id = %(event)s

-- name: watched
-- Events that are not over, were told, and that nobody has acknowledged.
SELECT w.event_id, w.receiver, w.revision, w.round, w.told_at, w.last_at, w.escalated_at IS NOT NULL, i.alert::text
FROM alerting.watch w JOIN alerting.inbox i ON i.event_id = w.event_id AND i.revision = w.revision
WHERE NOT EXISTS (SELECT 1 FROM alerting.acknowledgement a WHERE a.event_id = w.event_id)
FOR UPDATE OF w SKIP LOCKED

-- name: reminded
UPDATE alerting.watch
SET round = round + 1,
    last_at = CASE WHEN %(escalated)s THEN last_at ELSE %(now)s END,
    escalated_at = CASE WHEN %(escalated)s THEN %(now)s ELSE escalated_at END
WHERE event_id = %(event)s AND receiver = %(receiver)s

-- name: silences_version
SELECT count(*), max(changed_at) FROM alerting.silence WHERE ends_at > now()

-- name: silences
SELECT id, match, author, reason, starts_at, ends_at, kind FROM alerting.silence WHERE ends_at > now() ORDER BY id

-- name: claim_alone
-- Claims are made one at a time, so that what is gathered is gathered once.
SELECT pg_advisory_xact_lock(7402981)

-- name: claim
-- The next that is due. A channel that had %(burst)s notifications within ten minutes gets the rest gathered, one
-- message every %(gather)s seconds; a channel that is being sent to waits, so that one that hangs holds up no other.
-- A worker whose session has ended is dead: what it had claimed is free at once, without waiting for its lease.
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
SET state = 'sending', attempts = attempts + 1, fence = fence + 1, lease_until = now() + interval '60 seconds',
    first_try_at = coalesce(first_try_at, clock_timestamp()), claimed_by = pg_backend_pid()
FROM alerting.inbox i, chosen
WHERE i.event_id = o.event_id AND i.revision = o.revision AND o.id = chosen.id
RETURNING o.id, o.receiver, o.channel, o.message_id, o.attempts, o.fence, i.alert::text,
          (SELECT d.reason FROM alerting.decision d WHERE d.event_id = o.event_id AND d.revision = o.revision
             AND d.receiver = o.receiver AND d.round = o.round), i.received_at, chosen.gathers

-- name: gather
UPDATE alerting.outbox g SET state = 'gathered', gathered_into = h.id, finished_at = now()
FROM alerting.outbox h
WHERE h.id = %(id)s AND g.receiver = h.receiver AND g.channel = h.channel AND g.state = 'pending' AND g.attempts = 0

-- name: gathered
SELECT i.alert::text FROM alerting.outbox g
JOIN alerting.inbox i ON i.event_id = g.event_id AND i.revision = g.revision
WHERE g.gathered_into = %(id)s ORDER BY g.id

-- name: curve
SELECT at, value, flags FROM alerting.curve(%(station)s, %(property)s, %(since)s, %(until)s)

-- name: keys
SELECT id, secret FROM alerting.signing_key WHERE retired_at IS NULL

-- name: original
-- The first message of the same event that reached the same receiver by the same channel, or was gathered into one.
SELECT h.message_id, h.finished_at
FROM alerting.outbox m
JOIN alerting.outbox o ON o.event_id = m.event_id AND o.receiver = m.receiver AND o.channel = m.channel AND o.id < m.id
JOIN alerting.outbox h ON h.id = coalesce(o.gathered_into, o.id) AND h.state = 'delivered'
WHERE m.id = %(id)s ORDER BY o.id LIMIT 1

-- name: record
INSERT INTO alerting.delivery (outbox_id, attempt, began_at, outcome, detail, sha256)
VALUES (%(id)s, %(attempt)s, %(began)s, %(outcome)s, %(detail)s, %(sha256)s) ON CONFLICT DO NOTHING

-- name: finish
UPDATE alerting.outbox
SET state = %(state)s, lease_until = NULL, next_attempt_at = coalesce(%(next)s, next_attempt_at),
    finished_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE now() END
WHERE id = %(id)s AND fence = %(fence)s AND state = 'sending'

-- name: gone
SELECT since FROM alerting.gone WHERE target = %(target)s

-- name: is_gone
INSERT INTO alerting.gone (target) VALUES (%(target)s) ON CONFLICT DO NOTHING

-- name: enable
DELETE FROM alerting.gone WHERE target = %(target)s

-- name: sizes
SELECT (SELECT count(*) FROM alerting.inbox WHERE dispatched_at IS NULL),
       (SELECT count(*) FROM alerting.outbox WHERE state IN ('pending', 'sending'))

-- name: known_event
SELECT 1 FROM alerting.inbox WHERE event_id = %(event)s LIMIT 1

-- name: acknowledge
INSERT INTO alerting.acknowledgement (event_id, who, note) VALUES (%(event)s, %(who)s, %(note)s)

-- name: silence
INSERT INTO alerting.silence (match, author, reason, starts_at, ends_at, changed_by, kind)
VALUES (%(match)s, %(author)s, %(reason)s, coalesce(%(starts)s, now()), %(ends)s, %(author)s, %(kind)s) RETURNING id

-- name: silences_ahead
SELECT id, kind, match, author, reason, starts_at, ends_at FROM alerting.silence WHERE ends_at > now() ORDER BY starts_at, id

-- name: known
SELECT label, value FROM alerting.known

-- name: end_silence
UPDATE alerting.silence SET ends_at = greatest(now(), starts_at), changed_at = now(), changed_by = %(who)s
WHERE id = %(id)s AND ends_at > now()

-- name: explain
-- All that was decided, sent and answered about one event, in the order it happened.
SELECT at, what FROM (
    SELECT i.received_at AS at, 0 AS rank,
           format('revision %%s: %%s, %%s, confidence %%s', i.revision, i.alert ->> 'change', i.alert ->> 'severity',
                  i.alert ->> 'confidence') AS what
    FROM alerting.inbox i WHERE i.event_id = %(event)s
  UNION ALL
    SELECT d.decided_at, 1,
           format('revision %%s: %%s %%s: %%s%%s (rules %%s)', d.revision, coalesce(nullif(d.receiver, ''), 'nobody'),
                  CASE WHEN d.told THEN 'is told' ELSE 'is not told' END, d.reason,
                  CASE WHEN d.detail <> '' THEN ', ' || d.detail ELSE '' END, d.rules)
    FROM alerting.decision d WHERE d.event_id = %(event)s
  UNION ALL
    SELECT y.began_at, 2,
           format('revision %%s: %%s by %%s, attempt %%s: %%s, %%s (sha256 %%s)', o.revision, o.receiver, o.channel,
                  y.attempt, y.outcome, y.detail, encode(y.sha256, 'hex'))
    FROM alerting.delivery y JOIN alerting.outbox o ON o.id = y.outbox_id WHERE o.event_id = %(event)s
  UNION ALL
    SELECT o.finished_at, 3, format('revision %%s: %%s by %%s: gathered with others into message %%s', o.revision,
                                    o.receiver, o.channel, h.message_id)
    FROM alerting.outbox o JOIN alerting.outbox h ON h.id = o.gathered_into WHERE o.event_id = %(event)s
  UNION ALL
    SELECT o.finished_at, 3, format('revision %%s: %%s by %%s: not needed, another channel delivered', o.revision,
                                    o.receiver, o.channel)
    FROM alerting.outbox o WHERE o.event_id = %(event)s AND o.state = 'spared'
  UNION ALL
    SELECT a.said_at, 4, format('acknowledged by %%s%%s', a.who, CASE WHEN a.note <> '' THEN ': ' || a.note ELSE '' END)
    FROM alerting.acknowledgement a WHERE a.event_id = %(event)s
) AS told
ORDER BY at, rank
