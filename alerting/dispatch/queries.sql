-- Everything alerting reads and writes.

-- name: insert_alerts
INSERT INTO alerting.inbox (event_id, revision, alert)
SELECT * FROM unnest(%(events)s::text[], %(revisions)s::int[], %(alerts)s::jsonb[])
ON CONFLICT DO NOTHING

-- name: notify_workers
SELECT pg_notify('piekwacht_alerting', '')

-- name: select_inbox
-- In the order in which it came, an event's revisions one after another; by one worker at a time (decide_alone).
SELECT event_id, revision, alert::text FROM alerting.inbox WHERE dispatched_at IS NULL
ORDER BY received_at, event_id, revision LIMIT 200 FOR UPDATE

-- name: lock_decisions
-- Decisions are made by one worker at a time: what one told of a plume the next must know.
SELECT pg_advisory_xact_lock(7402982)

-- name: insert_plume_member
-- The event belongs to what its station sees at this time.
WITH begun AS (
    INSERT INTO alerting.plume (station) VALUES (%(station)s)
    ON CONFLICT (station) WHERE closed_at IS NULL DO UPDATE SET station = excluded.station RETURNING id
)
INSERT INTO alerting.member AS m (event_id, plume_id, revision, state)
SELECT %(event)s, begun.id, %(revision)s, 'open' FROM begun
ON CONFLICT (event_id) DO UPDATE
SET plume_id = excluded.plume_id, revision = excluded.revision, state = 'open', changed_at = now()

-- name: update_plume_member
UPDATE alerting.member SET revision = %(revision)s, state = %(state)s, changed_at = least(now(), %(over)s)
WHERE event_id = %(event)s

-- name: select_plume_state
-- Whether another event of the same plume is not over; whether the plume is closed already, or there is none.
SELECT coalesce(bool_or(o.event_id <> m.event_id AND o.state = 'open'), false),
       coalesce(bool_or(p.closed_at IS NOT NULL), true)
FROM alerting.member m JOIN alerting.plume p ON p.id = m.plume_id JOIN alerting.member o ON o.plume_id = m.plume_id
WHERE m.event_id = %(event)s

-- name: select_last_notified
-- What receivers know of the event and of the plume it belongs to, in the order they were told.
WITH plume AS (
    SELECT o.event_id FROM alerting.member m JOIN alerting.member o ON o.plume_id = m.plume_id
    WHERE m.event_id = %(event)s
    UNION SELECT %(event)s::text
)
SELECT known.receiver, i.alert ->> 'severity', known.event_id = %(event)s
FROM plume
CROSS JOIN LATERAL (  -- by the index, also in a storm when the planner has not yet heard how large the table became
    SELECT * FROM alerting.decision d WHERE d.event_id = plume.event_id AND d.told AND d.reason <> 'digest' OFFSET 0
) AS known
JOIN alerting.inbox i ON i.event_id = known.event_id AND i.revision = known.revision
ORDER BY known.decided_at

-- name: select_earlier_severities
-- How bad the event was said to be before this revision.
SELECT DISTINCT alert ->> 'severity' FROM alerting.inbox WHERE event_id = %(event)s AND revision < %(revision)s

-- name: close_calm_plumes
-- Closes plumes of which nothing was seen since %(until)s, and of %(station)s, where a new event begins, also one that is
-- older than a plume can be; returns each of their events that had an end, and who was told of it but not yet of that.
WITH quiet AS (
    SELECT p.id FROM alerting.plume p JOIN alerting.member m ON m.plume_id = p.id
    WHERE p.closed_at IS NULL AND (%(station)s::text IS NULL OR p.station = %(station)s) GROUP BY p.id
    HAVING (bool_and(m.state <> 'open') AND max(m.changed_at) <= %(until)s)
        OR (%(station)s::text IS NOT NULL AND p.opened_at <= now() - interval '6 hours')
), closed AS (
    UPDATE alerting.plume p SET closed_at = now() FROM quiet WHERE p.id = quiet.id RETURNING p.id
)
SELECT m.event_id, m.revision, d.receiver FROM closed c
JOIN alerting.member m ON m.plume_id = c.id AND m.state = 'ended'
JOIN alerting.decision d ON d.event_id = m.event_id AND d.revision = m.revision AND d.reason = 'calm_awaited'
ORDER BY m.event_id, d.receiver

