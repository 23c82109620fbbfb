-- name: select_cases
-- Open events and those received in the last 24 hours, by their newest revision; the newest first.
SELECT newest.alert::text AS alert, newest.is_ongoing, newest.received_at FROM (
    SELECT DISTINCT ON (i.event_id) i.event_id, i.alert, i.received_at,
           m.state IS NOT DISTINCT FROM 'open' AS is_ongoing
    FROM alerting.inbox i
    LEFT JOIN alerting.member m ON m.event_id = i.event_id
    WHERE (i.received_at > now() - interval '1 day'
           OR i.event_id IN (SELECT o.event_id FROM alerting.member o WHERE o.state = 'open'))
      AND (%(areas)s::text[] IS NULL OR i.alert ->> 'area' = ANY(%(areas)s))
    ORDER BY i.event_id, i.revision DESC
) AS newest
ORDER BY newest.alert ->> 'onset' DESC, newest.event_id LIMIT %(most)s

-- name: select_network_cases
-- Alerts about the network of the last day, by their newest revision; the newest first.
SELECT newest.alert::text AS alert, false AS is_ongoing, newest.received_at FROM (
    SELECT DISTINCT ON (i.event_id) i.event_id, i.alert, i.received_at FROM alerting.inbox i
    WHERE i.alert ->> 'kind' IN ('silent', 'undeliverable', 'copied', 'wrong_clock')
      AND i.received_at > now() - interval '1 day'
      AND (%(areas)s::text[] IS NULL OR i.alert ->> 'area' = ANY(%(areas)s))
    ORDER BY i.event_id, i.revision DESC
) AS newest
ORDER BY newest.received_at DESC, newest.event_id LIMIT %(most)s

-- name: select_plume_cases
-- The events of a plume by their newest revision.
SELECT DISTINCT ON (i.event_id) i.alert::text AS alert, m.state IS NOT DISTINCT FROM 'open' AS is_ongoing, i.received_at
FROM alerting.inbox i LEFT JOIN alerting.member m ON m.event_id = i.event_id
WHERE i.alert ->> 'plume' = %(plume)s AND i.alert ->> 'plume' <> ''
ORDER BY i.event_id, i.revision DESC LIMIT %(most)s

-- name: select_case
SELECT i.alert::text AS alert, m.state IS NOT DISTINCT FROM 'open' AS is_ongoing, i.received_at FROM alerting.inbox i
LEFT JOIN alerting.member m ON m.event_id = i.event_id
WHERE i.event_id = %(event)s ORDER BY i.revision DESC LIMIT 1