-- name: select_plume_severities
-- For everybody who watches a plume: its open events by their newest decided revision, and the severity last told.
SELECT w.receiver, m.plume_id, o.event_id, o.revision, i.alert ->> 'severity', i.received_at,
       (SELECT max(changed_at) FROM alerting.member e WHERE e.plume_id = m.plume_id AND e.state <> 'open'),
       (SELECT li.alert ->> 'severity' FROM alerting.member k
        CROSS JOIN LATERAL (  -- by the index, as in `told`
            SELECT * FROM alerting.decision d WHERE d.event_id = k.event_id AND d.receiver = w.receiver AND d.told OFFSET 0
        ) AS known
        JOIN alerting.inbox li ON li.event_id = known.event_id AND li.revision = known.revision
        WHERE k.plume_id = m.plume_id ORDER BY known.decided_at DESC LIMIT 1)
FROM alerting.watch w
JOIN alerting.member m ON m.event_id = w.event_id
JOIN alerting.member o ON o.plume_id = m.plume_id AND o.state = 'open'
JOIN alerting.inbox i ON i.event_id = o.event_id AND i.revision = o.revision

-- name: select_next_round
SELECT coalesce(max(round) + 1, 0) FROM alerting.decision
WHERE event_id = %(event)s AND revision = %(revision)s AND receiver = %(receiver)s

-- name: select_alert
SELECT alert::text FROM alerting.inbox WHERE event_id = %(event)s AND revision = %(revision)s

-- name: select_lost_stations
-- Told events that are not over at stations that nothing is heard of, and whether that was told.
SELECT w.event_id, w.revision, w.receiver, h.last_heard
FROM alerting.watch w
JOIN alerting.inbox i ON i.event_id = w.event_id AND i.revision = w.revision
JOIN alerting.heard h ON h.station = i.alert ->> 'station'
WHERE w.no_data_at IS NULL AND h.last_heard < now() - make_interval(secs => %(seconds)s)

-- name: mark_no_data
UPDATE alerting.watch SET no_data_at = now() WHERE event_id = %(event)s AND receiver = %(receiver)s

-- name: clear_no_data
UPDATE alerting.watch w SET no_data_at = NULL FROM alerting.inbox i, alerting.heard h
WHERE w.no_data_at IS NOT NULL AND i.event_id = w.event_id AND i.revision = w.revision
  AND h.station = i.alert ->> 'station' AND h.last_heard > w.no_data_at

-- name: select_contacts
SELECT station, area, latitude, longitude, last_heard FROM alerting.heard WHERE last_heard IS NOT NULL

-- name: select_sites
SELECT name, area, latitude, longitude FROM alerting.facility

-- name: select_unreachable
-- Receivers to whom nothing was delivered since the first message that has been waiting, or was refused.
SELECT o.receiver, min(o.created_at) FROM alerting.outbox o
LEFT JOIN alerting.outbox h ON h.id = o.gathered_into
WHERE o.created_at > now() - interval '1 day' AND o.created_at < now() - make_interval(secs => %(seconds)s)
  AND coalesce(h.state, o.state) IN ('pending', 'sending', 'refused', 'unknown') AND o.receiver <> %(keeper)s
  AND NOT EXISTS (SELECT 1 FROM alerting.outbox d WHERE d.receiver = o.receiver AND d.state = 'delivered'
                    AND d.finished_at >= o.created_at)
GROUP BY o.receiver

-- name: select_open_network_alerts
-- Silences that were told and have not ended.
SELECT event_id, revision, alert::text FROM (
    SELECT DISTINCT ON (event_id) event_id, revision, alert FROM alerting.inbox
    WHERE alert ->> 'kind' IN ('silent', 'undeliverable') ORDER BY event_id, revision DESC
) AS newest WHERE alert ->> 'change' IN ('opened', 'updated')

-- name: insert_digest_day
INSERT INTO alerting.digest (day) VALUES (%(day)s) ON CONFLICT DO NOTHING RETURNING day

-- name: select_late_events
-- What was found late and is in no digest yet, by its newest revision.
SELECT DISTINCT ON (d.receiver, d.event_id) d.receiver, d.event_id, d.revision
FROM alerting.decision d
WHERE d.reason = 'detected_late' AND d.decided_at > now() - interval '8 days'
  AND NOT EXISTS (SELECT 1 FROM alerting.decision e
                  WHERE e.event_id = d.event_id AND e.receiver = d.receiver AND e.reason = 'digest')
ORDER BY d.receiver, d.event_id, d.revision DESC

-- name: insert_gathered
-- Into the message of another.
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id, state, gathered_into, finished_at)
SELECT %(event)s, %(revision)s, receiver, channel, %(round)s,
       concat_ws('-', %(event)s::text, %(revision)s, receiver, replace(channel, ':', '-'), %(round)s), 'gathered', id, now()
FROM alerting.outbox
WHERE event_id = %(head)s AND revision = %(head_revision)s AND receiver = %(receiver)s AND round = %(head_round)s
ON CONFLICT DO NOTHING

-- name: insert_decision
INSERT INTO alerting.decision (event_id, revision, receiver, round, told, reason, detail, rules)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(round)s, %(told)s, %(reason)s, %(detail)s, %(rules)s)
ON CONFLICT DO NOTHING

-- name: insert_outbox
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(channel)s, %(round)s,
        concat_ws('-', %(event)s::text, %(revision)s, %(receiver)s::text, replace(%(channel)s, ':', '-'), %(round)s))
ON CONFLICT DO NOTHING

-- name: insert_next_channel
-- What one channel did not deliver goes to the next of the receiver's order, with all that was gathered into it.
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id)
SELECT event_id, revision, receiver, %(channel)s, round,
       concat_ws('-', event_id, revision, receiver, replace(%(channel)s, ':', '-'), round)
FROM alerting.outbox WHERE id = %(id)s OR gathered_into = %(id)s
ON CONFLICT DO NOTHING

-- name: lock_channel_order
-- Two channels of one order may end at the same moment: each must see what came of the other.
SELECT pg_advisory_xact_lock(7402983, hashtext(receiver || event_id)) FROM alerting.outbox WHERE id = %(id)s

-- name: skip_this_channel
UPDATE alerting.outbox o SET state = 'spared', finished_at = now()
WHERE o.id = %(id)s AND o.state = 'pending'
  AND EXISTS (SELECT 1 FROM alerting.outbox d
              WHERE d.event_id = o.event_id AND d.revision = o.revision AND d.receiver = o.receiver
                AND d.round = o.round AND d.state = 'delivered')

-- name: skip_other_channels
-- One channel of the order has delivered: what the others still wanted to try is not needed.
UPDATE alerting.outbox o SET state = 'spared', finished_at = now()
FROM alerting.outbox d
WHERE (d.id = %(id)s OR d.gathered_into = %(id)s) AND o.event_id = d.event_id AND o.revision = d.revision
  AND o.receiver = d.receiver AND o.round = d.round AND o.state = 'pending'

-- name: mark_dispatched
UPDATE alerting.inbox SET dispatched_at = now() WHERE event_id = %(event)s AND revision = %(revision)s

-- name: upsert_watch
INSERT INTO alerting.watch (event_id, receiver, revision, told_at, last_at)
VALUES (%(event)s, %(receiver)s, %(revision)s, %(now)s, %(now)s)
ON CONFLICT (event_id, receiver) DO UPDATE SET revision = excluded.revision, round = 0, last_at = excluded.last_at

-- name: delete_watches
-- Nothing is to be answered any more once no event of the plume goes on.
DELETE FROM alerting.watch w
WHERE w.event_id = %(event)s
   OR w.event_id IN (SELECT o.event_id FROM alerting.member m JOIN alerting.member o ON o.plume_id = m.plume_id
                     WHERE m.event_id = %(event)s)

-- name: select_unacknowledged
-- Events that are not over, were told before %(before)s, and that nobody has acknowledged.
SELECT w.event_id, w.receiver, w.revision, w.round, w.told_at, w.last_at, w.escalated_at IS NOT NULL, i.alert::text
FROM alerting.watch w JOIN alerting.inbox i ON i.event_id = w.event_id AND i.revision = w.revision
WHERE (w.last_at <= %(before)s OR (w.escalated_at IS NULL AND w.told_at <= %(before)s))
  AND NOT EXISTS (SELECT 1 FROM alerting.acknowledgement a WHERE a.event_id = w.event_id)
  AND NOT EXISTS (SELECT 1 FROM alerting.member m JOIN alerting.member o ON o.plume_id = m.plume_id
                  JOIN alerting.acknowledgement a ON a.event_id = o.event_id WHERE m.event_id = w.event_id)
FOR UPDATE OF w SKIP LOCKED

-- name: update_watch
UPDATE alerting.watch
SET round = round + 1,
    last_at = CASE WHEN %(escalated)s THEN last_at ELSE %(now)s END,
    escalated_at = CASE WHEN %(escalated)s THEN %(now)s ELSE escalated_at END
WHERE event_id = %(event)s AND receiver = %(receiver)s

-- name: select_silences_version
-- The sum: one may end in the same moment in which another is committed that was begun before the newest.
SELECT count(*), max(changed_at), sum(id) FROM alerting.silence WHERE ends_at > now()