-- name: select_steps
-- Every revision, decision, delivery and acknowledgement of these events, in order of time.
SELECT step.event_id, (step.body || jsonb_build_object('at', step.at))::text AS step FROM (
    SELECT i.event_id, i.received_at AS at, 0 AS rank,
           jsonb_build_object('step', 'seen', 'revision', i.revision, 'change', i.alert -> 'change',
                              'severity', i.alert -> 'severity', 'confidence', i.alert -> 'confidence') AS body
    FROM alerting.inbox i WHERE i.event_id = ANY(%(events)s)
  UNION ALL
    SELECT d.event_id, d.decided_at, 1,
           jsonb_build_object('step', 'decided', 'revision', d.revision, 'receiver', d.receiver, 'told', d.told,
                              'reason', d.reason, 'detail', d.detail, 'rules', d.rules)
    FROM alerting.decision d WHERE d.event_id = ANY(%(events)s)
  UNION ALL
    -- the attempts of a notification, and of the one into which it was gathered
    SELECT n.event_id, y.ended_at, n.rank,
           jsonb_build_object('step', 'tried', 'revision', n.revision, 'receiver', n.receiver, 'channel', n.channel,
                              'attempt', y.attempt, 'outcome', y.outcome, 'detail', y.detail, 'rules', y.rules,
                              'bytes', y.bytes, 'sha256', encode(y.sha256, 'hex'),
                              'addressees', coalesce(a.outcomes, '[]'::jsonb))
    FROM (
        SELECT o.event_id, o.revision, o.receiver, o.channel, o.id AS outbox_id, 2 AS rank
        FROM alerting.outbox o WHERE o.event_id = ANY(%(events)s)
      UNION ALL
        SELECT g.event_id, g.revision, g.receiver, g.channel, g.gathered_into, 3
        FROM alerting.outbox g WHERE g.event_id = ANY(%(events)s)
    ) AS n
    JOIN alerting.delivery y ON y.outbox_id = n.outbox_id
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(jsonb_build_object('addressee', x.addressee, 'outcome', x.outcome, 'detail', x.detail)
                         ORDER BY x.addressee) AS outcomes
        FROM alerting.addressee_outcome x WHERE x.outbox_id = y.outbox_id AND x.attempt = y.attempt
    ) AS a ON true
  UNION ALL
    SELECT o.event_id, o.finished_at, 2,
           jsonb_build_object('step', 'gathered', 'revision', o.revision, 'receiver', o.receiver, 'channel', o.channel,
                              'message', h.message_id)
    FROM alerting.outbox o JOIN alerting.outbox h ON h.id = o.gathered_into WHERE o.event_id = ANY(%(events)s)
  UNION ALL
    SELECT o.event_id, o.finished_at, 3,
           jsonb_build_object('step', 'spared', 'revision', o.revision, 'receiver', o.receiver, 'channel', o.channel)
    FROM alerting.outbox o WHERE o.event_id = ANY(%(events)s) AND o.state = 'spared'
  UNION ALL
    SELECT a.event_id, a.said_at, 4,
           jsonb_build_object('step', 'answered', 'who', a.who, 'note', a.note, 'via', a.via)
    FROM alerting.acknowledgement a WHERE a.event_id = ANY(%(events)s)
) AS step
ORDER BY step.at, step.rank, step.body::text COLLATE "C"

-- name: select_revisions
SELECT revision, alert::text AS alert FROM alerting.inbox WHERE event_id = %(event)s

-- name: select_contents
SELECT DISTINCT encode(s.sha256, 'hex') AS sha256, s.content FROM alerting.sent s
JOIN alerting.delivery y ON y.sha256 = s.sha256 JOIN alerting.outbox o ON o.id = y.outbox_id
WHERE o.event_id = %(event)s OR o.id IN (SELECT g.gathered_into FROM alerting.outbox g WHERE g.event_id = %(event)s)

-- name: insert_acknowledgement
-- Once per author and note within a minute: a form sent twice adds nothing.
INSERT INTO alerting.acknowledgement (event_id, who, note, via)
SELECT %(event)s, %(author)s, %(note)s, 'account'
WHERE NOT EXISTS (SELECT 1 FROM alerting.acknowledgement a
                  WHERE a.event_id = %(event)s AND a.who = %(author)s AND a.note = %(note)s
                    AND a.said_at > now() - interval '1 minute')

-- name: select_silences
-- In force or to come. The area that a silence is limited to is one of its matchers.
SELECT id, match, author, reason, starts_at, ends_at, kind FROM alerting.silence WHERE ends_at > now()
ORDER BY starts_at DESC, id DESC LIMIT %(most)s

-- name: select_every_silence
-- In the order in which the workers read them.
SELECT id, match, author, reason, starts_at, ends_at, kind FROM alerting.silence WHERE ends_at > now() ORDER BY id

-- name: select_silence
SELECT id, match, author, reason, starts_at, ends_at, kind FROM alerting.silence WHERE id = %(id)s

-- name: insert_silence
INSERT INTO alerting.silence (match, author, reason, starts_at, ends_at, changed_by, kind)
VALUES (%(match)s, %(author)s, %(reason)s, %(starts_at)s, %(ends_at)s, %(author)s, %(kind)s)
RETURNING id, match, author, reason, starts_at, ends_at, kind

-- name: end_silence
UPDATE alerting.silence SET ends_at = greatest(now(), starts_at), changed_at = now(), changed_by = %(author)s
WHERE id = %(id)s AND ends_at > now()