-- name: select_silences
SELECT id, match, author, reason, starts_at, ends_at, kind FROM alerting.silence WHERE ends_at > now() ORDER BY id

-- name: lock_outbox
-- Claims are made one at a time, so that what is gathered is gathered once.
SELECT pg_advisory_xact_lock(7402981)

-- name: lease_notification
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

-- name: gather_pending
UPDATE alerting.outbox g SET state = 'gathered', gathered_into = h.id, finished_at = now()
FROM alerting.outbox h
WHERE h.id = %(id)s AND g.receiver = h.receiver AND g.channel = h.channel AND g.state = 'pending' AND g.attempts = 0

-- name: select_gathered
SELECT i.alert::text FROM alerting.outbox g
JOIN alerting.inbox i ON i.event_id = g.event_id AND i.revision = g.revision
WHERE g.gathered_into = %(id)s ORDER BY g.id

-- name: select_time_series
SELECT at, value, flags FROM alerting.curve(%(station)s, %(property)s, %(since)s, %(until)s)

-- name: select_signing_keys
SELECT id, secret FROM alerting.signing_key WHERE retired_at IS NULL

-- name: select_original
-- The first message of the same event that reached the same receiver by the same channel, or was gathered into one.
SELECT h.message_id, h.finished_at, i.received_at, said.alert ->> 'severity'
FROM alerting.outbox m
JOIN alerting.outbox o ON o.event_id = m.event_id AND o.receiver = m.receiver AND o.channel = m.channel AND o.id < m.id
JOIN alerting.outbox h ON h.id = coalesce(o.gathered_into, o.id) AND h.state = 'delivered'
JOIN alerting.inbox i ON i.event_id = h.event_id AND i.revision = h.revision
JOIN alerting.inbox said ON said.event_id = o.event_id AND said.revision = o.revision
WHERE m.id = %(id)s ORDER BY o.id LIMIT 1

-- name: insert_delivery
INSERT INTO alerting.delivery (outbox_id, attempt, began_at, outcome, detail, sha256, bytes, rules)
SELECT o.id, %(attempt)s, %(began)s, %(outcome)s, %(detail)s, %(sha256)s, %(bytes)s,
       coalesce((SELECT d.rules FROM alerting.decision d WHERE d.event_id = o.event_id AND d.revision = o.revision
                   AND d.receiver = o.receiver AND d.round = o.round), '')
FROM alerting.outbox o WHERE o.id = %(id)s
ON CONFLICT DO NOTHING

-- name: insert_content
INSERT INTO alerting.sent (sha256, content) VALUES (%(sha256)s, %(content)s) ON CONFLICT DO NOTHING

-- name: finish_attempt
UPDATE alerting.outbox
SET state = %(state)s, lease_until = NULL, next_attempt_at = coalesce(%(next)s, next_attempt_at),
    finished_at = CASE WHEN %(state)s = 'pending' THEN NULL ELSE now() END
WHERE id = %(id)s AND fence = %(fence)s AND state = 'sending'

-- name: select_disabled_target
SELECT since FROM alerting.gone WHERE target = %(target)s

-- name: disable_target
INSERT INTO alerting.gone (target) VALUES (%(target)s) ON CONFLICT DO NOTHING

-- name: enable_target
DELETE FROM alerting.gone WHERE target = %(target)s

-- name: count_queues
SELECT (SELECT count(*) FROM alerting.inbox WHERE dispatched_at IS NULL),
       (SELECT count(*) FROM alerting.outbox WHERE state IN ('pending', 'sending'))

-- name: select_event
SELECT 1 FROM alerting.inbox WHERE event_id = %(event)s LIMIT 1

-- name: insert_acknowledgement
INSERT INTO alerting.acknowledgement (event_id, who, note) VALUES (%(event)s, %(who)s, %(note)s)

-- name: insert_silence
INSERT INTO alerting.silence (match, author, reason, starts_at, ends_at, changed_by, kind)
VALUES (%(match)s, %(author)s, %(reason)s, coalesce(%(starts)s, now()), %(ends)s, %(author)s, %(kind)s) RETURNING id

-- name: list_silences
SELECT id, kind, match, author, reason, starts_at, ends_at FROM alerting.silence WHERE ends_at > now() ORDER BY starts_at, id

-- name: select_registry_values
SELECT label, value FROM alerting.known

-- name: end_silence
UPDATE alerting.silence SET ends_at = greatest(now(), starts_at), changed_at = now(), changed_by = %(who)s
WHERE id = %(id)s AND ends_at > now()
